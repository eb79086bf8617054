//! Three hosts, two services, and what happens beside a rollout: everything ends right, and a
//! client that counts loses no request while a healthy host stays up.

use std::time::Duration;

use esclusa_local::stage::{Cast, SERVICE, Stage};
use serde_json::{Value, json};

use crate::numbers::{tick, until_least};
use crate::seen::{done, draining, expect_running, served};
use crate::{eventually, on_stage_with};

/// The second service.
const SECOND: &str = "notes";

const CAST: Cast = Cast { hosts: [3, 1], second: Some(SECOND) };

const STAGING: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "staging")];
const PRODUCTION: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "production")];

#[tokio::test(flavor = "multi_thread")]
async fn the_promise_holds_whatever_happens_beside_a_rollout() {
    on_stage_with(CAST, "promise", async |stage| {
        configure(&stage, "").await;
        two_services_begin_on_three_hosts(&stage).await;
        one_host_alone_blinks(&stage).await;
        the_latest_of_three_pushes_wins(&stage).await;
        a_rollback_is_ready_where_its_image_is_left(&stage).await;
        a_canary_that_degrades_once_it_is_done_is_put_back(&stage).await;
        drift_is_reported_after_the_ledger_was_restored(&stage).await;
        a_push_waits_for_the_repair_of_a_host(&stage).await;
        stage
    })
    .await;
}

/// The example's configuration, with more for production.
async fn configure(stage: &Stage, production: &str) {
    let head = "[environments.production]\n";
    let edit = |text: String| text.replace(head, &format!("{head}{production}\n"));
    stage.configure_as(edit).await.unwrap();
}

/// The ended rollouts of a lane, newest first, as `label cause end code`.
async fn ends(stage: &Stage, service: &str, environment: &str) -> Vec<String> {
    let question = json!({ "action": "history", "service": service, "environment": environment });
    let answer = stage.ask_with(question).await.unwrap();
    let line = |it: &Value| {
        let text = |at: &str| it.pointer(at).and_then(Value::as_str).unwrap_or("none").to_owned();
        let words = ["/candidate/label", "/cause", "/end", "/reason/code"];
        words.map(text).join(" ")
    };
    answer["history"].as_array().into_iter().flatten().map(line).collect()
}

/// Waits until the last rollout of a lane ended so.
async fn until_end(stage: &Stage, (service, environment): (&str, &str), wanted: &str) {
    let ask = || async {
        let ends = ends(stage, service, environment).await;
        (ends.first().map(String::as_str) == Some(wanted)).then_some(())
    };
    eventually(wanted, Duration::from_mins(3), ask).await;
}

/// Every host of an environment runs this of a service, by its engine.
fn assert_running(stage: &Stage, (service, environment): (&str, &str), version: &str) {
    let running = stage.running_of(service, environment).unwrap();
    let wanted = format!("{version} healthy");
    assert!(!running.is_empty() && running.values().all(|it| *it == wanted), "{running:?}");
}

async fn two_services_begin_on_three_hosts(stage: &Stage) {
    let second = "[environments.production]\nwaves = [\"1\", \"100%\"]\nbake = { for = \"20s\" }\n";
    stage.environment.configure(SECOND, second).await.unwrap();
    let first = stage.push("v1.0.0", &["v1.0.0", "latest"]);
    let second = stage.push_as(SECOND, "v1.0.0", &["v1.0.0", "latest"], |text| text);
    let (first, second) = tokio::join!(first, second);
    first.and(second).unwrap();
    for service in [SERVICE, SECOND] {
        until_end(stage, (service, "production"), "v1.0.0 push succeeded ok").await;
        assert_running(stage, (service, "production"), "v1.0.0");
    }
}

