//! What happens is counted, once though it is told of twice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use esclusa_core::time::Timestamp;
use esclusa_local::stage::{SERVICE, Stage};
use serde_json::{Value, json};

use crate::numbers::{assert_is, tick, until_counted};
use crate::{eventually, on_stage};

const OF_LANE: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "production")];
const OF_SERVICE: [(&str, &str); 1] = [("Service", SERVICE)];

#[tokio::test(flavor = "multi_thread")]
async fn numbers_reach_cloudwatch_once() {
    on_stage("counted", async |stage| {
        stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
        a_build_is_reported(&stage).await;
        assert_eq!(stage.until_ended(1).await.unwrap(), ["v1.0.0 succeeded"]);
        a_rollout_is_counted(&stage).await;
        the_same_told_again_is_not(&stage).await;
        gauges_are_read(&stage).await;
        containers_are_measured(&stage).await;
        stage
    })
    .await;
}

/// The pipeline reports what it built while it is being rolled out: twice, for it was not sure.
async fn a_build_is_reported(stage: &Stage) {
    let images = stage.listed(SERVICE).await.unwrap();
    let (digest, _) = images.iter().find(|(_, tags)| tags.contains("v1.0.0")).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ago = |seconds: u64| {
        let then = now.saturating_sub(Duration::from_secs(seconds));
        Timestamp::from_millis(0).after(then).to_string()
    };
    let report = json!({
        "service": SERVICE, "build": "1", "started": ago(70), "ended": ago(10),
        "committed": ago(600), "result": "succeeded", "digest": digest,
    });
    for code in ["counted", "known"] {
        let answer = stage.environment.invoke("metrics", &report).await.unwrap();
        assert_eq!(answer["code"], json!(code), "{answer}");
    }
    let wrong = json!({ "service": SERVICE, "build": "2", "result": "fine" });
    let answer = stage.environment.invoke("metrics", &wrong).await.unwrap();
    assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("report.invalid")));
    assert_is(until_counted(stage, "BuildSucceeded", &OF_SERVICE).await, 1.0);
    let took = until_counted(stage, "BuildDuration", &OF_SERVICE).await;
    assert!((59.0..61.0).contains(&took), "{took}");
}

async fn a_rollout_is_counted(stage: &Stage) {
    assert_is(until_counted(stage, "RolloutsSucceeded", &OF_LANE).await, 1.0);
    assert!(until_counted(stage, "RolloutDuration", &OF_LANE).await > 5.0);
    let lead = until_counted(stage, "LeadTime", &OF_LANE).await;
    assert!((600.0..800.0).contains(&lead), "{lead}");
    assert!(until_counted(stage, "ImageSize", &OF_SERVICE).await > 100_000.0);
    assert_eq!(stage.sum("ChangeFailed", &OF_LANE).await.unwrap(), None);
}

/// EventBridge delivers at least once. What comes after it in the same queue shows that it was
/// dealt with.
async fn the_same_told_again_is_not(stage: &Stage) {
    let history = stage.ask("history").await.unwrap();
    let rollout = &history["history"][0]["id"];
    let ended = json!({ "service": SERVICE, "environment": "production", "rollout": rollout });
    stage.tell("esclusa", "Rollout Ended", &ended).await.unwrap();
    let ran = |run: &str| -> Value {
        json!({
            "service": SERVICE, "run": run, "stop": "done", "kept": 1, "deleted": 2, "bytes": 3,
        })
    };
    // The push had a run of its own, which deleted nothing.
    let more_than = async |least: f64| {
        let sum = || async {
            let sum = stage.sum("ImagesDeleted", &OF_SERVICE).await.unwrap()?;
            (sum > least).then_some(sum)
        };
        eventually("images deleted", sum).await
    };
    stage.tell("esclusa", "Retention Ran", &ran("a")).await.unwrap();
    stage.tell("esclusa", "Retention Ran", &ran("a")).await.unwrap();
    assert_is(more_than(0.0).await, 2.0);
    stage.tell("esclusa", "Retention Ran", &ran("b")).await.unwrap();
    assert_is(more_than(2.0).await, 4.0);
    assert_is(stage.sum("RolloutsSucceeded", &OF_LANE).await.unwrap().unwrap(), 1.0);
}

async fn gauges_are_read(stage: &Stage) {
    tick(stage, "first").await;
    assert_is(until_counted(stage, "HostsDrifted", &OF_LANE).await, 0.0);
    assert_is(until_counted(stage, "HostsInService", &OF_LANE).await, 2.0);
    // Scan on push is off: nothing scans what runs, and that shows.
    assert_is(until_counted(stage, "ScanCoverage", &OF_LANE).await, 0.0);
    // Nothing ran before.
    assert_eq!(stage.sum("RollbackReady", &OF_LANE).await.unwrap(), None);
}

/// Real containers on real hosts, through the read-only document.
async fn containers_are_measured(stage: &Stage) {
    let memory = || measured(stage, "ContainerMemory");
    eventually("containers are measured", memory).await;
    let memory = until_counted(stage, "ContainerMemory", &OF_LANE).await;
    assert!((0.0..200.0).contains(&memory), "{memory}");
    assert!(until_counted(stage, "ContainerCpu", &OF_LANE).await >= 0.0);
    assert_is(until_counted(stage, "ContainerRestarts", &OF_LANE).await, 0.0);
    let host = stage.running().unwrap().into_keys().next().unwrap();
    stage.crash(&host).unwrap();
    let restarts = || async { measured(stage, "ContainerRestarts").await.filter(|it| *it > 0.0) };
    assert_is(eventually("a restart", restarts).await, 1.0);
}

/// What a metric of containers comes to after another tick. One that comes while hosts are still
/// answering the question of the last counts nothing.
async fn measured(stage: &Stage, metric: &str) -> Option<f64> {
    tick(stage, &format!("at {:?}", SystemTime::now())).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.sum(metric, &OF_LANE).await.unwrap()
}
