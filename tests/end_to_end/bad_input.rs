//! Bad input of any kind gets one clear sentence, and loses nothing.

use esclusa_local::stage::{SERVICE, Stage};
use serde_json::{Value, json};

use crate::{eventually, on_stage};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_one_sentence_and_loses_nothing() {
    on_stage("bad-input", async |stage| {
        a_bare_latest_waits_for_its_version(&stage).await;
        an_unfollowed_tag_does_nothing(&stage).await;
        a_message_that_nobody_understands_reaches_the_dead_letters(&stage).await;
        a_person_who_mistypes_is_told_what_was_meant(&stage).await;
        an_invalid_configuration_holds_its_lane_with_the_reason(&stage).await;
        a_rollback_to_nothing_is_refused(&stage).await;
        stage
    })
    .await;
}

async fn blocker(stage: &Stage) -> Option<(String, String)> {
    let status = stage.ask("status").await.unwrap();
    let text = |name: &str| status.pointer(&format!("/lane/blocker/{name}"))?.as_str();
    Some((text("code")?.to_owned(), text("text")?.to_owned()))
}

async fn until_blocked(stage: &Stage, code: &str) -> String {
    let ask = || async { blocker(stage).await.filter(|it| it.0 == code).map(|it| it.1) };
    eventually(&format!("the blocker {code}"), ask).await
}

async fn a_bare_latest_waits_for_its_version(stage: &Stage) {
    stage.push("v1.0.0", &["latest"]).await.unwrap();
    let text = until_blocked(stage, "release.unversioned").await;
    assert!(text.contains("push the same image as `v*` too"), "{text}");
    stage.push("v1.0.0", &["v1.0.0"]).await.unwrap();
    assert_eq!(stage.until_ended(1).await.unwrap(), ["v1.0.0 succeeded"]);
}

async fn an_unfollowed_tag_does_nothing(stage: &Stage) {
    stage.push("v1.1.0", &["feature-x"]).await.unwrap();
    let log = || async {
        let log = stage.log("rollout").await.unwrap();
        log.contains("feature-x").then_some(log)
    };
    eventually("a line about the tag", log).await;
    assert_eq!(stage.ends().await.unwrap(), ["v1.0.0 succeeded"]);
}

async fn a_message_that_nobody_understands_reaches_the_dead_letters(stage: &Stage) {
    stage.send("this is not JSON").await.unwrap();
    stage.send(r#"{"source":"aws.sun","detail-type":"Sunrise","detail":{}}"#).await.unwrap();
    let log = || async {
        let log = stage.log("rollout").await.unwrap();
        (log.contains("not JSON") && log.contains("Sunrise")).then_some(())
    };
    eventually("a line about each message", log).await;
    // Five deliveries, 30 s apart, and nothing else is held up meanwhile.
    stage.push("v1.2.0", &["v1.2.0", "latest"]).await.unwrap();
    stage.until_ended(2).await.unwrap();
    let dead = || async { (stage.dead_letters().await.unwrap() == 1).then_some(()) };
    eventually("the dead letter", dead).await;
}

async fn a_person_who_mistypes_is_told_what_was_meant(stage: &Stage) {
    let ask = async |question: Value| {
        let answer = stage.environment.invoke("operator", &question).await.unwrap();
        assert_eq!(answer.get("ok"), Some(&json!(false)), "{question}: {answer}");
        answer.to_string()
    };
    let good = json!({"action": "status", "service": SERVICE, "environment": "production"});
    let with = |name: &str, value: &str| {
        let mut question = good.clone();
        question.as_object_mut().unwrap().insert(name.to_owned(), json!(value));
        question
    };
    for (question, expected) in [
        (with("action", "rolback"), "rollback"),
        (with("service", "ticket"), "ticket"),
        (with("environment", "prod"), "prod"),
        (with("sevice", SERVICE), "service"),
        (json!("status"), "JSON object"),
    ] {
        let answer = ask(question.clone()).await;
        assert!(answer.contains(expected), "{question}: {answer}");
    }
}

async fn an_invalid_configuration_holds_its_lane_with_the_reason(stage: &Stage) {
    stage.environment.configure(SERVICE, "[environments.production]\nwavs = []\n").await.unwrap();
    stage.push("v1.3.0", &["v1.3.0", "latest"]).await.unwrap();
    let text = until_blocked(stage, "config.invalid").await;
    assert!(text.contains("wavs") && text.contains("waves"), "{text}");
    stage.configure().await.unwrap();
    stage.sweep().await.unwrap();
    let ends = stage.until_ended(3).await.unwrap();
    assert_eq!(ends.first().unwrap(), "v1.3.0 succeeded");
}

async fn a_rollback_to_nothing_is_refused(stage: &Stage) {
    let question = json!({"action": "rollback", "service": SERVICE, "environment": "staging"});
    let answer = stage.environment.invoke("operator", &question).await.unwrap();
    assert_eq!(answer.get("ok"), Some(&json!(false)), "{answer}");
}
