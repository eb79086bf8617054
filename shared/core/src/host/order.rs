//! What a host is told.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::configuration::{Compose, HttpProbe};
use crate::digest::Digest;
use crate::name::{LaneId, Tag};
pub use crate::order::Mode;
use crate::order::{Fence, OnHostFailure, Verb};
use crate::time::Timestamp;

/// One order, as its parameters say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What to do.
    pub verb: Verb,
    /// For which service, in which environment.
    pub lane: LaneId,
    /// The directory below `/srv`, and the project's name unless another is in use.
    pub project: String,
    /// Registry and repository, without tag.
    pub repository: String,
    /// With which image.
    pub wanted: Wanted,
    /// Compressed size of the image in bytes; 0 where it is unknown.
    pub image_bytes: u64,
    /// What makes the host refuse everything older.
    pub fence: Fence,
    /// When the order was sent, by the sender's clock.
    pub issued_at: Timestamp,
    /// From then on it is not begun.
    pub not_after: Timestamp,
    /// What to do when the change fails.
    pub on_failure: OnHostFailure,
    /// What an activation does.
    pub mode: Mode,
    /// Seconds for the health; nothing for what healthchecks imply.
    pub deadline: Option<u64>,
    /// A request that must be answered after the change.
    pub http: Option<HttpProbe>,
    /// Where the Compose file comes from.
    pub compose: Compose,
    /// What a Compose file that comes with the image may ask for beyond its own containers.
    pub allowed: BTreeSet<String>,
}

/// What a host is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: the service's containers are stopped and removed.
    Nothing,
    /// An image that only this host has, by its id.
    Local(Digest),
    /// An image of the repository.
    Release(Tag, Digest),
    /// What ran before the order with this fence.
    Snapshot(Fence),
}

/// Why a parameter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter `{name}` is `{value}`, which is not {expected}")]
pub struct OrderError {
    /// The parameter.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

impl Wanted {
    /// What a pin and `docker pull` name: by digest, or by the id of an image that only the host
    /// has.
    #[must_use]
    pub fn reference(&self, repository: &str) -> Option<String> {
        match self {
            Self::Nothing | Self::Snapshot(_) => None,
            Self::Local(id) => Some(id.to_string()),
            Self::Release(_, digest) => Some(format!("{repository}@{digest}")),
        }
    }
}

impl FromStr for Wanted {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "none" {
            return Ok(Self::Nothing);
        }
        let (name, rest) = text.split_once('@').ok_or(())?;
        match name {
            "snapshot" => parse_fence(rest).map(Self::Snapshot).ok_or(()),
            "local" => rest.parse().map(Self::Local).map_err(drop),
            tag => Ok(Self::Release(tag.parse().map_err(drop)?, rest.parse().map_err(drop)?)),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Local(id) => write!(f, "local@{id}"),
            Self::Release(tag, digest) => write!(f, "{tag}@{digest}"),
            Self::Snapshot(fence) => write!(f, "snapshot@{fence}"),
        }
    }
}

/// Reads `epoch.generation`.
#[must_use]
pub fn parse_fence(text: &str) -> Option<Fence> {
    let (epoch, generation) = text.split_once('.')?;
    Some(Fence { epoch: epoch.parse().ok()?, generation: generation.parse().ok()? })
}
