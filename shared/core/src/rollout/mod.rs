//! One attempt to move a lane's fleet from its baseline to a candidate.
//!
//! A rollout goes forward batch by batch, and back over every host that it touched when something
//! fails. Both courses share the stages of a batch, its traffic rules and its floor: see
//! [`Batch`]. `Rollout::advance` makes one transition at a time, from facts seen in this pass.

mod advance;
mod alarms;
mod batch;
mod choose;
mod context;
mod end;
mod estimate;
mod once;
mod phase;
mod view;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use alarms::{Bake, Question};
pub(crate) use context::{Context, Facts, Known};
pub(crate) use end::sends;
pub use estimate::{Estimate, minutes};
pub use once::OnceStep;
pub use phase::{Batch, Phase, Stage};
pub use warnings::Warning;
pub(crate) use warnings::tell_warnings;

use crate::configuration::{
    AlarmName, EnvironmentConfiguration, OnFailure, SecretName, TargetGroup,
};
use crate::name::HostId;
use crate::observation::{Documents, Sources};
use crate::order::{Answer, ContainerHealth, Fence};
use crate::reason::{Code, Reason};
use crate::release::{Image, Release, Running};
use crate::scan::Counts;
use crate::time::Timestamp;
use crate::traffic::{GroupSettings, Target};

/// The ULID of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RolloutId(pub String);

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a rollout was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The environment's tag points to something else than what runs.
    Push,
    /// A person asked to go back.
    Rollback,
    /// A person asked for this release.
    Deploy,
    /// The same release again, its containers made anew: a secret has changed, or a person asked.
    Restart,
    /// Hosts that run something else than the lane's release are brought to it again.
    Repair,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Push => "push",
            Self::Rollback => "rollback",
            Self::Deploy => "deploy",
            Self::Restart => "restart",
            Self::Repair => "repair",
        })
    }
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every live host runs the candidate, healthy and in service.
    Succeeded,
    /// A gate said no: nothing was begun.
    Rejected,
    /// It could not go on, and had touched nothing, or there was nothing to go back to.
    Failed,
    /// Every live touched host runs its baseline again.
    Restored,
    /// A touched host could not be put back.
    Stuck,
    /// By policy, the fleet was left as it was when it failed.
    Halted,
    /// A person stopped it; touched hosts run their baseline again.
    Aborted,
    /// A newer release took its place before it began.
    Superseded,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Restored => "restored",
            Self::Stuck => "stuck",
            Self::Halted => "halted",
            Self::Aborted => "aborted",
            Self::Superseded => "superseded",
        })
    }
}

/// How far one host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was changed on it.
    Waiting,
    /// It was taken out of service or ordered to change; what it runs is not verified.
    Touched,
    /// It runs the candidate, verified and in service.
    Done,
    /// The change failed on it.
    Failed(Reason),
    /// It was touched, and runs its baseline again, verified and in service.
    Restored,
    /// It was touched, and could not be put back.
    Lost(Reason),
    /// It went away before it was touched, or was dead at the end.
    Skipped(Reason),
}

/// One host within a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRun {
    /// Its availability zone, as the host said it; empty where it does not know.
    pub zone: String,
    /// What it ran before.
    pub baseline: Running,
    /// How far it is.
    pub progress: Progress,
    /// Whether it was told to pull the candidate, and answered or went away.
    pub fetched: bool,
    /// Whether it was told to run the candidate.
    pub told: bool,
    /// The first order that told it so: what ran before it is what the host goes back to.
    pub snapshot: Option<Fence>,
    /// What it was registered as, remembered before it was drained; registered again exactly so.
    pub targets: BTreeSet<Target>,
    /// Whether its containers were well when it last answered.
    pub healthy: bool,
    /// When it last answered, or earlier: what was heard late may have been said long before.
    pub answered_at: Timestamp,
}

impl HostRun {
    /// A host of which nothing is known yet.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            zone: String::new(),
            baseline: Running::Nothing,
            progress: Progress::Waiting,
            fetched: false,
            told: false,
            snapshot: None,
            targets: BTreeSet::new(),
            healthy: false,
            answered_at: Timestamp::default(),
        }
    }

    /// What puts it back: what ran before the order that changed it first. One that was never told
    /// to
    /// change is asked for what ran before `own`, the order itself, which is what runs.
    #[must_use]
    pub(crate) fn image_back(&self, own: Fence) -> Image {
        Image::Snapshot { before: self.snapshot.unwrap_or(own), holds: self.baseline.clone() }
    }

    /// Whether anything was done to it, also if it went away since.
    #[must_use]
    pub fn was_touched(&self) -> bool {
        self.told || !matches!(self.progress, Progress::Waiting | Progress::Skipped(_))
    }

    /// Whether it was left out because it went away.
    pub(crate) fn is_vanished(&self) -> bool {
        matches!(&self.progress, Progress::Skipped(it) if it.code == Code::HOSTS_VANISHED)
    }

    /// Takes what a host says of itself before it is told to change: that is what it goes back to.
    pub(crate) fn met(&mut self, answer: &Answer, asked_at: Timestamp) {
        self.baseline = answer.now.clone();
        self.zone.clone_from(&answer.zone);
        self.healthy = answer.health == ContainerHealth::Healthy;
        self.answered_at = asked_at;
    }
}

/// Which way a rollout goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// To the candidate.
    Forward,
    /// Back to each touched host's baseline.
    Back {
        /// Why.
        cause: Reason,
        /// When what is not restored counts as lost.
        deadline: Timestamp,
    },
}

/// One line of a rollout's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// The phase that was entered.
    pub phase: String,
    /// What happened, for a person.
    pub text: String,
}

