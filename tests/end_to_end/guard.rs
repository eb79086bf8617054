//! What is found in what runs is told, and what no scan watches any more shows.

use std::time::Duration;

use esclusa_local::stage::{SERVICE, Stage};
use serde_json::{Value, json};

use crate::numbers::{assert_is, tick, until_counted, until_least, until_numbers};
use crate::on_stage;
use crate::scans::critical;
use crate::told::Told;

const PRODUCTION: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "production")];
const STAGING: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "staging")];

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_watched() {
    on_stage("guard", async |stage| {
        stage.scan_on_push().await.unwrap();
        for (version, tag) in [("v1.0.0", "latest"), ("s1", "staging")] {
            stage.push(version, &[version, tag]).await.unwrap();
            stage.scanned(version, "COMPLETE", json!([])).await.unwrap();
        }
        assert_eq!(stage.until_ended(1).await.unwrap(), ["v1.0.0 succeeded"]);
        stage.until_current("staging").await.unwrap();
        let mut told = Told::from_now(&stage).await;
        a_newer_release_waits(&stage).await;
        // Days later the world has learned something, or looks no more.
        let days = Duration::from_hours(72);
        stage.environment.age_images(SERVICE, days).await.unwrap();
        stage.scanned("v1.0.0", "COMPLETE", critical()).await.unwrap();
        stage.scanned("s1", "SCAN_ELIGIBILITY_EXPIRED", json!([])).await.unwrap();
        tick(&stage, "first").await;
        what_was_found_is_told_once(&stage, &mut told).await;
        a_scan_that_has_expired_is_asked_for_again(&stage).await;
        stage
    })
    .await;
}

async fn a_newer_release_waits(stage: &Stage) {
    let hold = json!({ "action": "hold", "reason": "the day before a holiday" });
    assert_eq!(stage.ask_with(hold).await.unwrap()["ok"], json!(true));
    stage.push("v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
    stage.scanned("v1.1.0", "COMPLETE", json!([])).await.unwrap();
    crate::until_kept_back(stage, "lane.held").await;
}

async fn what_was_found_is_told_once(stage: &Stage, told: &mut Told) {
    let text = told.until_text("CVE-2026-0001").await;
    let hosts = stage.environment.record().hosts.iter();
    let hosts: Vec<_> = hosts.filter(|it| it.environment == "production").collect();
    assert_eq!(hosts.len(), 2);
    for named in [
        "tickets in production: ",
        "CVE-2026-0001 (CRITICAL) in openssl 3.0.1",
        &hosts[0].instance_id,
        &hosts[1].instance_id,
        "v1.1.0",
        "has nothing that blocks: let it go out",
        "\"action\":\"why\"",
    ] {
        assert!(text.contains(named), "no {named:?} in {text}");
    }
    assert_is(until_counted(stage, "VulnerabilitiesFound", &PRODUCTION).await, 1.0);
    until_least(stage, "ScanCoverage", &PRODUCTION, 1.0).await;
    let critical = [PRODUCTION[0], PRODUCTION[1], ("Severity", "CRITICAL")];
    assert!(until_counted(stage, "Vulnerabilities", &critical).await > 0.0);
    // Another finding event about the same changes nothing that is known.
    let image = json!({ "awsEcrContainerImage": { "repositoryName": SERVICE } });
    let resource = json!({ "type": "AWS_ECR_CONTAINER_IMAGE", "details": image });
    let finding: Value = json!({ "status": "ACTIVE", "resources": [resource] });
    stage.tell("aws.inspector2", "Inspector2 Finding", &finding).await.unwrap();
    tick(stage, "second").await;
    until_numbers(stage, "HostsDrifted", &STAGING, 2.0).await;
    assert_is(until_counted(stage, "VulnerabilitiesFound", &PRODUCTION).await, 1.0);
}

async fn a_scan_that_has_expired_is_asked_for_again(stage: &Stage) {
    until_least(stage, "ScanCoverage", &STAGING, 0.0).await;
    let log = stage.log("metrics").await.unwrap();
    assert!(log.contains("runs without a valid scan: asked for a new one"), "{log}");
}
