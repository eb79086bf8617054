//! What a person asks to be done, but for deploys.

use serde_json::{Value, json};

use super::{LANE, Memory, about, ask, line, memory, quarantine, release, rolling, with};

#[tokio::test]
async fn a_rollback_names_its_target_and_wakes_the_lane_once_per_request() {
    let memory = memory();
    let mut question = about("rollback", "tickets", "production");
    question["actor"] = json!("ana");
    let seen = ask(&memory, &question).await;
    let expected = "tickets in production goes back to v1.1.0 (000000000000), and is held \
                    afterwards";
    assert_eq!(seen["text"], expected);
    assert_eq!(seen["lane"]["asked"]["release"]["label"], "v1.1.0");
    assert_eq!(seen["lane"]["asked"]["actor"], "ana");
    assert_eq!(seen["lane"]["revision"], 8);
    assert_eq!(seen["next"], line("`status` tells how it goes on", "status", "production", ""));
    let again = ask(&memory, &question).await;
    assert_eq!((&again["lane"]["revision"], &again["text"]), (&json!(8), &json!(expected)));
    assert_eq!(memory.woken.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_what_to_do_instead() {
    let gone = Memory { images: vec![release(2)], ..memory() };
    for (memory, question, code, text, next) in [
        (
            memory(),
            about("release", "tickets", "production"),
            "asked",
            "tickets#production is not held, so there is nothing to release",
            line("`status` tells how the lane is", "status", "production", "").as_str(),
        ),
        (
            memory(),
            about("rollback", "tickets", "staging"),
            "release.not_in_registry",
            "tickets#staging has no earlier successful release to go back to; push the image that \
             should run",
            "push the image that should run, or restore it in ECR",
        ),
        (
            gone,
            about("rollback", "tickets", "production"),
            "release.not_in_registry",
            "v1.1.0 (000000000000), the release before, is not in the registry any more; there is \
             no other release to go back to",
            "push the image that should run, or restore it in ECR",
        ),
    ] {
        let seen = ask(&memory, &question).await;
        let expected = json!({ "ok": false, "code": code, "text": text, "next": next });
        assert_eq!(seen, expected);
        assert!(memory.woken.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn hold_and_release_are_told_and_kept() {
    let memory = memory();
    let mut question = about("hold", "tickets", "production");
    question["reason"] = json!("migration");
    question["request"] = json!("r-1");
    let seen = ask(&memory, &question).await;
    let expected = "tickets in production is held: no rollout starts until it is released";
    assert_eq!(seen["text"], expected);
    let by = "held by someone with permission to invoke operator: migration";
    assert_eq!(seen["lane"]["hold"]["text"], by);
    let mut question = about("release", "tickets", "production");
    question["request"] = json!("r-2");
    let seen = ask(&memory, &question).await;
    assert_eq!(seen["text"], "tickets in production follows its tag again");
    assert_eq!(seen["lane"]["hold"], Value::Null);
    let next = line("`status` tells what follows from it", "status", "production", "");
    assert_eq!(seen["next"], next);
}

#[tokio::test]
async fn an_abort_stops_the_active_rollout_once() {
    let memory = memory().with(LANE, |lane| rolling(lane, &release(3)));
    let question = with("abort", json!({ "actor": "ana", "request": "r-1" }));
    let expected = "the rollout of v1.3.0 (000000000000) to tickets in production stops: the \
                    hosts that it touched go back to what they ran, and the lane is held";
    for _ in 0..2 {
        let seen = ask(&memory, &question).await;
        assert_eq!(seen["text"], expected);
        assert_eq!(seen["lane"]["revision"], 8);
        let held = "held by ana: ana asked to stop v1.3.0 (000000000000)";
        assert_eq!(seen["lane"]["hold"]["text"], held);
        let next = line("`status` tells how it goes on", "status", "production", "");
        assert_eq!(seen["next"], next);
    }
    let again = ask(&memory, &with("abort", json!({ "request": "r-2" }))).await;
    assert_eq!(again["ok"], false, "it is being stopped already: {again}");
}

#[tokio::test]
async fn a_restart_makes_what_runs_anew() {
    let memory = memory();
    let question = with("restart", json!({ "actor": "ana", "request": "r-1" }));
    for _ in 0..2 {
        let seen = ask(&memory, &question).await;
        let expected = "tickets in production gets new containers of v1.2.0 (000000000000), wave \
                        by wave";
        assert_eq!(seen["text"], expected);
        assert_eq!(seen["lane"]["asked"]["cause"], "restart");
        assert_eq!((&seen["lane"]["hold"], &seen["lane"]["revision"]), (&Value::Null, &json!(8)));
    }
}

#[tokio::test]
async fn a_lift_lets_a_version_go_again() {
    let digest = release(3).digest.to_string();
    for (version, name) in [("v1.3.0", "`v1.3.0`"), (digest.as_str(), "000000000000")] {
        let memory = memory().and([release(3)]).with(LANE, |lane| quarantine(lane, &release(3)));
        let question = with("lift", json!({ "version": version, "request": "r-1" }));
        for _ in 0..2 {
            let seen = ask(&memory, &question).await;
            let expected = format!("{name} may be rolled out to tickets in production again");
            assert_eq!((&seen["text"], &seen["lane"]["revision"]), (&json!(expected), &json!(8)));
            assert_eq!(seen["lane"]["quarantine"], json!([]));
        }
    }
}

#[tokio::test]
async fn what_there_is_nothing_to_do_about_is_refused() {
    let status = line("`status` tells how the lane is", "status", "production", "");
    let push = "push the image that should run, or restore it in ECR";
    let busy = "`abort` stops the active rollout; `status` tells how far it is";
    let busy = line(busy, "status", "production", "");
    let rolled = || memory().with(LANE, |lane| rolling(lane, &release(3)));
    for (memory, question, code, text, next) in [
        (
            memory(),
            with("abort", json!({})),
            "asked",
            "no rollout of tickets#production is active that could be stopped",
            status.as_str(),
        ),
        (
            memory().with(LANE, |lane| lane.current = None),
            with("restart", json!({})),
            "asked",
            "tickets#production has no successful release that could be restarted",
            &status,
        ),
        (
            rolled(),
            with("restart", json!({})),
            "lane.busy",
            "a rollout of v1.3.0 (000000000000) to tickets#production is active; wait for it, or \
             `abort` it",
            &busy,
        ),
        (
            memory(),
            with("lift", json!({ "version": "v1.1.0" })),
            "asked",
            "000000000000 is not quarantined in tickets#production",
            &status,
        ),
        (
            memory(),
            with("lift", json!({ "version": "v9" })),
            "release.not_in_registry",
            "no image of tickets has the tag `v9`; this lane has run `v1.2.0`, `v1.1.0`",
            push,
        ),
    ] {
        let before = memory.lane();
        let seen = ask(&memory, &question).await;
        assert_eq!(seen, json!({ "ok": false, "code": code, "text": text, "next": next }));
        assert_eq!((memory.lane(), memory.woken.lock().unwrap().len()), (before, 0));
    }
}

#[tokio::test]
async fn a_restored_ledger_gets_an_epoch_that_no_host_has_seen() {
    let memory = memory().with(LANE, |lane| rolling(lane, &release(3)));
    let before = memory.lane();
    let question = with("restored", json!({ "actor": "ana", "request": "r-1" }));
    for _ in 0..2 {
        let seen = ask(&memory, &question).await;
        let text = "tickets in production forgets what was under way when its ledger was backed \
                    up, and is held: its orders are newer than all that hosts have seen";
        assert_eq!(seen["text"], text);
        let held = "held by ana: the ledger was restored from a backup";
        assert_eq!(seen["lane"]["hold"]["text"], held);
        assert_eq!(seen["lane"]["rollout"], Value::Null);
        assert!(seen["next"].as_str().unwrap().contains("\"release\""), "{seen}");
    }
    let once = memory.lane();
    // Seconds since 1970: a backup of a ledger that was restored before cannot give it out again.
    assert!(once.epoch > 1_700_000_000 && before.epoch == 1, "{}", once.epoch);
    assert!(once.halted && once.orders().is_empty());
    let again = with("restored", json!({ "actor": "ana", "request": "r-2" }));
    ask(&memory, &again).await;
    assert!(memory.lane().epoch > once.epoch);
}
