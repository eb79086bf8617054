//! What may be asked, and what is said to everything else.

use esclusa_shell::retain::Mode;
use serde_json::{Value, json};

use crate::ask::Question;

fn read(question: &Value) -> Result<(String, Mode), String> {
    let read = Question::read(question, "run-1")?;
    assert_eq!(read.run.id, "run-1");
    Ok((read.run.service.to_string(), read.run.mode))
}

#[test]
fn a_question_names_a_repository_and_what_to_do() {
    for (question, expected) in [
        (json!({ "service": "acme/tickets" }), Mode::Plan),
        (json!({ "service": "acme/tickets", "apply": false, "actor": "ana" }), Mode::Plan),
        (json!({ "service": "acme/tickets", "apply": true, "reason": "full" }), Mode::Apply),
        (json!({ "service": "acme/tickets", "apply": true, "force": true }), Mode::Force),
    ] {
        assert_eq!(read(&question), Ok(("acme/tickets".to_owned(), expected)), "{question}");
    }
}

#[test]
fn a_question_that_cannot_be_answered_says_what_to_correct() {
    for (question, part) in [
        (json!("tickets"), "send one such as {\"service\":\"tickets\",\"apply\":false}"),
        (json!({}), "missing field `service`"),
        (json!({ "service": "tickets", "aply": true }), "unknown field `aply`"),
        (json!({ "service": "tickets", "apply": "yes" }), "expected a boolean"),
        (json!({ "service": "Tickets" }), "correct `service`"),
        (json!({ "service": "tickets", "force": true }), "add \"apply\": true"),
        (json!({ "service": "tickets", "after": "v1" }), "named as `more`"),
    ] {
        let refused = read(&question).unwrap_err();
        assert!(refused.contains(part), "{question}: {refused}");
    }
}
