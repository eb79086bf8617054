//! How a lane is, and how its rollouts ended.

use std::time::Duration;

use esclusa_core::lane::{Blocker, HostRecord};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Running;
use esclusa_core::rollout::{Course, End, Phase};
use esclusa_core::traffic::GroupSettings;
use serde_json::{Value, json};

use super::{LANE, Memory, about, ask, at, line, memory, release, rolling};

#[tokio::test]
async fn status_tells_what_runs() {
    let seen = ask(&memory(), &about("status", "tickets", "production")).await;
    assert_eq!(seen["ok"], true);
    assert_eq!(seen["text"], "tickets in production runs v1.2.0 (000000000000)");
    assert_eq!(seen["next"], Value::Null);
    let lane = &seen["lane"];
    assert_eq!((&lane["phase"], &lane["revision"]), (&json!("idle"), &json!(7)));
    assert_eq!(lane["current"]["label"], "v1.2.0");
    assert_eq!(lane["current"]["pushed_at"], "2026-09-21T14:13:20Z");
    assert_eq!(lane["rollback_to"][0]["label"], "v1.1.0");
    assert_eq!(seen.get("history"), None);
    let held = ask(&memory(), &about("status", "tickets", "staging")).await;
    let expected = "tickets in staging has no successful release yet; held by ana: lunch \
                    (lane.held)";
    assert_eq!(held["text"], expected);
    let sentence = "held since 2026-09-21T14:13:22Z; `release` lets it follow the tag again";
    assert_eq!(held["next"], line(sentence, "release", "staging", ""));
}

#[tokio::test]
async fn history_without_rollouts_is_an_empty_list() {
    let seen = ask(&memory(), &about("history", "tickets", "production")).await;
    assert_eq!((&seen["ok"], &seen["history"]), (&json!(true), &json!([])));
    assert_eq!(seen["text"], "no rollout of tickets has ended yet");
}

#[tokio::test]
async fn status_tells_how_long_a_rollout_is_expected_to_take() {
    let memory = memory().with(LANE, |lane| {
        rolling(lane, &release(3));
        lane.next = Some(release(4));
        let rollout = lane.rollout.as_mut().unwrap();
        rollout.overriding = Some("a hotfix".to_owned());
        let group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/\
                     0123456789abcdef";
        let slow = GroupSettings {
            deregistration_delay: Duration::from_mins(10),
            interval: Duration::from_secs(30),
            unhealthy_threshold: 2,
            healthy_threshold: 5,
        };
        rollout.groups.insert(group.parse().unwrap(), slow);
    });
    let seen = ask(&memory, &about("status", "tickets", "production")).await;
    let rollout = &seen["lane"]["rollout"];
    assert_eq!((&seen["lane"]["phase"], &rollout["cause"]), (&json!("gating"), &json!("push")));
    assert_eq!(rollout["overriding"], "a hotfix");
    let expected = memory.lane().rollout.unwrap().estimate();
    assert_eq!(rollout["estimate"]["seconds"], expected.whole.as_secs());
    assert_eq!(rollout["estimate"]["draining_seconds"], 1200);
    assert_eq!(rollout["estimate"]["batches"], 2);
    let advice = rollout["estimate"]["advice"].as_str().unwrap();
    assert!(advice.starts_with("20 min of about "), "{advice}");
    let end = at(60).after(expected.whole).to_string();
    assert_eq!(rollout["expected_end"], json!(end));
    let text = format!(
        "tickets in production runs v1.2.0 (000000000000); gating v1.3.0 (000000000000), 0 of 2 \
         host(s) done, expected to end at {end}; v1.4.0 (000000000000) goes next"
    );
    assert_eq!(seen["text"], json!(text));
    assert_eq!(seen["lane"]["next"]["label"], "v1.4.0");
    let next = "`abort` stops the rollout and puts back what it has touched; `status` tells how \
                it goes on";
    assert_eq!(seen["next"], line(next, "status", "production", ""));
}

#[tokio::test]
async fn nothing_is_expected_of_the_way_back() {
    let memory = memory().with(LANE, |lane| {
        rolling(lane, &release(3));
        let cause = Reason::new(Code::HEALTH_CONTAINER, "it is not healthy");
        lane.rollout.as_mut().unwrap().course = Course::Back { cause, deadline: at(900) };
    });
    let seen = ask(&memory, &about("status", "tickets", "production")).await;
    let rollout = &seen["lane"]["rollout"];
    assert_eq!((&rollout["course"], &rollout["expected_end"]), (&json!("back"), &Value::Null));
    assert_eq!(seen["next"], line("`status` tells how it goes on", "status", "production", ""));
}

#[tokio::test]
async fn status_tells_which_hosts_have_drifted() {
    let memory = memory().with(LANE, |lane| {
        let record = |running| HostRecord { running, is_well: true, seen_at: at(5) };
        let hosts = [Running::Digest(release(2).digest), Running::Mixed].map(record);
        let names = ["i-00000001", "i-00000002"].map(|name| name.parse().unwrap());
        lane.hosts = names.into_iter().zip(hosts).collect();
        lane.inspected_at = at(5);
    });
    let seen = ask(&memory, &about("status", "tickets", "production")).await;
    let drifted = json!([{ "id": "i-00000002", "runs": "mixed" }]);
    assert_eq!(seen["lane"]["drifted"], drifted);
    assert_eq!(seen["lane"]["inspected_at"], "2026-09-21T14:13:25Z");
    let text = "tickets in production runs v1.2.0 (000000000000); 1 host(s) run something else: \
                i-00000002";
    assert_eq!(seen["text"], text);
}

#[tokio::test]
async fn a_release_that_waits_is_a_reason_to_ask_why() {
    let memory = memory().with(LANE, |lane| {
        let reason = Reason::new(Code::LANE_FROZEN, "v1.3.0 waits");
        lane.blocker = Some(Blocker { release: Some(release(3)), reason, lifts_at: None });
    });
    let seen = ask(&memory, &about("status", "tickets", "production")).await;
    let next = "`why` tells everything that keeps v1.3.0 (000000000000) from being rolled out";
    assert_eq!(seen["next"], line(next, "why", "production", ""));
}

#[tokio::test]
async fn history_tells_every_end_in_its_word() {
    for end in [
        End::Succeeded,
        End::Rejected,
        End::Failed,
        End::Restored,
        End::Stuck,
        End::Halted,
        End::Aborted,
        End::Superseded,
    ] {
        let mut lane = memory().lane();
        rolling(&mut lane, &release(3));
        let mut rollout = lane.rollout.unwrap();
        rollout.phase = Phase::Ended(end, Reason::new(Code::ASKED, "ana asked for it"));
        let memory = Memory { rollouts: vec![rollout], ..memory() };
        let seen = ask(&memory, &about("history", "tickets", "production")).await;
        let past = &seen["history"][0];
        assert_eq!((&past["end"], &past["cause"]), (&json!(end.to_string()), &json!("push")));
        let text =
            format!("the last of 1 rollout(s), to v1.3.0 (000000000000), {end}: ana asked for it");
        assert_eq!(seen["text"], json!(text));
    }
}
