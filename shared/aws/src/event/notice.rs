//! What arrives on the queue `lanes`.

use esclusa_core::configuration::{AlarmName, SecretName};
use esclusa_core::name::{Environment, LaneId, Service, Tag};
use esclusa_shell::drive::Hint;
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
        ("aws.ecr", "ECR Image Scan") | ("aws.inspector2", "Inspector2 Scan") => scanned(&detail),
        ("aws.cloudwatch", "CloudWatch Alarm State Change") => alarm(&detail),
        ("aws.secretsmanager", "Secret Label Updated") => rotated(&detail),
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
            let secrets = value.get("secrets") == Some(&Value::Bool(true));
            let hint = match sequence {
                Some(sequence) => Hint::WakeUp { sequence },
                None if secrets => Hint::Secrets,
                None => Hint::Outside,
            };
            Ok(Decoded::Notice(Notice::Wake { lane, hint }))
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

/// A scan that has ended, of whatever image: which of them a release may run as, a look tells.
fn scanned(detail: &Detail<'_>) -> Result<Decoded, DecodeError> {
    Ok(match detail.scanned()? {
        Some(service) => Decoded::Notice(Notice::Scanned(service)),
        None => Decoded::Ignored(format!("{}: of no image", detail.kind)),
    })
}

/// An alarm that goes off. One that nobody can name in a configuration is nothing to us.
fn alarm(detail: &Detail<'_>) -> Result<Decoded, DecodeError> {
    let state = detail.text("detail.state.value", "/state/value")?.unwrap_or_default();
    let name = detail.text("detail.alarmName", "/alarmName")?.unwrap_or_default();
    Ok(match name.parse::<AlarmName>() {
        Ok(name) if state == "ALARM" => Decoded::Notice(Notice::Alarm(name)),
        Ok(_) | Err(_) => Decoded::Ignored(format!("{}: {state}", detail.kind)),
    })
}

/// A secret whose current version is another one. One that nobody can name in a configuration is
/// nothing to us.
fn rotated(detail: &Detail<'_>) -> Result<Decoded, DecodeError> {
    let label = detail.text("detail.labelUpdated", "/labelUpdated")?.unwrap_or_default();
    let name = detail.text("detail.name", "/name")?.unwrap_or_default();
    Ok(match name.parse::<SecretName>() {
        Ok(name) if label == "AWSCURRENT" => Decoded::Notice(Notice::Rotated(name)),
        Ok(_) | Err(_) => Decoded::Ignored(format!("{}: {label}", detail.kind)),
    })
}

/// A command of ours: the parameters name its lane.
fn command(detail: &Detail<'_>) -> Result<Decoded, DecodeError> {
    let document = detail.text("detail.document-name", "/document-name")?.unwrap_or_default();
    // What hosts are asked that concerns no lane is nobody's to wait for.
    if !document.starts_with("Esclusa-") || document == "Esclusa-Measure" {
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
