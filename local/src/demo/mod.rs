//! The demo: a story on the local environment, with everything that should be seen in it.
//!
//! Nothing here is told what happened: what runs is read from each host's Docker, what was
//! answered from a client, and how rollouts ended from `operator`, as a person would.

mod counted;
mod report;
mod retention;
mod story;
mod watch;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use crate::environment::{EnvironmentError, chain};
use crate::stage::Stage;
use crate::{interrupt, owner, places};

/// Plays the story, or its first `chapters`, in an environment of its own, and takes it down
/// afterwards.
///
/// Ends well only if every expectation was met.
pub(crate) async fn demo(root: &Path, chapters: Option<usize>) -> ExitCode {
    let state = places::state_directory(root, "demo");
    let prepared = lock(root).and_then(|lock| {
        // What a killed demo left behind.
        Stage::remove(&state).map_err(|error| chain(&error)).map(|()| lock)
    });
    let _lock = match prepared {
        Ok(lock) => lock,
        Err(text) => {
            eprintln!("error: {text}");
            return ExitCode::from(2);
        }
    };
    let told = tokio::select! {
        told = story::tell(root, &state, chapters) => told,
        signal = interrupt::wait() => {
            Stage::remove_work(&state);
            eprintln!("error: {}", interrupt::become_down(&state, signal));
            return ExitCode::from(2);
        }
    };
    let code = match told {
        Ok(report) => {
            let path = root.join("target/demo/report.json");
            if let Err(error) = report.write(&path) {
                eprintln!("error: cannot write `{}`: {error}", path.display());
                return ExitCode::from(2);
            }
            eprintln!("\n{}the report is in {}", report.table(), path.display());
            if report.met { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            keep_logs(root, &state);
            ExitCode::from(2)
        }
    };
    if let Err(error) = Stage::remove(&state) {
        eprintln!("error: {}", chain(&error));
        return ExitCode::from(2);
    }
    code
}

/// Keeps the logs of a story that could not be told, beside where the report would be.
fn keep_logs(root: &Path, state: &Path) {
    let to = root.join("target/demo/logs");
    for entry in std::fs::read_dir(state.join("logs")).into_iter().flatten().flatten() {
        let text = std::fs::read(entry.path()).unwrap_or_default();
        let copied = owner::write(&to.join(entry.file_name()), &String::from_utf8_lossy(&text));
        if let Err(error) = copied {
            eprintln!("error: cannot keep the logs in {}: {error}", to.display());
            return;
        }
    }
    eprintln!("the logs are in {}", to.display());
}

/// Keeps a second demo of this checkout away, which would remove the first one's environment.
fn lock(root: &Path) -> Result<File, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err(chain(&EnvironmentError::NotRoot));
    }
    let path = places::demo_lock(root);
    let failed = |error: std::io::Error| format!("cannot lock {}: {error}", path.display());
    path.parent().map_or(Ok(()), places::make_private_directory).map_err(failed)?;
    let file = File::create(&path).map_err(failed)?;
    file.try_lock().map_err(|_| {
        "a demo of this checkout is running: wait for its end, or stop it with Ctrl-C".to_owned()
    })?;
    Ok(file)
}
