//! The whole environment: started, used as a team uses it, hurt, and removed without a trace.
//!
//! Needs root and the built functions (`make build`); each test has an environment of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on is a failed test")]

mod faults;
mod life;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use esclusa_local::environment::{Environment, Options, Service, down};
use esclusa_local::places::{state_directory, tested_checkout};

const SERVICE: &str = "acme/tickets";

/// A state directory of the test's own, emptied of what an earlier run may have left.
fn state(test: &str) -> PathBuf {
    let path = state_directory(&tested_checkout(), &format!("environment-{test}"));
    down(&path).unwrap();
    path
}

/// Starts an environment with one host each for production and staging.
async fn start(test: &str) -> Environment {
    let root = tested_checkout();
    let services = vec![Service::parse(SERVICE).unwrap()];
    let options = Options { services, hosts: [1, 1], ..Options::new(&root, &state(test)) };
    Environment::up(options).await.unwrap()
}

/// Gives `test` an environment and removes it afterwards, also when the test failed.
async fn with_environment<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    test: impl FnOnce(Environment) -> F,
) {
    let environment = start(name).await;
    let ended = tokio::spawn(test(environment.clone())).await;
    environment.down().await.unwrap();
    ended.unwrap();
}

/// Asks until the answer is there; a minute is far more than anything here takes.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{what} did not happen within a minute");
}
