//! Configurations that are handed in, by people and by pipelines.

use esclusa_core::observation::Sources;
use serde_json::{Value, json};

use super::{Memory, ask, ask_as, memory};

const PIPELINE: &str = ":for-tickets";

fn handed_in(text: &str, apply: bool) -> Value {
    let action = "configure";
    json!({ "action": action, "service": "tickets", "configuration": text, "apply": apply })
}

fn stores(text: &str) -> Memory {
    let sources = Sources { service: Some(text.to_owned()), ..Sources::default() };
    Memory { sources, ..memory() }
}

fn stored(memory: &Memory) -> Vec<(String, String)> {
    memory.stored.lock().unwrap().clone()
}

const WAVES: &str = "[environments.production]\nwaves = [\"100%\"]\n";
const WAIVES: &str = "[environments.production]\nwaivers = [{ id = \"CVE-2026-1\", until = \
    \"2026-12-31\", reason = \"not reachable\", by = \"ana\" }]\n";

#[tokio::test]
async fn what_is_valid_is_stored_once() {
    let memory = memory();
    for (apply, state) in [(false, "valid"), (true, "stored"), (true, "unchanged")] {
        let seen = ask_as(PIPELINE, &memory, &handed_in(WAVES, apply)).await;
        assert_eq!((&seen["ok"], &seen["state"]), (&json!(true), &json!(state)), "{seen}");
    }
    assert_eq!(stored(&memory), [("tickets".to_owned(), WAVES.to_owned())]);
}

#[tokio::test]
async fn a_service_that_runs_nowhere_yet_is_configured_too() {
    let memory = Memory::default();
    let seen = ask(&memory, &handed_in(WAVES, true)).await;
    assert_eq!(seen["state"], "stored", "{seen}");
}

#[tokio::test]
async fn what_lets_more_through_is_a_persons_to_store() {
    let memory = memory();
    for apply in [false, true] {
        let seen = ask_as(PIPELINE, &memory, &handed_in(WAIVES, apply)).await;
        assert_eq!(seen["code"], "config.looser", "{seen}");
        let text = "the configuration of tickets was not stored: it loosens \
                    environments.production.waivers";
        assert_eq!(seen["text"], text);
        let next = seen["next"].as_str().unwrap();
        assert!(next.contains("--rawfile text esclusa.toml"), "{next}");
        assert!(next.contains("--function-name esclusa-operator"), "{next}");
    }
    assert_eq!(stored(&memory), []);
    let seen = ask(&memory, &handed_in(WAIVES, true)).await;
    assert_eq!(seen["state"], "stored", "{seen}");
    // What a person has stored is no looser any more.
    let seen = ask_as(PIPELINE, &memory, &handed_in(&format!("{WAIVES}# once\n"), true)).await;
    assert_eq!(seen["state"], "stored", "{seen}");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let long = format!("# {}", "x".repeat(4096));
    for (text, says) in [
        (
            "[environments.production]\nwave = 1\n",
            "line 2, column 1: `environments.production.wave`",
        ),
        ("compose = \"hosts\"", "did you mean `host`?"),
        ("", "it is empty"),
        (" \n", "it is empty"),
        (&long, "it has 4098 bytes, and Parameter Store takes 4096"),
    ] {
        for alias in ["", PIPELINE] {
            let memory = memory();
            let seen = ask_as(alias, &memory, &handed_in(text, true)).await;
            assert_eq!(seen["code"], "config.invalid", "{text}: {seen}");
            assert!(seen["text"].as_str().unwrap().contains(says), "{seen}");
            assert_eq!(stored(&memory), []);
        }
    }
}

#[tokio::test]
async fn with_what_cannot_be_read_nothing_is_compared() {
    let memory = stores("wave = 1");
    let seen = ask_as(PIPELINE, &memory, &handed_in(WAVES, true)).await;
    assert_eq!(seen["code"], "config.invalid", "{seen}");
    assert!(seen["text"].as_str().unwrap().contains("what is stored cannot be read"), "{seen}");
    let seen = ask(&memory, &handed_in(WAVES, true)).await;
    assert_eq!(seen["state"], "stored", "{seen}");
}

#[tokio::test]
async fn a_pipeline_configures_no_other_service() {
    let memory = memory();
    let mut question = handed_in(WAVES, true);
    question["service"] = json!("acme/boletos");
    let seen = ask_as(PIPELINE, &memory, &question).await;
    assert_eq!(seen["code"], "caller.refused", "{seen}");
    assert_eq!(stored(&memory), []);
}

#[tokio::test]
async fn a_question_that_cannot_be_read_stores_nothing() {
    for (name, value, says) in [
        ("configuration", Value::Null, "`configuration` is missing"),
        ("configuration", json!(7), "`configuration` is not a text"),
        ("apply", json!("yes"), "neither true nor false"),
        ("version", json!("v1"), "`configure` takes no `version`"),
        ("service", json!("Tickets"), ""),
    ] {
        let memory = memory();
        let mut question = handed_in(WAVES, true);
        question[name] = value;
        let seen = ask(&memory, &question).await;
        assert_eq!(seen["code"], "question.invalid", "{name}: {seen}");
        assert!(seen["text"].as_str().unwrap().contains(says), "{seen}");
        assert_eq!(stored(&memory), []);
    }
}
