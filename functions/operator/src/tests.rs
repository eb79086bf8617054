//! Questions and answers, over a ledger, a registry and a queue in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use esclusa_core::lane::{Hold, Lane, Success};
use esclusa_core::name::{LaneId, Service};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Availability, Release};
use esclusa_core::rollout::Rollout;
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::{Clock, Ledger, Queue, Registry, SaveError, Unavailable, Wanted};
use serde_json::{Value, json};

use crate::handler::handle;

/// What the ledger, the registry and the queue hold.
#[derive(Default)]
struct Memory {
    lanes: Mutex<BTreeMap<LaneId, Lane>>,
    images: Vec<Release>,
    woken: Mutex<Vec<LaneId>>,
    down: bool,
}

impl Ledger for Memory {
    async fn load(&self, lane: &LaneId) -> Result<Option<Lane>, Unavailable> {
        if self.down {
            let source = "connection refused".into();
            return Err(Unavailable { doing: format!("read lane `{lane}`"), source });
        }
        Ok(self.lanes.lock().unwrap().get(lane).cloned())
    }

    async fn save(&self, lane: &Lane) -> Result<(), SaveError> {
        self.lanes.lock().unwrap().insert(lane.id.clone(), lane.clone().at_rest());
        Ok(())
    }

    async fn revision(&self, lane: &LaneId) -> Result<u64, Unavailable> {
        Ok(self.load(lane).await?.map_or(0, |lane| lane.revision))
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, Unavailable> {
        Ok(self.lanes.lock().unwrap().keys().cloned().collect())
    }

    async fn rollouts(&self, _: &LaneId, _: usize) -> Result<Vec<Rollout>, Unavailable> {
        Ok(Vec::new())
    }
}

impl Registry for Memory {
    async fn resolve(&self, _: &Service, wanted: &Wanted) -> Result<Option<Release>, Unavailable> {
        let found = self.images.iter().find(|image| match wanted {
            Wanted::Tag(tag) => image.tags.contains(tag),
            Wanted::Digest(digest) => image.digest == *digest,
        });
        Ok(found.cloned())
    }
}

impl Queue for Memory {
    async fn wake(&self, lane: &LaneId, _: Option<u64>, _: Duration) -> Result<(), Unavailable> {
        self.woken.lock().unwrap().push(lane.clone());
        Ok(())
    }
}

impl Clock for Memory {
    fn now(&self) -> Timestamp {
        at(100)
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).after(Duration::from_secs(seconds))
}

fn release(number: u32) -> Release {
    Release {
        digest: format!("sha256:{number:064x}").parse().unwrap(),
        repository: "registry/tickets".to_owned(),
        tags: std::iter::once(format!("v1.{number}.0").parse().unwrap()).collect(),
        label: format!("v1.{number}.0").parse().unwrap(),
        bytes: 1,
        pushed_at: at(0),
        availability: Availability::Active,
    }
}

/// A lane that runs v1.2.0 and ran v1.1.0 before, one that is held, and one of another service.
fn memory() -> Memory {
    let lane = |name: &str| Lane::new(name.parse().unwrap(), 1);
    let mut tickets = lane("tickets#production");
    tickets.revision = 7;
    tickets.current = Some(release(2));
    tickets.successes =
        [2, 1].map(|number| Success { release: release(number), at: at(1) }).to_vec();
    let mut staging = lane("tickets#staging");
    let reason = Reason::new(Code::LANE_HELD, "held by ana: lunch");
    staging.hold = Some(Hold { reason, actor: Some("ana".to_owned()), since: at(2) });
    let lanes = [tickets, staging, lane("acme/boletos#production")];
    let lanes = lanes.into_iter().map(|lane| (lane.id.clone(), lane)).collect();
    Memory { lanes: Mutex::new(lanes), images: vec![release(1), release(2)], ..Memory::default() }
}

async fn ask(memory: &Memory, question: &Value) -> Value {
    let answer = handle(memory, question, "lambda-request").await.unwrap();
    serde_json::to_value(&answer).unwrap()
}

fn about(action: &str, service: &str, environment: &str) -> Value {
    json!({ "action": action, "service": service, "environment": environment })
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_names_the_nearest_word() {
    let all = "use one of `status`, `history`, `rollback`, `hold`, `release`";
    for (question, text, next) in [
        (json!([1]), "the question is not a JSON object", None),
        (json!({}), "`action` is missing", None),
        (json!({ "action": "status" }), "`service` is missing", None),
        (
            json!({ "action": 7 }),
            "`action` is `7` and not a text",
            Some("write `action` in quotes"),
        ),
        (
            json!({ "action": "stauts", "service": "tickets", "environment": "production" }),
            "there is no action `stauts`",
            Some("did you mean `status`?"),
        ),
        (
            json!({ "action": "deploy", "service": "tickets", "environment": "production" }),
            "there is no action `deploy`",
            Some(all),
        ),
        (
            json!({ "action": "status", "servce": "tickets" }),
            "the question has an unknown member `servce`",
            Some("did you mean `service`?"),
        ),
        (
            about("status", "tickets", "Production"),
            "`Production` is not the name of an environment: at most 32 lowercase letters, \
             digits and `-`, starting with a letter",
            Some("correct the name"),
        ),
    ] {
        let seen = ask(&memory(), &question).await;
        assert_eq!((&seen["ok"], &seen["code"]), (&json!(false), &json!("question.invalid")));
        assert_eq!(seen["text"], text, "{question}");
        if let Some(next) = next {
            assert_eq!(seen["next"], next, "{question}");
        }
    }
}

#[tokio::test]
async fn an_unknown_lane_names_the_nearest_one() {
    for (service, environment, next) in [
        ("tickts", "production", "did you mean `tickets`?"),
        ("unrelated", "production", "use one of `acme/boletos`, `tickets`"),
        ("tickets", "prodction", "did you mean `production`?"),
        ("tickets", "qa", "use one of `production`, `staging`"),
    ] {
        for action in ["status", "history", "rollback", "hold", "release"] {
            let seen = ask(&memory(), &about(action, service, environment)).await;
            assert_eq!((&seen["ok"], &seen["code"]), (&json!(false), &json!("lane.unknown")));
            let text = format!("there is no lane for {service} in {environment}: ");
            assert!(seen["text"].as_str().unwrap().starts_with(&text), "{seen}");
            assert_eq!(seen["next"], next, "{action} {service} {environment}");
        }
    }
    let seen = ask(&Memory::default(), &about("status", "tickets", "production")).await;
    assert_eq!(seen["next"], "push an image first: Esclusa knows no lane yet");
}

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
    let next = "`release` lets it follow the tag again; held since 2026-09-21T14:13:22Z";
    assert_eq!(held["next"], next);
}

#[tokio::test]
async fn history_without_rollouts_is_an_empty_list() {
    let seen = ask(&memory(), &about("history", "tickets", "production")).await;
    assert_eq!((&seen["ok"], &seen["history"]), (&json!(true), &json!([])));
    assert_eq!(seen["text"], "no rollout of tickets has ended yet");
}

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
            "`status` tells how the lane is",
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
}

#[tokio::test]
async fn a_ledger_that_is_down_is_a_failure_of_the_function() {
    let memory = Memory { down: true, ..memory() };
    let question = about("status", "tickets", "production");
    let failure = handle(&memory, &question, "r").await.unwrap_err();
    assert_eq!(failure.error_type, "Unavailable");
    let expected = "cannot read lane `tickets#production`: connection refused; ask again with the \
                    same `request`";
    assert_eq!(failure.error_message, expected);
}
