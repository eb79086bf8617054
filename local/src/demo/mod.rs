//! The demo: a story on the local environment, with everything that should be seen in it.
//!
//! Nothing here is told what happened: what runs is read from each host's Docker, what was
//! answered from a client, and how rollouts ended from `operator`, as a person would.

mod hosts;
mod report;
mod stage;
mod story;
mod traffic;

use std::path::Path;
use std::process::ExitCode;

use crate::environment::chain;

/// Why the story could not be told to its end. An unmet expectation is no error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The environment refused something.
    #[error(transparent)]
    Environment(#[from] crate::environment::EnvironmentError),
    /// The load balancer was not made.
    #[error(transparent)]
    Balance(#[from] crate::balancer::BalanceError),
    /// A file of the demo could not be read or written.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// Read, write, copy.
        doing: &'static str,
        /// What.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A command on a host or on this machine failed.
    #[error("{what} failed: {output}")]
    Command {
        /// Which.
        what: String,
        /// What it said.
        output: String,
    },
    /// The client could not be made.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
    /// Something that should have happened did not.
    #[error("{what} did not happen within {seconds} s; see `esclusa-local logs`")]
    Late {
        /// What was awaited.
        what: String,
        /// For how long.
        seconds: u64,
    },
}

/// Plays the story in an environment of its own below `target/demo`, and takes it down afterwards.
///
/// Ends well only if every expectation was met.
pub(crate) async fn demo(root: &Path) -> ExitCode {
    let state = root.join("target/demo/state");
    // What an interrupted demo left behind.
    let _ = crate::environment::down(&state);
    let told = story::tell(root, &state).await;
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
    if let Err(error) = crate::environment::down(&state) {
        eprintln!("error: {}", chain(&error));
        return ExitCode::from(2);
    }
    code
}

/// Keeps the logs of a story that could not be told, beside where the report would be.
fn keep_logs(root: &Path, state: &Path) {
    let to = root.join("target/demo/logs");
    let copied =
        std::process::Command::new("cp").arg("-rT").arg(state.join("logs")).arg(&to).status();
    if copied.is_ok_and(|it| it.success()) {
        eprintln!("the logs are in {}", to.display());
    }
}
