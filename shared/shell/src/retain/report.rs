//! What a run of retention came to.

use esclusa_core::name::Service;
use esclusa_core::retention::Summary;
use esclusa_core::time::Timestamp;

/// Why a run did not delete all that its plan would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It deleted everything, or there was nothing to delete.
    Nothing,
    /// A person wanted to see the plan.
    Planned,
    /// It is the repository's first: a person applies it.
    FirstRun,
    /// What must stay is not known; why.
    Withheld(String),
    /// The cap, in images, leaves so many for later runs, or for a person.
    Cap {
        /// The cap.
        cap: usize,
        /// What is left.
        left: usize,
    },
    /// The time of the function; the next message goes on.
    Time,
    /// Some images were not deleted, for they changed meanwhile or ECR refused.
    Refused,
}

impl Stop {
    /// The stable word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "done",
            Self::Planned => "planned",
            Self::FirstRun => "first_run",
            Self::Withheld(_) => "withheld",
            Self::Cap { .. } => "cap",
            Self::Time => "time",
            Self::Refused => "refused",
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The repository.
    pub service: Service,
    /// Names the run: the same name is the same run.
    pub run: String,
    /// When it ended.
    pub at: Timestamp,
    /// What the plan said.
    pub summary: Summary,
    /// Images that were deleted by this run so far.
    pub deleted: usize,
    /// At most so many bytes were reclaimed by them: see [`Summary::bytes`].
    pub bytes: u64,
    /// Why it stopped.
    pub stop: Stop,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Report {
    /// The run in one sentence: what happened, why, and what Esclusa did about it.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { service, summary, deleted, .. } = self;
        let (kept, doomed) = (summary.kept, summary.deleted);
        let did = format!("{service}: {deleted} image(s) deleted, {kept} kept");
        match &self.stop {
            Stop::Nothing => did,
            Stop::Planned => {
                format!("{service}: {doomed} image(s) would be deleted, {kept} kept")
            }
            Stop::FirstRun => format!(
                "{service}: {doomed} image(s) would be deleted, {kept} kept; it is the first run \
                 here, so a person applies it"
            ),
            Stop::Withheld(why) => {
                format!("{service}: nothing is deleted, for what must stay is not known: {why}")
            }
            Stop::Cap { cap, left } => format!(
                "{did}; it stopped at its cap of {cap} image(s), which leaves {left} to delete"
            ),
            Stop::Time => format!("{did} so far; the next message goes on"),
            Stop::Refused => {
                let left = doomed.saturating_sub(*deleted);
                format!("{did}; {left} stay for now, for they changed meanwhile or ECR refused")
            }
        }
    }

    /// Whether a person should hear of it, not only whoever subscribes to events.
    #[must_use]
    pub fn tells_a_person(&self) -> bool {
        match self.stop {
            Stop::FirstRun | Stop::Cap { .. } => self.summary.deleted > 0,
            Stop::Withheld(_) => true,
            Stop::Nothing | Stop::Planned | Stop::Time | Stop::Refused => false,
        }
    }
}
