//! Keeping an image from retention, and letting it go.

use esclusa_core::announcement::Kind;
use esclusa_core::lane::{Lane, Pin};
use esclusa_core::release::{Availability, Release};
use esclusa_core::time::Timestamp;
use serde_json::{Value, json};

use super::{LANE, Memory, ask, at, line, memory, release, with};

fn pin(version: &str, until: &str, request: &str) -> Value {
    let what = json!({ "version": version, "until": until, "request": request });
    let mut question = with("pin", what);
    question["actor"] = json!("ana");
    question["reason"] = json!("an audit");
    question
}

fn unpin(version: &str, request: &str) -> Value {
    with("unpin", json!({ "version": version, "request": request }))
}

/// What the answer says of a pin of ana's.
fn pinned(release: &Release, until: &str) -> Value {
    let digest = release.digest.to_string();
    json!({ "digest": digest, "until": until, "reason": "an audit", "actor": "ana" })
}

/// The same image, pinned until then.
fn until(lane: &mut Lane, release: &Release, until: Timestamp) {
    let pin = Pin { until, reason: "an audit".to_owned(), actor: "ana".to_owned() };
    lane.pins.insert(release.digest.clone(), pin);
}

/// What the lane has told.
fn told(memory: &Memory) -> Vec<(Kind, String)> {
    memory.lane().outbox.into_iter().map(|it| (it.kind, it.text)).collect()
}

#[tokio::test]
async fn a_pin_keeps_an_image_to_the_end_of_its_day_once_per_request() {
    let digest = release(1).digest.to_string();
    for (version, name) in [("v1.1.0", "v1.1.0 (000000000000)"), (&digest, "000000000000")] {
        let memory = memory();
        for _ in 0..2 {
            let seen = ask(&memory, &pin(version, "2026-12-31", "r-1")).await;
            let expected = format!("{name} is kept until 2026-12-31");
            assert_eq!((&seen["text"], &seen["lane"]["revision"]), (&json!(expected), &json!(8)));
            assert_eq!(seen["lane"]["pins"], json!([pinned(&release(1), "2027-01-01T00:00:00Z")]));
            assert_eq!(seen["next"], "`unpin` lets it go earlier");
        }
        let text = "tickets in production: ana pinned 000000000000 until 2027-01-01T00:00:00Z: an \
                    audit";
        assert_eq!(told(&memory), [(Kind::ImagePinned, text.to_owned())]);
        assert_eq!(memory.lane().outbox[0].digest, Some(release(1).digest));
    }
}

#[tokio::test]
async fn a_pin_may_end_today_or_two_years_ahead() {
    for (day, end) in [
        ("2026-09-21", "2026-09-22T00:00:00Z"),
        ("2026-09-22", "2026-09-23T00:00:00Z"),
        ("2028-09-21", "2028-09-22T00:00:00Z"),
    ] {
        let seen = ask(&memory(), &pin("v1.1.0", day, "r-1")).await;
        assert_eq!(seen["lane"]["pins"], json!([pinned(&release(1), end)]));
    }
}

#[tokio::test]
async fn a_pin_is_given_another_day_by_pinning_again() {
    let memory = memory();
    for (day, end, request) in [
        ("2026-12-31", "2027-01-01T00:00:00Z", "r-1"),
        ("2026-10-01", "2026-10-02T00:00:00Z", "r-2"),
    ] {
        let seen = ask(&memory, &pin("v1.1.0", day, request)).await;
        assert_eq!(seen["lane"]["pins"], json!([pinned(&release(1), end)]));
    }
    let kinds: Vec<Kind> = told(&memory).into_iter().map(|it| it.0).collect();
    assert_eq!(kinds, [Kind::ImagePinned, Kind::ImagePinned]);
}

#[tokio::test]
async fn images_that_are_pinned_alike_are_named_by_what_was_asked_for() {
    let memory = memory();
    for (version, request, name) in
        [("v1.1.0", "r-1", "v1.1.0 (000000000000)"), ("v1.2.0", "r-2", "`v1.2.0`")]
    {
        let seen = ask(&memory, &pin(version, "2026-12-31", request)).await;
        assert_eq!(seen["text"], json!(format!("{name} is kept until 2026-12-31")));
    }
}

#[tokio::test]
async fn an_unpin_lets_an_image_go_once_per_request() {
    let digest = release(1).digest.to_string();
    for (version, name) in [("v1.1.0", "`v1.1.0`"), (&digest, "000000000000")] {
        let memory = memory().with(LANE, |lane| until(lane, &release(1), at(900)));
        for _ in 0..2 {
            let seen = ask(&memory, &unpin(version, "r-1")).await;
            let expected = format!("{name} is kept only as long as retention keeps it");
            assert_eq!((&seen["text"], &seen["lane"]["revision"]), (&json!(expected), &json!(8)));
            assert_eq!((&seen["lane"]["pins"], &seen["next"]), (&json!([]), &Value::Null));
        }
        let text = "tickets in production: 000000000000 is not pinned any more";
        assert_eq!(told(&memory), [(Kind::ImageUnpinned, text.to_owned())]);
    }
}

