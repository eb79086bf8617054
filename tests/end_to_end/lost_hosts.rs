//! A host that is lost in the middle of a wave costs that host, and nobody notices.

use std::time::Duration;

use esclusa_local::stage::{Agent, Stage};
use serde_json::json;

use crate::on_stage;
use crate::seen::{at_rest, done, draining, expect_end, expect_running, served, until_phase, why};

/// AWS takes minutes to notice that an agent has stopped pinging.
const PING_LAG: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_host_lost_in_the_middle_costs_only_that_host() {
    on_stage("lost-hosts", async |mut stage| {
        stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
        expect_end(&stage, 1, "v1.0.0 succeeded ok").await;
        stage.environment.set_ping_lag(PING_LAG).await.unwrap();
        one_that_does_not_answer_is_not_drained(&stage).await;
        a_power_cut_turns_the_rollout_back(&stage).await;
        let silent = a_silent_agent_leaves_the_host_out_of_service(&stage).await;
        its_replacement_joins_while_the_lane_is_held(&mut stage, &silent).await;
        stage
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_terminated_while_it_changes_is_a_failed_one() {
    on_stage("replaced-hosts", async |mut stage| {
        stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
        expect_end(&stage, 1, "v1.0.0 succeeded ok").await;
        stage.push("v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
        let changing = draining(&stage).await;
        until_phase(&stage, "activating").await;
        stage.replace(&changing).await.unwrap();
        served(&stage, "a host replaced while it changes", async || {
            expect_end(&stage, 2, "v1.1.0 restored hosts.vanished").await;
            expect_running(&stage, "v1.0.0").await;
        })
        .await;
        stage
    })
    .await;
}

async fn one_that_does_not_answer_is_not_drained(stage: &Stage) {
    stage.environment.set_agent("production-2", Agent::Silent).await.unwrap();
    let before = stage.containers("production").unwrap();
    served(stage, "a host that does not answer", async || {
        stage.push("v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
        expect_end(stage, 2, "v1.1.0 rejected hosts.unreachable").await;
    })
    .await;
    let codes = why(stage, "production", None).await;
    assert_eq!(codes, ["lane.last_attempt", "hosts.unreachable"]);
    assert_eq!(stage.containers("production").unwrap(), before);
    stage.environment.set_agent("production-2", Agent::Listening).await.unwrap();
}

/// The host that drains is the one that changes: it is cut off when no request reaches it.
async fn a_power_cut_turns_the_rollout_back(stage: &Stage) {
    let lost = served(stage, "a host whose power is cut", async || {
        stage.push("v1.2.0", &["v1.2.0", "latest"]).await.unwrap();
        let lost = draining(stage).await;
        stage.environment.cut_power(&lost).await.unwrap();
        let ended = expect_end(stage, 3, "v1.2.0 restored hosts.vanished").await;
        let hosts = &stage.environment.record().hosts;
        // Where the second one is seen to drain, the first one has changed already.
        let is_first = hosts.first().is_some_and(|it| it.name == lost);
        let expected = if is_first { ["skipped", "waiting"] } else { ["restored", "skipped"] };
        let progress = ended["hosts"].as_array().unwrap().iter().map(|it| &it["progress"]);
        assert!(progress.eq(expected.map(|it| json!(it)).iter()), "{lost}: {ended:#}");
        lost
    })
    .await;
    for (host, running) in stage.running().unwrap() {
        assert_eq!(running, if host == lost { "" } else { "v1.0.0 healthy" }, "{host}");
    }
    served(stage, "a host that is switched on again", async || {
        stage.environment.switch_on(&lost).await.unwrap();
        expect_running(stage, "v1.0.0").await;
        at_rest(stage).await;
    })
    .await;
}

async fn a_silent_agent_leaves_the_host_out_of_service(stage: &Stage) -> String {
    let silent = served(stage, "a host whose agent falls silent", async || {
        stage.push("v1.3.0", &["v1.3.0", "latest"]).await.unwrap();
        let silent = draining(stage).await;
        stage.environment.set_agent(&silent, Agent::Silent).await.unwrap();
        expect_end(stage, 4, "v1.3.0 stuck hosts.unreachable").await;
        silent
    })
    .await;
    let status = stage.ask("status").await.unwrap();
    assert_eq!(status["lane"]["hold"]["code"], "lane.held", "{status:#}");
    let targets = stage.targets().await.unwrap();
    assert!(!targets.contains_key(&silent), "{targets:?}");
    assert_eq!(targets.len(), 1, "{targets:?}");
    silent
}

async fn its_replacement_joins_while_the_lane_is_held(stage: &mut Stage, silent: &str) {
    stage.replace(silent).await.unwrap();
    served(stage, "a host that replaces another one", async || {
        expect_running(stage, "v1.0.0").await;
        at_rest(stage).await;
    })
    .await;
    let status = stage.ask("status").await.unwrap();
    assert_eq!(status["lane"]["hold"]["code"], "lane.held", "{status:#}");
    assert_eq!(status["lane"]["phase"], "idle");
    served(stage, "a release whose failure lay in a host, tried again", async || {
        done(stage, json!({ "action": "release" })).await;
        expect_end(stage, 5, "v1.3.0 succeeded ok").await;
    })
    .await;
    served(stage, "a rollout to the new host", async || {
        stage.push("v1.4.0", &["v1.4.0", "latest"]).await.unwrap();
        expect_end(stage, 6, "v1.4.0 succeeded ok").await;
    })
    .await;
    expect_running(stage, "v1.4.0").await;
}
