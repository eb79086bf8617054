//! From what AWS sends to what it means.

use esclusa_aws::event::{Decoded, decode};
use esclusa_shell::receive::Notice;
use serde_json::{Value, json};

/// A published payload.
pub(crate) fn payload(file: &str) -> String {
    let path = format!("{}/tests/fixtures/events/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A published payload with one member set to something else, or with `!` removed.
pub(crate) fn changed(file: &str, at: &str, to: Value) -> String {
    let mut value: Value = serde_json::from_str(&payload(file)).unwrap();
    let (parent, name) = at.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match name.strip_suffix('!') {
        Some(name) => parent.remove(name),
        None => parent.insert(name.to_owned(), to),
    };
    value.to_string()
}

fn said(body: &str) -> String {
    match decode(body) {
        Ok(Decoded::Notice(Notice::Pushed { service, tag })) => format!("pushed {service}:{tag}"),
        Ok(Decoded::Notice(Notice::Command(lane))) => format!("command of {lane}"),
        Ok(Decoded::Notice(Notice::Hosts)) => "hosts".to_owned(),
        Ok(Decoded::Notice(Notice::Sweep)) => "sweep".to_owned(),
        Ok(Decoded::Notice(Notice::Wake { lane, sequence })) => format!("wake {lane} {sequence:?}"),
        Ok(Decoded::Ignored(kind)) => format!("ignored {kind}"),
        Err(error) => format!("error: {error}"),
    }
}

const PUSH: &str = "ecr-image-action-push.json";
const COMMAND: &str = "ssm-command-status-change.json";
const STATE: &str = "ec2-instance-state-change-pending.json";

#[test]
fn published_payloads_mean_what_they_should() {
    for (file, expected) in [
        (PUSH, "pushed my-repository-name:latest"),
        ("ecr-image-action-push-full-digest.json", "pushed repository_name:hello-world"),
        ("ecr-image-scan-complete.json", "ignored aws.ecr: ECR Image Scan"),
        ("inspector2-scan-ecr-initial.json", "ignored aws.inspector2: Inspector2 Scan"),
        (COMMAND, "ignored EC2 Command Status-change Notification: another's document"),
        (
            "ssm-command-invocation-status-change.json",
            "ignored aws.ssm: EC2 Command Invocation Status-change Notification",
        ),
        (STATE, "ignored EC2 Instance State-change Notification: pending"),
        ("eventbridge-scheduled-event.json", "sweep"),
        (
            "cloudwatch-alarm-state-change-metric.json",
            "ignored aws.cloudwatch: CloudWatch Alarm State Change",
        ),
    ] {
        assert_eq!(said(&payload(file)), expected, "{file}");
    }
}

#[test]
fn only_a_successful_push_of_a_tag_is_one() {
    for (at, to, expected) in [
        ("/detail/image-tag", json!(""), "ignored ECR Image Action: PUSH without a tag"),
        ("/detail/image-tag", Value::Null, "ignored ECR Image Action: PUSH without a tag"),
        ("/detail/image-tag!", Value::Null, "ignored ECR Image Action: PUSH without a tag"),
        ("/detail/action-type", json!("DELETE"), "ignored ECR Image Action: DELETE SUCCESS"),
        ("/detail/result", json!("FAILED"), "ignored ECR Image Action: PUSH FAILED"),
        ("/detail/repository-name", json!("acme/boletos"), "pushed acme/boletos:latest"),
        ("/detail/image-digest!", Value::Null, "pushed my-repository-name:latest"),
        ("/detail/new-member", json!({"a": [1]}), "pushed my-repository-name:latest"),
        ("/version!", Value::Null, "pushed my-repository-name:latest"),
        ("/source", json!("aws.s3"), "ignored aws.s3: ECR Image Action"),
        (
            "/detail/image-tag",
            json!(7),
            "error: `detail.image-tag` of the message `ECR Image Action` is `7` and not a text",
        ),
        (
            "/detail/repository-name!",
            Value::Null,
            "error: `detail.repository-name` of the message `ECR Image Action` is missing",
        ),
        (
            "/detail/repository-name",
            json!("Not A Name"),
            "error: `detail.repository-name` of the message `ECR Image Action` cannot be used: \
             `Not A Name` is not the name of a service: an ECR repository's name is 2 to 256 \
             lowercase letters and digits, with single `.`, `_`, `-` or `/` between them",
        ),
    ] {
        assert_eq!(said(&changed(PUSH, at, to.clone())), expected, "{at} = {to}");
    }
}

#[test]
fn a_command_of_ours_names_its_lane() {
    let ours = |parameters: Value| {
        let mut value: Value = serde_json::from_str(&payload(COMMAND)).unwrap();
        value["detail"]["document-name"] = json!("Esclusa-Activate");
        value["detail"]["parameters"] = parameters;
        said(&value.to_string())
    };
    let kind = "of the message `EC2 Command Status-change Notification`";
    for (parameters, expected) in [
        (
            json!({"Service": ["acme/boletos"], "Environment": ["production"], "Image": ["none"]}),
            "command of acme/boletos#production".to_owned(),
        ),
        (
            json!({"Service": ["acme/boletos"]}),
            format!("error: `detail.parameters.Environment` {kind} is missing"),
        ),
        (
            json!({"Service": "acme/boletos", "Environment": ["production"]}),
            format!("error: `detail.parameters.Service` {kind} is missing"),
        ),
        (Value::Null, format!("error: `detail.parameters.Service` {kind} is missing")),
    ] {
        assert_eq!(ours(parameters.clone()), expected, "{parameters}");
    }
}

#[test]
fn hosts_that_come_and_go_concern_every_lane() {
    for (state, expected) in [
        ("stopping", "hosts"),
        ("stopped", "hosts"),
        ("shutting-down", "hosts"),
        ("terminated", "hosts"),
        ("running", "ignored EC2 Instance State-change Notification: running"),
    ] {
        assert_eq!(said(&changed(STATE, "/detail/state", json!(state))), expected, "{state}");
    }
    let registered = json!({
        "source": "aws.ssm", "detail-type": "SSM Managed Instance Registration", "detail": {},
    });
    assert_eq!(said(&registered.to_string()), "hosts");
}

#[test]
fn our_own_messages_are_read_strictly() {
    for (body, expected) in [
        (r#"{"esclusa":"sweep"}"#, "sweep"),
        (r#"{"esclusa":"wake","lane":"a1#production"}"#, "wake a1#production None"),
        (r#"{"esclusa":"wake","lane":"a1#production","sequence":7}"#, "wake a1#production Some(7)"),
        (
            r#"{"esclusa":"wake","lane":"a1#production","sequence":-7}"#,
            "error: `sequence` of the message `esclusa` is `-7` and not a whole number",
        ),
        (r#"{"esclusa":"wake"}"#, "error: `lane` of the message `esclusa` is missing"),
        (
            r#"{"esclusa":"wake","lane":"a1"}"#,
            "error: `lane` of the message `esclusa` cannot be used: `a1` is not a lane: it is \
             written `<service>#<environment>`",
        ),
        (
            r#"{"esclusa":"swep"}"#,
            "error: `esclusa` of the message `esclusa` is `swep`, which is neither `sweep` nor \
             `wake`",
        ),
    ] {
        assert_eq!(said(body), expected, "{body}");
    }
}

#[test]
fn what_cannot_be_understood_says_so() {
    let not_an_event = "error: the message is neither an event of EventBridge (with `source`, \
                        `detail-type` and `detail`) nor one of Esclusa's own (with `esclusa`)";
    for (body, expected) in [
        ("", "error: the message is not JSON: EOF while parsing a value at line 1 column 0"),
        ("hello", "error: the message is not JSON: expected value at line 1 column 1"),
        ("{}", not_an_event),
        ("[1,2]", not_an_event),
        (r#""sweep""#, not_an_event),
        (r#"{"Records":[{"s3":{}}]}"#, not_an_event),
    ] {
        assert_eq!(said(body), expected, "{body}");
    }
}

#[test]
fn of_two_members_with_one_name_the_last_counts() {
    let body = payload(PUSH)
        .replace("\"source\"", "\"source\": \"aws.s3\", \"source\"")
        .replace("\"image-tag\"", "\"image-tag\": \"old\", \"image-tag\"");
    assert_eq!(said(&body), "pushed my-repository-name:latest");
}
