//! What arrives on the queue `facts`.

use esclusa_core::name::{Environment, LaneId, Service, Tag};
use esclusa_core::retention::{RAN, STOPPED};
use esclusa_core::rollout::RolloutId;
use esclusa_shell::measure::Fact;

use serde_json::Value;

use super::{Action, DecodeError, Detail, Message};
use crate::announcer::SWEPT;

/// What a message means.
#[derive(Clone, Debug, PartialEq)]
pub enum DecodedFact {
    /// Things to count, each by itself.
    Facts(Vec<Fact>),
    /// A well-formed event that is not counted; its kind.
    Ignored(String),
}

/// Reads one message.
///
/// # Errors
///
/// A body that is not JSON or no event, or an event that we act on with a malformed member.
pub fn decode_fact(body: &str) -> Result<DecodedFact, DecodeError> {
    let event = match Message::read(body)? {
        Message::Own(message) => {
            let word = Detail::own(&message).text("esclusa", "/esclusa")?.unwrap_or_default();
            let problem = || format!("is `{word}`, and nothing of that kind is counted");
            return Err(Detail::own(&message).wrong("esclusa", problem()));
        }
        Message::Event(event) => event,
    };
    let detail = Detail::of(&event);
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.ecr", "ECR Image Action") => pushed(&detail),
        ("aws.ecr", "ECR Image Scan") | ("aws.inspector2", "Inspector2 Scan") => {
            Ok(match detail.scanned()? {
                Some(service) => of(Fact::Scanned(service)),
                None => DecodedFact::Ignored(format!("{}: of no image", detail.kind)),
            })
        }
        ("aws.inspector2", "Inspector2 Finding") => found(&detail),
        ("esclusa", "Rollout Ended") => ended(&detail),
        ("esclusa", SWEPT) => Ok(of(Fact::Swept(identity(&detail, "detail.id", "/id")?))),
        ("esclusa", kind) if [RAN, STOPPED].contains(&kind) => retained(&detail),
        ("aws.events", "Scheduled Event") => tick(&detail, &event.id),
        (source, kind) => Ok(DecodedFact::Ignored(format!("{source}: {kind}"))),
    }
}

fn pushed(detail: &Detail<'_>) -> Result<DecodedFact, DecodeError> {
    Ok(match detail.image_action()? {
        Action::Pushed(tag) => {
            let tag = detail.read::<Tag>("detail.image-tag", tag)?;
            of(Fact::Pushed(detail.repository()?, tag))
        }
        Action::Other(kind) => DecodedFact::Ignored(kind),
    })
}

fn ended(detail: &Detail<'_>) -> Result<DecodedFact, DecodeError> {
    let lane = LaneId {
        service: detail.name::<Service>("detail.service", "/service")?,
        environment: detail.name::<Environment>("detail.environment", "/environment")?,
    };
    let rollout = identity(detail, "detail.rollout", "/rollout")?;
    Ok(of(Fact::Ended(lane, RolloutId(rollout))))
}

/// What a fact is known by. Without it, it would be taken for another that was counted.
fn identity(detail: &Detail<'_>, member: &'static str, at: &str) -> Result<String, DecodeError> {
    let text = detail.text(member, at)?.filter(|it| !it.is_empty());
    text.map(str::to_owned).ok_or_else(|| detail.wrong(member, "is missing".to_owned()))
}

fn of(fact: Fact) -> DecodedFact {
    DecodedFact::Facts(vec![fact])
}

/// A tick has the name of its event, which is the same whenever that is delivered.
fn tick(detail: &Detail<'_>, id: &Value) -> Result<DecodedFact, DecodeError> {
    let problem = || format!("is `{id}` and no name");
    let name = id.as_str().filter(|it| !it.is_empty());
    let name = name.ok_or_else(|| detail.wrong("id", problem()))?;
    let facts = vec![Fact::Gauges(name.to_owned()), Fact::Usage(name.to_owned()), Fact::Upkeep];
    Ok(DecodedFact::Facts(facts))
}

/// Something that Inspector has found in an image. It looks at machines and functions too.
fn found(detail: &Detail<'_>) -> Result<DecodedFact, DecodeError> {
    let state = detail.text("detail.status", "/status")?.unwrap_or_default();
    let place = "/resources/0/details/awsEcrContainerImage/repositoryName";
    let name = detail.text("detail.resources", place)?.unwrap_or_default();
    if state != "ACTIVE" || name.is_empty() {
        return Ok(DecodedFact::Ignored(format!("{}: {state}", detail.kind)));
    }
    Ok(of(Fact::Scanned(detail.read("detail.resources", name)?)))
}

/// A run that hands the rest to another invocation is told of again, with all that it did.
fn retained(detail: &Detail<'_>) -> Result<DecodedFact, DecodeError> {
    if detail.text("detail.stop", "/stop")? == Some("time") {
        return Ok(DecodedFact::Ignored(format!("{}: it goes on", detail.kind)));
    }
    let counted = |member, at| {
        let missing = || detail.wrong(member, "is missing".to_owned());
        detail.number(member, at)?.ok_or_else(missing)
    };
    Ok(of(Fact::Retained {
        service: detail.name("detail.service", "/service")?,
        run: identity(detail, "detail.run", "/run")?,
        kept: counted("detail.kept", "/kept")?,
        deleted: counted("detail.deleted", "/deleted")?,
        bytes: counted("detail.bytes", "/bytes")?,
        stopped: detail.text("detail.stop", "/stop")? == Some("cap"),
    }))
}
