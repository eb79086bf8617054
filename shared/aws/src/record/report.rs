//! What a run of retention came to.

use std::collections::BTreeMap;

use esclusa_core::name::Service;
use esclusa_core::retention::Summary;
use esclusa_shell::retain::{Report, Stop};
use serde::{Deserialize, Serialize};

use super::form::{Instant, Record, RecordError, Text};

/// The words for why images stay and go, as `Keep::code` and `Cause::code` give them.
const WORDS: [&str; 15] = [
    "runs",
    "pinned",
    "needed",
    "followed",
    "version",
    "archived",
    "part",
    "referrer",
    "unmapped",
    "young",
    "pulled",
    "artifact",
    "not_understood",
    "untagged",
    "orphan",
];

/// A word for why images stay or go.
#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(super) struct WordRecord(String);

impl Record for WordRecord {
    type Core = &'static str;

    fn of(core: &&'static str) -> Self {
        Self((*core).to_owned())
    }

    fn read(self) -> Result<&'static str, RecordError> {
        let known = WORDS.into_iter().find(|word| *word == self.0);
        known.ok_or_else(|| RecordError::new(format!("`{}` is no reason that is known", self.0)))
    }
}

fields!(SummaryRecord = Summary {
    kept: usize,
    deleted: usize,
    bytes: u64,
    kept_for: BTreeMap<WordRecord, usize>,
    deleted_for: BTreeMap<WordRecord, usize>,
});

/// Why a run did not delete all that its plan would.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopRecord {
    Nothing,
    Planned,
    FirstRun,
    Withheld(String),
    Cap { cap: usize, left: usize },
    Time,
    Refused,
}

impl Record for StopRecord {
    type Core = Stop;

    fn of(core: &Stop) -> Self {
        match core {
            Stop::Nothing => Self::Nothing,
            Stop::Planned => Self::Planned,
            Stop::FirstRun => Self::FirstRun,
            Stop::Withheld(why) => Self::Withheld(why.clone()),
            Stop::Cap { cap, left } => Self::Cap { cap: *cap, left: *left },
            Stop::Time => Self::Time,
            Stop::Refused => Self::Refused,
        }
    }

    fn read(self) -> Result<Stop, RecordError> {
        Ok(match self {
            Self::Nothing => Stop::Nothing,
            Self::Planned => Stop::Planned,
            Self::FirstRun => Stop::FirstRun,
            Self::Withheld(why) => Stop::Withheld(why),
            Self::Cap { cap, left } => Stop::Cap { cap, left },
            Self::Time => Stop::Time,
            Self::Refused => Stop::Refused,
        })
    }
}

fields!(ReportRecord = Report {
    service: Text<Service>,
    run: String,
    at: Instant,
    summary: SummaryRecord,
    deleted: usize,
    bytes: u64,
    stop: StopRecord,
    notes: Vec<String>,
});
