//! What Systems Manager says of one invocation.

use aws_sdk_ssm::types::{CommandInvocation, CommandPlugin};
use esclusa_core::order::{Heard, Invocation};

use super::answer;

/// What is known of an invocation; nothing of one on what is not a host.
pub(super) fn of(invocation: &CommandInvocation) -> Option<Invocation> {
    let host = invocation.instance_id()?.parse().ok()?;
    Some(Invocation { host, heard: heard(invocation) })
}

/// What was heard, once it can say no more. Judged by the details, which tell a delivery that
/// timed out from a script that did; the status alone does not.
fn heard(invocation: &CommandInvocation) -> Option<Heard> {
    let status = invocation.status().map_or("", |it| it.as_str());
    let details = invocation.status_details().filter(|it| !it.is_empty()).unwrap_or(status);
    let word: String = details.chars().filter(|it| !it.is_whitespace()).collect();
    match word.to_ascii_lowercase().as_str() {
        "" | "pending" | "inprogress" | "delayed" | "cancelling" => None,
        "success" | "failed" => Some(read(invocation)),
        // None of these ever started.
        "deliverytimedout" | "undeliverable" | "terminated" | "accessdenied"
        | "invalidplatform" => Some(Heard::Silent),
        "cancelled" | "canceled" if !has_started(invocation) => Some(Heard::Silent),
        _ => Some(Heard::Unclear(format!("Systems Manager says `{details}`"))),
    }
}

fn has_started(invocation: &CommandInvocation) -> bool {
    let started =
        |it: &CommandPlugin| it.response_start_date_time().is_some() && it.response_code() != -1;
    invocation.command_plugins().iter().any(started)
}

fn read(invocation: &CommandInvocation) -> Heard {
    let output = invocation.command_plugins().first().and_then(|it| it.output()).unwrap_or("");
    match answer::read(output) {
        Ok(answer) => Heard::Answered(answer),
        Err(error) => Heard::Unclear(error.to_string()),
    }
}
