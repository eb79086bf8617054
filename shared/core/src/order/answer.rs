//! What hosts answer, and what SSM says of them.

use std::time::Duration;

use super::Fence;
use crate::name::HostId;
use crate::reason::{Code, Reason};
use crate::release::{Image, Running};
use crate::scan::Platform;

/// How the containers of a service on a host are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerHealth {
    /// All well.
    Healthy,
    /// At least one is not.
    Unhealthy,
    /// At least one is not judged yet.
    Starting,
    /// There is none.
    Absent,
}

/// Whether a host put its previous release back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutBack {
    /// Nothing had been changed.
    NotNeeded,
    /// It did not try.
    No,
    /// It did.
    Yes,
    /// It tried, and could not.
    Failed,
}

/// What became of the newest change that a host was told to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastChange {
    /// It was not begun, or nothing is said of it.
    #[default]
    None,
    /// It was broken off: it is carried on when the host is told again.
    Unfinished,
    /// It was carried out to its end.
    Finished,
}

impl LastChange {
    /// The word of the answer.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unfinished => "unfinished",
            Self::Finished => "finished",
        }
    }

    /// The word of an answer; what is no such word says nothing.
    #[must_use]
    pub fn read(word: &str) -> Self {
        let known = [Self::Unfinished, Self::Finished];
        known.into_iter().find(|it| it.word() == word).unwrap_or_default()
    }
}

/// What a host answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `ok`, or why not.
    pub reason: Reason,
    /// The fence that the host keeps after this order.
    pub fence: Option<Fence>,
    /// What ran before.
    pub before: Running,
    /// What runs now.
    pub now: Running,
    /// How it runs now.
    pub health: ContainerHealth,
    /// What became of the change with the kept fence, by an inspection.
    pub last_change: LastChange,
    /// Whether the previous release was put back.
    pub put_back: PutBack,
    /// Whether the image says that what ran before must not run after it.
    pub one_way: bool,
    /// Whether the release has something that runs once, by a prefetch.
    pub runs_once: bool,
    /// What its engine runs, where it says so.
    pub platform: Option<Platform>,
    /// The host's availability zone; empty where it does not know.
    pub zone: String,
    /// What a person should know, one sentence each.
    pub warnings: Vec<String>,
    /// How long the host itself took.
    pub took: Duration,
}

impl Answer {
    /// Whether containers are not well, or are missing although something was to run.
    pub(super) fn is_unwell(&self, told: Option<&Image>) -> bool {
        match self.health {
            ContainerHealth::Unhealthy => true,
            ContainerHealth::Absent => told.is_some_and(|it| *it != Image::Nothing),
            ContainerHealth::Healthy | ContainerHealth::Starting => false,
        }
    }

    /// Whether the host did what it was told.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.reason.code == Code::OK
    }

    /// Why the host did not do what it was told, without the full stop of its sentence: a lane's
    /// own sentence goes on after it.
    #[must_use]
    pub fn failure(&self) -> Reason {
        let text = self.reason.text.strip_suffix('.').unwrap_or(&self.reason.text);
        Reason::new(self.reason.code.clone(), text)
    }
}

/// What was heard of an order, once it can say no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The host answered.
    Answered(Answer),
    /// The script ended without an answer that can be read. What it did is unknown.
    Unclear(String),
    /// The order never reached the host, and cannot start any more.
    Silent,
    /// The host does not exist any more.
    Gone,
}

/// One invocation as SSM described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Where.
    pub host: HostId,
    /// What is known; nothing while it is under way.
    pub heard: Option<Heard>,
}
