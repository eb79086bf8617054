//! The stored form of lanes, rollouts and runs of retention: JSON, versioned, apart from the core's
//! types.
//!
//! The core's types are free to change; what is stored is a contract with every version of
//! Esclusa that may still read it. So each stored type is written down here, field by field, with
//! its conversion both ways, and a core type that changes does not compile before someone has
//! decided what that means for what is stored already.
//!
//! The configuration that a rollout keeps is stored as the texts that it was read from: a reader
//! reads them again, with the same result as long as the rules of configuration are the same.

#[macro_use]
mod form;
mod announcement;
mod errand;
mod heard;
mod lane;
mod order;
mod release;
mod report;
mod rollout;
mod stage;

use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_core::rollout::Rollout;
use esclusa_shell::retain::Report;
use serde::{Deserialize, Serialize};

use form::Record as _;

pub use form::RecordError;

/// The version that is written.
const VERSION: u32 = 1;

/// What a stored text says of itself, before anything else of it is read.
#[derive(Deserialize)]
struct Head {
    v: u32,
}

/// A stored text with its version.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    v: u32,
    record: T,
}

/// The text that is stored of a lane.
///
/// # Errors
///
/// Never in practice: every map of the stored form has texts for keys.
pub fn write_lane(lane: &Lane) -> Result<String, RecordError> {
    write(lane::LaneRecord::of(lane))
}

/// Reads what [`write_lane`] wrote.
///
/// # Errors
///
/// A text that is not JSON, of a version that is not known, or with a field that cannot be read.
pub fn read_lane(text: &str) -> Result<Lane, RecordError> {
    read::<lane::LaneRecord>(text)?.read()
}

/// The text that is stored of a rollout that has ended.
///
/// # Errors
///
/// Never in practice: every map of the stored form has texts for keys.
pub fn write_rollout(rollout: &Rollout) -> Result<String, RecordError> {
    write(rollout::RolloutRecord::of(rollout))
}

/// Reads what [`write_rollout`] wrote for a rollout of `lane`.
///
/// # Errors
///
/// A text that is not JSON, of a version that is not known, or with a field that cannot be read.
pub fn read_rollout(lane: &LaneId, text: &str) -> Result<Rollout, RecordError> {
    read::<rollout::RolloutRecord>(text)?.read(&lane.environment)
}

/// The text that is stored of a run of retention until it has been published.
///
/// # Errors
///
/// Never in practice: every map of the stored form has texts for keys.
pub fn write_report(report: &Report) -> Result<String, RecordError> {
    write(report::ReportRecord::of(report))
}

/// Reads what [`write_report`] wrote.
///
/// # Errors
///
/// A text that is not JSON, of a version that is not known, or with a field that cannot be read.
pub fn read_report(text: &str) -> Result<Report, RecordError> {
    read::<report::ReportRecord>(text)?.read()
}

fn write<T: Serialize>(record: T) -> Result<String, RecordError> {
    serde_json::to_string(&Stored { v: VERSION, record }).map_err(|error| RecordError::json(&error))
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, RecordError> {
    let Head { v } = serde_json::from_str(text).map_err(|error| RecordError::json(&error))?;
    if v != VERSION {
        return Err(RecordError::version(v));
    }
    serde_json::from_str::<Stored<T>>(text)
        .map(|stored| stored.record)
        .map_err(|error| RecordError::json(&error))
}
