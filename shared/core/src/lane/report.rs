//! Why a lane does not do what one might expect.

use crate::reason::Reason;
use crate::release::Release;
use crate::time::Timestamp;

/// What keeps the desired release from being rolled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The release that waits; nothing when there is none.
    pub release: Option<Release>,
    /// Why.
    pub reason: Reason,
    /// When that ends by itself, if it does.
    pub lifts_at: Option<Timestamp>,
}
