//! What an image's scan says decides whether it goes out.

use esclusa_local::stage::Stage;
use serde_json::{Value, json};

use crate::{on_stage, until_kept_back};

const GATE: &str = "gate = { wait = \"15s\" }\n";

const WAIVER: &str = "waivers = [{ id = \"CVE-2026-0001\", until = \"2099-01-01\", \
                      reason = \"not reachable\", by = \"ana\" }]\n";

pub(crate) fn critical() -> Value {
    json!([{
        "name": "CVE-2026-0001", "severity": "CRITICAL", "attributes": [
            { "key": "package_name", "value": "openssl" },
            { "key": "package_version", "value": "3.0.1" },
        ],
    }])
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_its_scan_lets_pass_goes_out() {
    on_stage("scans", async |stage| {
        stage.scan_on_push().await.unwrap();
        configure(&stage, GATE).await;
        a_scan_is_waited_for(&stage).await;
        a_scan_that_does_not_come_is_missing(&stage).await;
        what_blocks_stays_out_until_it_is_waived(&stage).await;
        an_override_is_recorded(&stage).await;
        an_index_is_judged_by_the_image_that_it_names(&stage).await;
        what_is_worse_than_what_runs_stays_out(&stage).await;
        stage
    })
    .await;
}

async fn configure(stage: &Stage, more: &str) {
    let edit = |text: String| {
        text.replace("[environments.production]\n", &format!("[environments.production]\n{more}"))
    };
    stage.configure_as(edit).await.unwrap();
}

async fn a_scan_is_waited_for(stage: &Stage) {
    stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
    let text = until_kept_back(stage, "gate.scan_pending").await;
    assert!(text.contains("IN_PROGRESS"), "{text}");
    assert_eq!(stage.ends().await.unwrap().len(), 0);
    stage.scanned("v1.0.0", "COMPLETE", json!([])).await.unwrap();
    assert_eq!(stage.until_ended(1).await.unwrap(), ["v1.0.0 succeeded"]);
}

async fn a_scan_that_does_not_come_is_missing(stage: &Stage) {
    stage.push("v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
    let text = until_kept_back(stage, "gate.scan_missing").await;
    assert!(text.contains("and that after 15s"), "{text}");
    stage.scanned("v1.1.0", "SCAN_ELIGIBILITY_EXPIRED", json!([])).await.unwrap();
    let text = until_kept_back(stage, "gate.scan_missing").await;
    assert!(text.contains("SCAN_ELIGIBILITY_EXPIRED") || text.contains("15s"), "{text}");
    assert_eq!(stage.ends().await.unwrap(), ["v1.0.0 succeeded"]);
}

async fn what_blocks_stays_out_until_it_is_waived(stage: &Stage) {
    stage.scanned("v1.1.0", "COMPLETE", critical()).await.unwrap();
    let text = until_kept_back(stage, "gate.scan_blocked").await;
    assert!(text.contains("CVE-2026-0001 (CRITICAL) in openssl 3.0.1"), "{text}");
    assert_eq!(stage.ends().await.unwrap(), ["v1.0.0 succeeded"]);
    configure(stage, &format!("{GATE}{WAIVER}")).await;
    stage.sweep().await.unwrap();
    let expected = ["v1.1.0 succeeded", "v1.0.0 succeeded"];
    assert_eq!(stage.until_ended(2).await.unwrap(), expected);
    configure(stage, GATE).await;
}

async fn an_override_is_recorded(stage: &Stage) {
    stage.push("v1.2.0", &["v1.2.0", "latest"]).await.unwrap();
    stage.scanned("v1.2.0", "COMPLETE", critical()).await.unwrap();
    until_kept_back(stage, "gate.scan_blocked").await;
    let deploy = |members: Value| {
        let mut question = json!({ "action": "deploy", "version": "v1.2.0" });
        question.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        stage.ask_with(question)
    };
    let refused = deploy(json!({})).await.unwrap();
    assert_eq!(refused["code"], json!("gate.scan_blocked"), "{refused}");
    let taken = deploy(json!({ "override": true, "reason": "a hotfix" })).await.unwrap();
    assert_eq!(taken["ok"], json!(true), "{taken}");
    assert_eq!(stage.until_ended(3).await.unwrap().first().unwrap(), "v1.2.0 succeeded");
    let history = stage.ask("history").await.unwrap();
    let overriding = history.pointer("/history/0/overriding");
    assert_eq!(overriding, Some(&json!("a hotfix")), "{history}");
}

/// The tag points to an index, which ECR does not scan; nor does anyone scan the attestation. What
/// it names for another architecture has what blocks, and is run by no host.
async fn an_index_is_judged_by_the_image_that_it_names(stage: &Stage) {
    let part =
        stage.push_index("v2.0.0", &["v2.0.0", "latest"], &[("arm64", "v1.2.0")]).await.unwrap();
    let text = until_kept_back(stage, "gate.scan_pending").await;
    let passed_over = "not judged: linux/arm64, which no host of production has";
    assert!(text.contains("linux/amd64") && text.contains(passed_over), "{text}");
    stage.scanned_as(&part, "COMPLETE", critical()).await.unwrap();
    let text = until_kept_back(stage, "gate.scan_blocked").await;
    assert!(text.contains("CVE-2026-0001 (CRITICAL) in openssl 3.0.1"), "{text}");
    stage.scanned_as(&part, "COMPLETE", json!([])).await.unwrap();
    assert_eq!(stage.until_ended(4).await.unwrap().first().unwrap(), "v2.0.0 succeeded");
    for (host, running) in stage.running().unwrap() {
        assert_eq!(running, "v2.0.0 healthy", "{host}");
    }
}

/// Findings of a severity that does not block by itself must not rise: the same number passes.
async fn what_is_worse_than_what_runs_stays_out(stage: &Stage) {
    let high = |count: u32| {
        let finding = |number| json!({ "name": format!("CVE-2026-1{number}"), "severity": "HIGH" });
        Value::Array((0..count).map(finding).collect())
    };
    let ended = stage.until_ended(4).await.unwrap();
    stage.push("v2.1.0", &["v2.1.0", "latest"]).await.unwrap();
    stage.scanned("v2.1.0", "COMPLETE", high(2)).await.unwrap();
    let text = until_kept_back(stage, "gate.scan_blocked").await;
    assert!(text.contains("found 2 HIGH finding(s), and the running release has 0"), "{text}");
    assert_eq!(stage.ends().await.unwrap(), ended);
    stage.ask_with(json!({
        "action": "deploy", "version": "v2.1.0", "override": true, "reason": "it is not reachable",
    }))
    .await
    .unwrap();
    assert_eq!(stage.until_ended(5).await.unwrap().first().unwrap(), "v2.1.0 succeeded");
    // It holds the lane, as whatever a person chose.
    stage.ask("release").await.unwrap();
    stage.push("v2.2.0", &["v2.2.0", "latest"]).await.unwrap();
    stage.scanned("v2.2.0", "COMPLETE", high(2)).await.unwrap();
    assert_eq!(stage.until_ended(6).await.unwrap().first().unwrap(), "v2.2.0 succeeded");
}
