//! Retention's queue: what it sends, and what arrives.

use std::time::Duration;

use esclusa_aws::event::{DecodedTask, decode_task};
use esclusa_core::time::Timestamp;
use esclusa_shell::retain::ports::Tasks;
use esclusa_shell::retain::{Mode, Run, Task};
use serde_json::{Value, json};

use crate::aws::{ok, said, shelves};
use crate::events::{changed, payload};

fn read(body: &str) -> String {
    match decode_task(body) {
        Ok(DecodedTask::Task(Task::Pushed(service))) => format!("pushed {service}"),
        Ok(DecodedTask::Task(Task::Due(service, at))) => format!("due {service} {at}"),
        Ok(DecodedTask::Task(Task::One(service))) => format!("one {service}"),
        Ok(DecodedTask::Task(Task::All)) => "all".to_owned(),
        Ok(DecodedTask::Task(Task::GoOn(run))) => format!("go on {run:?}"),
        Ok(DecodedTask::Ignored(kind)) => format!("ignored {kind}"),
        Err(error) => format!("error: {error}"),
    }
}

const PUSH: &str = "ecr-image-action-push.json";

#[test]
fn published_payloads_mean_what_they_should() {
    for (file, expected) in [
        (PUSH, "pushed my-repository-name"),
        ("ecr-image-action-push-full-digest.json", "pushed repository_name"),
        ("ecr-image-scan-complete.json", "ignored aws.ecr: ECR Image Scan"),
        ("inspector2-scan-ecr-initial.json", "ignored aws.inspector2: Inspector2 Scan"),
        (
            "ssm-command-status-change.json",
            "ignored aws.ssm: EC2 Command Status-change Notification",
        ),
        (
            "ssm-command-invocation-status-change.json",
            "ignored aws.ssm: EC2 Command Invocation Status-change Notification",
        ),
        (
            "ec2-instance-state-change-pending.json",
            "ignored aws.ec2: EC2 Instance State-change Notification",
        ),
        ("eventbridge-scheduled-event.json", "all"),
        (
            "cloudwatch-alarm-state-change-metric.json",
            "ignored aws.cloudwatch: CloudWatch Alarm State Change",
        ),
    ] {
        assert_eq!(read(&payload(file)), expected, "{file}");
    }
}

#[test]
fn only_a_successful_push_of_a_tag_is_one() {
    let long = "x".repeat(300);
    for (at, to, expected) in [
        ("/detail/image-tag", json!(""), "ignored ECR Image Action: PUSH without a tag"),
        ("/detail/image-tag!", Value::Null, "ignored ECR Image Action: PUSH without a tag"),
        ("/detail/action-type", json!("DELETE"), "ignored ECR Image Action: DELETE SUCCESS"),
        ("/detail/result", json!("FAILED"), "ignored ECR Image Action: PUSH FAILED"),
        ("/detail/image-tag", json!(long), "pushed my-repository-name"),
        (
            "/detail/repository-name!",
            Value::Null,
            "error: `detail.repository-name` of the message `ECR Image Action` is missing",
        ),
    ] {
        assert_eq!(read(&changed(PUSH, at, to.clone())), expected, "{at} = {to}");
    }
}

