//! What a person may ask of a lane.

use crate::digest::Digest;
use crate::reason::Reason;
use crate::release::Release;
use crate::time::Timestamp;

/// Names a request, so that asking twice does a thing once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub String);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Start no rollout until released.
    Hold {
        /// Why, in the person's words.
        reason: String,
    },
    /// Follow the tag again.
    Release,
    /// Stop the active rollout, or go back to this release, and hold the lane.
    Rollback {
        /// The release to go back to; nothing while a rollout is active.
        to: Option<Release>,
    },
    /// Stop the active rollout, put back what it touched, and hold the lane.
    Abort,
    /// Roll this release out, whatever the tag says.
    Deploy {
        /// Which.
        release: Release,
        /// Why its gates do not count, in the person's words; nothing when they do.
        overriding: Option<String>,
    },
    /// Make the containers of the current release anew, with waves and health as in a rollout.
    Restart,
    /// Go on after the ledger was restored from a backup: what hosts were told since is forgotten.
    Restored,
    /// Let a quarantined digest be rolled out again.
    Lift {
        /// Which.
        digest: Digest,
    },
    /// Keep an image, whatever retention would do.
    Pin {
        /// Which.
        release: Release,
        /// Until when.
        until: Timestamp,
        /// Why, in the person's words.
        reason: String,
    },
    /// Keep an image no longer than retention does.
    Unpin {
        /// Which.
        digest: Digest,
    },
}

/// A person's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// Who asks.
    pub actor: String,
    /// What.
    pub wish: Wish,
}

/// A request that was not taken up; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Why, and what to do instead.
    pub reason: Reason,
}
