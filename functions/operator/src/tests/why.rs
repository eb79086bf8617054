//! What keeps a release from being rolled out.

use esclusa_core::lane::{Attempt, Hold};
use esclusa_core::observation::Sources;
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Release;
use esclusa_core::rollout::End;
use esclusa_core::scan::State;
use esclusa_core::secret::SecretState;
use serde_json::{Value, json};

use super::{
    FREEZE, LANE, Memory, ask, at, found, line, memory, quarantine, release, rolling, with,
};

/// A release that the tag of production points to.
fn latest(number: u32) -> Release {
    let mut release = release(number);
    release.tags.insert("latest".parse().unwrap());
    release
}

fn held(code: Code, text: &str) -> Hold {
    Hold { reason: Reason::new(code, text), actor: None, since: at(2) }
}

fn attempt(code: Code) -> Attempt {
    Attempt {
        digest: release(3).digest,
        end: End::Failed,
        reason: Reason::new(code, "i-00000001 does not answer"),
        with: "a configuration".to_owned(),
        at: at(10),
        tries: 1,
    }
}

fn codes(answer: &Value) -> Vec<&str> {
    let blockers = answer["blockers"].as_array().unwrap();
    blockers.iter().map(|it| it["code"].as_str().unwrap()).collect()
}

/// What is asked next in production, by its action.
fn next(sentence: &str, action: &str) -> String {
    line(sentence, action, "production", "")
}

