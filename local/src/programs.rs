//! Programs of the system, found where systems put them.
//!
//! The search path of a normal user need not hold `/usr/sbin` (Debian's does not), where `dockerd`,
//! `haproxy` and `iptables` are. So every program is run through [`command`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where systems put programs; searched after the caller's own path.
const SYSTEM: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The caller's search path, and the system's directories that it lacks.
#[must_use]
pub fn search_path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    extend_path(&own)
}

fn extend_path(own: &OsString) -> OsString {
    let mut directories: Vec<PathBuf> =
        std::env::split_paths(own).filter(|path| path.is_absolute()).collect();
    for system in SYSTEM.map(PathBuf::from) {
        if !directories.contains(&system) {
            directories.push(system);
        }
    }
    // They came out of such a list, so none of them holds its separator.
    std::env::join_paths(directories).unwrap_or_else(|_| SYSTEM.join(":").into())
}

/// Where a program is, if it is installed.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = search_path();
    std::env::split_paths(&path).map(|at| at.join(program)).find(|at| is_executable(at))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// A command that is found on [`search_path`], hands that path on, and answers in English.
#[must_use]
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path()).env("LC_ALL", "C.UTF-8");
    // The machine's own engine, whichever one the caller talks to.
    command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_normal_user_is_completed_and_keeps_its_order() {
        for (own, expected) in [
            (
                "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
                "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games:\
                 /usr/local/sbin:/usr/sbin:/sbin",
            ),
            ("", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            // A directory that is not absolute would make root run what lies anywhere.
            (".:bin:/opt/x", "/opt/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ] {
            assert_eq!(extend_path(&own.into()), expected, "completing {own:?}");
        }
    }

    #[test]
    fn a_program_is_found_or_not() {
        assert!(find("bash").is_some_and(|it| it.is_absolute()));
        assert_eq!(find("no-such-program"), None);
    }
}
