//! What a pipeline reports.

use esclusa_core::measure::{Build, BuildError};
use esclusa_core::name::Service;

use super::ports::Ports;
use super::{Measured, once};
use crate::ports::Unavailable;

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// It was counted.
    Counted,
    /// It had been counted before; nothing was done.
    Known,
}

/// Why a report was not counted.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The registry has no such repository: a metric of it would be a mistake.
    #[error("ECR has no repository `{0}` here")]
    NoRepository(Service),
    /// It cannot be true.
    #[error(transparent)]
    Unbelievable(#[from] BuildError),
    /// A call failed: report it again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Counts a build, and remembers when its commit was made.
///
/// # Errors
///
/// A report that cannot be true, or a call that failed.
pub async fn report<P: Ports>(ports: &P, build: &Build) -> Result<Reported, ReportError> {
    let data = build.data(ports.now())?;
    let service = &build.service;
    if !ports.exists(service).await? {
        return Err(ReportError::NoRepository(service.clone()));
    }
    if let (Some(committed), Some(digest)) = (build.committed, &build.digest) {
        ports.note_commit(service, digest, committed).await?;
    }
    let build = format!("build#{service}#{}", build.id);
    let data = once(ports, &build, Measured::of(data)).await?.data;
    if data.is_empty() {
        return Ok(Reported::Known);
    }
    ports.put(&data).await?;
    Ok(Reported::Counted)
}
