//! What Ctrl-C and SIGTERM do to a verb that starts things: everything of it is removed.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::programs;

/// How long what was being started may still take; it is short-lived, or killed by the same signal.
const CHILDREN: Duration = Duration::from_secs(10);

/// Waits for a signal to end, and answers its number.
pub(crate) async fn wait() -> u8 {
    let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
    let [hangup, interrupt, terminate] = kinds.map(|kind| {
        let number = u8::try_from(kind.as_raw_value()).unwrap_or(0);
        (signal(kind).ok(), number)
    });
    tokio::select! {
        number = receive(hangup) => number,
        number = receive(interrupt) => number,
        number = receive(terminate) => number,
    }
}

async fn receive((signal, number): (Option<Signal>, u8)) -> u8 {
    match signal {
        Some(mut signal) => signal.recv().await.map_or(number, |()| number),
        // It cannot be waited for, so it ends the process as it always does.
        None => std::future::pending().await,
    }
}

/// Goes on as `esclusa-local down` of the same environment, and returns only why it could not.
///
/// Another program in the same process ends every thread, so nothing goes on being started while
/// everything is being removed.
pub(crate) fn become_down(state: &Path, signal: u8) -> String {
    eprintln!("interrupted: removing the environment");
    let program = std::env::current_exe().unwrap_or_else(|_| "esclusa-local".into());
    let code = signal.saturating_add(128).to_string();
    // A second Ctrl-C must not leave half of it.
    let mut shell = programs::command("sh");
    shell.args(["-c", r#"trap '' HUP INT TERM; exec "$@""#, "sh"]).arg(program);
    shell.args(["down", "--interrupted", &code, "--state"]).arg(state);
    let error = shell.exec();
    format!("cannot remove what was started: {error}; run `esclusa-local down`")
}

/// Waits until what the interrupted verb was running has ended.
pub(crate) fn wait_for_children() {
    let begun = Instant::now();
    while begun.elapsed() < CHILDREN {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
