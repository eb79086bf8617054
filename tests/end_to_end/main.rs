//! The whole of it on the local environment: the real template, functions, registry, engines and
//! load balancer.
//!
//! Needs root and the built functions (`make build`). Each test has an environment of its own.

mod alarms;
mod bad_images;
mod bad_input;
mod beside;
mod counted;
mod guard;
mod judge;
mod kills;
mod lost_hosts;
mod numbers;
mod pipeline;
mod retention;
mod scans;
mod seen;
mod shelf;
mod signals;
mod told;

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use esclusa_local::places::{state_directory, tested_checkout};
use esclusa_local::stage::{Cast, PATIENCE, Stage};

/// Sets a stage for a test, and clears it afterwards, also when the test failed.
async fn on_stage<F: Future<Output = Stage> + Send + 'static>(
    name: &str,
    test: impl FnOnce(Stage) -> F,
) {
    on_stage_with(Cast::default(), name, test).await;
}

/// The same with other hosts, or a second service.
async fn on_stage_with<F: Future<Output = Stage> + Send + 'static>(
    cast: Cast,
    name: &str,
    test: impl FnOnce(Stage) -> F,
) {
    let root = tested_checkout();
    let directory = state_directory(&root, &format!("stage-{name}"));
    Stage::remove(&directory).unwrap();
    let ended = match Stage::set_with(&root, &directory, cast).await {
        Ok(stage) => tokio::spawn(test(stage)).await.map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(esclusa_local::environment::chain(&error)),
    };
    if ended.is_err() {
        print_log(&directory);
    }
    Stage::remove(&directory).unwrap();
    ended.unwrap();
}

/// Shows what the functions wrote, for the reader of a failed test.
fn print_log(directory: &Path) {
    for entry in std::fs::read_dir(directory.join("logs")).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let tail = text.lines().count().saturating_sub(40);
        let lines: Vec<&str> = text.lines().skip(tail).collect();
        eprintln!("== {}\n{}", entry.path().display(), lines.join("\n"));
    }
}

/// Asks until the answer is there.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("{what} did not happen within {} s", PATIENCE.as_secs());
}

/// Waits until something with this code keeps production from what its tag says, and returns what
/// is said of it.
async fn until_kept_back(stage: &Stage, code: &str) -> String {
    let blocker = || async {
        let why = stage.ask("why").await.unwrap();
        let blockers = why["blockers"].as_array()?;
        let found = blockers.iter().find(|it| it["code"] == serde_json::json!(code))?;
        Some(found["text"].as_str().unwrap_or_default().to_owned())
    };
    eventually(code, blocker).await
}
