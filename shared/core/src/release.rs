//! What may run in a lane, and what does.

use std::collections::BTreeSet;
use std::fmt;

use crate::digest::{Digest, DigestError};
use crate::name::Tag;
use crate::order::Fence;
use crate::time::Timestamp;

/// Whether the registry still hands an image out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can be pulled.
    Active,
    /// It is in ECR's archive, or on its way out of it: a pull answers 404.
    Archived,
}

/// A digest that may run in a lane, with what the registry said of it when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The image.
    pub digest: Digest,
    /// Where hosts pull it from: registry and repository, without tag.
    pub repository: String,
    /// Every tag that pointed at the digest at the look.
    pub tags: BTreeSet<Tag>,
    /// The tag that a person calls it by: its version tag, else the tag that was followed.
    pub label: Tag,
    /// Compressed size in bytes, as the registry counts it; 0 where it does not say.
    pub bytes: u64,
    /// When the manifest was pushed.
    pub pushed_at: Timestamp,
    /// Whether it can be pulled.
    pub availability: Availability,
}

/// `v1.2.0 (0af90af90af9)`: what messages call a release.
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.label, self.digest.short())
    }
}

impl Release {
    /// What a host is told, to run this.
    #[must_use]
    pub fn image(&self) -> Image {
        Image::Release { tag: self.label.clone(), digest: self.digest.clone(), bytes: self.bytes }
    }
}

/// What the containers of a service on one host run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Running {
    /// No container of the repository.
    Nothing,
    /// One image of the repository.
    Digest(Digest),
    /// One image that no registry knows by digest: built or loaded on the host. Its image id.
    Local(Digest),
    /// Containers of different images.
    Mixed,
}

impl Running {
    /// Reads the form that the host scripts write.
    ///
    /// # Errors
    ///
    /// A text that is none of `none`, `mixed`, `local:sha256:…` and `sha256:…`.
    pub fn read(text: &str) -> Result<Self, DigestError> {
        match text {
            "none" => Ok(Self::Nothing),
            "mixed" => Ok(Self::Mixed),
            _ => match text.strip_prefix("local:") {
                Some(id) => id.parse().map(Self::Local),
                None => text.parse().map(Self::Digest),
            },
        }
    }

    /// Whether exactly this digest runs.
    #[must_use]
    pub fn is(&self, digest: &Digest) -> bool {
        matches!(self, Self::Digest(running) if running == digest)
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Mixed => f.write_str("mixed"),
            Self::Digest(digest) => write!(f, "{digest}"),
            Self::Local(id) => write!(f, "local:{id}"),
        }
    }
}

/// What a host is told to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Image {
    /// Stop the service's containers: there was nothing before.
    Nothing,
    /// An adopted image that only the host has, by its image id.
    Local(Digest),
    /// What ran on the host before an order, service by service: what going back means.
    Snapshot {
        /// The order whose beginning it is; a host that never began it changes nothing.
        before: Fence,
        /// What it was, in one word, when the host last told it.
        holds: Running,
    },
    /// An image of the repository.
    Release {
        /// The tag that stays visible in `docker ps`; the digest alone decides.
        tag: Tag,
        /// The image.
        digest: Digest,
        /// Compressed size in bytes, for the free-disk check; 0 where unknown.
        bytes: u64,
    },
}

impl Image {
    /// Whether only the host can say how well this has to be: what ran before may come back as
    /// unhealthy as it was.
    #[must_use]
    pub const fn is_judged_by_host(&self) -> bool {
        matches!(self, Self::Snapshot { .. })
    }

    /// Whether a host that answers `running` does what this image asks.
    #[must_use]
    pub fn is_run_by(&self, running: &Running) -> bool {
        match self {
            Self::Nothing => *running == Running::Nothing,
            Self::Local(id) => *running == Running::Local(id.clone()),
            Self::Snapshot { holds, .. } => running == holds,
            Self::Release { digest, .. } => running.is(digest),
        }
    }
}

/// `none`, `local@sha256:…`, `snapshot@epoch.generation` or `tag@sha256:…`: the parameter of hosts.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Local(id) => write!(f, "local@{id}"),
            Self::Snapshot { before, .. } => write!(f, "snapshot@{before}"),
            Self::Release { tag, digest, .. } => write!(f, "{tag}@{digest}"),
        }
    }
}
