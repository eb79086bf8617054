//! What a lane is made of, beside what has a file of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::digest::Digest;
use crate::order::Watch;
use crate::reason::Reason;
use crate::release::{Release, Running};
use crate::rollout::{Cause, End};
use crate::scan::Counts;
use crate::time::Timestamp;

/// The wake-up that a lane awaits. A delayed message with another sequence is an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeUp {
    /// Names the message.
    pub sequence: u64,
    /// When it is due.
    pub at: Timestamp,
}

/// Who may act on a lane, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The invocation.
    pub owner: String,
    /// When it has certainly ended.
    pub until: Timestamp,
}

/// A paused lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub reason: Reason,
    /// Who paused it; nothing when Esclusa did.
    pub actor: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A digest that may not be rolled out again in this lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Timestamp,
}

/// An image that a person wants kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// When it may go.
    pub until: Timestamp,
    /// Why, in the person's words.
    pub reason: String,
    /// Who pinned it.
    pub actor: String,
}

/// A release that once ran on every host of the lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// Which.
    pub release: Release,
    /// When its rollout ended.
    pub at: Timestamp,
    /// What its scan had found when that began, by severity; nothing where that was not known.
    pub scanned: Option<Counts>,
}

/// A scan that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vetting {
    /// Of which release.
    pub digest: Digest,
    /// Since when, and when to look again.
    pub watch: Watch,
}

/// The last rollout that did not succeed, and what it was tried with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What was tried.
    pub digest: Digest,
    /// How it ended.
    pub end: End,
    /// Why.
    pub reason: Reason,
    /// With which configuration and fleet: a change of either is a reason to try again.
    pub with: String,
    /// When it ended.
    pub at: Timestamp,
    /// How often the same was tried by itself.
    pub tries: u32,
}

impl Attempt {
    /// When the same is tried again by itself; never, unless its reason passes.
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        let gap = Duration::from_mins(5).saturating_mul(1 << self.tries.saturating_sub(1).min(4));
        self.reason.code.is_transient().then(|| self.at.after(gap.min(Duration::from_hours(1))))
    }
}

/// A rollout that a person asked for and that has not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What to roll out.
    pub release: Release,
    /// Why.
    pub cause: Cause,
    /// Who asked.
    pub actor: String,
    /// Why its gates do not count, in the person's words; nothing when they do.
    pub overriding: Option<String>,
    /// When it was asked for.
    pub at: Timestamp,
}

impl Asked {
    /// How long a request may wait to begin: what a person wanted then may be wrong by now.
    pub const STANDS: Duration = Duration::from_hours(1);

    /// When it is dropped if it has not begun.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.at.after(Self::STANDS)
    }
}

/// What is known of a host outside rollouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRecord {
    /// What it was last verified to run.
    pub running: Running,
    /// Whether that was well.
    pub is_well: bool,
    /// When.
    pub seen_at: Timestamp,
}

/// What a host that has not been verified since may still run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastKnown {
    /// The images.
    pub digests: BTreeSet<Digest>,
    /// When it was given up.
    pub since: Timestamp,
}
