//! From what woke the function to runs, and back to the messages that failed, or to a person.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use esclusa_aws::event::{DecodedTask, decode_task};
use esclusa_aws::setup::OPERATION;
use esclusa_core::time::Timestamp;
use esclusa_shell::invocation::Invocation;
use esclusa_shell::ports::Clock;
use esclusa_shell::retain::{Ports, RetainError, Task, carry_out, retain};
use lambda_runtime::{Context, Diagnostic};
use serde_json::Value;
use tracing::info;

use crate::answer::Answer;
use crate::ask::Question;
use crate::report;

/// Calls that follow one another once a call to delete has been begun: the claim, the look, the
/// deletion, what is forgotten, and the end of the run.
const CALLS: u32 = 6;

/// What Lambda says of one invocation, and how long a push waits for more of them.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// What the function is called, for the lines that answers end in.
    pub(crate) function: &'a str,
    /// How long a push waits for more of them.
    pub(crate) delay: Duration,
    /// The invocation.
    pub(crate) me: Invocation,
}

/// The invocation that Lambda describes.
pub(crate) fn me(context: &Context, clock: &impl Clock) -> Invocation {
    let ends_at = Timestamp::from_millis(context.deadline);
    let longest = OPERATION.saturating_mul(CALLS);
    Invocation::until(&context.request_id, ends_at, clock.now(), longest)
}

/// Carries out the messages of a batch, or answers a person.
///
/// # Errors
///
/// A person's question whose answer needed a call that failed: it may be put again.
pub(crate) async fn handle<P: Ports>(
    ports: &P,
    payload: Value,
    call: &Call<'_>,
) -> Result<Value, Diagnostic> {
    if payload.get("Records").is_none() {
        return answer(ports, &payload, call).await;
    }
    let event: SqsEvent = serde_json::from_value(payload).map_err(|error| broken(&error))?;
    let response = batch(ports, event, call).await;
    serde_json::to_value(response).map_err(|error| broken(&error))
}

fn broken(error: &serde_json::Error) -> Diagnostic {
    let error_message = format!("Lambda's event, or the answer to it, has another form: {error}");
    Diagnostic { error_type: "Malformed".to_owned(), error_message }
}

/// Each message stands by itself: one that cannot be read, or whose run fails, costs no other.
/// Equal tasks are carried out once.
async fn batch<P: Ports>(ports: &P, event: SqsEvent, call: &Call<'_>) -> SqsBatchResponse {
    let mut failed = BTreeSet::new();
    let mut tasks: Vec<(Task, Vec<String>)> = Vec::new();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        match decode_task(message.body.as_deref().unwrap_or_default()) {
            Ok(DecodedTask::Task(task)) => match tasks.iter_mut().find(|(known, _)| *known == task)
            {
                Some((_, ids)) => ids.push(id),
                None => tasks.push((task, vec![id])),
            },
            Ok(DecodedTask::Ignored(kind)) => report::ignored(&id, &kind),
            Err(error) => {
                report::not_understood(&id, &error);
                failed.insert(id);
            }
        }
    }
    for (task, ids) in tasks {
        let limit = call.me.left(ports.now());
        let work = carry_out(ports, &task, call.delay, &call.me);
        if !report::carried_out(&task, tokio::time::timeout(limit, work).await) {
            failed.extend(ids);
        }
    }
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed);
    response
}

/// Answers one question. A refusal is an answer.
async fn answer<P: Ports>(
    ports: &P,
    payload: &Value,
    call: &Call<'_>,
) -> Result<Value, Diagnostic> {
    let answer = match Question::read(payload, &call.me.id) {
        Err(refused) => Answer::refused("question", refused),
        Ok(question) => match retain(ports, &question.run, &call.me).await {
            Ok(retained) => Answer::of(&question, &retained, call.function),
            Err(RetainError::Unavailable(failure)) => {
                let text = report::failed(&question, &failure);
                let error_type = "Unavailable".to_owned();
                return Err(Diagnostic { error_type, error_message: format!("{text}; ask again") });
            }
            Err(error) => Answer::refused(report::code(&error), esclusa_aws::chain(&error)),
        },
    };
    info!(code = answer.code(), "{}", answer.text());
    serde_json::to_value(answer).map_err(|error| broken(&error))
}
