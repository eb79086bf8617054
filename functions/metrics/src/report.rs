//! What a pipeline reports of a build, as it is written, and the answer to it.

use esclusa_core::measure::{Build, Outcome};
use esclusa_core::time::Timestamp;
use esclusa_shell::measure::{Ports, ReportError, Reported, report};
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;

use crate::handler::broken;

/// The longest name of a build.
const NAME: usize = 200;

/// A report, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    service: String,
    build: String,
    started: String,
    ended: String,
    result: String,
    committed: Option<String>,
    digest: Option<String>,
    /// For the reader of the log.
    #[serde(default)]
    commit: String,
}

/// What a pipeline is answered. A refusal is an answer, and counts nothing.
#[derive(Debug, Serialize)]
struct Answer {
    ok: bool,
    /// `counted`, `known` (it had been counted before), `report.invalid` or
    /// `report.no_repository`.
    code: &'static str,
    text: String,
}

/// Counts a build, and says what became of it.
///
/// # Errors
///
/// A call that failed: the same report may be made again.
pub(crate) async fn answer<P: Ports>(ports: &P, payload: &Value) -> Result<Value, Diagnostic> {
    let (commit, read) = read(payload);
    let answer = match read {
        Err(text) => refused("report.invalid", &text),
        Ok(build) => match report(ports, &build).await {
            Ok(reported) => counted(&build, reported),
            Err(ReportError::Unavailable(failure)) => {
                let text = esclusa_aws::chain(&failure);
                tracing::error!(service = build.service.as_str(), failed = 1, "{text}");
                let error_message = format!("{text}; report it again, with the same `build`");
                return Err(Diagnostic { error_type: "Unavailable".to_owned(), error_message });
            }
            Err(error @ ReportError::NoRepository(_)) => {
                refused("report.no_repository", &format!("{error}; correct `service`"))
            }
            Err(error @ ReportError::Unbelievable(_)) => {
                refused("report.invalid", &error.to_string())
            }
        },
    };
    info!(code = answer.code, commit, "{}", answer.text);
    serde_json::to_value(answer).map_err(|error| broken(&error))
}

fn refused(code: &'static str, text: &str) -> Answer {
    Answer { ok: false, code, text: format!("{text}; nothing was counted") }
}

fn counted(build: &Build, reported: Reported) -> Answer {
    let (service, id) = (&build.service, &build.id);
    let ended = match build.outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
    };
    let took = build.ended.since(build.started).as_secs();
    let (code, text) = match reported {
        Reported::Counted => {
            ("counted", format!("build {id} of {service} is counted: it {ended} after {took} s"))
        }
        Reported::Known => ("known", format!("build {id} of {service} had been counted before")),
    };
    Answer { ok: true, code, text }
}

/// The commit, for the log, and the build; or what is wrong with it, in one sentence.
fn read(payload: &Value) -> (String, Result<Build, String>) {
    match serde_json::from_value::<Written>(payload.clone()) {
        Ok(written) => (written.commit.clone(), build(written)),
        Err(error) => {
            let text = format!("the report cannot be read: {error}; {}", example());
            (String::new(), Err(text))
        }
    }
}

fn build(written: Written) -> Result<Build, String> {
    let Written { service, build: id, started, ended, result, committed, digest, commit: _ } =
        written;
    if id.is_empty() || id.len() > NAME || id.contains(char::is_control) {
        return Err(format!("`build` is a name of 1 to {NAME} printable characters"));
    }
    let outcome = match result.as_str() {
        "succeeded" => Outcome::Succeeded,
        "failed" => Outcome::Failed,
        other => return Err(format!("`result` is `{other}`, neither `succeeded` nor `failed`")),
    };
    let instant = |member: &str, text: &str| {
        text.parse::<Timestamp>().map_err(|error| format!("`{member}`: {error}"))
    };
    Ok(Build {
        service: service.parse().map_err(|error| format!("{error}; correct `service`"))?,
        id,
        started: instant("started", &started)?,
        ended: instant("ended", &ended)?,
        outcome,
        committed: committed.map(|it| instant("committed", &it)).transpose()?,
        digest: digest.map(|it| it.parse()).transpose().map_err(|error| format!("{error}"))?,
    })
}

fn example() -> &'static str {
    "send one such as {\"service\":\"tickets\",\"build\":\"1042\",\"result\":\"succeeded\",\
     \"started\":\"2026-11-26T09:00:00Z\",\"ended\":\"2026-11-26T09:03:10Z\"}"
}
