//! Every push that must not stay ends right and stays away, and a person's word counts.

use esclusa_local::stage::{Flaw, Stage};
use serde_json::{Value, json};

use crate::seen::{done, expect_end, expect_running, looked, refused, served, until_phase, why};
use crate::{eventually, on_stage};

#[tokio::test(flavor = "multi_thread")]
async fn every_push_ends_right_and_no_request_fails() {
    on_stage("bad-images", async |stage| {
        configure(&stage, "").await;
        stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
        expect_end(&stage, 1, "v1.0.0 succeeded ok").await;
        what_ran_before_is_adopted(&stage).await;
        what_needs_no_rollout_is_told(&stage).await;
        one_that_crashes_is_put_back(&stage).await;
        its_digest_does_not_come_back(&stage).await;
        one_that_the_load_balancer_refuses_is_put_back(&stage).await;
        one_that_cannot_be_pulled_touches_nothing(&stage).await;
        a_rollback_in_the_middle_holds_the_lane(&stage).await;
        an_abort_in_the_middle_holds_the_lane(&stage).await;
        a_freeze_is_overridden_with_a_reason_and_once(&stage).await;
        stage
    })
    .await;
}

/// The example's configuration without its probe: the load balancer alone asks for that page.
async fn configure(stage: &Stage, production: &str) {
    let edit = |text: String| {
        let text = text.split("[environments.production.health]").next().unwrap();
        let head = "[environments.production]\n";
        text.replace(head, &format!("{head}{production}\n"))
    };
    stage.configure_as(edit).await.unwrap();
}

async fn what_ran_before_is_adopted(stage: &Stage) {
    for host in ["staging-1", "staging-2"] {
        stage.start_by_hand(host).await.unwrap();
    }
    let before = stage.containers("staging").unwrap();
    stage.push("v1.0.1", &["staging"]).await.unwrap();
    let held = || async {
        let question = json!({ "action": "status", "environment": "staging" });
        let status = stage.ask_with(question).await.unwrap();
        (status.pointer("/lane/hold/code")? == "lane.adopted").then_some(())
    };
    eventually("the adoption", held).await;
    assert_eq!(why(stage, "staging", None).await, ["lane.adopted"]);
    assert_eq!(stage.containers("staging").unwrap(), before);
}

/// Codes of `why` that no rollout is needed for.
async fn what_needs_no_rollout_is_told(stage: &Stage) {
    assert_eq!(why(stage, "production", None).await, [""; 0]);
    let version = Some("staging");
    assert_eq!(why(stage, "production", version).await, ["release.unversioned"]);
    stage.push("v1.0.2", &["v1.0.2"]).await.unwrap();
    let version = Some("v1.0.2");
    let listed = || async {
        let answer = stage.ask_with(json!({ "action": "why", "version": version })).await;
        (answer.unwrap()["ok"] == true).then_some(())
    };
    // The registry tells of a push after it has been answered.
    eventually("v1.0.2 in the registry", listed).await;
    assert_eq!(why(stage, "production", version).await, [""; 0]);
    done(stage, json!({ "action": "hold" })).await;
    assert_eq!(why(stage, "production", version).await, ["lane.held"]);
    done(stage, json!({ "action": "release" })).await;
    configure(stage, "wavs = []").await;
    assert_eq!(why(stage, "production", version).await, ["config.invalid"]);
    configure(stage, "").await;
}

