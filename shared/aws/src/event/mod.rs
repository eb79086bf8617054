//! What arrives on the queues, and what it means: a notice to lanes, a task to retention, a fact to
//! count.
//!
//! Events are hints: of each only what it may concern is read, strictly; everything else in it is
//! left alone. Duplicate members, unknown members and unknown kinds are all well.

mod fact;
mod notice;
mod task;

use std::str::FromStr;

use esclusa_core::name::Service;
use serde::Deserialize;
use serde_json::Value;

pub use fact::{DecodedFact, decode_fact};
pub use notice::{Decoded, decode};
pub(crate) use task::body;
pub use task::{DecodedTask, decode_task};

/// Why a message cannot be understood. It stays on the queue and ends in the dead-letter queue,
/// where a person can look at it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The body is no JSON at all.
    #[error("the message is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The body is JSON, and neither an event of EventBridge nor a message of ours.
    #[error(
        "the message is neither an event of EventBridge (with `source`, `detail-type` and \
         `detail`) nor one of Esclusa's own (with `esclusa`)"
    )]
    NotAnEvent,
    /// An event that we act on lacks what we need, or has something else in its place.
    #[error("`{member}` of the message `{kind}` {problem}")]
    Member {
        /// The kind of the event.
        kind: String,
        /// The path of the member.
        member: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// An event of EventBridge, as far as it is read. Its other members are left alone: one whose
/// `time` is no date, as in an example that AWS publishes, is still about what it is about.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope {
    #[serde(default)]
    id: Value,
    source: String,
    detail_type: String,
    detail: Value,
}

/// A message that arrived.
enum Message {
    /// One of our own.
    Own(Value),
    /// An event of EventBridge.
    Event(Envelope),
}

impl Message {
    fn read(body: &str) -> Result<Self, DecodeError> {
        // By way of a value, which takes the last of two members of one name as it comes.
        let value: Value = serde_json::from_str(body).map_err(DecodeError::NotJson)?;
        if value.get("esclusa").is_some() {
            return Ok(Self::Own(value));
        }
        // An array would be read as an event whose members stand in it without their names.
        if !value.is_object() {
            return Err(DecodeError::NotAnEvent);
        }
        serde_json::from_value(value).map(Self::Event).map_err(|_| DecodeError::NotAnEvent)
    }
}

/// What an event says of an image.
enum Action<'a> {
    /// It was pushed with this tag.
    Pushed(&'a str),
    /// Something else that is nothing to us.
    Other(String),
}

/// The part of an event that only its kind explains.
struct Detail<'a> {
    kind: &'a str,
    detail: &'a Value,
}

impl<'a> Detail<'a> {
    fn of(event: &'a Envelope) -> Self {
        Self { kind: &event.detail_type, detail: &event.detail }
    }

    fn own(message: &'a Value) -> Self {
        Self { kind: "esclusa", detail: message }
    }

    /// A push is one whose tag was given with it: a manifest that is pushed by digest alone, such
    /// as a platform's of an index, moves no tag.
    fn image_action(&self) -> Result<Action<'a>, DecodeError> {
        let action = self.text("detail.action-type", "/action-type")?.unwrap_or_default();
        let result = self.text("detail.result", "/result")?.unwrap_or_default();
        if (action, result) != ("PUSH", "SUCCESS") {
            return Ok(Action::Other(format!("{}: {action} {result}", self.kind)));
        }
        let tag = self.text("detail.image-tag", "/image-tag")?.unwrap_or_default();
        if tag.is_empty() {
            return Ok(Action::Other(format!("{}: {action} without a tag", self.kind)));
        }
        Ok(Action::Pushed(tag))
    }

    /// The service of an image that was scanned; nothing of what is none: Inspector scans machines
    /// and functions too, and names a repository by its ARN.
    fn scanned(&self) -> Result<Option<Service>, DecodeError> {
        let name = self.text("detail.repository-name", "/repository-name")?.unwrap_or_default();
        if name.is_empty() && self.kind == "Inspector2 Scan" {
            return Ok(None);
        }
        let name = name.split_once(":repository/").map_or(name, |(_, name)| name);
        self.read("detail.repository-name", name).map(Some)
    }

    fn repository(&self) -> Result<Service, DecodeError> {
        self.name("detail.repository-name", "/repository-name")
    }

    /// The text at a place; nothing where it is absent or null.
    fn text(&self, member: &'static str, at: &str) -> Result<Option<&'a str>, DecodeError> {
        match self.detail.pointer(at) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(member, format!("is `{other}` and not a text"))),
        }
    }

    /// The number at a place; nothing where it is absent or null.
    fn number(&self, member: &'static str, at: &str) -> Result<Option<u64>, DecodeError> {
        match self.detail.pointer(at) {
            None | Some(Value::Null) => Ok(None),
            Some(number) => {
                let problem = || format!("is `{number}` and not a whole number");
                number.as_u64().map(Some).ok_or_else(|| self.wrong(member, problem()))
            }
        }
    }

    fn name<T: FromStr<Err: ToString>>(
        &self,
        member: &'static str,
        at: &str,
    ) -> Result<T, DecodeError> {
        let text = self.text(member, at)?;
        self.read(member, text.ok_or_else(|| self.wrong(member, "is missing".to_owned()))?)
    }

    fn read<T: FromStr<Err: ToString>>(
        &self,
        member: &'static str,
        text: &str,
    ) -> Result<T, DecodeError> {
        text.parse().map_err(|error: T::Err| {
            self.wrong(member, format!("cannot be used: {}", error.to_string()))
        })
    }

    fn wrong(&self, member: &'static str, problem: String) -> DecodeError {
        DecodeError::Member { kind: self.kind.to_owned(), member, problem }
    }
}
