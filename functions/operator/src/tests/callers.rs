//! What a pipeline may ask, which invokes the alias that bears its service's name.

use serde_json::{Value, json};

use super::{LANE, Memory, about, ask_as, memory, release, with};

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or("ok")
}

#[tokio::test]
async fn a_pipeline_asks_how_its_own_service_is() {
    for (alias, service) in [(":for-tickets", "tickets"), (":for-acme__boletos", "acme/boletos")] {
        for action in ["status", "history", "why"] {
            let seen = ask_as(alias, &memory(), &about(action, service, "production")).await;
            assert_eq!(code(&seen), "ok", "{seen}");
        }
    }
}

#[tokio::test]
async fn the_function_itself_and_its_latest_version_are_a_persons() {
    for alias in ["", ":$LATEST"] {
        let seen = ask_as(alias, &memory(), &with("hold", json!({ "reason": "lunch" }))).await;
        assert_eq!(code(&seen), "ok", "{seen}");
    }
}

#[tokio::test]
async fn a_pipeline_asks_about_no_other_service() {
    let others = [
        (":for-tickets", "acme/boletos"),
        (":for-acme__boletos", "tickets"),
        (":for-acme--boletos", "acme/boletos"),
        (":for-acme", "acme/boletos"),
        (":for-ticket", "tickets"),
    ];
    for (alias, service) in others {
        let seen = ask_as(alias, &memory(), &about("status", service, "production")).await;
        assert_eq!(code(&seen), "caller.refused", "{alias} asks about {service}: {seen}");
        assert_eq!(seen["lane"], Value::Null, "{seen}");
    }
}

#[tokio::test]
async fn what_is_no_alias_of_a_service_asks_nothing() {
    for alias in [":for-", ":tickets", ":7", ":live", ":for-Tickets", ":for-a___b", ":for-a_", ":"]
    {
        let seen = ask_as(alias, &memory(), &about("status", "tickets", "production")).await;
        assert_eq!(code(&seen), "caller.refused", "{alias}: {seen}");
    }
}

#[tokio::test]
async fn a_pipeline_changes_nothing() {
    let digest = release(1).digest.to_string();
    let version = || json!({ "version": digest });
    let pin = json!({ "version": digest, "until": "2026-12-01", "reason": "the fair" });
    let forced = json!({ "version": digest, "override": true, "reason": "it is late" });
    let changes = [
        ("deploy", version()),
        ("deploy", forced),
        ("rollback", json!({})),
        ("abort", json!({})),
        ("restart", json!({})),
        ("restored", json!({})),
        ("hold", json!({})),
        ("release", json!({})),
        ("lift", version()),
        ("pin", pin),
        ("unpin", version()),
    ];
    for (action, more) in changes {
        let memory: Memory = memory();
        let before = memory.lane();
        let seen = ask_as(":for-tickets", &memory, &with(action, more)).await;
        assert_eq!(code(&seen), "caller.refused", "{action}: {seen}");
        let text = format!("the pipeline of tickets may not ask for `{action}`");
        assert_eq!(seen["text"], json!(text));
        assert_eq!(memory.lanes.lock().unwrap()[&LANE.parse().unwrap()], before, "{action}");
        assert!(memory.woken.lock().unwrap().is_empty(), "{action}");
    }
}
