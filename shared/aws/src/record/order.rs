//! Orders to hosts.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::name::HostId;
use esclusa_core::observation::DocumentPin;
use esclusa_core::order::{
    CommandId, Fence, Mode, OnHostFailure, Orders, Part, PartState, Verb, Watch,
};
use serde::{Deserialize, Serialize};

use super::form::{Instant, Record, RecordError, Text};
use super::heard::HeardRecord;
use super::release::ImageRecord;

words!(VerbRecord = Verb { Inspect, Prefetch, Activate });

words!(OnHostFailureRecord = OnHostFailure { Restore, Leave });

fields!(FenceRecord = Fence { epoch: u64, generation: u64 });

fields!(WatchRecord = Watch { since: Instant, next: Instant });

fields!(DocumentRecord = DocumentPin { version: String, hash: String });

/// What an activation does: whether it makes containers again, which is all that version 1 knew at
/// first, or a word.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ModeRecord {
    Recreates(bool),
    Word(ModeWord),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModeWord {
    Once,
}

impl Record for ModeRecord {
    type Core = Mode;

    fn of(core: &Mode) -> Self {
        match core {
            Mode::Change => Self::Recreates(false),
            Mode::Restart => Self::Recreates(true),
            Mode::Once => Self::Word(ModeWord::Once),
        }
    }

    fn read(self) -> Result<Mode, RecordError> {
        Ok(match self {
            Self::Recreates(false) => Mode::Change,
            Self::Recreates(true) => Mode::Restart,
            Self::Word(ModeWord::Once) => Mode::Once,
        })
    }
}

/// Where one call stands.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PartStateRecord {
    Unsent,
    Doubtful,
    Sent { command: String, at: Instant },
    Refused,
}

impl Record for PartStateRecord {
    type Core = PartState;

    fn of(core: &PartState) -> Self {
        match core {
            PartState::Unsent => Self::Unsent,
            PartState::Doubtful => Self::Doubtful,
            PartState::Refused => Self::Refused,
            PartState::Sent { command, at } => {
                Self::Sent { command: command.0.clone(), at: Instant::of(at) }
            }
        }
    }

    fn read(self) -> Result<PartState, RecordError> {
        Ok(match self {
            Self::Unsent => PartState::Unsent,
            Self::Doubtful => PartState::Doubtful,
            Self::Refused => PartState::Refused,
            Self::Sent { command, at } => {
                PartState::Sent { command: CommandId(command), at: at.read()? }
            }
        })
    }
}

fields!(PartRecord = Part {
    number: u32,
    verb: VerbRecord,
    image: ImageRecord,
    hosts: Vec<Text<HostId>>,
    state: PartStateRecord,
});

fields!(OrdersRecord = Orders {
    fence: FenceRecord,
    made: Instant,
    not_after: Instant,
    on_failure: OnHostFailureRecord,
    #[serde(rename = "recreate")]
    mode: ModeRecord,
    parts: Vec<PartRecord>,
    heard: BTreeMap<Text<HostId>, HeardRecord>,
    #[serde(default)]
    resent: bool,
    inspected: BTreeSet<Text<HostId>>,
    watch: WatchRecord,
});
