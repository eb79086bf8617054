//! Questions that cannot be answered.

use serde_json::{Value, json};

use super::{LANE, Memory, about, ask, memory, with};
use crate::handler::{Call, handle};

#[tokio::test]
async fn a_question_that_cannot_be_answered_names_the_nearest_word() {
    let all = "use one of `status`, `why`, `history`, `progress`, `deploy`, `rollback`, `abort`, \
               `restart`, `restored`, `hold`, `release`, `lift`, `pin`, `unpin`, `configure`";
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
            json!({ "action": "decorate", "service": "tickets", "environment": "production" }),
            "there is no action `decorate`",
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
        for action in [
            "status", "why", "history", "deploy", "rollback", "abort", "restart", "restored",
            "hold", "release", "lift", "pin", "unpin",
        ] {
            let mut question = about(action, service, environment);
            if ["deploy", "lift", "pin", "unpin"].contains(&action) {
                question["version"] = json!("v1.1.0");
            }
            if action == "pin" {
                question["until"] = json!("2026-12-31");
                question["reason"] = json!("an audit");
            }
            let seen = ask(&memory(), &question).await;
            assert_eq!((&seen["ok"], &seen["code"]), (&json!(false), &json!("lane.unknown")));
            let text = format!("there is no lane for {service} in {environment}: ");
            assert!(seen["text"].as_str().unwrap().starts_with(&text), "{seen}");
            assert_eq!(seen["next"], next, "{action} {service} {environment}");
        }
    }
    let seen = ask(&Memory::default(), &about("status", "tickets", "production")).await;
    assert_eq!(seen["next"], "push an image first: Esclusa knows no lane yet");
}

/// A question about members that only some actions take, what is wrong with it, and what to do.
async fn assert_refused(question: &Value, text: &str, next: &str) {
    let memory = memory();
    let before = memory.lane();
    let seen = ask(&memory, question).await;
    let code = "question.invalid";
    let expected = json!({ "ok": false, "code": code, "text": text, "next": next });
    assert_eq!(seen, expected, "{question}");
    assert_eq!((memory.lane(), memory.woken.lock().unwrap().len()), (before, 0), "{question}");
}

#[tokio::test]
async fn a_member_that_an_action_does_not_take_is_refused() {
    let version =
        "leave `version` out, or use one of `why`, `progress`, `deploy`, `lift`, `pin`, `unpin`";
    let overrides = "leave `override` out, or use one of `deploy`";
    for action in
        ["status", "history", "rollback", "abort", "restart", "restored", "hold", "release"]
    {
        let question = with(action, json!({ "version": "v1.1.0" }));
        assert_refused(&question, &format!("`{action}` takes no `version`"), version).await;
    }
    for action in ["status", "why", "rollback", "lift", "pin"] {
        let question = with(action, json!({ "override": true }));
        assert_refused(&question, &format!("`{action}` takes no `override`"), overrides).await;
    }
    let until = "leave `until` out, or use one of `pin`";
    for action in ["status", "why", "rollback", "deploy", "hold", "unpin"] {
        let question = with(action, json!({ "until": "2026-12-31" }));
        assert_refused(&question, &format!("`{action}` takes no `until`"), until).await;
    }
}

#[tokio::test]
async fn a_member_that_is_missing_or_malformed_is_refused() {
    let add = "add `version`: a tag such as `v1.2.0`, or a digest";
    let name = "name a tag such as `v1.2.0`, or a whole digest";
    let upper = format!("sha256:{}", "A".repeat(64));
    let not_a_digest =
        |text: &str| format!("`{text}` is not `sha256:` and 64 lowercase hexadecimal digits");
    for action in ["deploy", "lift", "pin", "unpin"] {
        for version in [json!(null), json!(""), json!("  ")] {
            let question = with(action, json!({ "version": version }));
            assert_refused(&question, "`version` is missing", add).await;
        }
    }
    for action in ["deploy", "lift", "why", "pin", "unpin"] {
        for (version, text, next) in [
            (json!(1.2), "`version` is `1.2` and not a text", "write `version` in quotes"),
            (json!("sha256:12"), not_a_digest("sha256:12").as_str(), name),
            (json!(upper), not_a_digest(&upper).as_str(), name),
            (
                json!("v1 0"),
                "`v1 0` is not a tag: at most 128 letters, digits, `_`, `.` and `-`, not \
                 starting with `.` or `-`",
                name,
            ),
        ] {
            let question = with(action, json!({ "version": version }));
            assert_refused(&question, text, next).await;
        }
    }
    for (more, text, next) in [
        (
            json!({ "version": "v1.1.0", "override": "yes" }),
            r#"`override` is `"yes"` and neither true nor false"#,
            "write `true` or `false` without quotes",
        ),
        (
            json!({ "version": "v1.1.0", "override": true, "reason": " " }),
            "`reason` is missing",
            "add `reason`: why its gates do not count, which is recorded with the rollout",
        ),
        (
            json!({ "version": "v1.1.0", "reason": "é".repeat(501) }),
            "`reason` has 501 characters",
            "write at most 500",
        ),
    ] {
        assert_refused(&with("deploy", more), text, next).await;
    }
}

#[tokio::test]
async fn a_pin_that_says_not_until_when_or_why_is_refused() {
    let day = "write the day as `YYYY-MM-DD`, such as `2026-12-20`";
    let later = "name a day that is yet to end, such as `2026-12-20`";
    let less = "pin it for less, and again before that ends";
    let add = "add `until`: the last day, in UTC, such as `2026-12-20`";
    let no_day =
        |text: &str| format!("`{text}` is not a date: a day of the calendar, such as `2026-12-31`");
    let far = |text: &str| format!("`until` is `{text}`, more than 2 years ahead");
    for (until, text, next) in [
        (json!(null), "`until` is missing", add),
        (json!(" "), "`until` is missing", add),
        (json!(2027), "`until` is `2027` and not a text", "write `until` in quotes"),
        (json!("friday"), &no_day("friday"), day),
        (json!("2026-02-30"), &no_day("2026-02-30"), day),
        (json!("2026-12-31T10:00:00Z"), &no_day("2026-12-31T10:00:00Z"), day),
        (json!("2026-09-20"), "`until` is `2026-09-20`, which is over in UTC", later),
        (json!("2028-09-22"), &far("2028-09-22"), less),
        (json!("9999-12-31"), &far("9999-12-31"), less),
    ] {
        let more = json!({ "version": "v1.1.0", "reason": "an audit", "until": until });
        assert_refused(&with("pin", more), text, next).await;
    }
    let more = json!({ "version": "v1.1.0", "until": "2026-12-31" });
    let why = "add `reason`: why it is kept, which is recorded with the pin";
    assert_refused(&with("pin", more), "`reason` is missing", why).await;
}

#[tokio::test]
async fn a_ledger_that_is_down_is_a_failure_of_the_function() {
    let memory = Memory { down: true, ..memory() };
    let question = about("status", "tickets", "production");
    let address = "arn:aws:lambda:eu-south-2:123456789012:function:esclusa-operator";
    let call = Call { id: "r", function: "esclusa-operator", address };
    let failure = handle(&memory, &question, call).await.unwrap_err();
    assert_eq!(failure.error_type, "Unavailable");
    let expected = format!(
        "cannot read lane `{LANE}`: connection refused; ask again with the \
                    same `request`"
    );
    assert_eq!(failure.error_message, expected);
}
