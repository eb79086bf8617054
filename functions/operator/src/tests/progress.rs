//! How far a version is: what a pipeline waits for.

use esclusa_core::lane::{Attempt, Hold};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Release;
use esclusa_core::rollout::{End, Phase, Rollout};
use esclusa_core::scan::State;
use serde_json::{Value, json};

use super::{FREEZE, LANE, Memory, ask_as, at, found, memory, quarantine, release, rolling, with};

/// An image that the tag of production points to.
fn latest(number: u32) -> Release {
    let mut release = release(number);
    release.tags.insert("latest".parse().unwrap());
    release
}

/// A world whose tag says v1.3.0.
fn pushed() -> Memory {
    memory().and([latest(3)])
}

/// A rollout of this release that ended so.
fn ended(number: u32, end: End) -> Rollout {
    let mut lane = memory().lane();
    rolling(&mut lane, &release(number));
    let mut rollout = lane.rollout.unwrap();
    rollout.phase = Phase::Ended(end, Reason::new(Code::HEALTH_CONTAINER, "web is unhealthy"));
    rollout
}

fn attempt(code: Code) -> Attempt {
    let reason = Reason::new(code, "i-00000001 does not answer");
    let with = "a configuration".to_owned();
    Attempt { digest: release(3).digest, end: End::Failed, reason, with, at: at(10), tries: 1 }
}

async fn progress(memory: &Memory) -> Value {
    let version = release(3).digest.to_string();
    let seen =
        ask_as(":for-tickets", memory, &with("progress", json!({ "version": version }))).await;
    assert_eq!(seen["ok"], json!(true), "{seen}");
    seen
}

fn held() -> Hold {
    let reason = Reason::new(Code::LANE_HELD, "held by ana: lunch");
    Hold { reason, actor: Some("ana".to_owned()), since: at(2) }
}

#[tokio::test]
async fn a_version_is_waited_for_while_that_can_end() {
    let frozen = pushed().configured(FREEZE);
    let scanned = Memory { scan: Some(State::Pending("IN_PROGRESS".to_owned())), ..pushed() };
    let busy = pushed().with(LANE, |lane| rolling(lane, &release(4)));
    let held = pushed().with(LANE, |lane| lane.hold = Some(held()));
    let tried =
        pushed().with(LANE, |lane| lane.last_attempt = Some(attempt(Code::HOSTS_UNREACHABLE)));
    let again = Memory { rollouts: vec![ended(3, End::Failed)], ..tried };
    let cases = [
        (pushed(), Value::Null),
        (frozen, json!("lane.frozen")),
        (scanned, json!("gate.scan_pending")),
        (busy, json!("lane.busy")),
        (held, json!("lane.held")),
        (again, json!("lane.last_attempt")),
    ];
    for (memory, code) in cases {
        let seen = progress(&memory).await;
        assert_eq!(seen["progress"]["state"], "waiting", "{code}: {seen}");
        assert_eq!(seen["progress"]["reason"]["code"], code, "{seen}");
    }
}

#[tokio::test]
async fn what_only_a_person_or_a_push_can_mend_is_a_failure_at_once() {
    let unversioned = Release { tags: ["latest".parse().unwrap()].into(), ..release(3) };
    let cases = [
        (Memory { scan: Some(found()), ..pushed() }, "gate.scan_blocked"),
        (
            Memory { scan: Some(State::Missing("FAILED".to_owned())), ..pushed() },
            "gate.scan_missing",
        ),
        (memory().and([unversioned]), "release.unversioned"),
        (pushed().configured("wavs = []"), "config.invalid"),
        (pushed().with(LANE, |lane| quarantine(lane, &release(3))), "release.quarantined"),
    ];
    for (memory, code) in cases {
        let seen = progress(&memory).await;
        assert_eq!(seen["progress"]["state"], "failed", "{code}: {seen}");
        assert_eq!(seen["progress"]["reason"]["code"], code, "{seen}");
        assert!(seen["next"].is_string(), "{seen}");
    }
}

#[tokio::test]
async fn a_rollout_is_told_while_it_is_under_way() {
    let memory = pushed().with(LANE, |lane| rolling(lane, &release(3)));
    let seen = progress(&memory).await;
    assert_eq!(seen["progress"]["state"], "rolling_out");
    assert_eq!(seen["progress"]["rollout"]["candidate"]["label"], "v1.3.0");
    assert!(!seen["progress"]["rollout"]["transitions"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_runs_has_succeeded_and_can_be_gone_back_from() {
    let succeeded = ended(3, End::Succeeded);
    let memory = Memory { rollouts: vec![ended(4, End::Failed), succeeded], ..pushed() }
        .with(LANE, |lane| lane.current = Some(release(3)));
    let seen = progress(&memory).await;
    assert_eq!(seen["progress"]["state"], "succeeded");
    assert_eq!(seen["progress"]["past"]["candidate"]["label"], "v1.3.0");
    assert!(seen["next"].as_str().unwrap().contains(r#""action":"rollback""#), "{seen}");
}

#[tokio::test]
async fn a_rollout_that_turned_back_has_failed_and_says_why() {
    for end in [End::Rejected, End::Failed, End::Restored, End::Stuck, End::Halted, End::Aborted] {
        let memory = Memory { rollouts: vec![ended(3, end)], ..pushed() }
            .with(LANE, |lane| quarantine(lane, &release(3)));
        let seen = progress(&memory).await;
        assert_eq!(seen["progress"]["state"], "failed", "{seen}");
        assert_eq!(seen["progress"]["reason"]["code"], "health.container");
        let text = format!(
            "the rollout of v1.3.0 (000000000000) to tickets in production {end}: web is \
             unhealthy (health.container)"
        );
        assert_eq!(seen["text"], json!(text));
        assert!(seen["next"].as_str().unwrap().contains(r#""action":"lift""#), "{seen}");
    }
}

#[tokio::test]
async fn what_another_release_took_the_place_of_is_replaced() {
    let moved = || memory().and([release(3), latest(4)]);
    let cases = [
        moved(),
        Memory { rollouts: vec![ended(3, End::Superseded)], ..moved() },
        Memory { rollouts: vec![ended(3, End::Succeeded)], ..moved() },
    ];
    for memory in cases {
        let seen = progress(&memory).await;
        assert_eq!(seen["progress"]["state"], "replaced", "{seen}");
        let text = "tickets in production runs v1.2.0 (000000000000) and not v1.3.0 (000000000000)";
        assert_eq!(seen["text"], text);
    }
}

#[tokio::test]
async fn a_version_that_nobody_pushed_is_refused() {
    let asked = with("progress", json!({ "version": release(9).digest.to_string() }));
    let seen = ask_as(":for-tickets", &memory(), &asked).await;
    assert_eq!(seen["code"], "release.not_in_registry", "{seen}");
}
