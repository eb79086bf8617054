//! The hosts, at the requests and answers of Systems Manager.

use esclusa_core::configuration::Configuration;
use esclusa_core::name::LaneId;
use esclusa_core::observation::{DocumentPin, HostOrder, HostSettings, PartKey};
use esclusa_core::order::{CommandId, Fence, Heard, LastChange, Mode, OnHostFailure, Verb};
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::{Hosts, SendError};
use serde_json::{Value, json};

use crate::aws::{aws, ok, refusal, said};
use crate::record_samples::{digest, host, release};

fn id() -> LaneId {
    "acme/boletos#production".parse().unwrap()
}

fn key() -> PartKey {
    PartKey { fence: Fence { epoch: 1, generation: 42 }, number: 3 }
}

const COMMENT: &str = "esclusa 15b15888b5a71028 1.42/3";

fn order(verb: Verb, text: &str) -> HostOrder {
    let read = Configuration::read(Some(text), None).unwrap();
    HostOrder {
        key: key(),
        verb,
        hosts: vec![host(1), host(2)],
        image: release(1).image(),
        repository: "127.0.0.1:5000/acme/boletos".to_owned(),
        document: Some(DocumentPin { version: "4".to_owned(), hash: "ab".repeat(32) }),
        not_after: Timestamp::from_millis(1_790_000_120_999),
        on_failure: OnHostFailure::Restore,
        mode: Mode::Change,
        settings: Box::new(HostSettings::of(&read.environments[&"production".parse().unwrap()])),
    }
}

#[tokio::test]
async fn the_fleet_is_every_host_with_the_lanes_tag() {
    let (aws, calls) = aws(|call, _| match call.name.as_str() {
        "DescribeInstanceInformation" if call.input.get("NextToken").is_none() => ok(&json!({
            "InstanceInformationList": [{ "InstanceId": host(1).as_str(), "PingStatus": "Online" }],
            "NextToken": "more",
        })),
        "DescribeInstanceInformation" => ok(&json!({
            "InstanceInformationList": [
                { "InstanceId": host(2).as_str(), "PingStatus": "ConnectionLost" },
            ],
        })),
        _ => ok(&json!({ "Document": {
            "Name": call.input["Name"], "DocumentVersion": "4", "HashType": "Sha256",
            "Hash": call.input["Name"].as_str().unwrap().replace('-', ""),
        } })),
    });
    for _ in 0..2 {
        let fleet = aws.fleet(&id()).await.unwrap();
        let hosts: Vec<_> = fleet.hosts.iter().cloned().collect();
        assert_eq!(hosts, [host(1), host(2)]);
        assert_eq!(fleet.documents[&Verb::Activate].version, "4");
        assert_eq!(fleet.documents[&Verb::Inspect].hash, "EsclusaInspect");
    }
    let mut names = calls.names();
    names.sort();
    let described = std::iter::repeat_n("DescribeDocument", 3);
    let listed = std::iter::repeat_n("DescribeInstanceInformation", 4);
    assert_eq!(names, described.chain(listed).collect::<Vec<_>>());
    let all = calls.all();
    let asked = all.iter().find(|call| call.name == "DescribeInstanceInformation").unwrap();
    let filter = json!([{ "Key": "tag:esclusa:acme/boletos", "Values": ["production"] }]);
    assert_eq!(asked.input["Filters"], filter);
}

