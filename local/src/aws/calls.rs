//! What was called, how often, and what must go wrong on the way.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clock::Moment;
use super::error::ApiError;
use super::guard;

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Nothing of the operation is done.
    Before,
    /// The operation takes its effect, but its answer does not arrive.
    After,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Answers with an error of AWS's.
    Error {
        /// The HTTP status.
        status: u16,
        /// The exception's name.
        code: String,
        /// The text.
        message: String,
    },
    /// Makes the caller wait, then goes on.
    Delay {
        /// For how long, in milliseconds.
        millis: u64,
    },
}

/// A fault that waits for its calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// For example `ssm:SendCommand`, or `*` for any call.
    pub operation: String,
    /// How many such calls pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it then strikes.
    #[serde(default = "once")]
    pub times: u32,
    /// Before or after the effect.
    #[serde(default = "before")]
    pub when: When,
    /// What it does.
    pub action: Action,
}

fn once() -> u32 {
    1
}

fn before() -> When {
    When::Before
}

/// The calls of one server's life.
#[derive(Debug)]
pub(crate) struct Calls {
    record: Mutex<Record>,
    log: Mutex<File>,
}

#[derive(Debug, Default)]
struct Record {
    counts: BTreeMap<String, u64>,
    faults: Vec<Fault>,
    hits: Vec<Value>,
}

impl Calls {
    /// Opens the call log in `directory`.
    pub(crate) fn open(directory: &Path) -> std::io::Result<Self> {
        let log =
            OpenOptions::new().create(true).append(true).open(directory.join("calls.jsonl"))?;
        Ok(Self { record: Mutex::default(), log: Mutex::new(log) })
    }

    /// Counts a call.
    pub(crate) fn count(&self, operation: &str) {
        let mut record = guard(&self.record);
        let count = record.counts.entry(operation.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Calls by operation since the last reset.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        guard(&self.record).counts.clone()
    }

    /// Starts counting anew.
    pub(crate) fn reset(&self) {
        guard(&self.record).counts.clear();
    }

    /// Lays a fault in the way of calls to come.
    pub(crate) fn add_fault(&self, fault: Fault) {
        guard(&self.record).faults.push(fault);
    }

    /// Removes every fault and forgets what they struck.
    pub(crate) fn clear_faults(&self) {
        let mut record = guard(&self.record);
        record.faults.clear();
        record.hits.clear();
    }

    /// Faults that still wait, and the calls that were struck.
    pub(crate) fn faults(&self) -> Value {
        let record = guard(&self.record);
        json!({ "waiting": record.faults, "struck": record.hits })
    }

    /// Lets a waiting fault strike; an error is what the caller is to be answered.
    pub(crate) async fn strike(&self, operation: &str, when: When) -> Result<(), ApiError> {
        let Some(action) = self.due(operation, when) else { return Ok(()) };
        let hit = json!({ "operation": operation, "when": when, "action": action,
                          "at": Moment::now().iso_millis() });
        guard(&self.record).hits.push(hit);
        match action {
            Action::Error { status, code, message } => Err(ApiError { status, code, message }),
            Action::Delay { millis } => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(())
            }
        }
    }

    fn due(&self, operation: &str, when: When) -> Option<Action> {
        let mut record = guard(&self.record);
        let matches = |fault: &Fault| {
            fault.when == when && (fault.operation == operation || fault.operation == "*")
        };
        for fault in record.faults.iter_mut().filter(|fault| matches(fault)) {
            if fault.skip > 0 {
                fault.skip = fault.skip.saturating_sub(1);
            } else if fault.times > 0 {
                fault.times = fault.times.saturating_sub(1);
                let action = fault.action.clone();
                record.faults.retain(|fault| fault.times > 0);
                return Some(action);
            }
        }
        None
    }

    /// Writes one line of the call log.
    pub(crate) fn log(&self, operation: &str, started: Moment, status: u16, code: Option<&str>) {
        let millis = u64::try_from(Moment::now().since(started).as_millis()).unwrap_or(u64::MAX);
        let line = json!({ "at": started.iso_millis(), "operation": operation,
                           "status": status, "code": code, "millis": millis });
        // The log helps people; a full disk must not turn calls into failures.
        if let Err(error) = writeln!(guard(&self.log), "{line}") {
            tracing::warn!(%error, "the call log was not written");
        }
    }
}
