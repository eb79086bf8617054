//! The queue that wakes lanes, and that of retention's tasks.

use std::time::Duration;

use esclusa_core::name::LaneId;
use esclusa_shell::drive::Hint;
use esclusa_shell::ports::{BoxError, Queue, Unavailable};
use esclusa_shell::retain::Task;
use esclusa_shell::retain::ports::Tasks;
use serde_json::json;

use crate::failure::unavailable;
use crate::{Aws, Shelves, event};

/// SQS's limit on `DelaySeconds`.
const LONGEST_DELAY: i32 = 900;

impl<M: Send + Sync> Queue for Aws<M> {
    async fn wake(&self, lane: &LaneId, hint: Hint, delay: Duration) -> Result<(), Unavailable> {
        let sent = self.message(&self.names.lanes_queue, body(lane, hint), delay).await;
        sent.map_err(unavailable(format!("send a message that wakes lane `{lane}`")))
    }
}

impl Tasks for Aws<Shelves> {
    async fn send(&self, task: &Task, delay: Duration) -> Result<(), Unavailable> {
        let doing = || unavailable(format!("send {}", named(task)));
        let body =
            event::body(task).ok_or_else(|| doing()("ECR sends it, not retention".into()))?;
        let sent = self.message(&self.own.names.images_queue, body, delay).await;
        sent.map_err(doing())
    }
}

impl<M> Aws<M> {
    async fn message(&self, queue: &str, body: String, delay: Duration) -> Result<(), BoxError> {
        let call = self.sqs.send_message().queue_url(queue).message_body(body);
        call.delay_seconds(seconds(delay)).send().await?;
        Ok(())
    }
}

/// A task in words.
fn named(task: &Task) -> String {
    match task {
        Task::Pushed(service) => format!("a push to `{service}`"),
        Task::Due(service, _) | Task::One(service) => format!("the task to look at `{service}`"),
        Task::All => "the task to look at every service".to_owned(),
        Task::GoOn(run) => format!("the rest of a run on `{}`", run.service),
    }
}

/// What `event` reads as a wake-up.
fn body(lane: &LaneId, hint: Hint) -> String {
    let lane = lane.to_string();
    match hint {
        Hint::WakeUp { sequence } => {
            json!({ "esclusa": "wake", "lane": lane, "sequence": sequence })
        }
        Hint::Secrets => json!({ "esclusa": "wake", "lane": lane, "secrets": true }),
        Hint::Outside | Hint::Inside => json!({ "esclusa": "wake", "lane": lane }),
    }
    .to_string()
}

/// Whole seconds, rounded up: a lane that wakes too early has to wake again.
fn seconds(delay: Duration) -> i32 {
    let whole = delay.as_millis().div_ceil(1000);
    i32::try_from(whole).unwrap_or(LONGEST_DELAY).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_and_kept_within_what_sqs_takes() {
        for (millis, expected) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (u64::MAX, 900)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected, "{millis} ms");
        }
    }
}
