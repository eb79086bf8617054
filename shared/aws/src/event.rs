//! What arrives on the queue `lanes`, and the notice that it means.
//!
//! Events are hints: of each only what it may concern is read, strictly; everything else in it is
//! left alone. Duplicate members, unknown members and unknown kinds are all well.

use std::str::FromStr;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use esclusa_core::name::{Environment, LaneId, Service, Tag};
use esclusa_shell::receive::Notice;
use serde_json::Value;

/// What a message means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Something to act on.
    Notice(Notice),
    /// A well-formed event that is nothing to us; its kind.
    Ignored(String),
}

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

/// Reads one message.
///
/// # Errors
///
/// A body that is not JSON or no event, or an event that we act on with a malformed member.
pub fn decode(body: &str) -> Result<Decoded, DecodeError> {
    // By way of a value, which takes the last of two members of one name as it comes.
    let value: Value = serde_json::from_str(body).map_err(DecodeError::NotJson)?;
    if value.get("esclusa").is_some() {
        return own(&value);
    }
    let event: EventBridgeEvent<Value> =
        serde_json::from_value(value).map_err(|_| DecodeError::NotAnEvent)?;
    let detail = Detail { kind: &event.detail_type, detail: &event.detail };
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.ecr", "ECR Image Action") => detail.image_action(),
        ("aws.ssm", "EC2 Command Status-change Notification") => detail.command(),
        ("aws.ssm", "SSM Managed Instance Registration") => Ok(Decoded::Notice(Notice::Hosts)),
        ("aws.ec2", "EC2 Instance State-change Notification") => detail.instance_state(),
        ("aws.events", "Scheduled Event") => Ok(Decoded::Notice(Notice::Sweep)),
        (source, kind) => Ok(Decoded::Ignored(format!("{source}: {kind}"))),
    }
}

/// A message of our own: the sweep's, or a wake-up.
fn own(value: &Value) -> Result<Decoded, DecodeError> {
    let message = Detail { kind: "esclusa", detail: value };
    let word = message.text("esclusa", "/esclusa")?;
    match word.unwrap_or_default() {
        "sweep" => Ok(Decoded::Notice(Notice::Sweep)),
        "wake" => {
            let lane = message.name::<LaneId>("lane", "/lane")?;
            let sequence = match value.get("sequence") {
                None | Some(Value::Null) => None,
                Some(number) => {
                    let problem = || format!("is `{number}` and not a number of a wake-up");
                    Some(number.as_u64().ok_or_else(|| message.wrong("sequence", problem()))?)
                }
            };
            Ok(Decoded::Notice(Notice::Wake { lane, sequence }))
        }
        other => {
            let problem = format!("is `{other}`, which is neither `sweep` nor `wake`");
            Err(message.wrong("esclusa", problem))
        }
    }
}

/// The part of an event that only its kind explains.
struct Detail<'a> {
    kind: &'a str,
    detail: &'a Value,
}

impl Detail<'_> {
    /// A push is one whose tag was given with it: a manifest that is pushed by digest alone, such
    /// as a platform's of an index, moves no tag.
    fn image_action(&self) -> Result<Decoded, DecodeError> {
        let action = self.text("detail.action-type", "/action-type")?.unwrap_or_default();
        let result = self.text("detail.result", "/result")?.unwrap_or_default();
        if (action, result) != ("PUSH", "SUCCESS") {
            return Ok(Decoded::Ignored(format!("{}: {action} {result}", self.kind)));
        }
        let tag = self.text("detail.image-tag", "/image-tag")?.unwrap_or_default();
        if tag.is_empty() {
            return Ok(Decoded::Ignored(format!("{}: {action} without a tag", self.kind)));
        }
        let tag = self.read::<Tag>("detail.image-tag", tag)?;
        let service = self.name::<Service>("detail.repository-name", "/repository-name")?;
        Ok(Decoded::Notice(Notice::Pushed { service, tag }))
    }

    /// A command of ours: the parameters name its lane.
    fn command(&self) -> Result<Decoded, DecodeError> {
        let document = self.text("detail.document-name", "/document-name")?.unwrap_or_default();
        if !document.starts_with("Esclusa-") {
            return Ok(Decoded::Ignored(format!("{}: another's document", self.kind)));
        }
        let service = "/parameters/Service/0";
        let environment = "/parameters/Environment/0";
        Ok(Decoded::Notice(Notice::Command(LaneId {
            service: self.name::<Service>("detail.parameters.Service", service)?,
            environment: self.name::<Environment>("detail.parameters.Environment", environment)?,
        })))
    }

    /// A host that goes away concerns every lane that it may belong to. One that starts is heard
    /// of when Systems Manager has registered it.
    fn instance_state(&self) -> Result<Decoded, DecodeError> {
        match self.text("detail.state", "/state")?.unwrap_or_default() {
            "stopping" | "stopped" | "shutting-down" | "terminated" => {
                Ok(Decoded::Notice(Notice::Hosts))
            }
            state => Ok(Decoded::Ignored(format!("{}: {state}", self.kind))),
        }
    }

    /// The text at a place; nothing where it is absent or null.
    fn text(&self, member: &'static str, at: &str) -> Result<Option<&str>, DecodeError> {
        match self.detail.pointer(at) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(member, format!("is `{other}` and not a text"))),
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
