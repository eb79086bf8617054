//! A rollout that is watched: a line for each of its steps, and now and then for a long one.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{Stage, StageError};

/// How often the lane is asked.
const LOOK: Duration = Duration::from_millis(500);

/// How long a step goes on before it is said that it does.
const LONG: Duration = Duration::from_secs(5);

/// Waits until so many rollouts have ended, and tells meanwhile how the one that is active goes.
pub(super) async fn until_ended(stage: &Stage, count: usize) -> Result<Vec<String>, StageError> {
    tokio::select! {
        ends = stage.until_ended(count) => ends,
        failed = tell(stage) => Err(failed),
    }
}

/// Tells what happens, until it cannot be asked.
async fn tell(stage: &Stage) -> StageError {
    let mut watched = Watched::default();
    loop {
        match stage.ask("status").await {
            Ok(status) => {
                for line in watched.lines(&status, Instant::now()) {
                    eprintln!("   {}", with_names(stage, line));
                }
            }
            Err(error) => return error,
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Hosts by their names, as the rest of the demo calls them.
fn with_names(stage: &Stage, line: String) -> String {
    let hosts = &stage.environment.record().hosts;
    hosts.iter().fold(line, |line, host| line.replace(&host.instance_id, &host.name))
}

/// What was told of the rollout that is active.
#[derive(Debug, Default)]
struct Watched {
    rollout: String,
    began: Option<Instant>,
    steps: usize,
    told: Option<Instant>,
}

impl Watched {
    /// What is new: steps, else that the last one goes on.
    fn lines(&mut self, status: &Value, now: Instant) -> Vec<String> {
        let Some(rollout) = status.pointer("/lane/rollout").filter(|it| !it.is_null()) else {
            return Vec::new();
        };
        let text = |from: &Value, name: &str| {
            from.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let number = |at: &str| rollout.pointer(at).and_then(Value::as_u64).unwrap_or_default();
        let id = text(rollout, "id");
        if self.rollout != id {
            *self = Self { rollout: id, began: Some(now), ..Self::default() };
        }
        let elapsed = now.duration_since(self.began.unwrap_or(now)).as_secs();
        let back = rollout.get("course").and_then(Value::as_str) == Some("back");
        let wave = if back {
            "turning back".to_owned()
        } else {
            format!("wave {} of {}", number("/wave"), number("/waves"))
        };
        let expected = number("/estimate/seconds");
        let head = format!("{} of about {}, {wave}", minutes(elapsed), minutes(expected));
        let steps = rollout.get("transitions").and_then(Value::as_array);
        let steps = steps.map(Vec::as_slice).unwrap_or_default();
        let new = steps.get(self.steps..).unwrap_or_default().iter();
        let mut lines: Vec<String> =
            new.map(|it| format!("{head}, {}: {}", text(it, "phase"), text(it, "text"))).collect();
        self.steps = steps.len();
        let is_long = self.told.is_some_and(|at| now.duration_since(at) >= LONG);
        if lines.is_empty() && is_long {
            let phase = status.pointer("/lane/phase").and_then(Value::as_str);
            lines.push(format!("{head}, still {}", phase.unwrap_or_default()));
        }
        if !lines.is_empty() {
            self.told = Some(now);
        }
        lines
    }
}

/// `1:05`
fn minutes(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_step_is_told_once_and_a_long_one_again() {
        let status = |steps: &[&str]| {
            let steps: Vec<Value> =
                steps.iter().map(|it| json!({ "phase": "draining", "text": it })).collect();
            json!({ "lane": { "phase": "draining", "rollout": {
                "id": "1", "course": "forward", "wave": 1, "waves": 2,
                "estimate": { "seconds": 95 }, "transitions": steps,
            } } })
        };
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut watched = Watched::default();
        let first = watched.lines(&status(&["i-1"]), begun);
        assert_eq!(first, ["0:00 of about 1:35, wave 1 of 2, draining: i-1"]);
        assert!(watched.lines(&status(&["i-1"]), after(4)).is_empty());
        let long = watched.lines(&status(&["i-1"]), after(65));
        assert_eq!(long, ["1:05 of about 1:35, wave 1 of 2, still draining"]);
        let next = watched.lines(&status(&["i-1", "i-2"]), after(66));
        assert_eq!(next, ["1:06 of about 1:35, wave 1 of 2, draining: i-2"]);
        assert!(watched.lines(&json!({ "lane": { "rollout": null } }), after(99)).is_empty());
    }
}
