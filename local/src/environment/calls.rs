//! Signed calls to the environment's AWS, as a person makes them: with `curl --aws-sigv4`.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::error::EnvironmentError;
use super::record::Record;
use crate::programs;

/// The keys of the account's root in MiniStack. They open nothing else.
pub const ROOT_KEYS: &str = "test:test";

/// One call of an AWS API.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The service's signing name.
    pub(super) service: &'a str,
    /// The path, from the slash on.
    pub(super) path: &'a str,
    /// Headers as `name: value`.
    pub(super) headers: &'a [&'a str],
    /// The body.
    pub(super) body: String,
}

/// Makes a call and returns the answer's status and body.
///
/// # Errors
///
/// When curl cannot be run or nothing answers.
pub(super) async fn call(
    record: &Record,
    call: Call<'_>,
) -> Result<(u16, String), EnvironmentError> {
    let failed = |source| EnvironmentError::Io { what: "run curl".to_owned(), source };
    let mut command = Command::from(programs::command("curl"));
    command
        .args(["--silent", "--show-error", "--max-time", "60", "--request", "POST"])
        .args(["--aws-sigv4", &format!("aws:amz:{}:{}", record.region, call.service)])
        .args(["--user", ROOT_KEYS, "--data-binary", "@-", "--write-out", "\n%{http_code}"]);
    for header in call.headers {
        command.args(["--header", header]);
    }
    command
        .arg(format!("{}{}", record.aws(), call.path))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(call.body.as_bytes()).await.map_err(failed)?;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", ""));
    match status.parse() {
        Ok(status) if output.status.success() => Ok((status, body.to_owned())),
        _ => Err(EnvironmentError::Refused {
            what: format!("a call to {}", call.service),
            answer: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

/// Makes a call of a service that speaks JSON and returns its answer.
///
/// # Errors
///
/// [`EnvironmentError::Refused`] for any answer that is not a success.
pub(super) async fn json(
    record: &Record,
    service: &str,
    target: &str,
    body: &Value,
) -> Result<Value, EnvironmentError> {
    let target_header = format!("X-Amz-Target: {target}");
    let headers = ["Content-Type: application/x-amz-json-1.1", target_header.as_str()];
    let request = Call { service, path: "/", headers: &headers, body: body.to_string() };
    let (status, answer) = call(record, request).await?;
    if status >= 300 {
        return Err(EnvironmentError::Refused { what: target.to_owned(), answer });
    }
    Ok(serde_json::from_str(&answer).unwrap_or(Value::Null))
}

/// Makes a call of a service that speaks the query protocol.
///
/// # Errors
///
/// [`EnvironmentError::Refused`] for any answer that is not a success.
pub(super) async fn query(
    record: &Record,
    service: &str,
    parameters: &[(&str, &str)],
) -> Result<String, EnvironmentError> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let headers = ["Content-Type: application/x-www-form-urlencoded"];
    let (status, answer) =
        call(record, Call { service, path: "/", headers: &headers, body }).await?;
    if status >= 300 {
        let what = parameters.first().map_or(service, |(_, action)| action).to_owned();
        return Err(EnvironmentError::Refused { what, answer });
    }
    Ok(answer)
}
