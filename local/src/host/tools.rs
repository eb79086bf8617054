//! Running the machine's tools, and what can go wrong with a host.

use std::io::Error as IoError;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::geteuid;

use crate::programs;

/// Why a host could not be made, found, run or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The caller may not make namespaces. Run the same again as root.
    #[error("a local host needs root (its own namespaces and Docker Engine): run it with sudo")]
    NotRoot,
    /// A tool is not installed. Install it with `scripts/setup`.
    #[error("`{tool}` is not installed, and a local host needs it: run scripts/setup")]
    Missing {
        /// The program that was looked for on the path.
        tool: &'static str,
    },
    /// The number is not one that an environment can give to a host.
    #[error("host number {number} is not between 1 and 60")]
    Number {
        /// The number that was asked for.
        number: u8,
    },
    /// The host was never made, or is removed. Make it with `esclusa-local up`.
    #[error("there is no host `{name}` here: make it with `esclusa-local up`")]
    Unknown {
        /// The host's name.
        name: String,
    },
    /// The host exists but is not running. Start it first.
    #[error("host `{name}` is not running: start it with `esclusa-local up`")]
    Stopped {
        /// The host's name.
        name: String,
    },
    /// No free range was found for the host's network.
    #[error("no free /24 is left in 10.0.0.0/8 for the hosts of `{name}`: see `ip route`")]
    NoAddress {
        /// The host's name.
        name: String,
    },
    /// A tool ended with an error; its own words say what to do.
    #[error("{what} failed: {stderr}")]
    Tool {
        /// The command line.
        what: String,
        /// What it wrote to its error output.
        stderr: String,
    },
    /// Something did not become true in time. The log named here says why.
    #[error("{what} took longer than {seconds} s: see {}", log.display())]
    Late {
        /// What was waited for.
        what: String,
        /// How long it was waited for.
        seconds: u64,
        /// The log to read.
        log: PathBuf,
    },
    /// A file or process could not be used.
    #[error("cannot {what}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        source: IoError,
    },
}

/// Says whether this machine and user can run hosts at all, before anything is made.
pub(super) fn check() -> Result<(), HostError> {
    if !geteuid().is_root() {
        return Err(HostError::NotRoot);
    }
    let needed = ["bash", "dockerd", "docker", "ip", "iptables", "nsenter", "unshare"];
    match needed.into_iter().find(|tool| programs::find(tool).is_none()) {
        Some(tool) => Err(HostError::Missing { tool }),
        None => Ok(()),
    }
}

/// Runs a tool to its end and answers its output.
pub(super) fn run(program: &'static str, arguments: &[&str]) -> Result<String, HostError> {
    let what = || format!("`{program} {}`", arguments.join(" "));
    let output = programs::command(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| HostError::Io { what: format!("run {}", what()), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(HostError::Tool { what: what(), stderr })
}

/// Turns what the system said about a path into an error that names both.
pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(IoError) -> HostError {
    let what = format!("{what} {}", path.display());
    move |source| HostError::Io { what, source }
}
