//! What happens to lanes, at the requests and answers of EventBridge.

use std::collections::BTreeSet;

use esclusa_core::announcement::{Announcement, Ask, Kind};
use esclusa_core::name::LaneId;
use esclusa_core::reason::{Code, Reason};
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::Announcer;
use serde_json::{Value, json};

use crate::aws::{Call, aws, ok, refusal};
use crate::record_samples::digest;

fn id() -> LaneId {
    "acme/boletos#production".parse().unwrap()
}

fn announcement(number: u64) -> Announcement {
    Announcement {
        number,
        at: Timestamp::from_millis(1_790_000_000_000),
        kind: Kind::RolloutEnded,
        rollout: None,
        digest: Some(digest(1)),
        word: "restored".to_owned(),
        reason: Some(Reason::new(Code::HEALTH_CONTAINER, "one is \"not\" well")),
        text: "v1.0.0 restored: one is \"not\" well".to_owned(),
        ask: Some(Ask::Why),
    }
}

fn announcements(numbers: std::ops::RangeInclusive<u64>) -> Vec<Announcement> {
    numbers.map(announcement).collect()
}

/// The numbers that a request published.
fn numbers(call: &Call) -> Vec<u64> {
    let number = |entry: &Value| {
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let id = detail["id"].as_str().unwrap();
        id.strip_prefix("acme/boletos#production#").unwrap().parse().unwrap()
    };
    call.input["Entries"].as_array().unwrap().iter().map(number).collect()
}

/// An answer that takes every entry but those with these numbers.
fn taking(call: &Call, refused: &[u64]) -> (u16, String) {
    let entry = |number: u64| {
        if refused.contains(&number) {
            return json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "try again" });
        }
        json!({ "EventId": format!("event-{number}") })
    };
    let entries: Vec<Value> = numbers(call).into_iter().map(entry).collect();
    ok(&json!({ "FailedEntryCount": refused.len(), "Entries": entries }))
}

#[tokio::test]
async fn an_event_says_what_happened_and_what_to_do_next() {
    let (aws, calls) = aws(|call, _| taking(call, &[]));
    let mut quiet = announcement(2);
    (quiet.kind, quiet.ask, quiet.reason) = (Kind::LaneReleased, None, None);
    let taken = aws.publish(&id(), &[announcement(1), quiet]).await;
    assert_eq!(taken, BTreeSet::from([1, 2]));
    let entries = calls.one("PutEvents")["Entries"].clone();
    assert_eq!(entries[0]["Source"], "esclusa");
    assert_eq!(entries[0]["DetailType"], "Rollout Ended");
    assert_eq!(entries[1]["DetailType"], "Lane Released");
    let detail = |entry: &Value| -> Value {
        serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()
    };
    let told = detail(&entries[0]);
    let next = Ask::Why.line("esclusa-operator", &id());
    let message = format!("v1.0.0 restored: one is \"not\" well.\n\nNext:\n{next}\n");
    let expected = json!({
        "id": "acme/boletos#production#1",
        "service": "acme/boletos",
        "environment": "production",
        "at": "2026-09-21T14:13:20Z",
        "rollout": null,
        "digest": digest(1).to_string(),
        "word": "restored",
        "code": "health.container",
        "reason": "one is \"not\" well",
        "text": "v1.0.0 restored: one is \"not\" well",
        "next": next,
        "message": message,
    });
    assert_eq!(told, expected);
    assert_eq!(detail(&entries[1])["message"], "v1.0.0 restored: one is \"not\" well.");
    assert_eq!(detail(&entries[1])["next"], Value::Null);
}

#[tokio::test]
async fn more_than_ten_are_split() {
    let (aws, calls) = aws(|call, _| taking(call, &[]));
    let taken = aws.publish(&id(), &announcements(1..=23)).await;
    assert_eq!(taken, (1..=23).collect());
    let sent: Vec<Vec<u64>> = calls.all().iter().map(numbers).collect();
    let expected: [Vec<u64>; 3] = [(1..=10).collect(), (11..=20).collect(), (21..=23).collect()];
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn nothing_to_tell_is_no_call() {
    let (aws, calls) = aws(|call, _| taking(call, &[]));
    assert_eq!(aws.publish(&id(), &[]).await, BTreeSet::new());
    assert_eq!(calls.names(), [""; 0]);
}

#[tokio::test]
async fn a_refused_entry_is_not_taken() {
    let (aws, calls) = aws(|call, _| taking(call, &[3, 12]));
    let taken = aws.publish(&id(), &announcements(1..=12)).await;
    assert_eq!(taken, (1..=11).filter(|it| *it != 3).collect());
    assert_eq!(calls.names(), ["PutEvents"; 2]);
}

#[tokio::test]
async fn a_failed_call_takes_nothing_further() {
    let (aws, calls) = aws(|call, before| match before {
        0 => taking(call, &[]),
        _ => refusal("AccessDeniedException"),
    });
    let taken = aws.publish(&id(), &announcements(1..=25)).await;
    assert_eq!(taken, (1..=10).collect());
    assert_eq!(calls.names(), ["PutEvents"; 2]);
}
