//! Three hosts, two services, and what happens beside a rollout: everything ends right, and a
//! client that counts loses no request while a healthy host stays up.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_local::stage::{Cast, Client, SERVICE, Stage};
use serde_json::{Value, json};

use crate::numbers::{tick, until_least};
use crate::seen::{at_rest, done, draining, expect_running, served, until_phase};
use crate::{eventually, on_stage_with};

/// The second service.
const SECOND: &str = "notes";

const CAST: Cast = Cast { hosts: [3, 1], second: Some(SECOND) };

const STAGING: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "staging")];
const PRODUCTION: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "production")];

#[tokio::test(flavor = "multi_thread")]
async fn the_promise_holds_whatever_happens_beside_a_rollout() {
    on_stage_with(CAST, "beside", async |mut stage| {
        configure(&stage, "").await;
        two_services_begin_on_three_hosts(&stage).await;
        one_host_alone_blinks(&stage).await;
        the_latest_of_three_pushes_wins(&stage).await;
        a_rollback_is_ready_until_its_image_goes(&stage).await;
        a_canary_that_degrades_once_it_is_done_is_put_back(&stage).await;
        drift_is_reported_after_the_ledger_was_restored(&stage).await;
        a_push_waits_for_the_repair_of_a_host(&stage).await;
        a_host_replaced_while_others_watch_costs_nobody(&mut stage).await;
        one_that_goes_one_way_is_left_as_it_failed(&stage).await;
        what_runs_outlives_retention(&stage).await;
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

/// A Dockerfile that ends with these lines instead of its command.
fn with_command(text: &str, lines: &[&str]) -> String {
    let others = text.lines().filter(|it| !it.starts_with("CMD [\"sh\""));
    others.chain(lines.iter().copied()).chain([""]).collect::<Vec<_>>().join("\n")
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
    eventually(wanted, ask).await;
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
            eventually(version, waits).await;
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

async fn a_rollback_is_ready_until_its_image_goes(stage: &Stage) {
    tick(stage, "ready").await;
    until_least(stage, "RollbackReady", &STAGING, 1.0).await;
    stage.delete_image(SERVICE, "v0.1.0").await.unwrap();
    stage.environment.begin_hour().await.unwrap();
    tick(stage, "an hour later").await;
    until_least(stage, "RollbackReady", &STAGING, 0.0).await;
    until_least(stage, "RollbackReady", &PRODUCTION, 1.0).await;
}

/// No target group tells: the finished hosts are asked through the bake.
async fn a_canary_that_degrades_once_it_is_done_is_put_back(stage: &Stage) {
    let command = "CMD [\"sh\", \"-c\", \"(sleep 20; rm /site/health) & \
                   exec httpd -f -p 8080 -h /site\"]";
    let degrades = |text: String| with_command(&text, &[command]);
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
    eventually("the drift", drifted).await;
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

/// In the phases in which a host that is lost was not changing: it is left out, and its
/// replacement gets what the others run.
async fn a_host_replaced_while_others_watch_costs_nobody(stage: &mut Stage) {
    let longer = |text: String| text.replacen("for = \"2s\"", "for = \"30s\"", 1);
    stage.configure_as(longer).await.unwrap();
    for (phase, version) in [("settling", "v1.5.0"), ("baking", "v1.6.0")] {
        stage.push(version, &[version, "latest"]).await.unwrap();
        until_phase(stage, phase).await;
        let status = stage.ask("status").await.unwrap();
        let hosts = status["lane"]["rollout"]["hosts"].as_array().unwrap();
        let progress = if phase == "baking" { "done" } else { "waiting" };
        let lost = hosts.iter().find(|it| it["progress"] == progress).unwrap();
        let id = lost["id"].as_str().unwrap().to_owned();
        let hosts = &stage.environment.record().hosts;
        let name = hosts.iter().find(|it| it.instance_id == id).unwrap().name.clone();
        stage.replace(&name).await.unwrap();
        // Until its checks fail, the load balancer sends requests to a machine that is gone: each
        // of them waits for its end.
        let noticed = || async {
            let client = Client::start(&stage.address).unwrap();
            tokio::time::sleep(Duration::from_secs(8)).await;
            (client.stop().await.failed == 0).then_some(())
        };
        eventually("the load balancer's notice", noticed).await;
        served(stage, &format!("a host replaced while {phase}"), async || {
            let end = format!("{version} push succeeded ok");
            until_end(stage, (SERVICE, "production"), &end).await;
            at_rest(stage).await;
        })
        .await;
        expect_running(stage, version).await;
    }
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

async fn one_that_goes_one_way_is_left_as_it_failed(stage: &Stage) {
    let lane = (SERVICE, "staging");
    let lines = ["LABEL esclusa.rollback=unsafe", "CMD [\"sh\", \"-c\", \"exit 3\"]"];
    let unsafe_and_crashes = |text: String| with_command(&text, &lines);
    stage.push_as(SERVICE, "v0.3.0", &["v0.3.0", "staging"], unsafe_and_crashes).await.unwrap();
    until_end(stage, lane, "v0.3.0 push halted health.container").await;
    let running = stage.running_of(SERVICE, "staging").unwrap();
    assert!(running.values().all(|it| !it.starts_with("v0.2.0")), "{running:?}");
    done(stage, json!({ "action": "restart", "environment": "staging" })).await;
    until_end(stage, lane, "v0.2.0 restart succeeded ok").await;
    assert_running(stage, lane, "v0.2.0");
}

/// Of one version an environment: what hosts run and may go back to stays.
async fn what_runs_outlives_retention(stage: &Stage) {
    let few = "\n[retention]\nversions = 1\nunmapped = \"1h\"\nmax_deletions = 100\n";
    stage.configure_as(|text| text + few).await.unwrap();
    let month = Duration::from_hours(24 * 30);
    stage.environment.age_images(SERVICE, month).await.unwrap();
    let answer = stage.retain(json!({ "apply": true, "force": true })).await.unwrap();
    assert_eq!(answer["ok"], true, "{answer:#}");
    let images = stage.listed(SERVICE).await.unwrap();
    let kept: BTreeSet<&String> = images.values().flatten().collect();
    for version in ["v1.6.0", "v0.2.0"] {
        assert!(kept.contains(&version.to_owned()), "{version} is gone: {kept:?}");
    }
    assert!(!kept.contains(&"v1.1.0".to_owned()), "{kept:?}");
    expect_running(stage, "v1.6.0").await;
}