#[tokio::test]
async fn an_order_pins_its_document_and_says_everything_in_parameters() {
    let probe = "[environments.production]\nhealth = { deadline = \"40s\", \
                 http = { port = 8080, path = \"/health\", expect = \"200-204\" } }\n";
    let common = [
        ("Service", "acme/boletos"),
        ("Environment", "production"),
        ("Project", "acme--boletos"),
        ("Repository", "127.0.0.1:5000/acme/boletos"),
    ];
    let image = format!("v1.0.0@{}", digest(1));
    let change = [
        ("Image", image.as_str()),
        ("Fence", "1.42"),
        ("NotAfter", "1790000120"),
        ("Compose", "auto"),
        ("Allow", ""),
    ];
    let http = [("HttpPort", "8080"), ("HttpPath", "/health"), ("HttpExpect", "200-204")];
    let no_http = [("HttpPort", ""), ("HttpPath", ""), ("HttpExpect", "")];
    let activate = [("OnFailure", "restore"), ("Mode", "change")];
    let cases = [
        (Verb::Inspect, "", "Esclusa-Inspect", vec![("Logs", "no")]),
        (Verb::Prefetch, "", "Esclusa-Prefetch", [&change[..], &[("ImageBytes", "1")]].concat()),
        (
            Verb::Activate,
            "",
            "Esclusa-Activate",
            [&change[..], &activate, &no_http, &[("Deadline", "auto")]].concat(),
        ),
        (
            Verb::Activate,
            probe,
            "Esclusa-Activate",
            [&change[..], &activate, &http, &[("Deadline", "40")]].concat(),
        ),
    ];
    for (verb, text, document, own) in cases {
        let (aws, calls) = aws(|_, _| ok(&json!({ "Command": { "CommandId": "c-1" } })));
        let sent = aws.send(&id(), &order(verb, text)).await.unwrap();
        assert_eq!(sent, CommandId("c-1".to_owned()));
        let mut asked = calls.one("SendCommand");
        let issued = asked["Parameters"].as_object_mut().unwrap().remove("IssuedAt").unwrap();
        assert_eq!(issued[0].as_str().unwrap().len(), 10, "{issued}");
        let parameters =
            common.iter().chain(&own).map(|(name, value)| ((*name).to_owned(), json!([value])));
        let expected = json!({
            "InstanceIds": [host(1).as_str(), host(2).as_str()],
            "DocumentName": document,
            "DocumentVersion": "4",
            "DocumentHash": "ab".repeat(32),
            "DocumentHashType": "Sha256",
            "TimeoutSeconds": 60,
            "Comment": COMMENT,
            "Parameters": Value::Object(parameters.collect()),
        });
        assert_eq!(asked, expected, "{verb} {text}");
    }
}

#[tokio::test]
async fn an_order_is_never_sent_twice_by_the_adapter() {
    let (aws, calls) = aws(|_, _| (500, "{}".to_owned()));
    let error = aws.send(&id(), &order(Verb::Activate, "")).await.unwrap_err();
    let SendError::Unavailable(error) = error else { panic!("{error:?}") };
    let text = said(&error);
    let expected = "cannot send `activate` to hosts of lane `acme/boletos#production`: ";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(calls.names(), ["SendCommand"]);
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_told_apart() {
    let (aws, calls) = aws(|_, _| refusal("InvalidInstanceId"));
    let error = aws.send(&id(), &order(Verb::Inspect, "")).await.unwrap_err();
    assert!(matches!(error, SendError::NoSuchHost(refused) if refused == key()), "{error:?}");
    assert_eq!(calls.names(), ["SendCommand"]);
}

#[tokio::test]
async fn a_lost_command_is_found_by_its_comment() {
    for (comment, expected) in [(COMMENT, Some("c-2")), ("esclusa 15b15888b5a71028 1.42/30", None)]
    {
        let (aws, calls) = aws(move |call, _| match call.input.get("NextToken") {
            None => ok(&json!({
                "Commands": [{ "CommandId": "c-1", "Comment": "another" }], "NextToken": "more",
            })),
            Some(_) => ok(&json!({ "Commands": [{ "CommandId": "c-2", "Comment": comment }] })),
        });
        let since = Timestamp::from_millis(1_790_000_060_000);
        let found = aws.find(&id(), key(), Verb::Prefetch, since).await.unwrap();
        assert_eq!(found, expected.map(|id| CommandId(id.to_owned())));
        let filters = json!([
            { "key": "DocumentName", "value": "Esclusa-Prefetch" },
            { "key": "InvokedAfter", "value": "2026-09-21T14:13:20Z" },
        ]);
        assert_eq!(calls.all()[0].input["Filters"], filters);
    }
}

/// What a host script prints.
fn line(changes: &Value) -> Value {
    let mut line = json!({
        "v": 1, "verb": "activate", "service": "acme/boletos", "environment": "production",
        "code": "ok", "text": "done", "fence": "1.42", "before": "none",
        "now": digest(1).as_str(), "restored": "not-needed", "project": "acme--boletos",
        "containers": 2, "healthy": 2, "warnings": ["one"],
        "seconds": { "pull": 1, "stop": 0, "up": 2.5, "health": 3 }, "at": 1_790_000_000,
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            line.as_object_mut().unwrap().remove(name);
        } else {
            line[name] = value.clone();
        }
    }
    line
}

fn invocation(status: &str, details: &str, code: i32, output: &str) -> Value {
    let mut plugin = json!({ "Name": "run", "ResponseCode": code, "Output": output });
    if code != -1 {
        plugin["ResponseStartDateTime"] = json!(1_790_000_000);
    }
    json!({
        "CommandId": "c-1", "InstanceId": host(1).as_str(), "Status": status,
        "StatusDetails": details, "CommandPlugins": [plugin],
    })
}

fn word_of(last_change: LastChange) -> &'static str {
    match last_change {
        LastChange::None => "",
        LastChange::Unfinished => " unfinished",
        LastChange::Finished => " finished",
    }
}

