//! What a rollout that has ended tells of how well changes go.

use std::time::Duration;

use super::{Datum, Metric, Subject};
use crate::name::LaneId;
use crate::rollout::{Cause, End, Rollout, Transition};
use crate::time::Timestamp;

/// The phase in which a person is waited for.
const ASKING: &str = "asking";

/// What a rollout that has ended counts as. `committed` is when the commit of its candidate was
/// made, where a pipeline has said so.
///
/// A restart is no change, so it counts as a rollout and never as a change. A repair is counted
/// by the hosts that run something else. One that a gate
/// rejected, that a person stopped or that another one passed over is nobody's failure.
#[must_use]
pub fn of_rollout(lane: &LaneId, rollout: &Rollout, committed: Option<Timestamp>) -> Vec<Datum> {
    let Some((end, _)) = rollout.end().filter(|_| rollout.cause != Cause::Repair) else {
        return Vec::new();
    };
    let Some(at) = rollout.history.last().map(|line| line.at) else { return Vec::new() };
    let waited = waited(&rollout.history);
    let took = at.since(rollout.started).saturating_sub(waited);
    let mut data = Vec::new();
    let mut push = |metric, value| {
        data.push(Datum::new(metric, Subject::lane(lane), value, at));
    };
    let (counted, failed) = match end {
        End::Succeeded => (Metric::RolloutsSucceeded, false),
        End::Failed => (Metric::RolloutsFailed, true),
        End::Restored => (Metric::RolloutsRestored, true),
        End::Stuck => (Metric::RolloutsStuck, true),
        End::Halted => (Metric::RolloutsHalted, true),
        End::Rejected | End::Aborted | End::Superseded => return data,
    };
    push(counted, 1.0);
    push(Metric::RolloutDuration, took.as_secs_f64());
    if !waited.is_zero() {
        push(Metric::HumanWait, waited.as_secs_f64());
    }
    for (began, over) in rollout.waves_at.iter().zip(rollout.waves_at.iter().skip(1)) {
        push(Metric::WaveDuration, over.since(*began).as_secs_f64());
    }
    let changes = matches!(rollout.cause, Cause::Push | Cause::Deploy);
    let taken_back = rollout.cause == Cause::Rollback && end == End::Succeeded;
    if (changes && failed) || taken_back {
        push(Metric::ChangeFailed, 1.0);
    }
    if taken_back {
        push(Metric::TimeToRestore, took.as_secs_f64());
    } else if changes && end == End::Restored {
        let failed_at = rollout.turned_back_at.unwrap_or(rollout.started);
        push(Metric::TimeToRestore, at.since(failed_at).as_secs_f64());
    }
    if let (true, false, Some(committed)) = (changes, failed, committed) {
        push(Metric::LeadTime, at.since(committed).as_secs_f64());
    }
    data
}

/// How long a person was waited for: from each line of that phase to the next line.
fn waited(history: &[Transition]) -> Duration {
    let lines = history.iter().zip(history.iter().skip(1));
    let asking = lines.filter(|(line, _)| line.phase == ASKING);
    asking.map(|(line, next)| next.at.since(line.at)).sum()
}
