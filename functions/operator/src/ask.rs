//! What a person asks, as it is written, and the one sentence for whatever is wrong with it.

use std::time::Duration;

use esclusa_core::configuration::{Date, nearest};
use esclusa_core::name::LaneId;
use esclusa_core::time::Timestamp;
use esclusa_shell::operate::Action;
use esclusa_shell::ports::Wanted;
use serde_json::{Map, Value};

use crate::answer::Refused;
use crate::describe::last_day;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Whether this text may configure the service; and that it be stored.
    Configure { text: String, applies: bool },
    /// Something about a lane.
    Lane(LaneVerb),
}

/// What may be asked about a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LaneVerb {
    /// How the lane is.
    Status,
    /// How its rollouts ended.
    History,
    /// What keeps this version, or what the tag says, from being rolled out.
    Why(Option<Wanted>),
    /// How far this version is.
    Progress(Wanted),
    /// That something be done.
    Change(Action),
}

/// The members that every question may have.
const COMMON: [&str; 6] = ["action", "service", "environment", "actor", "reason", "request"];

/// The members that only some actions take.
const SPECIAL: [&str; 5] = ["version", "override", "until", "configuration", "apply"];

/// How long a text may be, in characters: the lane keeps some of them.
const LONGEST: usize = 500;

/// How long a pin may last: two years, today and a leap day. One for ever would be forgotten.
const FURTHEST: Duration = Duration::from_hours(24 * 732);

/// An action: its word, which special members it takes, and how it is read.
type Form = (&'static str, &'static [&'static str], fn(Members<'_>) -> Result<Verb, Refused>);

const ACTIONS: [Form; 15] = [
    ("status", &[], |_| Ok(Verb::Lane(LaneVerb::Status))),
    ("why", &["version"], |asked| Ok(Verb::Lane(LaneVerb::Why(asked.version()?)))),
    ("history", &[], |_| Ok(Verb::Lane(LaneVerb::History))),
    ("progress", &["version"], |asked| {
        Ok(Verb::Lane(LaneVerb::Progress(asked.required_version()?)))
    }),
    ("deploy", &["version", "override"], deploy),
    ("rollback", &[], |_| Ok(Verb::Lane(LaneVerb::Change(Action::Rollback)))),
    ("abort", &[], |_| Ok(Verb::Lane(LaneVerb::Change(Action::Abort)))),
    ("restart", &[], |_| Ok(Verb::Lane(LaneVerb::Change(Action::Restart)))),
    ("restored", &[], |_| Ok(Verb::Lane(LaneVerb::Change(Action::Restored)))),
    ("hold", &[], hold),
    ("release", &[], |_| Ok(Verb::Lane(LaneVerb::Change(Action::Release)))),
    ("lift", &["version"], lift),
    ("pin", &["version", "until"], pin),
    ("unpin", &["version"], unpin),
    (CONFIGURE, &["configuration", "apply"], configure),
];

/// The one action that is about all environments of a service.
const CONFIGURE: &str = "configure";

/// A question that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The action, as it is written.
    pub(crate) action: &'static str,
    pub(crate) verb: Verb,
    pub(crate) lane: LaneId,
    pub(crate) actor: String,
    /// Why, in the person's words; empty where they say nothing.
    pub(crate) reason: String,
    /// Names the request, so that asking twice does a thing once.
    pub(crate) request: String,
}

impl Question {
    /// Reads a question that is put at `now`; `request_id` names it when it does not name itself.
    pub(crate) fn read(payload: &Value, request_id: &str, now: Timestamp) -> Result<Self, Refused> {
        let Value::Object(members) = payload else {
            let text = "the question is not a JSON object";
            return Err(Refused::question(text, example()));
        };
        known(members)?;
        let asked = Members { all: members, now };
        let word = asked.required("action", &format!("one of {}", actions()))?;
        let (action, takes, read) = form(word)?;
        let service = asked.required("service", "the name of an ECR repository")?;
        let environment = match action {
            CONFIGURE => asked.text("environment")?.unwrap_or("production"),
            _ => asked.required("environment", "`production` or `staging`")?,
        };
        let lane = lane(service, environment)?;
        taken(members, action, takes)?;
        let actor = asked.text("actor")?.unwrap_or("someone with permission to invoke operator");
        Ok(Self {
            action,
            lane,
            actor: actor.to_owned(),
            reason: asked.text("reason")?.unwrap_or_default().to_owned(),
            request: asked.text("request")?.unwrap_or(request_id).to_owned(),
            verb: read(asked)?,
        })
    }
}

fn hold(asked: Members<'_>) -> Result<Verb, Refused> {
    let reason = asked.text("reason")?.unwrap_or("no reason given").to_owned();
    Ok(Verb::Lane(LaneVerb::Change(Action::Hold { reason })))
}

fn deploy(asked: Members<'_>) -> Result<Verb, Refused> {
    let version = asked.required_version()?;
    let why = "why its gates do not count, which is recorded with the rollout";
    let overrides = asked.flag("override")?;
    let reason = || asked.required("reason", why).map(str::to_owned);
    let overriding = overrides.then(reason).transpose()?;
    Ok(Verb::Lane(LaneVerb::Change(Action::Deploy { version, overriding })))
}

fn lift(asked: Members<'_>) -> Result<Verb, Refused> {
    let version = asked.required_version()?;
    Ok(Verb::Lane(LaneVerb::Change(Action::Lift { version })))
}

fn pin(asked: Members<'_>) -> Result<Verb, Refused> {
    let version = asked.required_version()?;
    let until = asked.until()?;
    let why = "why it is kept, which is recorded with the pin";
    let reason = asked.required("reason", why)?.to_owned();
    Ok(Verb::Lane(LaneVerb::Change(Action::Pin { version, until, reason })))
}

