//! The queue that wakes lanes.

use std::time::Duration;

use esclusa_core::name::LaneId;
use esclusa_shell::ports::{Queue, Unavailable};
use serde_json::json;

use crate::Aws;
use crate::failure::unavailable;

/// SQS's limit on `DelaySeconds`.
const LONGEST_DELAY: i32 = 900;

impl<M: Send + Sync> Queue for Aws<M> {
    async fn wake(
        &self,
        lane: &LaneId,
        sequence: Option<u64>,
        delay: Duration,
    ) -> Result<(), Unavailable> {
        let sent = (self.sqs.send_message())
            .queue_url(&self.names.lanes_queue)
            .message_body(body(lane, sequence))
            .delay_seconds(seconds(delay))
            .send()
            .await;
        let doing = || unavailable(format!("send a message that wakes lane `{lane}`"));
        sent.map_err(|error| doing()(error.into()))?;
        Ok(())
    }
}

/// What `event` reads as a wake-up.
fn body(lane: &LaneId, sequence: Option<u64>) -> String {
    let lane = lane.to_string();
    match sequence {
        Some(sequence) => json!({ "esclusa": "wake", "lane": lane, "sequence": sequence }),
        None => json!({ "esclusa": "wake", "lane": lane }),
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
