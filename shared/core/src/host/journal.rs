//! What a host writes down of the orders of one service.

use std::collections::{BTreeMap, BTreeSet};

use super::health::Watch;
use super::order::{Order, Wanted};
use super::snapshot::Snapshot;
use crate::name::LaneId;
use crate::order::{Fence, LastChange};
use crate::reason::Reason;
use crate::release::Running;
use crate::time::Timestamp;

/// All that is kept of a service on a host.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The newest order that was seen; nothing before the first.
    pub newest: Option<NewestOrder>,
    /// The order that is being carried out, or was cut off.
    pub journal: Option<Journal>,
    /// The last order that ended and changed what serves.
    pub finished: Option<Finished>,
    /// What the last order that was to run something once has begun.
    pub begun_once: Option<BegunOnce>,
    /// The last order that ended and ran what runs once.
    pub ran_once: Option<Finished>,
    /// What ran before an order, by the order's fence; the newest ones.
    pub snapshots: BTreeMap<Fence, Snapshot>,
    /// Snapshots whose containers the engine could make again as they were, by fence.
    pub remembered: BTreeSet<Fence>,
    /// Images that were activated, the newest first, as orders named them.
    pub history: Vec<String>,
    /// The image that was fetched last.
    pub fetched: Option<String>,
    /// References that Esclusa pulled here: only those are ever removed.
    pub pulled: BTreeSet<String>,
}

/// The newest order that a host has seen, as far as it decides about those that come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestOrder {
    /// Whose it was.
    pub lane: LaneId,
    /// Its fence, which says nothing about another lane's.
    pub fence: Fence,
    /// When it was to have begun: what tells the orders of two lanes apart, for a host that moved
    /// from one environment to the other.
    pub not_after: Timestamp,
}

impl NewestOrder {
    /// What is kept of an order once it has been let in.
    #[must_use]
    pub fn of(order: &Order, before: Option<&Self>) -> Self {
        let seen = before.map(|it| it.not_after).unwrap_or_default();
        let not_after = order.not_after.max(seen);
        Self { lane: order.lane.clone(), fence: order.fence, not_after }
    }
}

/// An activation that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Of the order.
    pub fence: Fence,
    /// What it is to run.
    pub wanted: Wanted,
    /// `change` or `restart`.
    pub mode: String,
    /// How far it is.
    pub phase: Phase,
    /// When it began, by the host's clock.
    pub began: Timestamp,
    /// When its present phase began.
    pub phase_began: Timestamp,
    /// Whose snapshot is the way back: this order's own, or that of one that was cut off before it.
    pub snapshot: Fence,
    /// What ran when it began.
    pub before: Running,
    /// The files that Compose was given.
    pub files: super::files::Files,
    /// How many containers of each service of the repository are to run.
    pub targets: BTreeMap<String, u32>,
    /// How many the files ask for, by service.
    pub replicas_of_files: BTreeMap<String, u32>,
    /// Services of other images that were to be made, in their order.
    pub dependencies: Vec<String>,
    /// Services of other images that are made again, because they share something with a target.
    pub sharers: Vec<String>,
    /// Services of other images that are restarted afterwards.
    pub restarts: Vec<String>,
    /// Sentences for a person.
    pub warnings: Vec<String>,
    /// Why it turned back; nothing while it goes forward.
    pub failure: Option<Reason>,
    /// New ids of containers that were made again on the way back, by their old ones.
    pub replaced: BTreeMap<String, String>,
}

/// How far an activation is. Each phase is written down before its step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The pin is being written.
    Pinning,
    /// Dependencies are being started.
    StartingDependencies,
    /// Dependencies are watched until they are well.
    AwaitingDependencies,
    /// Compose brings the targets up.
    Changing,
    /// What shares something with the targets is made again.
    RecreatingSharers,
    /// Dependants are being restarted.
    RestartingDependants,
    /// The containers are watched until they are well.
    Judging,
    /// The HTTP probe is asked.
    Probing,
    /// What answered is looked at once more.
    Settling,
    /// What ran before is being put back.
    Restoring,
    /// What was put back is watched.
    JudgingRestored,
    /// Containers are being stopped, because nothing is to run.
    Stopping,
}

/// What an order has begun to run once. Each service is written down before it is started, so that
/// nothing is begun twice, whoever removes its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunOnce {
    /// Of the order.
    pub fence: Fence,
    /// The services, in the order in which they were begun.
    pub services: Vec<String>,
}

