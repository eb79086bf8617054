//! The line of JSON that a host script answers with; `hosts/README.md` has its members.

use std::time::Duration;

use esclusa_core::order::{Answer, ContainerHealth, Fence, LastChange, PutBack};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Running;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How long the name of an availability zone may be, in bytes: the ledger keeps one of each host.
const LONGEST_ZONE: usize = 64;

/// Why an answer cannot be read: what the host did is unknown then.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("its output is empty")]
    Empty,
    #[error("its output does not begin with a line of JSON ({0})")]
    NotJson(serde_json::Error),
    #[error("its answer has the unknown form {0}")]
    Version(u64),
    #[error("its answer has no usable `{0}`")]
    Member(&'static str),
}

/// The members as they are written. What decides is read strictly, the rest where it is there.
#[derive(Deserialize)]
struct Line {
    v: u64,
    code: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    fence: String,
    before: String,
    now: String,
    restored: String,
    #[serde(default)]
    containers: u64,
    #[serde(default)]
    healthy: u64,
    health: Option<String>,
    order: Option<String>,
    rollback: Option<String>,
    once: Option<String>,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    warnings: Vec<Value>,
    #[serde(default)]
    seconds: Map<String, Value>,
}

/// Reads the first line of a script's output.
pub(super) fn read(output: &str) -> Result<Answer, AnswerError> {
    let first = output.lines().next().map(str::trim).filter(|it| !it.is_empty());
    let line = first.ok_or(AnswerError::Empty)?;
    let line: Line = serde_json::from_str(line).map_err(AnswerError::NotJson)?;
    if line.v != 1 {
        return Err(AnswerError::Version(line.v));
    }
    Ok(Answer {
        fence: fence(&line.fence)?,
        before: Running::read(&line.before).map_err(|_| AnswerError::Member("before"))?,
        now: Running::read(&line.now).map_err(|_| AnswerError::Member("now"))?,
        health: health(&line)?,
        last_change: LastChange::read(line.order.as_deref().unwrap_or("")),
        put_back: put_back(&line.restored)?,
        one_way: line.rollback.as_deref() == Some("unsafe"),
        runs_once: line.once.as_deref() == Some("yes"),
        // Older scripts do not say it. What is no platform is as good as unsaid: then all count.
        platform: line.platform.parse().ok(),
        zone: zone(line.zone),
        warnings: line.warnings.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        took: line.seconds.values().filter_map(Value::as_f64).filter_map(span).sum(),
        reason: Reason::new(Code::read(&line.code), line.text),
    })
}

/// What is no name of a zone is as good as unsaid: hosts of no known zone count as of one.
fn zone(text: String) -> String {
    let is_name = |text: &str| {
        text.len() <= LONGEST_ZONE
            && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
    };
    if is_name(&text) { text } else { String::new() }
}

/// A negative or endless number of seconds is no length of time.
fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn fence(text: &str) -> Result<Option<Fence>, AnswerError> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = text.split_once('.').and_then(|(epoch, generation)| {
        Some(Fence { epoch: epoch.parse().ok()?, generation: generation.parse().ok()? })
    });
    read.map(Some).ok_or(AnswerError::Member("fence"))
}

/// The scripts say how the containers are; where they do not, their number does.
fn health(line: &Line) -> Result<ContainerHealth, AnswerError> {
    match line.health.as_deref() {
        Some("healthy") => Ok(ContainerHealth::Healthy),
        Some("unhealthy") => Ok(ContainerHealth::Unhealthy),
        Some("starting") => Ok(ContainerHealth::Starting),
        Some("none") => Ok(ContainerHealth::Absent),
        Some(_) => Err(AnswerError::Member("health")),
        None if line.containers == 0 => Ok(ContainerHealth::Absent),
        None if line.containers == line.healthy => Ok(ContainerHealth::Healthy),
        None => Ok(ContainerHealth::Unhealthy),
    }
}

fn put_back(word: &str) -> Result<PutBack, AnswerError> {
    match word {
        "no" => Ok(PutBack::No),
        "yes" => Ok(PutBack::Yes),
        "failed" => Ok(PutBack::Failed),
        "not-needed" => Ok(PutBack::NotNeeded),
        _ => Err(AnswerError::Member("restored")),
    }
}