#[test]
fn our_own_messages_are_read_strictly() {
    for (message, expected) in [
        (json!({}), "one a1"),
        (json!({ "due": null, "run": null }), "one a1"),
        (json!({ "due": 1_790_000_000_000_u64 }), "due a1 2026-09-21T14:13:20Z"),
        (
            json!({ "due": "soon" }),
            "error: `due` of the message `esclusa` is `\"soon\"` and not a whole number",
        ),
        (json!({ "service": null }), "error: `service` of the message `esclusa` is missing"),
        (
            json!({ "service": "A" }),
            "error: `service` of the message `esclusa` cannot be used: `A` is not the name of a \
             service: an ECR repository's name is 2 to 256 lowercase letters and digits, with \
             single `.`, `_`, `-` or `/` between them",
        ),
        (
            json!({ "run": "r", "mode": "apply", "deleted": 3, "bytes": 9 }),
            "go on Run { id: \"r\", service: Service(\"a1\"), mode: Apply, deleted: 3, bytes: 9 }",
        ),
        (
            json!({ "run": "r", "mode": "apply", "bytes": 9 }),
            "error: `deleted` of the message `esclusa` is missing",
        ),
        (
            json!({ "run": "r", "deleted": 3, "bytes": 9 }),
            "error: `mode` of the message `esclusa` is ``, which is no mode of a run",
        ),
        (
            json!({ "esclusa": "retian" }),
            "error: `esclusa` of the message `esclusa` is `retian`, which is neither `retain` nor \
             `retain-all`",
        ),
    ] {
        let mut body = json!({ "esclusa": "retain", "service": "a1" });
        let members = message.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(members);
        assert_eq!(read(&body.to_string()), expected, "{message}");
    }
    assert_eq!(read(r#"{"esclusa":"retain-all"}"#), "all");
}

#[test]
fn what_cannot_be_understood_says_so() {
    let not_an_event = "error: the message is neither an event of EventBridge (with `source`, \
                        `detail-type` and `detail`) nor one of Esclusa's own (with `esclusa`)";
    for (body, expected) in [
        ("", "error: the message is not JSON: EOF while parsing a value at line 1 column 0"),
        ("{}", not_an_event),
        (r#""retain-all""#, not_an_event),
    ] {
        assert_eq!(read(body), expected, "{body}");
    }
}

#[tokio::test]
async fn what_is_sent_is_read_as_what_it_was() {
    let run = |mode| {
        let service = "acme/boletos".parse().unwrap();
        Task::GoOn(Run { id: "r-1".to_owned(), service, mode, deleted: 100, bytes: 12345 })
    };
    let service = || "acme/boletos".parse().unwrap();
    for task in [
        Task::Due(service(), Timestamp::from_millis(1_790_000_000_123)),
        Task::One(service()),
        Task::All,
        run(Mode::ByItself),
        run(Mode::Plan),
        run(Mode::Apply),
        run(Mode::Force),
    ] {
        let (aws, calls) = shelves(|_, _| ok(&json!({ "MessageId": "m" })));
        aws.send(&task, Duration::from_millis(600_001)).await.unwrap();
        let sent = calls.one("SendMessage");
        assert_eq!(sent["QueueUrl"], "https://sqs.eu-south-1.amazonaws.com/123456789012/images");
        assert_eq!(sent["DelaySeconds"], 601);
        let read = decode_task(sent["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(read, DecodedTask::Task(task));
    }
}

/// The form of messages that may be on the queue while the function is replaced.
#[tokio::test]
async fn a_message_has_its_form() {
    let (aws, calls) = shelves(|_, _| ok(&json!({ "MessageId": "m" })));
    let service = "acme/boletos".parse().unwrap();
    let (mode, id) = (Mode::ByItself, "r-1".to_owned());
    let rest = Task::GoOn(Run { id, service, mode, deleted: 7, bytes: 9 });
    aws.send(&rest, Duration::ZERO).await.unwrap();
    let sent = calls.one("SendMessage");
    let body: Value = serde_json::from_str(sent["MessageBody"].as_str().unwrap()).unwrap();
    let expected = json!({
        "esclusa": "retain", "service": "acme/boletos",
        "run": "r-1", "mode": "by-itself", "deleted": 7, "bytes": 9,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_push_is_never_sent() {
    let (aws, calls) = shelves(|_, _| ok(&json!({})));
    let push = Task::Pushed("acme/boletos".parse().unwrap());
    let text = said(&aws.send(&push, Duration::ZERO).await.unwrap_err());
    assert_eq!(text, "cannot send a push to `acme/boletos`: ECR sends it, not retention");
    assert_eq!(calls.names(), [""; 0]);
}
