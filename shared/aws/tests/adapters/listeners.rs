//! What retention tells, at the requests and answers of EventBridge.

use esclusa_core::retention::{Summary, ask_line};
use esclusa_core::time::Timestamp;
use esclusa_shell::retain::ports::Listeners;
use esclusa_shell::retain::{Report, Stop};
use serde_json::{Value, json};

use crate::aws::{ok, refusal, shelves};

fn report(stop: Stop) -> Report {
    Report {
        service: "acme/boletos".parse().unwrap(),
        run: "run-1".to_owned(),
        at: Timestamp::from_millis(1_790_000_000_000),
        summary: Summary { kept: 30, deleted: 12, bytes: 4000, ..Summary::default() },
        deleted: 5,
        bytes: 1500,
        stop,
        notes: vec!["`v1` is kept: why".to_owned()],
    }
}

/// The type of the event, and its detail.
async fn told(report: &Report) -> (String, Value) {
    let (aws, calls) = shelves(|_, _| ok(&json!({ "Entries": [{ "EventId": "e" }] })));
    assert!(aws.tell(report).await);
    let entries = calls.one("PutEvents")["Entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 1);
    assert_eq!(entries[0]["Source"], "esclusa");
    let detail = serde_json::from_str(entries[0]["Detail"].as_str().unwrap()).unwrap();
    (entries[0]["DetailType"].as_str().unwrap().to_owned(), detail)
}

#[tokio::test]
async fn an_event_says_what_a_run_came_to() {
    let (kind, detail) = told(&report(Stop::Cap { cap: 5, left: 7 })).await;
    assert_eq!(kind, "Retention Stopped");
    let text = report(Stop::Cap { cap: 5, left: 7 }).text();
    let next = ask_line("esclusa-retention", &"acme/boletos".parse().unwrap(), true);
    let expected = json!({
        "id": "acme/boletos#retention#run-1",
        "service": "acme/boletos",
        "at": "2026-09-21T14:13:20Z",
        "run": "run-1",
        "kept": 30,
        "deleted": 5,
        "planned": 12,
        "bytes": 1500,
        "reclaimable": 4000,
        "stop": "cap",
        "cap": 5,
        "left": 7,
        "notes": ["`v1` is kept: why"],
        "tells": true,
        "text": text,
        "next": next,
        "message": format!("{text}.\n\nNext:\n{next}\n"),
    });
    assert_eq!(detail, expected);
}

#[tokio::test]
async fn a_person_hears_of_what_only_a_person_can_do() {
    let (ran, stopped) = ("Retention Ran", "Retention Stopped");
    let line = |force| ask_line("esclusa-retention", &"acme/boletos".parse().unwrap(), force);
    for (stop, planned, kind, next) in [
        (Stop::Nothing, 5, ran, None),
        (Stop::Refused, 12, ran, None),
        (Stop::FirstRun, 12, stopped, Some(line(false))),
        (Stop::FirstRun, 0, ran, None),
        (Stop::Cap { cap: 5, left: 7 }, 12, stopped, Some(line(true))),
        (Stop::Withheld("nobody knows".to_owned()), 12, stopped, None),
    ] {
        let mut report = report(stop.clone());
        report.summary.deleted = planned;
        let (seen, detail) = told(&report).await;
        assert_eq!(seen, kind, "{stop:?}");
        assert_eq!(detail["next"], json!(next), "{stop:?}");
        assert_eq!(detail["tells"], json!(kind == stopped), "{stop:?}");
        let message = detail["message"].as_str().unwrap();
        assert_eq!(message.contains("aws lambda invoke"), next.is_some(), "{stop:?}");
    }
}

/// `PutEvents` takes 256 KB, and a run may have a note for every image that it did not delete.
#[tokio::test]
async fn the_biggest_run_fits_into_an_event() {
    let mut report = report(Stop::Refused);
    let note =
        "0af90af90af9 was not deleted: ECR refused: KmsError: ".to_owned() + &"x".repeat(500);
    report.notes = vec![note; 10_000];
    let (_, detail) = told(&report).await;
    let notes = detail["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 101);
    assert_eq!(notes[100], "and 9900 more");
    assert!(detail.to_string().len() < 256 * 1024);
}

#[tokio::test]
async fn a_run_that_was_not_taken_is_told_again() {
    let refused = json!({ "FailedEntryCount": 1, "Entries": [{ "ErrorCode": "InternalFailure" }] });
    for answer in [ok(&refused), refusal("AccessDeniedException")] {
        let (aws, _) = shelves(move |_, _| answer.clone());
        assert!(!aws.tell(&report(Stop::Nothing)).await);
    }
}
