//! Why an image stays, or goes.

use std::fmt;

use crate::digest::Digest;
use crate::lane::Need;
use crate::name::Environment;
use crate::time::Timestamp;

/// Why an image stays, the weightiest reason of all that hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// A lane needs it.
    Needed(Environment, Need),
    /// It bears the tag that an environment follows.
    Followed(Environment),
    /// It is among the last versions of an environment: its rank, from 1.
    Version(Environment, usize),
    /// It is in ECR's archive, which is a person's matter.
    Archived,
    /// It is part of an index that stays.
    PartOf(Digest),
    /// It refers to an image that stays: a signature, an attestation, a bill of materials.
    RefersTo(Digest),
    /// No environment follows its tags, and it is not old enough to go.
    Unmapped(Timestamp),
    /// It bears no tag, and may be part of a push that is under way, or of one just made.
    Young(Timestamp),
    /// Someone pulls it, and no lane explains who.
    Pulled(Timestamp),
    /// It is no image, and nothing says what it belongs to.
    Artifact,
    /// It is not understood; why.
    NotUnderstood(Box<str>),
}

impl Keep {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Needed(_, Need::Runs(_)) => "runs",
            Self::Needed(_, Need::Pinned(_)) => "pinned",
            Self::Needed(..) => "needed",
            Self::Followed(_) => "followed",
            Self::Version(..) => "version",
            Self::Archived => "archived",
            Self::PartOf(_) => "part",
            Self::RefersTo(_) => "referrer",
            Self::Unmapped(_) => "unmapped",
            Self::Young(_) => "young",
            Self::Pulled(_) => "pulled",
            Self::Artifact => "artifact",
            Self::NotUnderstood(_) => "not_understood",
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needed(environment, need) => write!(f, "{need}, in {environment}"),
            Self::Followed(environment) => write!(f, "{environment} follows its tag"),
            Self::Version(environment, rank) => {
                write!(f, "version {rank} of {environment}, from the newest")
            }
            Self::Archived => f.write_str("it is archived"),
            Self::PartOf(digest) => write!(f, "part of {}, which stays", digest.short()),
            Self::RefersTo(digest) => write!(f, "about {}, which stays", digest.short()),
            Self::Unmapped(until) => {
                write!(f, "no environment follows its tags; it may go from {until}")
            }
            Self::Young(until) => write!(f, "it may belong to a push; it may go from {until}"),
            Self::Pulled(at) => {
                write!(f, "it was pulled at {at}, and no host of Esclusa's runs it")
            }
            Self::Artifact => f.write_str("it is no image, and refers to none"),
            Self::NotUnderstood(why) => write!(f, "it is not understood: {why}"),
        }
    }
}

/// Why an image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many versions of an environment are newer, and they are enough.
    Version(Environment, usize),
    /// No environment follows its tags, and it is old enough.
    Unmapped,
    /// It bears no tag, no environment ever wanted it, and it is old enough.
    Untagged,
    /// It is part of nothing but indexes that go.
    PartOf(Digest),
    /// It refers to an image that goes.
    RefersTo(Digest),
    /// It refers to an image that is gone.
    Orphan(Digest),
}

impl Cause {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Version(..) => "version",
            Self::Unmapped => "unmapped",
            Self::Untagged => "untagged",
            Self::PartOf(_) => "part",
            Self::RefersTo(_) => "referrer",
            Self::Orphan(_) => "orphan",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(environment, newer) => {
                write!(f, "{newer} versions of {environment} are newer")
            }
            Self::Unmapped => f.write_str("no environment follows its tags, and it is old"),
            Self::Untagged => f.write_str("it bears no tag, and no environment ever wanted it"),
            Self::PartOf(digest) => write!(f, "part of {}, which goes", digest.short()),
            Self::RefersTo(digest) => write!(f, "about {}, which goes", digest.short()),
            Self::Orphan(digest) => write!(f, "about {}, which is gone", digest.short()),
        }
    }
}

/// What becomes of an image, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep(Keep),
    /// It goes.
    Delete(Cause),
}

impl Verdict {
    /// Whether it stays.
    #[must_use]
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Keep(_))
    }

    /// The stable word for the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Keep(reason) => reason.code(),
            Self::Delete(reason) => reason.code(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(reason) => reason.fmt(f),
            Self::Delete(reason) => reason.fmt(f),
        }
    }
}
