//! From what woke the function to numbers, and back to the messages that failed, or to a pipeline.

use std::collections::BTreeSet;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use esclusa_aws::event::{DecodedFact, decode_fact};
use esclusa_aws::setup::OPERATION;
use esclusa_core::measure::Datum;
use esclusa_core::time::Timestamp;
use esclusa_shell::invocation::Invocation;
use esclusa_shell::measure::{Fact, Ports, measure};
use esclusa_shell::ports::Clock;
use lambda_runtime::{Context, Diagnostic};
use serde_json::Value;

use crate::{log, report};

/// The invocation that Lambda describes.
pub(crate) fn me(context: &Context, clock: &impl Clock) -> Invocation {
    let ends_at = Timestamp::from_millis(context.deadline);
    Invocation::until(&context.request_id, ends_at, clock.now(), OPERATION)
}

/// Counts the messages of a batch, or what a pipeline reports.
///
/// # Errors
///
/// A report that needed a call that failed: it may be made again.
pub(crate) async fn handle<P: Ports>(
    ports: &P,
    payload: Value,
    me: &Invocation,
) -> Result<Value, Diagnostic> {
    if payload.get("Records").is_none() {
        return report::answer(ports, &payload).await;
    }
    let event: SqsEvent = serde_json::from_value(payload).map_err(|error| broken(&error))?;
    let response = batch(ports, event, me).await;
    serde_json::to_value(response).map_err(|error| broken(&error))
}

pub(crate) fn broken(error: &serde_json::Error) -> Diagnostic {
    let error_message = format!("Lambda's event, or the answer to it, has another form: {error}");
    Diagnostic { error_type: "Malformed".to_owned(), error_message }
}

/// A fact, and the messages that told of it.
struct Told {
    fact: Fact,
    messages: Vec<String>,
}

/// Each message stands by itself: one that cannot be read, or counted, costs no other. Equal facts
/// are counted once. All numbers go to CloudWatch together.
async fn batch<P: Ports>(ports: &P, event: SqsEvent, me: &Invocation) -> SqsBatchResponse {
    let mut failed = BTreeSet::new();
    let (mut data, mut counted) = (Vec::new(), Vec::new());
    for told in told(event, &mut failed) {
        let limit = me.left(ports.now());
        match tokio::time::timeout(limit, measure(ports, &told.fact)).await {
            Ok(Ok(measured)) => {
                log::seen(&told.fact, &measured);
                data.extend(measured.data);
                counted.extend(told.messages);
            }
            Ok(Err(failure)) => {
                log::failed(&told.fact, &failure);
                failed.extend(told.messages);
            }
            Err(_) => {
                log::late(&told.fact);
                failed.extend(told.messages);
            }
        }
    }
    if !handed_over(ports, &data).await {
        failed.extend(counted);
    }
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed);
    response
}

/// What the messages tell of. What cannot be read is failed.
fn told(event: SqsEvent, failed: &mut BTreeSet<String>) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        match decode_fact(message.body.as_deref().unwrap_or_default()) {
            Ok(DecodedFact::Facts(facts)) => {
                for fact in facts {
                    match all.iter_mut().find(|it| it.fact == fact) {
                        Some(known) => known.messages.push(id.clone()),
                        None => all.push(Told { fact, messages: vec![id.clone()] }),
                    }
                }
            }
            Ok(DecodedFact::Ignored(kind)) => log::ignored(&id, &kind),
            Err(error) => {
                log::not_understood(&id, &error);
                failed.insert(id);
            }
        }
    }
    all
}

async fn handed_over<P: Ports>(ports: &P, data: &[Datum]) -> bool {
    if data.is_empty() {
        return true;
    }
    let sent = ports.put(data).await;
    log::handed_over(data, sent.as_ref().err());
    sent.is_ok()
}
