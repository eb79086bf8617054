//! What hosts answered.

use esclusa_core::order::{Answer, ContainerHealth, Heard, LastChange, PutBack};
use esclusa_core::scan::Platform;
use serde::{Deserialize, Serialize};

use super::form::{Record, RecordError, Span, Text};
use super::order::FenceRecord;
use super::release::{ReasonRecord, RunningRecord};

words!(ContainerHealthRecord = ContainerHealth { Healthy, Unhealthy, Starting, Absent });

words!(
    #[derive(Default)]
    LastChangeRecord = LastChange {
        #[default]
        None,
        Unfinished,
        Finished,
    }
);

words!(PutBackRecord = PutBack { NotNeeded, No, Yes, Failed });

fields!(AnswerRecord = Answer {
    reason: ReasonRecord,
    fence: Option<FenceRecord>,
    before: RunningRecord,
    now: RunningRecord,
    health: ContainerHealthRecord,
    #[serde(default)]
    last_change: LastChangeRecord,
    put_back: PutBackRecord,
    #[serde(default)]
    one_way: bool,
    #[serde(default)]
    runs_once: bool,
    #[serde(default)]
    platform: Option<Text<Platform>>,
    #[serde(default)]
    zone: String,
    warnings: Vec<String>,
    took: Span,
});

/// What was heard of an order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HeardRecord {
    Answered(AnswerRecord),
    Unclear(String),
    Silent,
    Gone,
}

impl Record for HeardRecord {
    type Core = Heard;

    fn of(core: &Heard) -> Self {
        match core {
            Heard::Answered(answer) => Self::Answered(AnswerRecord::of(answer)),
            Heard::Unclear(why) => Self::Unclear(why.clone()),
            Heard::Silent => Self::Silent,
            Heard::Gone => Self::Gone,
        }
    }

    fn read(self) -> Result<Heard, RecordError> {
        Ok(match self {
            Self::Answered(answer) => Heard::Answered(answer.read_in("answered")?),
            Self::Unclear(why) => Heard::Unclear(why),
            Self::Silent => Heard::Silent,
            Self::Gone => Heard::Gone,
        })
    }
}
