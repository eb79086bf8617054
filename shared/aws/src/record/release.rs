//! Images: what may run, what runs, and why not.

use std::collections::BTreeSet;

use esclusa_core::digest::Digest;
use esclusa_core::name::Tag;
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Availability, Image, Release, Running};
use serde::{Deserialize, Serialize};

use super::form::{Instant, Record, RecordError, Text};
use super::order::FenceRecord;

words!(AvailabilityRecord = Availability { Active, Archived });

fields!(ReleaseRecord = Release {
    digest: Text<Digest>,
    repository: String,
    tags: BTreeSet<Text<Tag>>,
    label: Text<Tag>,
    bytes: u64,
    pushed_at: Instant,
    availability: AvailabilityRecord,
});

/// The word that the host scripts use.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RunningRecord(String);

impl Record for RunningRecord {
    type Core = Running;

    fn of(core: &Running) -> Self {
        Self(core.to_string())
    }

    fn read(self) -> Result<Running, RecordError> {
        Running::read(&self.0).map_err(RecordError::new)
    }
}

/// What a host is told to run.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ImageRecord {
    Nothing,
    Local(Text<Digest>),
    Snapshot { before: FenceRecord, holds: RunningRecord },
    Release { tag: Text<Tag>, digest: Text<Digest>, bytes: u64 },
}

impl Record for ImageRecord {
    type Core = Image;

    fn of(core: &Image) -> Self {
        match core {
            Image::Nothing => Self::Nothing,
            Image::Local(id) => Self::Local(Text::of(id)),
            Image::Snapshot { before, holds } => {
                Self::Snapshot { before: FenceRecord::of(before), holds: RunningRecord::of(holds) }
            }
            Image::Release { tag, digest, bytes } => {
                Self::Release { tag: Text::of(tag), digest: Text::of(digest), bytes: *bytes }
            }
        }
    }

    fn read(self) -> Result<Image, RecordError> {
        Ok(match self {
            Self::Nothing => Image::Nothing,
            Self::Local(id) => Image::Local(id.read_in("local")?),
            Self::Snapshot { before, holds } => Image::Snapshot {
                before: before.read_in("before")?,
                holds: holds.read_in("holds")?,
            },
            Self::Release { tag, digest, bytes } => Image::Release {
                tag: tag.read_in("tag")?,
                digest: digest.read_in("digest")?,
                bytes,
            },
        })
    }
}

/// A reason's stable word.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct CodeRecord(String);

impl Record for CodeRecord {
    type Core = Code;

    fn of(core: &Code) -> Self {
        Self(core.as_str().to_owned())
    }

    fn read(self) -> Result<Code, RecordError> {
        Ok(Code::read(&self.0))
    }
}

fields!(ReasonRecord = Reason { code: CodeRecord, text: String });