/// The first host comes from the zone that has two.
async fn the_latest_of_three_pushes_wins(stage: &Stage) {
    served(stage, "a third push while a rollout is active", async || {
        stage.push("v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
        assert_eq!(draining(stage).await, "production-1");
        for version in ["v1.2.0", "v1.3.0"] {
            stage.push(version, &[version, "latest"]).await.unwrap();
            let waits = || async {
                let status = stage.ask("status").await.unwrap();
                (status.pointer("/lane/next/label")? == version).then_some(())
            };
            eventually(version, Duration::from_mins(1), waits).await;
        }
        until_end(stage, (SERVICE, "production"), "v1.3.0 push succeeded ok").await;
    })
    .await;
    let ends = ends(stage, SERVICE, "production").await;
    let before = ["v1.1.0 push succeeded ok", "v1.0.0 push succeeded ok"];
    assert!(ends.contains(&"v1.2.0 push superseded release.superseded".to_owned()), "{ends:?}");
    assert!(before.iter().all(|it| ends.iter().any(|end| end == it)), "{ends:?}");
    expect_running(stage, "v1.3.0").await;
}

async fn a_rollback_is_ready_where_its_image_is_left(stage: &Stage) {
    stage.delete_image(SERVICE, "v0.1.0").await.unwrap();
    tick(stage, "ready").await;
    until_least(stage, "RollbackReady", &PRODUCTION, 1.0).await;
    until_least(stage, "RollbackReady", &STAGING, 0.0).await;
}

/// No target group tells: the finished hosts are asked through the bake.
async fn a_canary_that_degrades_once_it_is_done_is_put_back(stage: &Stage) {
    let degrades = |text: String| {
        let command = "CMD [\"sh\", \"-c\", \"(sleep 20; rm /site/health) & \
                       exec httpd -f -p 8080 -h /site\"]";
        let lines = text.lines().filter(|it| !it.starts_with("CMD [\"sh\""));
        lines.chain([command, ""]).collect::<Vec<_>>().join("\n")
    };
    stage.push_as(SECOND, "v1.1.0", &["v1.1.0", "latest"], degrades).await.unwrap();
    let lane = (SECOND, "production");
    until_end(stage, lane, "v1.1.0 push restored health.container").await;
    assert_running(stage, lane, "v1.0.0");
    assert_running(stage, (SERVICE, "production"), "v1.3.0");
}

/// Hosts refuse what the restored ledger orders, until somebody says that it was restored.
async fn drift_is_reported_after_the_ledger_was_restored(stage: &Stage) {
    stage.run_by_hand("production-3", "v1.1.0").await.unwrap();
    let answer = done(stage, json!({ "action": "restored", "actor": "ana" })).await;
    assert_eq!(answer["lane"]["hold"]["code"], "lane.held", "{answer:#}");
    done(stage, json!({ "action": "release" })).await;
    let third = stage.environment.record().hosts.iter().find(|it| it.name == "production-3");
    let third = third.unwrap().instance_id.clone();
    let drifted = || async {
        let status = stage.ask("status").await.unwrap();
        (status.pointer("/lane/drifted/0/id")? == third.as_str()).then_some(())
    };
    eventually("the drift", Duration::from_mins(1), drifted).await;
}

async fn a_push_waits_for_the_repair_of_a_host(stage: &Stage) {
    served(stage, "a push during a repair", async || {
        configure(stage, "drift = \"repair\"").await;
        stage.sweep().await.unwrap();
        assert_eq!(draining(stage).await, "production-3");
        stage.push("v1.4.0", &["v1.4.0", "latest"]).await.unwrap();
        until_end(stage, (SERVICE, "production"), "v1.4.0 push succeeded ok").await;
    })
    .await;
    let ends = ends(stage, SERVICE, "production").await;
    assert_eq!(ends[1], "v1.3.0 repair succeeded ok", "{ends:?}");
    expect_running(stage, "v1.4.0").await;
}

async fn one_host_alone_blinks(stage: &Stage) {
    let lane = (SERVICE, "staging");
    for version in ["v0.1.0", "v0.2.0"] {
        stage.push(version, &[version, "staging"]).await.unwrap();
        until_end(stage, lane, &format!("{version} push succeeded ok")).await;
        assert_running(stage, lane, version);
    }
    let question = json!({ "action": "history", "environment": "staging" });
    let history = stage.ask_with(question).await.unwrap().to_string();
    assert!(history.contains("it is the only one, so the service will blink"), "{history}");
}