async fn heard(invocation: Value) -> Option<Heard> {
    let (aws, calls) = aws(move |_, _| ok(&json!({ "CommandInvocations": [invocation] })));
    let mut seen = aws.invocations(&CommandId("c-1".to_owned())).await.unwrap();
    assert_eq!(calls.one("ListCommandInvocations"), json!({ "CommandId": "c-1", "Details": true }));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].host, host(1));
    seen.remove(0).heard
}

fn in_words(heard: Option<Heard>) -> String {
    match heard {
        None => "under way".to_owned(),
        Some(Heard::Answered(answer)) => format!(
            "{} {:?} {:?} {} {:?}{}{}{}",
            answer.reason.code,
            answer.health,
            answer.put_back,
            answer.fence.map(|fence| fence.to_string()).unwrap_or_default(),
            answer.took,
            word_of(answer.last_change),
            answer.platform.map(|it| format!(" {it}")).unwrap_or_default(),
            if answer.zone.is_empty() { String::new() } else { format!(" in {}", answer.zone) },
        ),
        Some(Heard::Unclear(why)) => format!("unclear: {why}"),
        Some(Heard::Silent) => "silent".to_owned(),
        Some(Heard::Gone) => "gone".to_owned(),
    }
}

#[tokio::test]
async fn each_invocation_is_judged_by_its_details() {
    let good = format!("{}\nmore\n----------ERROR-------\nprogress", line(&json!({})));
    let well = "ok Healthy NotNeeded 1.42 6.5s";
    for (status, details, code, output, expected) in [
        ("Pending", "Pending", -1, "", "under way"),
        ("InProgress", "In Progress", -1, "", "under way"),
        ("InProgress", "InProgress", -1, "", "under way"),
        ("Delayed", "Delayed", -1, "", "under way"),
        ("Cancelling", "Cancelling", -1, "", "under way"),
        ("Success", "Success", 0, good.as_str(), well),
        ("Success", "", 0, good.as_str(), well),
        ("Failed", "Failed", 13, good.as_str(), well),
        ("Success", "Success", 0, "", "unclear: its output is empty"),
        (
            "Failed",
            "Failed",
            1,
            "bash: syntax error",
            "unclear: its output does not begin with a line of JSON (expected value at line 1 \
             column 1)",
        ),
        ("TimedOut", "Delivery Timed Out", -1, "", "silent"),
        ("TimedOut", "DeliveryTimedOut", -1, "", "silent"),
        (
            "TimedOut",
            "Execution Timed Out",
            137,
            "",
            "unclear: Systems Manager says `Execution Timed Out`",
        ),
        ("TimedOut", "", 137, "", "unclear: Systems Manager says `TimedOut`"),
        ("Failed", "Undeliverable", -1, "", "silent"),
        ("Failed", "Terminated", -1, "", "silent"),
        ("Failed", "Access Denied", -1, "", "silent"),
        ("Cancelled", "Cancelled", -1, "", "silent"),
        ("Cancelled", "Canceled", 1, "", "unclear: Systems Manager says `Canceled`"),
        ("Failed", "Something New", 1, "", "unclear: Systems Manager says `Something New`"),
    ] {
        let seen = in_words(heard(invocation(status, details, code, output)).await);
        assert_eq!(seen, expected, "{status} / {details} / {code} / {output:?}");
    }
}

