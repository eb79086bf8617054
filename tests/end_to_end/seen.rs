//! What is seen from outside: by a client, in each host's Docker, and in the ledger.

use std::time::{Duration, Instant};

use esclusa_local::stage::{Client, Stage};
use serde_json::{Value, json};

use crate::{PATIENCE, eventually};

/// Does something while a client asks the service all the time, and nobody fails it.
pub(crate) async fn served<T>(stage: &Stage, what: &str, act: impl AsyncFnOnce() -> T) -> T {
    let client = Client::start(&stage.address).unwrap();
    let done = act().await;
    let seen = client.stop().await;
    let (rate, failures) = (seen.rate(), &seen.failures);
    eprintln!(
        "   {what}: {:.0} s, {} requests, {} failed, the slowest answer after {:.1} s",
        seen.seconds, seen.sent, seen.failed, seen.slowest
    );
    assert_eq!(seen.failed, 0, "{what}: {failures:#?}");
    assert!(rate >= 50.0, "{what}: {rate} requests a second");
    done
}

/// Waits for the end of rollout `count`, and compares it as `label end code`.
pub(crate) async fn expect_end(stage: &Stage, count: usize, wanted: &str) -> Value {
    stage.until_ended(count).await.unwrap();
    let history = stage.history().await.unwrap();
    let last = &history[0];
    let text = |at: &str| last.pointer(at).and_then(Value::as_str).unwrap_or("none").to_owned();
    let end = [text("/candidate/label"), text("/end"), text("/reason/code")].join(" ");
    assert_eq!((end.as_str(), history.len()), (wanted, count), "{last:#}");
    last.clone()
}

/// Every production host's Docker comes to say that it runs this, and the load balancer that each
/// is well.
pub(crate) async fn expect_running(stage: &Stage, version: &str) {
    let wanted = format!("{version} healthy");
    let begun = Instant::now();
    loop {
        let (running, targets) = (stage.running().unwrap(), stage.targets().await.unwrap());
        let well = |host: &String| targets.get(host).is_some_and(|it| it == "healthy");
        if running.iter().all(|(host, runs)| *runs == wanted && well(host)) {
            return;
        }
        let late = begun.elapsed() > PATIENCE;
        assert!(!late, "not {wanted} and in service: {running:#?} {targets:#?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Waits until every host has been seen to run what the lane does, and nothing is under way: a host
/// that comes back well may still be about to be repaired.
pub(crate) async fn at_rest(stage: &Stage) {
    let count = stage.running().unwrap().len();
    stage.sweep().await.unwrap();
    let ask = || async {
        let lane = stage.ask("status").await.unwrap()["lane"].clone();
        let known = |it: &Value| !it["seen_at"].is_null();
        let hosts = lane["hosts"].as_array().cloned().unwrap_or_default();
        let all = hosts.len() == count && hosts.iter().all(known);
        (all && lane["phase"] == "idle").then_some(())
    };
    eventually("a lane at rest", ask).await;
}

/// Waits until a host drains, and says which.
pub(crate) async fn draining(stage: &Stage) -> String {
    let ask = || async {
        let targets = stage.targets().await.unwrap();
        targets.into_iter().find(|(_, state)| state == "draining").map(|(host, _)| host)
    };
    eventually("a host that drains", ask).await
}

/// Waits until the active rollout is in a phase.
pub(crate) async fn until_phase(stage: &Stage, phase: &str) {
    let ask = || async {
        let status = stage.ask("status").await.unwrap();
        (status["lane"]["phase"] == phase).then_some(())
    };
    eventually(phase, ask).await;
}

/// Everything that keeps a release from an environment, by code; of the tag's without a version.
pub(crate) async fn why(stage: &Stage, environment: &str, version: Option<&str>) -> Vec<String> {
    let question = json!({ "action": "why", "environment": environment, "version": version });
    let answer = stage.ask_with(question).await.unwrap();
    let blockers = answer["blockers"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    blockers.iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect()
}

/// Waits until `rollout` has looked since then, and has nothing left to do.
pub(crate) async fn looked(stage: &Stage, since: u64) {
    let ask = || async {
        let looked = stage.looks().await.unwrap() > since;
        (looked && stage.is_quiet().await.unwrap()).then_some(())
    };
    eventually("a look that leads to nothing", ask).await;
}

/// Asks for something that is done.
pub(crate) async fn done(stage: &Stage, question: Value) -> Value {
    let answer = stage.ask_with(question).await.unwrap();
    assert_eq!(answer["ok"], true, "{answer:#}");
    answer
}

/// Asks for something that is refused, and compares why.
pub(crate) async fn refused(stage: &Stage, question: Value, code: &str) {
    let answer = stage.ask_with(question).await.unwrap();
    assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!(code)), "{answer:#}");
}