fn unpin(asked: Members<'_>) -> Result<Verb, Refused> {
    let version = asked.required_version()?;
    Ok(Verb::Lane(LaneVerb::Change(Action::Unpin { version })))
}

fn configure(asked: Members<'_>) -> Result<Verb, Refused> {
    let applies = asked.flag("apply")?;
    match asked.all.get("configuration") {
        Some(Value::String(text)) => Ok(Verb::Configure { text: text.clone(), applies }),
        None | Some(Value::Null) => Err(missing("configuration", "the text of esclusa.toml")),
        Some(_) => {
            let text = "`configuration` is not a text";
            let next = "write the text of esclusa.toml as one JSON string, as `jq --rawfile` does";
            Err(Refused::question(text, next.to_owned()))
        }
    }
}

/// The members of a question, and when it is put.
#[derive(Clone, Copy)]
struct Members<'a> {
    all: &'a Map<String, Value>,
    now: Timestamp,
}

impl<'a> Members<'a> {
    /// The text of a member; nothing where it is absent, null or empty.
    fn text(self, name: &str) -> Result<Option<&'a str>, Refused> {
        let text = match self.all.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.trim(),
            Some(other) => {
                let text = format!("`{name}` is `{other}` and not a text");
                return Err(Refused::question(&text, format!("write `{name}` in quotes")));
            }
        };
        let length = text.chars().count();
        if length > LONGEST {
            let text = format!("`{name}` has {length} characters");
            return Err(Refused::question(&text, format!("write at most {LONGEST}")));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn required(self, name: &str, what: &str) -> Result<&'a str, Refused> {
        self.text(name)?.ok_or_else(|| missing(name, what))
    }

    /// Whether a member is true; absent and null are false.
    fn flag(self, name: &str) -> Result<bool, Refused> {
        match self.all.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => {
                let text = format!("`{name}` is `{other}` and neither true nor false");
                Err(Refused::question(&text, "write `true` or `false` without quotes".to_owned()))
            }
        }
    }

    /// A whole digest, else a tag.
    fn version(self) -> Result<Option<Wanted>, Refused> {
        let Some(text) = self.text("version")? else { return Ok(None) };
        let wanted = if text.starts_with("sha256:") {
            text.parse().map(Wanted::Digest).map_err(|error| error.to_string())
        } else {
            text.parse().map(Wanted::Tag).map_err(|error| error.to_string())
        };
        wanted.map(Some).map_err(|text| {
            let next = "name a tag such as `v1.2.0`, or a whole digest";
            Refused::question(&text, next.to_owned())
        })
    }

    fn required_version(self) -> Result<Wanted, Refused> {
        self.version()?.ok_or_else(|| missing("version", "a tag such as `v1.2.0`, or a digest"))
    }

    /// The end of the day up to which something holds.
    fn until(self) -> Result<Timestamp, Refused> {
        let soon = last_day(self.now.after(Duration::from_hours(24 * 90)));
        let text = self.required("until", &format!("the last day, in UTC, such as `{soon}`"))?;
        let refused = |text: &str, next| Err(Refused::question(text, next));
        let until = match text.parse::<Date>() {
            Ok(day) => day.end(),
            Err(error) => {
                let next = format!("write the day as `YYYY-MM-DD`, such as `{soon}`");
                return refused(&error.to_string(), next);
            }
        };
        if until <= self.now {
            let text = format!("`until` is `{text}`, which is over in UTC");
            return refused(&text, format!("name a day that is yet to end, such as `{soon}`"));
        }
        if until.since(self.now) > FURTHEST {
            let text = format!("`until` is `{text}`, more than 2 years ahead");
            return refused(&text, "pin it for less, and again before that ends".to_owned());
        }
        Ok(until)
    }
}

fn missing(name: &str, what: &str) -> Refused {
    Refused::question(&format!("`{name}` is missing"), format!("add `{name}`: {what}"))
}

/// Refuses members that mean nothing: a misspelt one would be left out without a word.
fn known(members: &Map<String, Value>) -> Result<(), Refused> {
    let all = COMMON.into_iter().chain(SPECIAL);
    match members.keys().find(|name| !all.clone().any(|known| known == *name)) {
        Some(name) => {
            let text = format!("the question has an unknown member `{name}`");
            Err(Refused::question(&text, meant(name, all)))
        }
        None => Ok(()),
    }
}

/// Refuses members that this action would leave out without a word.
fn taken(members: &Map<String, Value>, action: &str, takes: &[&str]) -> Result<(), Refused> {
    let given = |name: &&str| members.get(*name).is_some_and(|it| !it.is_null());
    let Some(name) = SPECIAL.into_iter().filter(|it| !takes.contains(it)).find(given) else {
        return Ok(());
    };
    let others = ACTIONS.iter().filter(|(_, takes, _)| takes.contains(&name));
    let others: Vec<String> = others.map(|(word, ..)| format!("`{word}`")).collect();
    let text = format!("`{action}` takes no `{name}`");
    let next = format!("leave `{name}` out, or use one of {}", others.join(", "));
    Err(Refused::question(&text, next))
}

fn form(action: &str) -> Result<Form, Refused> {
    ACTIONS.into_iter().find(|(word, ..)| *word == action).ok_or_else(|| {
        let text = format!("there is no action `{action}`");
        Refused::question(&text, meant(action, ACTIONS.map(|(word, ..)| word)))
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
    ACTIONS.map(|(word, ..)| format!("`{word}`")).join(", ")
}

fn example() -> String {
    r#"send one such as {"action":"status","service":"tickets","environment":"production"}"#
        .to_owned()
}
