//! The long-lived processes of an environment.
//!
//! Each carries a mark in its environment variables and hands it on to its children, so that any
//! later process finds all of them by the state directory alone, whatever happened to the first.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{EnvironmentError, io_at};
use crate::programs;

const STATE: &str = "ESCLUSA_PART_OF";
const NAME: &str = "ESCLUSA_PART";

/// How long a part may take to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A part's process, or one that it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) part: String,
}

/// What to start.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) part: &'static str,
    pub(super) program: &'a OsStr,
    pub(super) arguments: Vec<&'a OsStr>,
    pub(super) variables: Vec<(&'a str, String)>,
}

/// Where a part's output goes.
pub(super) fn log(state: &Path, part: &str) -> PathBuf {
    state.join("logs").join(format!("{part}.log"))
}

/// Starts a part, detached from the caller and with nothing of its environment but the search path.
///
/// # Errors
///
/// When the log cannot be written or the program cannot be started.
pub(super) fn start(state: &Path, start: Start<'_>) -> Result<(), EnvironmentError> {
    let path = log(state, start.part);
    let output = fs::File::create(&path).map_err(io_at("write", &path))?;
    let errors = output.try_clone().map_err(io_at("write", &path))?;
    let mut command = programs::command("setsid");
    command
        .arg("--fork")
        .arg(start.program)
        .args(start.arguments)
        .env_clear()
        .env("PATH", programs::search_path())
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .env(STATE, state)
        .env(NAME, start.part)
        .envs(start.variables)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    command.status().map_err(|source| EnvironmentError::Io {
        what: format!("start {}", start.program.display()),
        source,
    })?;
    Ok(())
}

/// Every living process of the environment, with the part it belongs to.
pub(super) fn processes(state: &Path) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own).filter_map(|pid| part_of(pid, state)).collect()
}

fn part_of(pid: i32, state: &Path) -> Option<Process> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &str| {
        let mut found = variables.split(|byte| *byte == 0);
        found.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    if value(STATE)? != state.as_os_str().as_bytes() {
        return None;
    }
    let part = String::from_utf8_lossy(value(NAME)?).into_owned();
    Some(Process { pid, part })
}

/// Ends all processes of the environment, or of one part of it.
///
/// # Errors
///
/// When one is still alive after it was killed.
pub(super) fn stop(state: &Path, part: Option<&str>) -> Result<(), EnvironmentError> {
    let living = || {
        let all = processes(state).into_iter();
        all.filter(|it| part.is_none_or(|name| it.part == name)).collect::<Vec<_>>()
    };
    for (signal, patience) in [(Signal::SIGTERM, PATIENCE), (Signal::SIGKILL, PATIENCE)] {
        for process in living() {
            // It may have ended by itself meanwhile.
            let _gone = kill(Pid::from_raw(process.pid), signal);
        }
        let started = Instant::now();
        while started.elapsed() < patience {
            if living().is_empty() {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
    }
    let names: Vec<_> = living().iter().map(|it| format!("{} ({})", it.part, it.pid)).collect();
    Err(EnvironmentError::Refused {
        what: "ending the environment's processes".to_owned(),
        answer: format!("still alive: {}", names.join(", ")),
    })
}
