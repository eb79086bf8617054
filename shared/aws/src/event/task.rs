//! What arrives on the queue `images`, and what retention sends itself there.

use esclusa_core::name::Service;
use esclusa_core::time::Timestamp;
use esclusa_shell::retain::{Mode, Run, Task};
use serde_json::{Value, json};

use super::{Action, DecodeError, Detail, Message};

/// What a message means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodedTask {
    /// Something to do.
    Task(Task),
    /// A well-formed event that is nothing to retention; its kind.
    Ignored(String),
}

/// Reads one message.
///
/// # Errors
///
/// A body that is not JSON or no event, or an event that we act on with a malformed member.
pub fn decode_task(body: &str) -> Result<DecodedTask, DecodeError> {
    let event = match Message::read(body)? {
        Message::Own(message) => return own(&message).map(DecodedTask::Task),
        Message::Event(event) => event,
    };
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.ecr", "ECR Image Action") => image_action(&Detail::of(&event)),
        ("aws.events", "Scheduled Event") => Ok(DecodedTask::Task(Task::All)),
        (source, kind) => Ok(DecodedTask::Ignored(format!("{source}: {kind}"))),
    }
}

/// Which tag was pushed is all the same.
fn image_action(detail: &Detail<'_>) -> Result<DecodedTask, DecodeError> {
    Ok(match detail.image_action()? {
        Action::Pushed(_) => DecodedTask::Task(Task::Pushed(detail.repository()?)),
        Action::Other(kind) => DecodedTask::Ignored(kind),
    })
}

/// The message that [`decode_task`] reads as a task; nothing for a push, which ECR tells of.
pub(crate) fn body(task: &Task) -> Option<String> {
    let message = match task {
        Task::Pushed(_) => return None,
        Task::Due(service, at) => {
            json!({ "esclusa": "retain", "service": service.as_str(), "due": at.as_millis() })
        }
        Task::One(service) => json!({ "esclusa": "retain", "service": service.as_str() }),
        Task::All => json!({ "esclusa": "retain-all" }),
        Task::GoOn(Run { id, service, mode, deleted, bytes }) => json!({
            "esclusa": "retain",
            "service": service.as_str(),
            "run": id,
            "mode": word(*mode),
            "deleted": deleted,
            "bytes": bytes,
        }),
    };
    Some(message.to_string())
}

fn own(value: &Value) -> Result<Task, DecodeError> {
    let message = Detail::own(value);
    match message.text("esclusa", "/esclusa")?.unwrap_or_default() {
        "retain-all" => Ok(Task::All),
        "retain" => {
            let service: Service = message.name("service", "/service")?;
            if let Some(id) = message.text("run", "/run")? {
                return go_on(&message, id, service).map(Task::GoOn);
            }
            Ok(match message.number("due", "/due")? {
                Some(due) => Task::Due(service, Timestamp::from_millis(due)),
                None => Task::One(service),
            })
        }
        other => {
            let problem = format!("is `{other}`, which is neither `retain` nor `retain-all`");
            Err(message.wrong("esclusa", problem))
        }
    }
}

fn go_on(message: &Detail<'_>, id: &str, service: Service) -> Result<Run, DecodeError> {
    let counted = |member, at| {
        let missing = || message.wrong(member, "is missing".to_owned());
        message.number(member, at)?.ok_or_else(missing)
    };
    let deleted = counted("deleted", "/deleted")?;
    Ok(Run {
        id: id.to_owned(),
        service,
        mode: mode(message)?,
        deleted: usize::try_from(deleted).unwrap_or(usize::MAX),
        bytes: counted("bytes", "/bytes")?,
    })
}

fn mode(message: &Detail<'_>) -> Result<Mode, DecodeError> {
    let text = message.text("mode", "/mode")?.unwrap_or_default();
    let modes = [Mode::ByItself, Mode::Plan, Mode::Apply, Mode::Force];
    let mode = modes.into_iter().find(|mode| word(*mode) == text);
    mode.ok_or_else(|| message.wrong("mode", format!("is `{text}`, which is no mode of a run")))
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::ByItself => "by-itself",
        Mode::Plan => "plan",
        Mode::Apply => "apply",
        Mode::Force => "force",
    }
}