#[tokio::test]
async fn an_image_that_is_gone_is_unpinned_by_its_digest() {
    let memory = Memory { images: Vec::new(), ..memory() };
    let memory = memory.with(LANE, |lane| until(lane, &release(1), at(900)));
    let seen = ask(&memory, &unpin(&release(1).digest.to_string(), "r-1")).await;
    assert_eq!((&seen["ok"], &seen["lane"]["pins"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn a_pin_whose_day_is_over_is_gone_without_a_word() {
    let memory = memory().with(LANE, |lane| until(lane, &release(1), at(100)));
    let seen = ask(&memory, &with("status", json!({}))).await;
    assert_eq!(seen["lane"]["pins"], json!([]));
    let seen = ask(&memory, &pin("v1.2.0", "2026-12-31", "r-1")).await;
    assert_eq!(seen["lane"]["pins"], json!([pinned(&release(2), "2027-01-01T00:00:00Z")]));
    let kinds: Vec<Kind> = told(&memory).into_iter().map(|it| it.0).collect();
    assert_eq!(kinds, [Kind::ImagePinned]);
}

#[tokio::test]
async fn a_pin_says_nothing_in_the_status() {
    let memory = memory().with(LANE, |lane| until(lane, &release(1), at(900)));
    let seen = ask(&memory, &with("status", json!({}))).await;
    assert_eq!(seen["text"], "tickets in production runs v1.2.0 (000000000000)");
    assert_eq!(seen["lane"]["pins"], json!([pinned(&release(1), &at(900).to_string())]));
}

#[tokio::test]
async fn what_cannot_be_pinned_or_is_not_pinned_is_refused() {
    let push = "push the image that should run, or restore it in ECR";
    let status = line("`status` tells how the lane is", "status", "production", "");
    let gone = "no image of tickets has the tag `v9`; this lane has run `v1.2.0`, `v1.1.0`";
    let not_pinned = "000000000000 is not pinned in tickets#production; `status` tells which \
                      images are";
    let archived = Release { availability: Availability::Archived, ..release(3) };
    let full = memory().with(LANE, |lane| {
        (100..150).for_each(|number| until(lane, &release(number), at(900)));
    });
    let over = memory().with(LANE, |lane| until(lane, &release(1), at(100)));
    for (memory, question, code, text, next) in [
        (memory(), pin("v9", "2026-12-31", "r"), "release.not_in_registry", gone, push),
        (memory(), unpin("v9", "r"), "release.not_in_registry", gone, push),
        (
            memory().and([archived]),
            pin("v1.3.0", "2026-12-31", "r"),
            "release.archived",
            "v1.3.0 (000000000000) is archived in ECR, where retention leaves it alone: restore \
             it, then pin it",
            push,
        ),
        (
            full,
            pin("v1.1.0", "2026-12-31", "r"),
            "asked",
            "tickets#production has 50 pins already; `unpin` one first",
            &status,
        ),
        (memory(), unpin("v1.1.0", "r"), "asked", not_pinned, &status),
        (memory(), unpin(&release(1).digest.to_string(), "r"), "asked", not_pinned, &status),
        (over, unpin("v1.1.0", "r"), "asked", not_pinned, &status),
    ] {
        let before = memory.lane();
        let seen = ask(&memory, &question).await;
        assert_eq!(seen, json!({ "ok": false, "code": code, "text": text, "next": next }));
        assert_eq!((memory.lane(), memory.woken.lock().unwrap().len()), (before, 0), "{text}");
    }
}

#[tokio::test]
async fn what_needs_an_image_that_is_being_deleted_is_refused() {
    let memory = Memory { claimed: true, ..memory() };
    let text = "retention is deleting the image of tickets that this needs at this moment; nothing \
                was changed";
    let next = "ask again in a minute; if the image is gone by then, push it again";
    let code = "release.deleting";
    let expected = json!({ "ok": false, "code": code, "text": text, "next": next });
    for question in [with("rollback", json!({})), with("deploy", json!({ "version": "v1.1.0" }))] {
        let before = memory.lane();
        assert_eq!(ask(&memory, &question).await, expected, "{question}");
        assert_eq!((memory.lane(), memory.woken.lock().unwrap().len()), (before, 0), "{question}");
    }
}
