//! Which rule passes on which event, as EventBridge's own test of patterns judges it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::calls::Callers;
use crate::options;

const PUSH: &str = "ecr-image-action-push.json";
const SCAN: &str = "ecr-image-scan-complete.json";
const INSPECTION: &str = "inspector2-scan-ecr-initial.json";
const FINDING: &str = "inspector2-finding-ecr.json";
const COMMAND: &str = "ssm-command-status-change.json";
const ALARM: &str = "cloudwatch-alarm-state-change-metric.json";
const INSTANCE: &str = "ec2-instance-state-change-pending.json";
const SECRET: &str = "secretsmanager-secret-label-updated.json";

/// Published payloads as they are, with the rules that pass them on.
const PUBLISHED: [(&str, &[&str]); 23] = [
    (PUSH, &["ImagePushed"]),
    ("ecr-image-action-push-full-digest.json", &["ImagePushed"]),
    (SCAN, &["ScanEnded"]),
    ("ecr-image-scan-complete-all-severities.json", &["ScanEnded"]),
    (INSPECTION, &["ScanEnded"]),
    (FINDING, &["VulnerabilityFound"]),
    (ALARM, &["AlarmRaised"]),
    ("cloudwatch-alarm-state-change-composite.json", &["AlarmRaised"]),
    (SECRET, &["SecretRotated"]),
    // A host that starts tells of itself when it registers with Systems Manager.
    (INSTANCE, &[]),
    ("autoscaling-launch-lifecycle-action.json", &[]),
    ("autoscaling-launch-successful.json", &[]),
    // Commands of others, and of ours on one host: the command as a whole wakes its lane.
    (COMMAND, &[]),
    ("ssm-command-invocation-status-change.json", &[]),
    ("ecr-pull-through-cache-action.json", &[]),
    ("ecr-replication-action.json", &[]),
    ("ecr-scan-resource-change.json", &[]),
    ("eventbridge-scheduled-event.json", &[]),
    // No events of the bus, so not even well-formed for it.
    ("cloudwatch-alarm-lambda-action-metric.json", &[]),
    ("lambda-function-url-request.json", &[]),
    ("secretsmanager-rotation-invocation.json", &[]),
    ("sqs-batch-response.json", &[]),
    ("sqs-event.json", &[]),
];

