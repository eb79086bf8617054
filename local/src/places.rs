//! Where things lie: the checkout, which its user owns, and what root keeps outside of it.
//!
//! Root writes below two directories of its own. Both have short paths, however long the path of
//! the checkout is: a Unix socket's path holds 107 bytes.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::aws::sha256;

/// Files by which a checkout of this project is known.
const MARKS: [&str; 3] = ["template.yaml", "hosts/bootstrap.sh", "local/launcher"];

/// Holds sockets and locks; empty after every boot.
const RUNTIME_HOME: &str = "/run/esclusa";

/// Holds the state of environments: engines' disks, the registry's storage, logs.
const STATE_HOME: &str = "/var/lib/esclusa";

/// Why a place was not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Neither the working directory nor the program lies in a checkout. Name one.
    #[error(
        "there is no checkout of Esclusa at {} nor above it: change into one, or give --root",
        directory.display()
    )]
    NoCheckout {
        /// The working directory.
        directory: PathBuf,
    },
    /// `ESCLUSA_ROOT` or `--root` names something else.
    #[error("{} is no checkout of Esclusa (it has no {missing}): correct ESCLUSA_ROOT or --root",
        directory.display())]
    NotACheckout {
        /// What was named.
        directory: PathBuf,
        /// What a checkout has.
        missing: &'static str,
    },
}

/// Where `scripts/setup` puts what it installs for a checkout: beside the Python tools.
#[must_use]
pub fn tools(root: &Path) -> PathBuf {
    let beside = std::env::var_os("ESCLUSA_VENV").map(PathBuf::from);
    let tools = beside.as_deref().and_then(Path::parent).map(Path::to_owned);
    tools.unwrap_or_else(|| root.join(".tools"))
}

/// Finds the checkout: the one that was named (`--root`, `ESCLUSA_ROOT`), else the one that the
/// working directory lies in, else the one that this program lies in.
///
/// A checkout can be moved after it was built, so nothing here is known at compile time.
///
/// # Errors
///
/// [`PlaceError`] when there is none.
pub fn find_checkout(named: Option<&Path>) -> Result<PathBuf, PlaceError> {
    if let Some(named) = named {
        return match MARKS.into_iter().find(|mark| !named.join(mark).exists()) {
            None => Ok(named.canonicalize().unwrap_or_else(|_| named.to_owned())),
            Some(missing) => Err(PlaceError::NotACheckout { directory: named.to_owned(), missing }),
        };
    }
    let directory = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let found = directory.ancestors().chain(program.ancestors()).find(|path| is_checkout(path));
    found.map(Path::to_owned).ok_or(PlaceError::NoCheckout { directory: directory.clone() })
}

fn is_checkout(path: &Path) -> bool {
    MARKS.into_iter().all(|mark| path.join(mark).exists())
}

/// The checkout that a test or benchmark runs in.
///
/// # Panics
///
/// When there is none: nothing can be tested then.
#[must_use]
#[expect(clippy::expect_used, reason = "only tests call it, and a test that cannot go on fails")]
pub fn tested_checkout() -> PathBuf {
    find_checkout(std::env::var_os("ESCLUSA_ROOT").map(PathBuf::from).as_deref())
        .expect("tests run in their checkout")
}

/// Where the environment `name` of a checkout keeps its state, unless `--state` says otherwise.
#[must_use]
pub fn state_directory(checkout: &Path, name: &str) -> PathBuf {
    let home = std::env::var_os("ESCLUSA_STATE_HOME");
    let home = home.filter(|value| !value.is_empty()).map_or(STATE_HOME.into(), PathBuf::from);
    home.join(short_hash(checkout.as_os_str())).join(name)
}

/// A directory for a root test's own files, emptied of what an earlier run left.
///
/// # Errors
///
/// When it cannot be emptied or made.
pub fn make_scratch_directory(checkout: &Path, name: &str) -> io::Result<PathBuf> {
    let path = state_directory(checkout, "scratch").join(name);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => make_private_directory(&path)?,
    }
    Ok(path)
}

/// Where the sockets of the environment in `state` lie.
#[must_use]
pub fn runtime_directory(state: &Path) -> PathBuf {
    Path::new(RUNTIME_HOME).join(short_hash(state.as_os_str()))
}

/// The lock that a running demo of a checkout holds. `scripts/preflight` derives the same path.
#[must_use]
pub fn demo_lock(checkout: &Path) -> PathBuf {
    Path::new(RUNTIME_HOME).join(format!("{}.demo", short_hash(checkout.as_os_str())))
}

/// Makes a directory, and those above it that are missing, for their owner alone.
///
/// # Errors
///
/// When one of them cannot be made.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Eight hexadecimal digits that stand for a path.
fn short_hash(path: &OsStr) -> String {
    sha256(path.as_bytes()).chars().take(8).collect()
}

/// Locks a file that all environments of a user share, and keeps what it holds. Whoever drops it
/// lets the next one in.
///
/// # Errors
///
/// When it cannot be made, opened or locked.
pub(crate) fn lock_for_user(name: &str) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("esclusa-{name}-{}", Uid::current()));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_room_whatever_the_checkout_is_called() {
        let checkout = PathBuf::from(format!("/home/dev/{}", "níveles muy profundos/".repeat(20)));
        let state = state_directory(&checkout, "demo");
        let socket = runtime_directory(&state).join("65535-1767225600000.sock.12345.tmp");
        assert!(socket.as_os_str().len() < 108, "{}", socket.display());
        assert_ne!(state, state_directory(Path::new("/home/dev"), "demo"));
        assert_eq!(state, state_directory(&checkout, "demo"));
    }

    #[test]
    fn a_lock_is_where_the_preflight_script_looks() {
        let lock = demo_lock(Path::new("/home/dev/my esclusa"));
        // printf %s '/home/dev/my esclusa' | sha256sum | cut -c 1-8
        assert_eq!(lock, Path::new("/run/esclusa/b8254454.demo"));
    }

    #[test]
    fn a_checkout_is_found_from_a_folder_in_it_and_nothing_else_is_taken_for_one() {
        let checkout = find_checkout(None).unwrap();
        assert!(checkout.join("local/src/places.rs").is_file(), "{}", checkout.display());
        assert_eq!(find_checkout(Some(&checkout)).unwrap(), checkout);
        let refused = find_checkout(Some(Path::new("/usr"))).unwrap_err().to_string();
        let expected = "/usr is no checkout of Esclusa (it has no template.yaml): \
                        correct ESCLUSA_ROOT or --root";
        assert_eq!(refused, expected);
    }
}
