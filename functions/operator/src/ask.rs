//! What a person asks, as it is written, and the one sentence for whatever is wrong with it.

use esclusa_core::configuration::nearest;
use esclusa_core::name::LaneId;
use serde_json::{Map, Value};

use crate::answer::Refused;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Status,
    History,
    Rollback,
    Hold,
    Release,
}

/// The members of a question, for messages.
const MEMBERS: [&str; 6] = ["action", "service", "environment", "reason", "actor", "request"];

/// The actions, as they are written.
const ACTIONS: [(&str, Verb); 5] = [
    ("status", Verb::Status),
    ("history", Verb::History),
    ("rollback", Verb::Rollback),
    ("hold", Verb::Hold),
    ("release", Verb::Release),
];

/// A question that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) verb: Verb,
    pub(crate) lane: LaneId,
    /// Why, in the person's words.
    pub(crate) reason: Option<String>,
    pub(crate) actor: String,
    /// Names the request, so that asking twice does a thing once.
    pub(crate) request: String,
}

impl Question {
    /// Reads a question; `request_id` names it when it does not name itself.
    pub(crate) fn read(payload: &Value, request_id: &str) -> Result<Self, Refused> {
        let Value::Object(members) = payload else {
            let text = "the question is not a JSON object";
            return Err(Refused::question(text, example()));
        };
        known(members)?;
        let text = |name| text(members, name);
        let action = required(text("action")?, "action", &format!("one of {}", actions()))?;
        let verb = verb(action)?;
        let service = required(text("service")?, "service", "the name of an ECR repository")?;
        let environment =
            required(text("environment")?, "environment", "`production` or `staging`")?;
        let lane = lane(service, environment)?;
        let actor = text("actor")?.unwrap_or("someone with permission to invoke operator");
        Ok(Self {
            verb,
            lane,
            reason: text("reason")?.map(str::to_owned),
            actor: actor.to_owned(),
            request: text("request")?.unwrap_or(request_id).to_owned(),
        })
    }
}

/// Refuses members that mean nothing: a misspelt one would be left out without a word.
fn known(members: &Map<String, Value>) -> Result<(), Refused> {
    match members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        Some(name) => {
            let text = format!("the question has an unknown member `{name}`");
            Err(Refused::question(&text, meant(name, MEMBERS)))
        }
        None => Ok(()),
    }
}

/// The text of a member; nothing where it is absent, null or empty.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refused> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(other) => {
            let text = format!("`{name}` is `{other}` and not a text");
            Err(Refused::question(&text, format!("write `{name}` in quotes")))
        }
    }
}

fn required<'a>(text: Option<&'a str>, name: &str, what: &str) -> Result<&'a str, Refused> {
    text.ok_or_else(|| {
        Refused::question(&format!("`{name}` is missing"), format!("add `{name}`: {what}"))
    })
}

fn verb(action: &str) -> Result<Verb, Refused> {
    let known = ACTIONS.iter().find(|(word, _)| *word == action);
    known.map(|(_, verb)| *verb).ok_or_else(|| {
        let text = format!("there is no action `{action}`");
        Refused::question(&text, meant(action, ACTIONS.map(|(word, _)| word)))
    })
}

fn lane(service: &str, environment: &str) -> Result<LaneId, Refused> {
    let refused = |error: esclusa_core::name::NameError| {
        Refused::question(&error.to_string(), "correct the name".to_owned())
    };
    Ok(LaneId {
        service: service.parse().map_err(refused)?,
        environment: environment.parse().map_err(refused)?,
    })
}

/// The word that was probably meant, or all there are.
pub(crate) fn meant<'a>(text: &str, words: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(word) = nearest(text, words.clone()) {
        return format!("did you mean `{word}`?");
    }
    let all: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    format!("use one of {}", all.join(", "))
}

fn actions() -> String {
    ACTIONS.map(|(word, _)| format!("`{word}`")).join(", ")
}

fn example() -> String {
    r#"send one such as {"action":"status","service":"tickets","environment":"production"}"#
        .to_owned()
}