/// An order that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Of the order.
    pub fence: Fence,
    /// What it was to run, as the order named it.
    pub wanted: String,
    /// `change` or `restart`.
    pub mode: String,
    /// The line that was answered.
    pub answer: String,
    /// The exit code that went with it.
    pub exit: u8,
    /// How many containers of each service are to run since; empty after a failure.
    pub targets: BTreeMap<String, u32>,
    /// How many the files asked for at that time, by service.
    pub replicas_of_files: BTreeMap<String, u32>,
    /// The files that Compose was given.
    pub files: super::files::Files,
    /// Containers that were there when it ended, by id.
    pub containers: BTreeSet<String>,
}

impl Phase {
    /// Every phase, in the order of an activation.
    pub const ALL: [Self; 12] = [
        Self::Pinning,
        Self::StartingDependencies,
        Self::AwaitingDependencies,
        Self::Changing,
        Self::RecreatingSharers,
        Self::RestartingDependants,
        Self::Judging,
        Self::Probing,
        Self::Settling,
        Self::Restoring,
        Self::JudgingRestored,
        Self::Stopping,
    ];

    /// The word that is written down.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pinning => "pinning",
            Self::StartingDependencies => "starting-dependencies",
            Self::AwaitingDependencies => "awaiting-dependencies",
            Self::Changing => "changing",
            Self::RecreatingSharers => "recreating-sharers",
            Self::RestartingDependants => "restarting-dependants",
            Self::Judging => "judging",
            Self::Probing => "probing",
            Self::Settling => "settling",
            Self::Restoring => "restoring",
            Self::JudgingRestored => "judging-restored",
            Self::Stopping => "stopping",
        }
    }

    /// Whether an order in this phase goes back.
    #[must_use]
    pub const fn goes_back(self) -> bool {
        matches!(self, Self::Restoring | Self::JudgingRestored)
    }
}

impl Journal {
    /// The same, in another phase since now.
    #[must_use]
    pub fn entering(&self, phase: Phase, now: Timestamp) -> Self {
        Self { phase, phase_began: now, ..self.clone() }
    }

    /// The same, its phase counted from now: from when the step before it was taken, or an order
    /// that was cut off is carried on.
    #[must_use]
    pub fn watched_from(&self, now: Timestamp) -> Self {
        self.entering(self.phase, now)
    }

    /// The same, on the way back for this reason.
    #[must_use]
    pub fn turning_back(&self, reason: Reason, now: Timestamp) -> Self {
        Self { failure: Some(reason), ..self.entering(Phase::Restoring, now) }
    }

    /// How containers are judged in this phase.
    pub(super) fn watch(&self, now: Timestamp, deadline: Option<u64>) -> Watch {
        Watch { now, made_since: self.began, since: Some(self.phase_began), deadline }
    }

    /// Whether it is of this order.
    #[must_use]
    pub fn is_of(&self, order: &Order) -> bool {
        self.fence == order.fence
    }
}

impl Kept {
    /// What an order has begun to run once, with one service more.
    #[must_use]
    pub fn beginning_once(&self, fence: Fence, service: &str) -> BegunOnce {
        let known = self.begun_once.as_ref().filter(|it| it.fence == fence);
        let mut services = known.map(|it| it.services.clone()).unwrap_or_default();
        services.push(service.to_owned());
        BegunOnce { fence, services }
    }

    /// The newest fence of a lane; nothing where another lane's orders were seen last.
    #[must_use]
    pub fn fence_of(&self, lane: &LaneId) -> Option<Fence> {
        self.newest.as_ref().filter(|it| it.lane == *lane).map(|it| it.fence)
    }

    /// The last word of the order with this fence, if it was said.
    #[must_use]
    pub fn answered(&self, fence: Fence) -> Option<&Finished> {
        let mut known = self.finished.iter().chain(&self.ran_once);
        known.find(|it| it.fence == fence)
    }

    /// Whether the order with the newest fence was begun, and whether it ended.
    #[must_use]
    pub fn last_change(&self, lane: &LaneId) -> LastChange {
        let Some(fence) = self.fence_of(lane) else { return LastChange::None };
        if self.answered(fence).is_some() {
            LastChange::Finished
        } else if self.journal.as_ref().is_some_and(|it| it.fence == fence) {
            LastChange::Unfinished
        } else {
            LastChange::None
        }
    }
}