async fn one_that_crashes_is_put_back(stage: &Stage) {
    served(stage, "an image that crashes", async || {
        stage.push_flawed(Flaw::Crashes, "v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
        expect_end(stage, 2, "v1.1.0 restored health.container").await;
    })
    .await;
    expect_running(stage, "v1.0.0").await;
    assert_eq!(why(stage, "production", None).await[0], "release.quarantined");
}

/// Neither pushed again, nor by its event delivered again, nor by the sweep.
async fn its_digest_does_not_come_back(stage: &Stage) {
    let before = stage.containers("production").unwrap();
    let status = stage.ask("status").await.unwrap();
    let digest = status["lane"]["quarantine"][0]["digest"].as_str().unwrap().to_owned();
    let looks = stage.looks().await.unwrap();
    stage.push_flawed(Flaw::Crashes, "v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
    looked(stage, looks).await;
    let looks = stage.looks().await.unwrap();
    stage.announce_push(&digest, "latest").await.unwrap();
    looked(stage, looks).await;
    let looks = stage.looks().await.unwrap();
    stage.sweep().await.unwrap();
    looked(stage, looks).await;
    let status = stage.ask("status").await.unwrap();
    assert_eq!(status["lane"]["blocker"]["code"], "release.quarantined", "{status:#}");
    assert_eq!(status["lane"]["desired"]["digest"], digest);
    assert_eq!(status["lane"]["phase"], "idle");
    assert_eq!(stage.ends().await.unwrap().len(), 2);
    assert_eq!(stage.containers("production").unwrap(), before);
}

async fn one_that_the_load_balancer_refuses_is_put_back(stage: &Stage) {
    served(stage, "an image that answers 500", async || {
        stage.push_flawed(Flaw::Refuses, "v1.2.0", &["v1.2.0", "latest"]).await.unwrap();
        until_phase(stage, "settling").await;
        let running = stage.running().unwrap();
        assert!(running.values().any(|it| it == "v1.2.0 healthy"), "{running:?}");
        assert_eq!(why(stage, "production", None).await, ["lane.busy"]);
        assert_eq!(why(stage, "production", Some("v1.0.2")).await, ["lane.busy"]);
        expect_end(stage, 3, "v1.2.0 restored health.target").await;
    })
    .await;
    expect_running(stage, "v1.0.0").await;
}

/// Held while its layer is taken away, so that nobody pulls it before.
async fn one_that_cannot_be_pulled_touches_nothing(stage: &Stage) {
    done(stage, json!({ "action": "hold" })).await;
    stage.push("v1.3.0", &["v1.3.0", "latest"]).await.unwrap();
    stage.lose_layer("v1.3.0").unwrap();
    let before = stage.containers("production").unwrap();
    let last = served(stage, "an image that cannot be pulled", async || {
        done(stage, json!({ "action": "release" })).await;
        expect_end(stage, 4, "v1.3.0 failed hosts.registry").await
    })
    .await;
    let hosts = last["hosts"].as_array().unwrap();
    assert!(hosts.iter().all(|it| it["progress"] == "waiting"), "{last:#}");
    assert_eq!(stage.containers("production").unwrap(), before);
    let codes = why(stage, "production", None).await;
    assert_eq!(codes, ["lane.last_attempt", "hosts.registry"]);
}

async fn a_rollback_in_the_middle_holds_the_lane(stage: &Stage) {
    served(stage, "a rollback in the middle", async || {
        stage.push("v1.4.0", &["v1.4.0", "latest"]).await.unwrap();
        stop_in_the_middle(stage, "rollback").await;
        expect_end(stage, 5, "v1.4.0 aborted asked").await;
    })
    .await;
    expect_stopped(stage).await;
    done(stage, json!({ "action": "release" })).await;
}

async fn an_abort_in_the_middle_holds_the_lane(stage: &Stage) {
    served(stage, "an abort in the middle", async || {
        stop_in_the_middle(stage, "abort").await;
        expect_end(stage, 6, "v1.4.0 aborted asked").await;
    })
    .await;
    expect_stopped(stage).await;
}

/// While one host runs the candidate and the other one does not.
async fn stop_in_the_middle(stage: &Stage, action: &str) {
    until_phase(stage, "settling").await;
    let running = stage.running().unwrap();
    let new = running.values().filter(|it| it.starts_with("v1.4.0 ")).count();
    assert_eq!(new, 1, "{running:?}");
    let answer = done(stage, json!({ "action": action })).await;
    assert_eq!(answer["lane"]["hold"]["code"], "lane.held", "{answer:#}");
}

async fn expect_stopped(stage: &Stage) {
    expect_running(stage, "v1.0.0").await;
    let status = stage.ask("status").await.unwrap();
    assert_eq!(status["lane"]["hold"]["code"], "lane.held", "{status:#}");
    assert_eq!(status["lane"]["quarantine"].as_array().unwrap().len(), 2, "{status:#}");
    let looks = stage.looks().await.unwrap();
    stage.sweep().await.unwrap();
    looked(stage, looks).await;
    let status = stage.ask("status").await.unwrap();
    assert_eq!(status["lane"]["blocker"]["code"], "lane.held", "{status:#}");
    assert_eq!(why(stage, "production", None).await[0], "lane.held");
}

async fn a_freeze_is_overridden_with_a_reason_and_once(stage: &Stage) {
    let from = yesterday();
    let window = format!(r#"{{ from = "{from} 00:00", for = "6d", zone = "UTC" }}"#);
    configure(stage, &format!("freeze = [{window}]")).await;
    done(stage, json!({ "action": "release" })).await;
    let frozen = || async {
        let status = stage.ask("status").await.unwrap();
        (status.pointer("/lane/blocker/code")? == "lane.frozen").then_some(status)
    };
    let status = eventually("the freeze", frozen).await;
    assert!(status["lane"]["blocker"]["lifts_at"].is_string(), "{status:#}");
    assert_eq!(why(stage, "production", None).await, ["lane.frozen"]);
    let deploy = json!({ "action": "deploy", "version": "v1.4.0" });
    refused(stage, deploy.clone(), "lane.frozen").await;
    let with = |reason: Value| {
        let mut question = deploy.clone();
        question["override"] = json!(true);
        question["reason"] = reason;
        question["actor"] = json!("ana");
        question["request"] = json!("the-fix");
        question
    };
    refused(stage, with(Value::Null), "question.invalid").await;
    assert_eq!(stage.ends().await.unwrap().len(), 6);
    let question = with(json!("the shop is down"));
    let last = served(stage, "a deploy in a freeze", async || {
        done(stage, question.clone()).await;
        done(stage, question.clone()).await;
        expect_end(stage, 7, "v1.4.0 succeeded ok").await
    })
    .await;
    let recorded = (&last["cause"], &last["actor"], &last["overriding"]);
    assert_eq!(recorded, (&json!("deploy"), &json!("ana"), &json!("the shop is down")));
    expect_running(stage, "v1.4.0").await;
    let before = stage.containers("production").unwrap();
    let looks = stage.looks().await.unwrap();
    done(stage, question).await;
    looked(stage, looks).await;
    assert_eq!(stage.ends().await.unwrap().len(), 7);
    assert_eq!(stage.containers("production").unwrap(), before);
}

/// The day of the week that it was yesterday, in UTC.
fn yesterday() -> &'static str {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let day = usize::try_from(now.as_secs() / 86_400 % 7).unwrap();
    // The epoch began on a Thursday.
    ["Wed", "Thu", "Fri", "Sat", "Sun", "Mon", "Tue"][day]
}
