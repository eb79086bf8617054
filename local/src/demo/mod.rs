//! The demo: a story on the local environment, with everything that should be seen in it.
//!
//! Nothing here is told what happened: what runs is read from each host's Docker, what was
//! answered from a client, and how rollouts ended from `operator`, as a person would.

mod counted;
mod report;
mod retention;
mod story;

use std::path::Path;
use std::process::ExitCode;

use crate::environment::chain;

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
