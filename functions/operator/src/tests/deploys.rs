//! Rolling a version out by hand.

use esclusa_core::release::Availability;
use serde_json::{Value, json};

use super::{FREEZE, LANE, Memory, ask, found, line, memory, quarantine, release, rolling, with};

const HOTFIX: &str = "a hotfix for the till";

fn deploy(version: &str) -> Value {
    with("deploy", json!({ "version": version, "actor": "ana", "request": "r-1" }))
}

fn overriding(version: &str) -> Value {
    let mut question = deploy(version);
    question["override"] = json!(true);
    question["reason"] = json!(HOTFIX);
    question
}

#[tokio::test]
async fn a_deploy_of_what_the_tag_does_not_say_holds_the_lane() {
    let digest = release(3).digest.to_string();
    for version in ["v1.3.0", digest.as_str()] {
        let memory = memory().and([release(3)]);
        for _ in 0..2 {
            let seen = ask(&memory, &deploy(version)).await;
            let expected = "tickets in production goes to v1.3.0 (000000000000), and is held \
                            afterwards";
            assert_eq!(seen["text"], expected);
            let asked = &seen["lane"]["asked"];
            assert_eq!((&asked["cause"], &asked["actor"]), (&json!("deploy"), &json!("ana")));
            assert_eq!(
                (&asked["overriding"], &seen["lane"]["revision"]),
                (&Value::Null, &json!(8))
            );
            let held = "held by ana: deployed v1.3.0 (000000000000) by hand";
            assert_eq!(seen["lane"]["hold"]["text"], held);
        }
    }
}

#[tokio::test]
async fn a_deploy_of_what_the_tag_says_does_not_hold_the_lane() {
    let memory = memory().and([release(3)]).with(LANE, |lane| lane.desired = Some(release(3)));
    let seen = ask(&memory, &deploy("v1.3.0")).await;
    assert_eq!(seen["text"], "tickets in production goes to v1.3.0 (000000000000)");
    assert_eq!(seen["lane"]["hold"], Value::Null);
}

#[tokio::test]
async fn only_a_deploy_that_overrides_goes_ahead_in_a_freeze() {
    let memory = memory().and([release(3)]).configured(FREEZE);
    let before = memory.lane();
    let text = "v1.3.0 (000000000000) waits for the freeze to end at 2026-09-21T16:00:00Z";
    let next = "`deploy` it with `override` and a `reason` to go ahead all the same";
    let code = "lane.frozen";
    let expected = json!({ "ok": false, "code": code, "text": text, "next": next });
    assert_eq!(ask(&memory, &deploy("v1.3.0")).await, expected);
    assert_eq!((memory.lane(), memory.woken.lock().unwrap().len()), (before, 0));
    for _ in 0..2 {
        let seen = ask(&memory, &overriding("v1.3.0")).await;
        let expected = "tickets in production goes to v1.3.0 (000000000000), whatever its gates \
                        say (a hotfix for the till), and is held afterwards";
        assert_eq!(seen["text"], expected);
        assert_eq!(seen["lane"]["asked"]["overriding"], HOTFIX);
        assert_eq!(seen["lane"]["revision"], 8);
    }
}

#[tokio::test]
async fn only_a_deploy_that_overrides_goes_ahead_with_a_finding() {
    let memory = Memory { scan: Some(found()), ..memory().and([release(3)]) };
    let before = memory.lane();
    let text = "v1.3.0 (000000000000) is kept back: its scan found CVE-2026-1234 (CRITICAL) in \
                openssl 3.0.1, fixed in 3.0.2; push an image without it, or add it to `waivers`";
    let next = "`deploy` it with `override` and a `reason` to go ahead all the same";
    let code = "gate.scan_blocked";
    let expected = json!({ "ok": false, "code": code, "text": text, "next": next });
    assert_eq!(ask(&memory, &deploy("v1.3.0")).await, expected);
    assert_eq!(memory.lane(), before);
    let seen = ask(&memory, &overriding("v1.3.0")).await;
    assert_eq!(seen["lane"]["asked"]["overriding"], HOTFIX);
}

#[tokio::test]
async fn a_deploy_without_override_may_say_so() {
    let mut question = deploy("v1.3.0");
    question["override"] = json!(false);
    let seen = ask(&memory().and([release(3)]), &question).await;
    assert_eq!((&seen["ok"], &seen["lane"]["asked"]["overriding"]), (&json!(true), &Value::Null));
}

/// Lanes that a deploy of v1.3.0 is refused in, whether it overrides or not.
fn refusals() -> Vec<(Memory, &'static str, &'static str, String)> {
    let lift = format!(r#","version":"{}""#, release(3).digest);
    let failed = "`history` tells how it failed: push a new image; `lift` lets this one go";
    let push = "push the image that should run, or restore it in ECR";
    let busy = "`abort` stops the active rollout; `status` tells how far it is";
    let archived =
        esclusa_core::release::Release { availability: Availability::Archived, ..release(3) };
    vec![
        (
            memory(),
            "release.not_in_registry",
            "no image of tickets has the tag `v1.3.0`; this lane has run `v1.2.0`, `v1.1.0`",
            push.to_owned(),
        ),
        (
            memory().and([archived]),
            "release.archived",
            "v1.3.0 (000000000000) is archived in ECR: restore it, or push it again",
            push.to_owned(),
        ),
        (
            memory().and([release(3)]).with(LANE, |lane| quarantine(lane, &release(3))),
            "release.quarantined",
            "v1.3.0 (000000000000) failed here at 2026-09-21T14:13:23Z: its health check failed; \
             push a new image, or `lift` its quarantine",
            line(failed, "lift", "production", &lift),
        ),
        (
            memory().and([release(3)]).with(LANE, |lane| lane.current = Some(release(3))),
            "asked",
            "v1.3.0 (000000000000) is what tickets#production runs already; `restart` makes it \
             anew",
            line("`status` tells how the lane is", "status", "production", ""),
        ),
        (
            memory().and([release(3)]).with(LANE, |lane| rolling(lane, &release(4))),
            "lane.busy",
            "a rollout of v1.4.0 (000000000000) to tickets#production is active; wait for it, or \
             `abort` it",
            line(busy, "status", "production", ""),
        ),
    ]
}

#[tokio::test]
async fn what_must_not_run_is_not_deployed() {
    for question in [deploy("v1.3.0"), overriding("v1.3.0")] {
        for (memory, code, text, next) in refusals() {
            let before = memory.lane();
            let seen = ask(&memory, &question).await;
            assert_eq!(seen, json!({ "ok": false, "code": code, "text": text, "next": next }));
            assert_eq!((memory.lane(), memory.woken.lock().unwrap().len()), (before, 0), "{text}");
        }
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_refuses_every_deploy() {
    for question in [deploy("v1.3.0"), overriding("v1.3.0")] {
        let memory = memory().and([release(3)]).configured("wavs = []");
        let seen = ask(&memory, &question).await;
        assert_eq!((&seen["ok"], &seen["code"]), (&json!(false), &json!("config.invalid")));
        let next = "correct the configuration in Parameter Store; `why` checks it";
        assert_eq!(seen["next"], line(next, "why", "production", ""));
    }
}