/// Members by their pointers, and what they are set to.
type Changes = Vec<(&'static str, Value)>;

/// Payloads with members set to something else, with the rules that pass them on.
fn variants() -> Vec<(&'static str, Changes, Vec<&'static str>)> {
    let command = |document: &str, status: &str| {
        vec![("/detail/document-name", json!(document)), ("/detail/status", json!(status))]
    };
    let own = |kind: &str| vec![("/source", json!("esclusa")), ("/detail-type", json!(kind))];
    let mut rows = vec![
        (PUSH, vec![("/detail/action-type", json!("DELETE"))], vec![]),
        (PUSH, vec![("/detail/result", json!("FAILURE"))], vec![]),
        (PUSH, vec![("/detail/image-tag", json!(""))], vec!["ImagePushed"]),
        (PUSH, vec![("/source", json!("acme.ecr"))], vec![]),
        (SCAN, vec![("/detail/scan-status", json!("FAILED"))], vec!["ScanEnded"]),
        // Inspector scans machines and functions too.
        (INSPECTION, vec![("/detail/repository-name!", Value::Null)], vec![]),
        (FINDING, vec![("/detail/status", json!("CLOSED"))], vec![]),
        (FINDING, vec![("/detail/resources/0/type", json!("AWS_EC2_INSTANCE"))], vec![]),
        (ALARM, vec![("/detail/state/value", json!("OK"))], vec![]),
        (ALARM, vec![("/detail/state/value", json!("INSUFFICIENT_DATA"))], vec![]),
        (SECRET, vec![("/detail/labelUpdated", json!("AWSPENDING"))], vec![]),
        (COMMAND, command("Esclusa-Activate", "InProgress"), vec![]),
        (COMMAND, command("Esclusa-Activate", "Pending"), vec![]),
        (COMMAND, command("Esclusa-Measure", "Success"), vec![]),
        (INSTANCE, vec![("/detail/state", json!("running"))], vec![]),
        (INSTANCE, own("Lane Adopted"), vec![]),
        (INSTANCE, own("Lanes Swept"), vec!["Counted"]),
        (INSTANCE, own("Retention Ran"), vec!["Counted"]),
        (INSTANCE, own("Rollout Ended"), vec!["Counted", "NoticeGiven"]),
        (INSTANCE, own("Retention Stopped"), vec!["Counted", "NoticeGiven"]),
        (INSTANCE, own("Vulnerability Found"), vec!["NoticeGiven"]),
        (
            INSTANCE,
            vec![
                ("/source", json!("aws.ssm")),
                ("/detail-type", json!("SSM Managed Instance Registration")),
            ],
            vec!["HostRegistered"],
        ),
    ];
    for state in ["stopping", "stopped", "shutting-down", "terminated"] {
        rows.push((INSTANCE, vec![("/detail/state", json!(state))], vec!["HostChanged"]));
    }
    for document in ["Esclusa-Prefetch", "Esclusa-Activate", "Esclusa-Inspect"] {
        for status in ["Success", "Failed", "TimedOut", "Cancelled", "of a kind yet unknown"] {
            rows.push((COMMAND, command(document, status), vec!["OrderEnded"]));
        }
    }
    rows
}

pub(crate) fn each_rule_passes_on_exactly_what_it_should(callers: &Callers<'_>) {
    let rules = rules(callers);
    let as_published = PUBLISHED.into_iter().map(|(file, rules)| (file, vec![], rules.to_vec()));
    let rows: Vec<_> = as_published.chain(variants()).collect();
    all_payloads_are_here();
    let mut calls = Vec::new();
    for (file, changes, _) in &rows {
        let event = changed(file, changes).to_string();
        for (_, pattern) in &rules {
            let input = json!({ "Event": event, "EventPattern": pattern });
            calls.push(("root", "events", "test_event_pattern", input));
        }
    }
    let mut answers = callers.call(&calls).into_iter();
    let mut used = BTreeSet::new();
    for (file, changes, expected) in rows {
        let mut passed = BTreeSet::new();
        for ((rule, _), answer) in rules.iter().zip(answers.by_ref()) {
            // What is no event at all is refused, so no rule passes it on.
            if answer.error.as_deref() != Some("InvalidEventPatternException")
                && answer.value()["Result"] == json!(true)
            {
                passed.insert(rule.as_str());
            }
        }
        assert_eq!(passed, expected.into_iter().collect(), "{file} with {changes:?}");
        used.extend(passed.into_iter().map(str::to_owned));
    }
    let all: BTreeSet<String> = rules.into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(used, all, "each rule has been seen to pass something on");
}

/// The rules of the stack that have a pattern: logical names and patterns.
fn rules(callers: &Callers<'_>) -> Vec<(String, String)> {
    let listed = callers.root("events", "list_rules", json!({}));
    let rules = listed["Rules"].as_array().unwrap().iter().filter_map(|rule| {
        let name = rule["Name"].as_str()?.split('-').nth(1)?.to_owned();
        Some((name, rule["EventPattern"].as_str()?.to_owned()))
    });
    let rules: Vec<_> = rules.collect();
    assert_eq!(rules.len(), 10, "{rules:?}");
    rules
}

fn all_payloads_are_here() {
    let files = std::fs::read_dir(options().root.join(EVENTS)).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let here = PUBLISHED.map(|(file, _)| file.to_owned()).into();
    assert_eq!(files.collect::<BTreeSet<_>>(), here);
}

const EVENTS: &str = "shared/aws/tests/fixtures/events";

/// A published payload with members set to something else, or with `!` removed.
fn changed(file: &str, changes: &[(&str, Value)]) -> Value {
    let text = std::fs::read_to_string(options().root.join(EVENTS).join(file)).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    for (at, to) in changes {
        if let Some(at) = at.strip_suffix('!') {
            let (parent, name) = at.rsplit_once('/').unwrap();
            event.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        } else {
            *event.pointer_mut(at).unwrap_or_else(|| panic!("{file} has no {at}")) = to.clone();
        }
    }
    event
}
