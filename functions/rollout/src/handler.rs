//! From a batch of messages to lanes that are driven, and back to the messages that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use esclusa_aws::event::{Decoded, decode};
use esclusa_core::name::Service;
use esclusa_shell::invocation::Invocation;
use esclusa_shell::ports::Ports;
use esclusa_shell::receive::{Notice, receive};
use tokio::task::JoinSet;
use tracing::{Instrument, Span, info};

use crate::report;

/// A notice, and the messages that brought it.
struct Heard {
    notice: Notice,
    messages: BTreeSet<String>,
}

/// Carries out what the messages of a batch mean, and answers which of them failed.
///
/// Each message stands by itself: one that cannot be read, or whose lane fails, costs no other.
/// Equal notices are carried out once. Lanes of different services are driven at the same time;
/// those of one service, which a push may concern together, one after the other, for the lease
/// that keeps invocations apart does not keep an invocation from itself.
pub(crate) async fn handle<P: Ports + Send + 'static>(
    ports: Arc<P>,
    event: SqsEvent,
    me: Invocation,
) -> SqsBatchResponse {
    let mut failed = BTreeSet::new();
    let mut by_service: BTreeMap<Option<Service>, Vec<Heard>> = BTreeMap::new();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        failed.insert(id.clone());
        match read(&message) {
            Ok(Some(notice)) => note(by_service.entry(service(&notice)).or_default(), notice, id),
            Ok(None) => {
                failed.remove(&id);
            }
            Err(()) => {}
        }
    }
    let mut running = JoinSet::new();
    for heard in by_service.into_values() {
        running.spawn(carry_out(Arc::clone(&ports), heard, me.clone()).instrument(Span::current()));
    }
    // A message counts as failed until it is known to be done, whatever becomes of its task.
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(done) => failed.retain(|id| !done.contains(id)),
            Err(error) => report::died(&error),
        }
    }
    answer(failed)
}

fn answer(failed: BTreeSet<String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed);
    response
}

/// What a message means; nothing when it is nothing to us.
fn read(message: &SqsMessage) -> Result<Option<Notice>, ()> {
    let id = message.message_id.as_deref().unwrap_or_default();
    match decode(message.body.as_deref().unwrap_or_default()) {
        Ok(Decoded::Notice(notice)) => Ok(Some(notice)),
        Ok(Decoded::Ignored(kind)) => {
            info!(
                message_id = id,
                kind,
                ignored = 1,
                "an event of this kind is nothing to Esclusa"
            );
            Ok(None)
        }
        Err(error) => {
            report::not_understood(id, &error);
            Err(())
        }
    }
}

fn note(all: &mut Vec<Heard>, notice: Notice, message: String) {
    match all.iter_mut().find(|heard| heard.notice == notice) {
        Some(heard) => {
            heard.messages.insert(message);
        }
        None => all.push(Heard { notice, messages: BTreeSet::from([message]) }),
    }
}

/// The service that a notice concerns; nothing when it concerns every lane.
fn service(notice: &Notice) -> Option<Service> {
    match notice {
        Notice::Pushed { service, .. } | Notice::Scanned(service) => Some(service.clone()),
        Notice::Command(lane) | Notice::Wake { lane, .. } => Some(lane.service.clone()),
        Notice::Rotated(_) | Notice::Alarm(_) | Notice::Hosts | Notice::Sweep => None,
    }
}

/// Carries out notices one after the other, and returns the messages that are done.
async fn carry_out<P: Ports>(ports: Arc<P>, all: Vec<Heard>, me: Invocation) -> BTreeSet<String> {
    let mut done = BTreeSet::new();
    for heard in all {
        let limit = me.left(ports.now());
        let received = tokio::time::timeout(limit, receive(ports.as_ref(), &heard.notice, &me));
        if report::received(&heard.notice, received.await) {
            done.extend(heard.messages);
        }
    }
    done
}
