//! What arrives on the queue `lanes`.

use esclusa_core::name::{Environment, LaneId, Service, Tag};
use esclusa_shell::receive::Notice;
use serde_json::Value;

use super::{Action, DecodeError, Detail, Message};

/// What a message means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Something to act on.
    Notice(Notice),
    /// A well-formed event that is nothing to us; its kind.
    Ignored(String),
}

/// Reads one message.
///
/// # Errors
///
/// A body that is not JSON or no event, or an event that we act on with a malformed member.
pub fn decode(body: &str) -> Result<Decoded, DecodeError> {
    let event = match Message::read(body)? {
        Message::Own(message) => return own(&message),
        Message::Event(event) => event,
    };
    let detail = Detail::of(&event);
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.ecr", "ECR Image Action") => image_action(&detail),
        ("aws.ssm", "EC2 Command Status-change Notification") => command(&detail),
        ("aws.ssm", "SSM Managed Instance Registration") => Ok(Decoded::Notice(Notice::Hosts)),
        ("aws.ec2", "EC2 Instance State-change Notification") => instance_state(&detail),
        ("aws.events", "Scheduled Event") => Ok(Decoded::Notice(Notice::Sweep)),
        (source, kind) => Ok(Decoded::Ignored(format!("{source}: {kind}"))),
    }
}

/// A message of our own: the sweep's, or a wake-up.
fn own(value: &Value) -> Result<Decoded, DecodeError> {
    let message = Detail::own(value);
    let word = message.text("esclusa", "/esclusa")?;
    match word.unwrap_or_default() {
        "sweep" => Ok(Decoded::Notice(Notice::Sweep)),
        "wake" => {
            let lane = message.name::<LaneId>("lane", "/lane")?;
            let sequence = message.number("sequence", "/sequence")?;
            Ok(Decoded::Notice(Notice::Wake { lane, sequence }))
        }
        other => {
            let problem = format!("is `{other}`, which is neither `sweep` nor `wake`");
            Err(message.wrong("esclusa", problem))
        }
    }
}

fn image_action(detail: &Detail<'_>) -> Result<Decoded, DecodeError> {
    Ok(match detail.image_action()? {
        Action::Pushed(tag) => {
            let tag = detail.read::<Tag>("detail.image-tag", tag)?;
            Decoded::Notice(Notice::Pushed { service: detail.repository()?, tag })
        }
        Action::Other(kind) => Decoded::Ignored(kind),
    })
}

/// A command of ours: the parameters name its lane.
fn command(detail: &Detail<'_>) -> Result<Decoded, DecodeError> {
    let document = detail.text("detail.document-name", "/document-name")?.unwrap_or_default();
    if !document.starts_with("Esclusa-") {
        return Ok(Decoded::Ignored(format!("{}: another's document", detail.kind)));
    }
    let service = "/parameters/Service/0";
    let environment = "/parameters/Environment/0";
    Ok(Decoded::Notice(Notice::Command(LaneId {
        service: detail.name::<Service>("detail.parameters.Service", service)?,
        environment: detail.name::<Environment>("detail.parameters.Environment", environment)?,
    })))
}

/// A host that goes away concerns every lane that it may belong to. One that starts is heard
/// of when Systems Manager has registered it.
fn instance_state(detail: &Detail<'_>) -> Result<Decoded, DecodeError> {
    match detail.text("detail.state", "/state")?.unwrap_or_default() {
        "stopping" | "stopped" | "shutting-down" | "terminated" => {
            Ok(Decoded::Notice(Notice::Hosts))
        }
        state => Ok(Decoded::Ignored(format!("{}: {state}", detail.kind))),
    }
}