/// One attempt to move a lane's fleet from its baseline to a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Its name.
    pub id: RolloutId,
    /// Why it was started.
    pub cause: Cause,
    /// Who started it, when a person did.
    pub actor: Option<String>,
    /// Why its gates did not count, in a person's words; nothing where they did.
    pub overriding: Option<String>,
    /// What it moves the fleet to.
    pub candidate: Release,
    /// What the candidate's scan had found when this began, by severity; nothing where that was
    /// not known, or not looked at.
    pub scanned: Option<Counts>,
    /// What the lane ran when it started.
    pub baseline: Option<Release>,
    /// The versions of secrets that containers get which it makes.
    pub secrets: BTreeMap<SecretName, String>,
    /// Alarms that it does not watch: they said nothing good before it began.
    pub excluded_alarms: BTreeSet<AlarmName>,
    /// The texts that `settings` was read from.
    pub sources: Arc<Sources>,
    /// The configuration that it keeps until it ends.
    pub settings: Arc<EnvironmentConfiguration>,
    /// The documents that its orders pin.
    pub documents: Documents,
    /// Which hosts there were when it started, told apart from other fleets by one number.
    pub fleet: u64,
    /// The settings of its target groups when it started.
    pub groups: BTreeMap<TargetGroup, GroupSettings>,
    /// When it started.
    pub started: Timestamp,
    /// When it turns back by itself.
    pub deadline: Timestamp,
    /// Its hosts.
    pub hosts: BTreeMap<HostId, HostRun>,
    /// Which way it goes.
    pub course: Course,
    /// Where it stands.
    pub phase: Phase,
    /// When each of its waves began, and, where all of them are over, when the last one was.
    pub waves_at: Vec<Timestamp>,
    /// When it turned back, if it did.
    pub turned_back_at: Option<Timestamp>,
    /// A person's wish to stop it, taken up where no host is in the middle of a change.
    pub abort: Option<Reason>,
    /// Who said that it goes on, although an alarm does not say.
    pub go_on: Option<String>,
    /// Whether the image says that what ran before must not run after it, as after a migration
    /// that goes one way (label `esclusa.rollback=unsafe`).
    pub one_way: bool,
    /// How far what runs once for the release is.
    pub once: OnceStep,
    /// What hosts warned of.
    pub warnings: Vec<Warning>,
    /// Whether, going back, hosts that were told to change are left as they are.
    pub halts: bool,
    /// Counts the lines of history that were ever written.
    pub noted: u64,
    /// What happened, oldest first.
    pub history: Vec<Transition>,
}

/// Lines of history that a rollout keeps: its first and its last ones, so that a lane stays far
/// below the ledger's item size whatever happens to a big fleet.
const HISTORY: usize = 200;

impl Rollout {
    /// A rollout of no hosts that has not begun.
    pub(crate) fn new(
        id: RolloutId,
        cause: Cause,
        candidate: Release,
        baseline: Option<Release>,
        sources: Arc<Sources>,
        settings: Arc<EnvironmentConfiguration>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            cause,
            actor: None,
            overriding: None,
            candidate,
            scanned: None,
            secrets: BTreeMap::new(),
            excluded_alarms: BTreeSet::new(),
            baseline,
            sources,
            settings,
            documents: Documents::new(),
            fleet: 0,
            groups: BTreeMap::new(),
            started: now,
            deadline: now,
            hosts: BTreeMap::new(),
            course: Course::Forward,
            phase: Phase::Baking(Bake::starting(now, now)),
            waves_at: Vec::new(),
            turned_back_at: None,
            abort: None,
            go_on: None,
            one_way: false,
            once: OnceStep::Unknown,
            warnings: Vec::new(),
            halts: false,
            noted: 0,
            history: Vec::new(),
        }
    }

    /// Enters a phase, and says so in the history.
    pub(crate) fn enter(&mut self, phase: Phase, now: Timestamp, text: impl Into<String>) {
        self.phase = phase;
        self.note(now, text);
    }

    /// Writes a line of history.
    pub(crate) fn note(&mut self, now: Timestamp, text: impl Into<String>) {
        if self.history.len() >= HISTORY {
            self.history.remove(HISTORY / 2);
        }
        self.noted = self.noted.saturating_add(1);
        let phase = self.phase.word().to_owned();
        self.history.push(Transition { at: now, phase, text: text.into() });
    }

    /// Whether it has ended.
    #[must_use]
    pub fn end(&self) -> Option<(End, &Reason)> {
        match &self.phase {
            Phase::Ended(end, reason) => Some((*end, reason)),
            Phase::Gating(_)
            | Phase::Prefetching(_)
            | Phase::RunningOnce(_)
            | Phase::Choosing { .. }
            | Phase::Changing(_)
            | Phase::Baking(_)
            | Phase::Asking(_)
            | Phase::Verifying(_) => None,
        }
    }

    /// The hosts that are still part of it.
    pub fn live(&self) -> impl Iterator<Item = (&HostId, &HostRun)> {
        self.hosts.iter().filter(|(_, run)| !matches!(run.progress, Progress::Skipped(_)))
    }

    /// Whether a host is still part of it.
    pub(crate) fn is_live(&self, host: &HostId) -> bool {
        let run = self.hosts.get(host);
        run.is_some_and(|run| !matches!(run.progress, Progress::Skipped(_)))
    }

    /// Whether hosts that were told to change and failed get back what they ran: always in a
    /// repair, which is no reason to leave anything broken.
    pub(crate) fn restores(&self) -> bool {
        let policy = self.settings.on_failure == OnFailure::Restore;
        (policy || self.cause == Cause::Repair) && !self.one_way
    }

    /// Whether it is on its way to the candidate.
    #[must_use]
    pub fn is_forward(&self) -> bool {
        self.course == Course::Forward
    }
}
