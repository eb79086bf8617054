//! What is counted: from events to facts, and what is remembered of them.

use esclusa_aws::event::{DecodedFact, decode_fact};
use esclusa_core::time::Timestamp;
use esclusa_shell::measure::Fact;
use esclusa_shell::measure::ports::{Facts, Repositories};
use serde_json::{Value, json};

use crate::aws::{gauges, ok, refusal};
use crate::events::{changed, payload};
use crate::record_samples::digest;

const PUSH: &str = "ecr-image-action-push.json";

fn said(body: &str) -> String {
    match decode_fact(body) {
        Ok(DecodedFact::Facts(facts)) => facts.iter().map(fact).collect::<Vec<_>>().join(", "),
        Ok(DecodedFact::Ignored(kind)) => format!("ignored {kind}"),
        Err(error) => format!("error: {error}"),
    }
}

fn fact(fact: &Fact) -> String {
    match fact {
        Fact::Pushed(service, tag) => format!("pushed {service}:{tag}"),
        Fact::Ended(lane, rollout) => format!("{rollout} of {lane} ended"),
        Fact::Retained { service, run, kept, deleted, bytes, stopped } => {
            format!("{run} on {service}: {kept}, {deleted}, {bytes}, {stopped}")
        }
        Fact::Swept(sweep) => format!("swept {sweep}"),
        Fact::Scanned(service) => format!("scanned {service}"),
        Fact::Gauges(tick) => format!("gauges {tick}"),
        Fact::Usage(tick) => format!("usage {tick}"),
        Fact::Upkeep => "upkeep".to_owned(),
    }
}

fn ours(kind: &str, detail: &Value) -> String {
    json!({ "source": "esclusa", "detail-type": kind, "detail": detail }).to_string()
}

#[test]
fn events_that_are_counted_are_read_strictly() {
    for (body, expected) in [
        (payload(PUSH), "pushed my-repository-name:latest"),
        (
            changed(PUSH, "/detail/image-tag", json!("")),
            "ignored ECR Image Action: PUSH without a tag",
        ),
        (
            payload("eventbridge-scheduled-event.json"),
            "gauges 53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa, \
             usage 53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa, upkeep",
        ),
        (
            changed("eventbridge-scheduled-event.json", "/id!", Value::Null),
            "error: `id` of the message `Scheduled Event` is `null` and no name",
        ),
        (payload("ecr-image-scan-complete.json"), "scanned my-repository-name"),
        (payload("inspector2-finding-ecr.json"), "scanned amazon/amazon-ecs-sample"),
        (payload("inspector2-scan-ecr-initial.json"), "scanned amazon/amazon-ecs-sample"),
        (ours("Lanes Swept", &json!({ "id": "sweep#7" })), "swept sweep#7"),
    ] {
        assert_eq!(said(&body), expected, "{body}");
    }
}

#[test]
fn events_of_our_own_that_are_counted_are_read_strictly() {
    let lane = json!({ "service": "a1", "environment": "production", "rollout": "01A" });
    let run = json!({
        "service": "a1", "run": "r", "stop": "done", "kept": 9, "deleted": 1, "bytes": 7,
    });
    let without = |of: &Value, member: &str| {
        let mut less = of.clone();
        less.as_object_mut().unwrap().remove(member);
        less
    };
    let mut goes_on = run.clone();
    goes_on["stop"] = json!("time");
    for (body, expected) in [
        (ours("Rollout Ended", &lane), "01A of a1#production ended"),
        (
            ours("Rollout Ended", &without(&lane, "rollout")),
            "error: `detail.rollout` of the message `Rollout Ended` is missing",
        ),
        (
            ours("Rollout Ended", &without(&lane, "environment")),
            "error: `detail.environment` of the message `Rollout Ended` is missing",
        ),
        (ours("Rollout Started", &lane), "ignored esclusa: Rollout Started"),
        (ours("Retention Ran", &run), "r on a1: 9, 1, 7, false"),
        (ours("Retention Stopped", &run), "r on a1: 9, 1, 7, false"),
        // It is told of again, with all that it did.
        (ours("Retention Ran", &goes_on), "ignored Retention Ran: it goes on"),
        (
            ours("Retention Ran", &without(&run, "run")),
            "error: `detail.run` of the message `Retention Ran` is missing",
        ),
        (
            ours("Lanes Swept", &json!({ "id": "" })),
            "error: `detail.id` of the message `Lanes Swept` is missing",
        ),
        (
            ours("Retention Ran", &without(&run, "bytes")),
            "error: `detail.bytes` of the message `Retention Ran` is missing",
        ),
        (
            json!({ "esclusa": "sweep" }).to_string(),
            "error: `esclusa` of the message `esclusa` is `sweep`, and nothing of that kind is \
             counted",
        ),
    ] {
        assert_eq!(said(&body), expected, "{body}");
    }
}

#[tokio::test]
async fn a_fact_is_marked_once_and_forgotten_by_itself() {
    for (answer, expected) in
        [(ok(&json!({})), true), (refusal("ConditionalCheckFailedException"), false)]
    {
        let (aws, calls) = gauges(move |_, _| answer.clone());
        let until = Timestamp::from_millis(1_790_000_000_999);
        assert_eq!(aws.mark("build#a1#7", until).await.unwrap(), expected);
        let put = calls.one("PutItem");
        assert_eq!(put["ConditionExpression"], "attribute_not_exists(pk)");
        let item = json!({
            "pk": { "S": "FACT#build#a1#7" }, "sk": { "S": "FACT" },
            "expires": { "N": "1790000000" },
        });
        assert_eq!(put["Item"], item);
    }
    let (aws, _) = gauges(|_, _| refusal("AccessDeniedException"));
    let failed = aws.mark("build#a1#7", Timestamp::default()).await.unwrap_err();
    assert_eq!(failed.doing, "mark that `build#a1#7` is counted");
}

#[tokio::test]
async fn a_commit_is_remembered_for_its_image() {
    let service = "a1".parse().unwrap();
    let at = Timestamp::from_millis(1_790_000_000_123);
    let (aws, calls) = gauges(|_, _| ok(&json!({})));
    aws.note_commit(&service, &digest(1), at).await.unwrap();
    let stored = calls.one("PutItem")["Item"].clone();
    assert_eq!(stored["committed"], json!({ "N": "1790000000123" }));
    let answer = json!({ "Item": stored });
    let (aws, calls) = gauges(move |_, _| ok(&answer));
    assert_eq!(aws.committed(&service, &digest(1)).await.unwrap(), Some(at));
    assert_eq!(calls.one("GetItem")["Key"]["pk"], stored["pk"]);
    let (aws, _) = gauges(|_, _| ok(&json!({})));
    assert_eq!(aws.committed(&service, &digest(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_repository_is_there_or_not() {
    let found = json!({ "repositories": [{ "repositoryUri": "registry/a1" }] });
    for (answer, expected) in [(ok(&found), true), (refusal("RepositoryNotFoundException"), false)]
    {
        let (aws, _) = gauges(move |_, _| answer.clone());
        assert_eq!(aws.exists(&"a1".parse().unwrap()).await.unwrap(), expected);
    }
}
