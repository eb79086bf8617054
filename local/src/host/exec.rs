//! Running commands in a host, as an agent on it would.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Host;
use super::tools::HostError;

/// The host's own programs first, then those that it shares with the machine.
pub(crate) const PATH: &str =
    "/root/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a command may run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// After this the command and all it started in its process group is killed.
    pub timeout: Duration,
}

impl Limits {
    /// A limit in whole seconds.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        Self { timeout: Duration::from_secs(seconds) }
    }
}

/// How a command in a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code, 128 + n when signal n ended it; [`None`] when it was killed for its time.
    pub code: Option<i32>,
    /// Whether it was killed because its time was over.
    pub timed_out: bool,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its error output.
    pub stderr: Vec<u8>,
}

impl Host {
    /// A command that will run inside the host, with a fresh environment and no input.
    ///
    /// It is the leader of its own process group, so that all of it can be killed at once.
    ///
    /// # Errors
    ///
    /// [`HostError::Stopped`] when the host does not run.
    pub fn command(&self, arguments: &[&str]) -> Result<Command, HostError> {
        let target = format!("--target={}", self.first()?);
        let mut command = Command::new("nsenter");
        command
            .args([target.as_str(), "--mount", "--net", "--pid", "--uts", "--ipc"])
            .arg("--")
            .args(arguments)
            .env_clear()
            .envs([("HOME", "/root"), ("PATH", PATH), ("LANG", "C.UTF-8")])
            .stdin(Stdio::null())
            .process_group(0);
        Ok(command)
    }

    /// Runs a command inside the host to its end.
    ///
    /// As with the SSM agent, a child left in the background with the output open delays the end.
    ///
    /// # Errors
    ///
    /// [`HostError::Stopped`] when the host does not run, [`HostError::Io`] when the command could
    /// not be started. A command that fails or is killed is an answer, not an error.
    pub fn exec(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stdin: &[u8],
        limits: Limits,
    ) -> Result<Finished, HostError> {
        let mut command = self.command(arguments)?;
        command.envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed =
            |source| HostError::Io { what: format!("run {arguments:?} in a host"), source };
        let child = command.spawn().map_err(failed)?;
        attend(child, stdin.to_vec(), limits).map_err(failed)
    }
}

/// Feeds and reads a child until it ends and its output is closed, or its time is over.
fn attend(mut child: Child, stdin: Vec<u8>, limits: Limits) -> std::io::Result<Finished> {
    let end = soon(limits.timeout);
    if let Some(mut pipe) = child.stdin.take() {
        // A child that does not read its input is no failure of ours.
        thread::spawn(move || pipe.write_all(&stdin));
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let mut timed_out = !ends_by(&mut child, end)?;
    if timed_out {
        kill_group(&child);
    }
    let mut out = Vec::new();
    let mut err = Vec::new();
    for (stream, into) in [(&stdout, &mut out), (&stderr, &mut err)] {
        if !drain(stream, into, end) {
            timed_out = true;
            kill_group(&child);
            drain(stream, into, soon(Duration::from_secs(1)));
        }
    }
    let status = child.wait()?;
    let code = if timed_out { None } else { status.code() };
    let code =
        code.or_else(|| status.signal().filter(|_| !timed_out).map(|it| it.saturating_add(128)));
    Ok(Finished { code, timed_out, stdout: out, stderr: err })
}

/// The instant after `wait`; now, where the clock cannot count that far.
fn soon(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}

fn ends_by(child: &mut Child, end: Instant) -> std::io::Result<bool> {
    let mut pause = Duration::from_millis(1);
    while child.try_wait()?.is_none() {
        if Instant::now() >= end {
            return Ok(false);
        }
        sleep(pause);
        pause = pause.saturating_mul(2).min(Duration::from_millis(20));
    }
    Ok(true)
}

fn kill_group(child: &Child) {
    // The group is gone when everything in it has ended by itself.
    let _gone = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut chunk = [0_u8; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut chunk) {
            let part = chunk.get(..count).unwrap_or_default().to_vec();
            if send.send(part).is_err() {
                return;
            }
        }
    });
    receive
}

/// Takes what arrives until the stream is closed; false when it still was not at `end`.
fn drain(stream: &Receiver<Vec<u8>>, into: &mut Vec<u8>, end: Instant) -> bool {
    loop {
        match stream.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(part) => into.extend(part),
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}
