//! The state directory: one environment's, by itself, and locked while it is worked on.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{EnvironmentError, io_at};
use super::record::Record;
use crate::owner;
use crate::places::{make_private_directory, runtime_directory};

/// What an environment keeps in its directory beside the record and the lock.
const OURS: [&str; 5] = ["control", "hosts", "logs", "registry", "tmp"];

/// Makes the directory and what belongs into it, and returns its canonical path.
///
/// # Errors
///
/// When it cannot be made, or holds something that is not an environment's.
pub(super) fn prepare(state: &Path) -> Result<PathBuf, EnvironmentError> {
    make_private_directory(state).map_err(io_at("make", state))?;
    let state = state.canonicalize().map_err(io_at("find", state))?;
    if let Some(foreign) = foreign(&state)? {
        return Err(EnvironmentError::Io {
            what: format!("use {} for an environment", state.display()),
            source: std::io::Error::other(format!("it holds `{foreign}`, which is not ours")),
        });
    }
    for part in OURS {
        let path = state.join(part);
        fs::create_dir_all(&path).map_err(io_at("make", &path))?;
    }
    Ok(state)
}

/// The first thing in the directory that no environment puts there.
fn foreign(state: &Path) -> Result<Option<String>, EnvironmentError> {
    let record = Record::path(state);
    let ours = |name: &str| {
        OURS.contains(&name)
            || name == "lock"
            || record.file_name().is_some_and(|it| it == name)
            || name == "environment.fresh"
    };
    let entries = fs::read_dir(state).map_err(io_at("read", state))?;
    let names = entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned());
    let mut names = names;
    Ok(names.find(|name| !ours(name)))
}

/// Keeps other `esclusa-local` processes away until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// How long a lock that was given up may still be held: a process that is just being started has
/// a copy of it until it runs its own program.
const LINGERS: Duration = Duration::from_millis(500);

/// Takes the lock of a state directory.
///
/// # Errors
///
/// [`EnvironmentError::Busy`] when another process has it.
pub(super) fn lock(state: &Path) -> Result<Lock, EnvironmentError> {
    let path = state.join("lock");
    let file = File::create(&path).map_err(io_at("write", &path))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LINGERS => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(EnvironmentError::Busy { state: state.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io_at("lock", &path)(source)),
        }
    }
}

/// Removes all that an environment keeps, and the directory if nothing else is in it. Logs that are
/// kept belong to the user who called sudo.
///
/// # Errors
///
/// When something of it cannot be removed.
pub(super) fn clear(state: &Path, keep_logs: bool) -> Result<(), EnvironmentError> {
    for part in OURS.into_iter().filter(|part| !(keep_logs && *part == "logs")) {
        remove(&state.join(part))?;
    }
    remove(&Record::path(state))?;
    remove(&state.join("environment.fresh"))?;
    remove(&runtime_directory(state))?;
    if keep_logs {
        return owner::hand_over(state).map_err(io_at("hand over", state));
    }
    remove(&state.join("lock"))?;
    let _others_keep_it = fs::remove_dir(state);
    // The directory of a checkout's environments, when this was the last of them.
    if let Some(parent) = state.parent().filter(|parent| is_home_of_states(parent)) {
        let _others_keep_it = fs::remove_dir(parent);
    }
    Ok(())
}

/// Whether a directory is one that only ever holds state directories.
fn is_home_of_states(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let hashed = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    hashed && directory.metadata().is_ok_and(|it| it.uid() == 0)
}

fn remove(path: &Path) -> Result<(), EnvironmentError> {
    let done = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_at("remove", path)(error))
        }
        _ => Ok(()),
    }
}
