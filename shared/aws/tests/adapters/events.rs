//! From what AWS sends to what it means.

use esclusa_aws::event::{Decoded, decode};
use esclusa_shell::receive::Notice;
use serde_json::{Value, json};

/// A published payload.
pub(crate) fn payload(file: &str) -> String {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    std::fs::read_to_string(format!("{package}/tests/fixtures/events/{file}")).unwrap()
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
        Ok(Decoded::Notice(Notice::Scanned(service))) => format!("scan of {service}"),
        Ok(Decoded::Notice(Notice::Rotated(secret))) => format!("rotation of {secret}"),
        Ok(Decoded::Notice(Notice::Alarm(alarm))) => format!("alarm {alarm}"),
        Ok(Decoded::Notice(Notice::Hosts)) => "hosts".to_owned(),
        Ok(Decoded::Notice(Notice::Sweep)) => "sweep".to_owned(),
        Ok(Decoded::Notice(Notice::Wake { lane, hint })) => format!("wake {lane} {hint:?}"),
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
        ("ecr-image-scan-complete.json", "scan of my-repository-name"),
        ("ecr-image-scan-complete-all-severities.json", "scan of tribble-image-scan-test"),
        ("inspector2-scan-ecr-initial.json", "scan of amazon/amazon-ecs-sample"),
        ("secretsmanager-secret-label-updated.json", "rotation of mySecret"),
        ("inspector2-finding-ecr.json", "ignored aws.inspector2: Inspector2 Finding"),
        ("ecr-scan-resource-change.json", "ignored aws.ecr: ECR Scan Resource Change"),
        ("ecr-replication-action.json", "ignored aws.ecr: ECR Replication Action"),
        ("ecr-pull-through-cache-action.json", "ignored aws.ecr: ECR Pull Through Cache Action"),
        (
            "autoscaling-launch-successful.json",
            "ignored aws.autoscaling: EC2 Instance Launch Successful",
        ),
        (
            "autoscaling-launch-lifecycle-action.json",
            "ignored aws.autoscaling: EC2 Instance-launch Lifecycle Action",
        ),
        (COMMAND, "ignored EC2 Command Status-change Notification: another's document"),
        (
            "ssm-command-invocation-status-change.json",
            "ignored aws.ssm: EC2 Command Invocation Status-change Notification",
        ),
        (STATE, "ignored EC2 Instance State-change Notification: pending"),
        ("eventbridge-scheduled-event.json", "sweep"),
        ("cloudwatch-alarm-state-change-metric.json", "alarm ServerCpuTooHigh"),
        ("cloudwatch-alarm-state-change-composite.json", "alarm ServiceAggregatedAlarm"),
        (
            "cloudwatch-alarm-lambda-action-metric.json",
            "error: the message is neither an event of EventBridge (with `source`, `detail-type` \
             and `detail`) nor one of Esclusa's own (with `esclusa`)",
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
        (r#"{"esclusa":"wake","lane":"a1#production"}"#, "wake a1#production Outside"),
        (
            r#"{"esclusa":"wake","lane":"a1#production","sequence":7}"#,
            "wake a1#production WakeUp { sequence: 7 }",
        ),
        (
            r#"{"esclusa":"wake","lane":"a1#production","secrets":true}"#,
            "wake a1#production Secrets",
        ),
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
        (r#"["aws.events","Scheduled Event",{}]"#, not_an_event),
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

#[test]
fn a_scan_concerns_the_service_whose_image_it_was() {
    const SCAN: &str = "ecr-image-scan-complete.json";
    const INSPECTED: &str = "inspector2-scan-ecr-initial.json";
    for (file, at, to, expected) in [
        (SCAN, "/detail/finding-severity-counts!", Value::Null, "scan of my-repository-name"),
        (SCAN, "/detail/image-tags", json!([]), "scan of my-repository-name"),
        (SCAN, "/detail/scan-status", json!("FAILED"), "scan of my-repository-name"),
        (
            SCAN,
            "/detail/repository-name!",
            Value::Null,
            "error: `detail.repository-name` of the message `ECR Image Scan` cannot be used: `` is \
             not the name of a service: an ECR repository's name is 2 to 256 lowercase letters \
             and digits, with single `.`, `_`, `-` or `/` between them",
        ),
        (
            INSPECTED,
            "/detail/repository-name",
            json!("arn:aws-cn:ecr:cn-north-1:123456789012:repository/acme/boletos"),
            "scan of acme/boletos",
        ),
        (
            INSPECTED,
            "/detail/repository-name",
            json!("arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/boletos"),
            "scan of boletos",
        ),
        // Inspector scans machines and functions too.
        (
            INSPECTED,
            "/detail/repository-name!",
            Value::Null,
            "ignored Inspector2 Scan: of no image",
        ),
    ] {
        assert_eq!(said(&changed(file, at, to.clone())), expected, "{file}: {at} = {to}");
    }
}

#[test]
fn an_alarm_counts_when_it_goes_off() {
    const ALARM: &str = "cloudwatch-alarm-state-change-metric.json";
    let kind = "ignored CloudWatch Alarm State Change";
    for (at, to, expected) in [
        ("/detail/state/value", json!("OK"), format!("{kind}: OK")),
        ("/detail/state/value", json!("INSUFFICIENT_DATA"), format!("{kind}: INSUFFICIENT_DATA")),
        ("/detail/configuration", json!({ "metrics": [{ "expression": "m1/m2" }] }), {
            "alarm ServerCpuTooHigh".to_owned()
        }),
        ("/detail/muteDetail", json!({ "muted": true }), "alarm ServerCpuTooHigh".to_owned()),
        // What nobody can name in a configuration, nobody watches.
        ("/detail/alarmName", json!(""), format!("{kind}: ALARM")),
        ("/detail/alarmName!", Value::Null, format!("{kind}: ALARM")),
        ("/detail/alarmName", json!("arn:aws:x"), format!("{kind}: ALARM")),
    ] {
        assert_eq!(said(&changed(ALARM, at, to.clone())), expected, "{at} = {to}");
    }
}

#[test]
fn a_secret_counts_when_its_current_version_is_another() {
    const SECRET: &str = "secretsmanager-secret-label-updated.json";
    let kind = "ignored Secret Label Updated";
    for (at, to, expected) in [
        ("/detail/labelUpdated", json!("CUSTOM"), format!("{kind}: CUSTOM")),
        ("/detail/labelUpdated!", Value::Null, format!("{kind}: ")),
        ("/detail/versionId!", Value::Null, "rotation of mySecret".to_owned()),
        ("/detail/name", json!("prod/tickets/db"), "rotation of prod/tickets/db".to_owned()),
        ("/detail/name!", Value::Null, format!("{kind}: AWSCURRENT")),
        ("/detail/name", json!("not a name"), format!("{kind}: AWSCURRENT")),
    ] {
        assert_eq!(said(&changed(SECRET, at, to.clone())), expected, "{at} = {to}");
    }
}
