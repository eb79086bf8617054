//! What a lane has to tell.

use esclusa_core::announcement::{Announcement, Ask, Kind};
use esclusa_core::digest::Digest;
use esclusa_core::rollout::RolloutId;
use serde::{Deserialize, Serialize};

use super::form::{Instant, Record, RecordError, Text};
use super::release::ReasonRecord;

words!(
    KindRecord = Kind {
        RolloutStarted,
        RolloutMoved,
        RolloutWaits,
        RolloutEnded,
        ReleaseWaits,
        ReleaseBlocked,
        ReleaseQuarantined,
        QuarantineLifted,
        LaneHeld,
        LaneReleased,
        HostJoined,
        HostFailed,
        HostDrifted,
        VulnerabilityFound,
        ImagePinned,
        ImageUnpinned,
    }
);

/// What a person might ask next.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AskRecord {
    Status,
    Why,
    Rollback,
    Release,
    Lift(Text<Digest>),
}

impl Record for AskRecord {
    type Core = Ask;

    fn of(core: &Ask) -> Self {
        match core {
            Ask::Status => Self::Status,
            Ask::Why => Self::Why,
            Ask::Rollback => Self::Rollback,
            Ask::Release => Self::Release,
            Ask::Lift(digest) => Self::Lift(Text::of(digest)),
        }
    }

    fn read(self) -> Result<Ask, RecordError> {
        Ok(match self {
            Self::Status => Ask::Status,
            Self::Why => Ask::Why,
            Self::Rollback => Ask::Rollback,
            Self::Release => Ask::Release,
            Self::Lift(digest) => Ask::Lift(digest.read_in("lift")?),
        })
    }
}

/// The ULID of a rollout.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RolloutIdRecord(String);

impl Record for RolloutIdRecord {
    type Core = RolloutId;

    fn of(core: &RolloutId) -> Self {
        Self(core.0.clone())
    }

    fn read(self) -> Result<RolloutId, RecordError> {
        Ok(RolloutId(self.0))
    }
}

fields!(AnnouncementRecord = Announcement {
    number: u64,
    at: Instant,
    kind: KindRecord,
    rollout: Option<RolloutIdRecord>,
    digest: Option<Text<Digest>>,
    word: String,
    reason: Option<ReasonRecord>,
    text: String,
    ask: Option<AskRecord>,
});