#[tokio::test]
async fn an_answer_is_strict_where_it_decides_and_tolerant_elsewhere() {
    for (changes, expected) in [
        (json!({}), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "health": "starting" }), "ok Starting NotNeeded 1.42 6.5s"),
        (json!({ "healthy": 1 }), "ok Unhealthy NotNeeded 1.42 6.5s"),
        (json!({ "containers": 0, "healthy": 0 }), "ok Absent NotNeeded 1.42 6.5s"),
        (json!({ "order": "finished" }), "ok Healthy NotNeeded 1.42 6.5s finished"),
        (json!({ "order": "none" }), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "order": "unfinished" }), "ok Healthy NotNeeded 1.42 6.5s unfinished"),
        (json!({ "order": "none" }), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "platform": "linux/arm64" }), "ok Healthy NotNeeded 1.42 6.5s linux/arm64"),
        (json!({ "platform": "" }), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "platform": "<no value>/" }), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "zone": "eu-south-1a" }), "ok Healthy NotNeeded 1.42 6.5s in eu-south-1a"),
        (
            json!({ "zone": "us-west-2-lax-1a" }),
            "ok Healthy NotNeeded 1.42 6.5s in us-west-2-lax-1a",
        ),
        (json!({ "zone": "<html>404" }), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "zone": "a".repeat(65) }), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "fence": "" }), "ok Healthy NotNeeded  6.5s"),
        (
            json!({ "code": "health.container", "restored": "yes" }),
            "health.container Healthy Yes 1.42 6.5s",
        ),
        (
            json!({ "code": "hosts.brand_new", "restored": "failed" }),
            "hosts.brand_new Healthy Failed 1.42 6.5s",
        ),
        (
            json!({ "warnings": [1, "two"], "seconds": { "pull": -1, "up": "x" } }),
            "ok Healthy NotNeeded 1.42 0ns",
        ),
        (
            json!({ "text": null, "seconds": null, "warnings": null, "at": null, "verb": null }),
            "ok Healthy NotNeeded 1.42 0ns",
        ),
        (json!({ "new": { "member": 1 } }), "ok Healthy NotNeeded 1.42 6.5s"),
        (json!({ "v": 2 }), "unclear: its answer has the unknown form 2"),
        (json!({ "now": "v1.0.0" }), "unclear: its answer has no usable `now`"),
        (json!({ "before": "sha256:12" }), "unclear: its answer has no usable `before`"),
        (json!({ "fence": "1" }), "unclear: its answer has no usable `fence`"),
        (json!({ "restored": "perhaps" }), "unclear: its answer has no usable `restored`"),
        (json!({ "health": "fine" }), "unclear: its answer has no usable `health`"),
    ] {
        let output = line(&changes).to_string();
        let seen = in_words(heard(invocation("Success", "Success", 0, &output)).await);
        assert_eq!(seen, expected, "{changes}");
    }
}

#[tokio::test]
async fn a_command_that_is_not_listed_yet_has_no_invocations() {
    let (aws, _) = aws(|_, _| refusal("InvalidCommandId"));
    let seen = aws.invocations(&CommandId("c-1".to_owned())).await.unwrap();
    assert_eq!(seen, []);
}
