//! Stopping an environment, whatever is left of it.

use std::io::ErrorKind;
use std::path::Path;

use super::error::EnvironmentError;
use super::{parts, preflight, state};
use crate::host;
use crate::registry::Registry;

/// Ends all processes and removes all hosts and files of the environment in `state`.
///
/// Works from the directory and the names alone, so a crashed or half-started environment goes as
/// well; that nothing is there is fine.
///
/// # Errors
///
/// When something is still there afterwards.
pub fn down(state: &Path) -> Result<(), EnvironmentError> {
    match state.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        _ => preflight::check_user()?,
    }
    let path = state::prepare(state)?;
    let _lock = state::lock(&path)?;
    stop_all(&path)?;
    state::clear(&path, false)
}

/// Ends what runs and keeps the files.
pub(super) fn stop_all(state: &Path) -> Result<(), EnvironmentError> {
    parts::stop(state, None)?;
    Registry::of(state).stop().map_err(EnvironmentError::Registry)?;
    host::remove_all(state).map_err(EnvironmentError::Host)
}
