//! Why something on the host failed, as a code of the protocol and a sentence.

use std::io::ErrorKind;

use esclusa_core::reason::{Code, Reason};

/// The Docker Engine did not answer.
pub(crate) const DOCKER: &str = "hosts.docker";
/// Compose, its files or the project.
pub(crate) const COMPOSE: &str = "hosts.compose";
/// The disk is full or cannot be written.
pub(crate) const DISK: &str = "hosts.disk";
/// What is kept of the service cannot be used.
pub(crate) const STATE: &str = "hosts.state";
/// The registry or its login.
pub(crate) const REGISTRY: &str = "hosts.registry";
/// Bringing containers up.
pub(crate) const UP: &str = "hosts.up";

/// A reason of this code.
pub(crate) fn reason(code: &str, text: impl Into<String>) -> Reason {
    Reason::new(Code::read(code), text)
}

/// Why a file could not be read or written.
pub(crate) fn of_file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Reason {
    let is_full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded].contains(&error.kind());
    let (code, hint) = if is_full {
        (DISK, ": make room there")
    } else if error.kind() == ErrorKind::ReadOnlyFilesystem {
        (DISK, ": remount it for writing, and see the kernel's log for why")
    } else {
        (STATE, "")
    };
    reason(code, format!("Cannot {doing} {}: {error}{hint}.", path.display()))
}