/// Everything that can keep v1.3.0, which the tag says: the lane, the codes, what to do next.
fn kept() -> Vec<(Memory, &'static [&'static str], String)> {
    let world = || memory().and([latest(3)]);
    let release_it = "held since 2026-09-21T14:13:22Z; `release` lets it follow the tag again";
    let unversioned = Release { tags: [latest(3).tags.pop_first().unwrap()].into(), ..release(3) };
    let all_the_same = "`deploy` it with `override` and a `reason` to go ahead all the same";
    let lift = format!(r#","version":"{}""#, release(3).digest);
    let failed = "`history` tells how it failed: push a new image; `lift` lets this one go";
    let again = "`history` tells how it ended; `deploy` tries it again at once";
    let busy = "`abort` stops the active rollout; `status` tells how far it is";
    let correct = "correct the configuration in Parameter Store; `why` checks it";
    let hold = |code| world().with(LANE, |lane| lane.hold = Some(held(code, "held by ana: lunch")));
    let tried = |code| world().with(LANE, |lane| lane.last_attempt = Some(attempt(code)));
    let scanned = |scan| Memory { scan: Some(scan), ..world() };
    let said = || "FAILED".to_owned();
    vec![
        (hold(Code::LANE_ADOPTED), &["lane.adopted"], next(release_it, "release")),
        (hold(Code::LANE_HELD), &["lane.held"], next(release_it, "release")),
        (world().configured(FREEZE), &["lane.frozen"], all_the_same.to_owned()),
        (
            world().with(LANE, |lane| quarantine(lane, &release(3))),
            &["release.quarantined"],
            line(failed, "lift", "production", &lift),
        ),
        (
            world().with(LANE, |lane| rolling(lane, &release(4))),
            &["lane.busy"],
            next(busy, "status"),
        ),
        (
            tried(Code::HOSTS_UNREACHABLE),
            &["lane.last_attempt", "hosts.unreachable"],
            again.to_owned(),
        ),
        (
            tried(Code::HEALTH_CONTAINER),
            &["lane.last_attempt", "health.container"],
            again.to_owned(),
        ),
        (scanned(found()), &["gate.scan_blocked"], all_the_same.to_owned()),
        (scanned(State::Missing(said())), &["gate.scan_missing"], all_the_same.to_owned()),
        (scanned(State::Pending(said())), &["gate.scan_pending"], all_the_same.to_owned()),
        (memory().and([unversioned]), &["release.unversioned"], all_the_same.to_owned()),
        (world().configured("wavs = []"), &["config.invalid"], next(correct, "why")),
        (
            world().configured(FREEZE).with(LANE, |lane| {
                quarantine(lane, &release(3));
                lane.hold = Some(held(Code::LANE_HELD, "held by ana: lunch"));
            }),
            &["release.quarantined", "lane.held", "lane.frozen"],
            line(failed, "lift", "production", &lift),
        ),
    ]
}

#[tokio::test]
async fn why_tells_everything_that_keeps_a_release() {
    for (memory, expected, next) in kept() {
        let before = memory.lane();
        let seen = ask(&memory, &with("why", json!({}))).await;
        assert_eq!(codes(&seen), expected, "{seen}");
        assert_eq!(seen["next"], json!(next), "{expected:?}");
        let first = expected.first().unwrap();
        let text = seen["text"].as_str().unwrap();
        assert!(text.contains(&format!("({first})")), "{text}");
        assert_eq!((memory.lane(), memory.woken.lock().unwrap().len()), (before, 0));
    }
}

#[tokio::test]
async fn a_scan_that_is_waited_for_says_until_when() {
    let scan = Some(State::Pending("IN_PROGRESS".to_owned()));
    let memory = Memory { scan, ..memory().and([latest(3)]) };
    let seen = ask(&memory, &with("why", json!({}))).await;
    let blocker = &seen["blockers"][0];
    let waits = "v1.3.0 (000000000000) waits until 2026-09-21T14:25:00Z at the latest: its scan is \
                 not done: 000000000000: IN_PROGRESS";
    assert_eq!(
        (&blocker["text"], &blocker["lifts_at"]),
        (&json!(waits), &json!("2026-09-21T14:25:00Z"))
    );
}

#[tokio::test]
async fn a_blocker_says_which_release_waits_and_until_when() {
    let memory = memory().and([latest(3)]).configured(FREEZE);
    let seen = ask(&memory, &with("why", json!({}))).await;
    let blocker = &seen["blockers"][0];
    let waits = "v1.3.0 (000000000000) waits for the freeze to end at 2026-09-21T16:00:00Z";
    assert_eq!((&blocker["text"], &blocker["code"]), (&json!(waits), &json!("lane.frozen")));
    assert_eq!(blocker["lifts_at"], "2026-09-21T16:00:00Z");
    assert_eq!(blocker["release"]["label"], "v1.3.0");
    assert_eq!(seen["release"]["digest"], json!(release(3).digest.to_string()));
    assert_eq!(seen["estimate"], Value::Null);
    let expected = format!(
        "v1.3.0 (000000000000) does not go to tickets in production: {waits} (lane.frozen)"
    );
    assert_eq!(seen["text"], json!(expected));
}

#[tokio::test]
async fn a_passing_reason_is_tried_again_by_itself() {
    for (code, lifts_at) in [
        (Code::HOSTS_UNREACHABLE, json!("2026-09-21T14:18:30Z")),
        (Code::HEALTH_CONTAINER, Value::Null),
    ] {
        let memory = memory().and([latest(3)]);
        let memory = memory.with(LANE, |lane| lane.last_attempt = Some(attempt(code.clone())));
        let seen = ask(&memory, &with("why", json!({}))).await;
        assert_eq!(seen["blockers"][0]["lifts_at"], lifts_at, "{code}");
    }
}

#[tokio::test]
async fn a_release_that_was_passed_over_is_told_by_which() {
    let memory = memory().and([release(3)]).with(LANE, |lane| {
        rolling(lane, &release(4));
        lane.next = Some(release(5));
    });
    let seen = ask(&memory, &with("why", json!({ "version": "v1.3.0" }))).await;
    assert_eq!(codes(&seen), ["release.superseded"]);
    let expected = "v1.3.0 (000000000000) does not go to tickets in production: v1.5.0 \
                    (000000000000) took the place of v1.3.0 (000000000000), and goes next \
                    (release.superseded)";
    assert_eq!(seen["text"], expected);
    let estimate = memory.lane().rollout.unwrap().estimate();
    assert_eq!(seen["estimate"]["seconds"], estimate.whole.as_secs());
    let busy = "`abort` stops the active rollout; `status` tells how far it is";
    assert_eq!(seen["next"], next(busy, "status"));
}

#[tokio::test]
async fn what_is_rolled_out_is_told_with_how_far_it_is() {
    let memory = memory().and([latest(3)]).with(LANE, |lane| rolling(lane, &latest(3)));
    let seen = ask(&memory, &with("why", json!({}))).await;
    assert_eq!(codes(&seen), ["lane.busy"]);
    let text = seen["text"].as_str().unwrap();
    assert!(text.contains("; gating v1.3.0 (000000000000), 0 of 2 host(s) done"), "{text}");
    assert_eq!(seen["estimate"]["batches"], 2);
}

#[tokio::test]
async fn what_nothing_keeps_is_said_to_run_to_go_or_to_need_a_deploy() {
    let digest = release(2).digest.to_string();
    let goes = "nothing keeps v1.3.0 (000000000000) from tickets in production: it goes at the \
                next look";
    let deploys = "nothing keeps v1.1.0 (000000000000) from tickets in production, but it is not \
                   what its tag says";
    let runs = "v1.2.0 (000000000000) is what tickets in production runs";
    let deploy = "`deploy` with the version `v1.1.0` rolls it out";
    for (more, text, next) in [
        (json!({}), goes, Some(next("`status` tells when it has started", "status"))),
        (json!({ "version": "v1.1.0" }), deploys, Some(deploy.to_owned())),
        (json!({ "version": "v1.2.0" }), runs, None),
        (json!({ "version": digest }), runs, None),
    ] {
        let seen = ask(&memory().and([latest(3)]), &with("why", more)).await;
        assert_eq!((&seen["text"], codes(&seen).len()), (&json!(text), 0));
        assert_eq!(seen["next"], json!(next), "{text}");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_keeps_a_release_back() {
    let text = "[environments.production]\nsecrets = [\"prod/tickets/db\"]\n".to_owned();
    let configured = |secret: Option<SecretState>| {
        let sources = Sources { service: Some(text.clone()), defaults: None };
        Memory { sources, secret, ..memory().and([latest(3)]) }
    };
    let usable = SecretState::Usable { version: "v1".to_owned() };
    for (secret, codes_of, said) in [
        (Some(usable), &[][..], ""),
        (None, &["gate.secret_missing"], "the secret `prod/tickets/db` does not exist"),
        (Some(SecretState::Deleting), &["gate.secret_missing"], "restore-secret"),
        (Some(SecretState::Empty), &["gate.secret_missing"], "put-secret-value"),
    ] {
        let seen = ask(&configured(secret), &with("why", json!({}))).await;
        assert_eq!(codes(&seen), codes_of, "{seen}");
        assert!(seen["text"].as_str().unwrap().contains(said), "{seen}");
    }
}

#[tokio::test]
async fn a_release_that_is_not_there_is_told_so() {
    let seen = ask(&memory(), &with("why", json!({}))).await;
    assert_eq!((codes(&seen), &seen["release"]), (vec!["release.not_in_registry"], &Value::Null));
    let text = "nothing can go to tickets in production: no image of tickets bears the tag \
                `latest`: push one (release.not_in_registry)";
    assert_eq!(seen["text"], text);
    let push = "push the image that should run, or restore it in ECR";
    assert_eq!(seen["next"], push);
    let seen = ask(&memory(), &with("why", json!({ "version": "v9" }))).await;
    let text = "no image of tickets has the tag `v9`; this lane has run `v1.2.0`, `v1.1.0`";
    let code = "release.not_in_registry";
    assert_eq!(seen, json!({ "ok": false, "code": code, "text": text, "next": push }));
}
