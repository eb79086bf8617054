//! The log of what happens to lanes: one line for each transition, when it has been saved.
//!
//! A transition that is not saved has not happened, so the lines are written where lanes are
//! saved, and what was saved before is not written again.

use std::collections::BTreeMap;
use std::sync::Mutex;

use esclusa_core::lane::{Blocker, Lane};
use esclusa_core::name::LaneId;
use esclusa_core::reason::Code;
use esclusa_core::rollout::{End, Rollout, RolloutId, Transition};
use tracing::{error, info, warn};

use crate::lock;

/// What has been logged of each lane that this process has loaded.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<BTreeMap<LaneId, Logged>>);

#[derive(Debug, Default)]
struct Logged {
    /// The last line of the rollout that was active.
    rollout: Option<(RolloutId, Option<Transition>)>,
    blocker: Option<Blocker>,
}

impl Logged {
    fn of(lane: &Lane) -> Self {
        let last = |it: &Rollout| (it.id.clone(), it.history.last().cloned());
        Self { rollout: lane.rollout.as_ref().map(last), blocker: lane.blocker.clone() }
    }

    /// The lines of a rollout that have not been logged, with the phase before each.
    fn news<'a>(&self, rollout: &'a Rollout) -> impl Iterator<Item = (&'a str, &'a Transition)> {
        let last = self.rollout.as_ref().filter(|(id, _)| *id == rollout.id);
        let last = last.and_then(|(_, line)| line.as_ref());
        let lines = &rollout.history;
        let known = last.and_then(|last| lines.iter().rposition(|line| line == last));
        let from = known.map_or(0, |index| index.saturating_add(1));
        let before = lines.iter().map(|line| line.phase.as_str());
        let before = std::iter::once("none").chain(before);
        before.zip(lines).skip(from)
    }
}

impl Journal {
    /// Takes a loaded lane as logged.
    pub(crate) fn begin(&self, id: &LaneId, lane: Option<&Lane>) {
        lock(&self.0).insert(id.clone(), lane.map(Logged::of).unwrap_or_default());
    }

    /// Logs what is new in a lane that has just been saved.
    pub(crate) fn saved(&self, lane: &Lane) {
        let before = lock(&self.0).insert(lane.id.clone(), Logged::of(lane)).unwrap_or_default();
        for rollout in lane.ended.iter().chain(&lane.rollout) {
            for (from, line) in before.news(rollout) {
                transition(&lane.id, rollout, from, line);
            }
        }
        match &lane.blocker {
            Some(blocker)
                if before.blocker.as_ref().is_none_or(|it| it.reason != blocker.reason) =>
            {
                blocked(&lane.id, blocker);
            }
            Some(_) | None => {}
        }
    }
}

fn transition(lane: &LaneId, rollout: &Rollout, from: &str, entered: &Transition) {
    let (service, environment) = (lane.service.as_str(), lane.environment.as_str());
    let (id, to, text) = (rollout.id.0.as_str(), entered.phase.as_str(), entered.text.as_str());
    let end = rollout.end().filter(|_| to == "ended");
    let code = end.map(|(_, reason)| reason.code.as_str());
    let (candidate, digest) = (rollout.candidate.label.as_str(), rollout.candidate.digest.as_str());
    macro_rules! line {
        ($level:ident) => {
            $level!(service, environment, rollout = id, candidate, digest, from, to, code, "{text}")
        };
    }
    match end {
        Some((End::Stuck | End::Halted, _)) => line!(error),
        Some((End::Rejected | End::Failed | End::Restored | End::Aborted, _)) => line!(warn),
        Some((End::Succeeded | End::Superseded, _)) | None => line!(info),
    }
}

/// Logs why a lane does not roll out what it should.
fn blocked(lane: &LaneId, blocker: &Blocker) {
    let (service, environment) = (lane.service.as_str(), lane.environment.as_str());
    let code = blocker.reason.code.as_str();
    let lifts_at = blocker.lifts_at.map(tracing::field::display);
    let text = &blocker.reason.text;
    if blocker.reason.code == Code::LANE_FROZEN || blocker.reason.code == Code::LANE_HELD {
        info!(service, environment, code, lifts_at, "{text}");
    } else {
        warn!(service, environment, code, lifts_at, "{text}");
    }
}
