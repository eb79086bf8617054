//! What happens to lanes, as events of the source `esclusa` on the account's default bus.

use std::collections::BTreeSet;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use esclusa_core::announcement::Announcement;
use esclusa_core::name::LaneId;
use esclusa_shell::ports::{Announcer, BoxError};
use serde_json::{Value, json};

use crate::failure::chain;
use crate::{Aws, Machines};

/// The source of our events.
const SOURCE: &str = "esclusa";

/// `PutEvents` takes so many entries.
const ENTRIES: usize = 10;

impl Announcer for Aws<Machines> {
    async fn publish(&self, lane: &LaneId, announcements: &[Announcement]) -> BTreeSet<u64> {
        let mut taken = BTreeSet::new();
        for some in announcements.chunks(ENTRIES) {
            match self.put_events(lane, some).await {
                Ok(numbers) => taken.extend(numbers),
                Err(error) => {
                    let error = chain(error.as_ref());
                    tracing::warn!(%lane, %error, "events were not published; they will be again");
                    break;
                }
            }
        }
        taken
    }
}

impl Aws<Machines> {
    /// The numbers of those that were taken: an answer of success may refuse some.
    async fn put_events(&self, lane: &LaneId, some: &[Announcement]) -> Result<Vec<u64>, BoxError> {
        let operator = &self.names.operator;
        let entries = some.iter().map(|it| entry(it.kind.word(), &detail(lane, it, operator)));
        let call = self.own.eventbridge.put_events().set_entries(Some(entries.collect()));
        let results = call.send().await?.entries.unwrap_or_default();
        let mut taken = Vec::new();
        for (it, result) in some.iter().zip(results) {
            match result.error_code {
                None => taken.push(it.number),
                Some(code) => {
                    let why = result.error_message.unwrap_or_default();
                    tracing::warn!(%lane, number = it.number, code, why, "an event was refused");
                }
            }
        }
        Ok(taken)
    }
}

/// The detail of an event. Members are added, never renamed or removed. `id` is the same whenever
/// the same is published again.
fn detail(lane: &LaneId, it: &Announcement, operator: &str) -> Value {
    let next = it.ask.as_ref().map(|ask| ask.line(operator, lane));
    json!({
        "id": format!("{lane}#{}", it.number),
        "service": lane.service.as_str(),
        "environment": lane.environment.as_str(),
        "at": it.at.to_string(),
        "rollout": it.rollout.as_ref().map(ToString::to_string),
        "digest": it.digest.as_ref().map(ToString::to_string),
        "word": it.word,
        "code": it.reason.as_ref().map(|reason| reason.code.to_string()),
        "reason": it.reason.as_ref().map(|reason| &reason.text),
        "text": it.text,
        "message": message(&it.text, next.as_deref()),
        "next": next,
    })
}

/// An event of ours.
pub(crate) fn entry(kind: &str, detail: &Value) -> PutEventsRequestEntry {
    let entry = PutEventsRequestEntry::builder().source(SOURCE).detail_type(kind);
    entry.detail(detail.to_string()).build()
}

/// What a person reads: a sentence, and the line that does what comes next.
pub(crate) fn message(text: &str, next: Option<&str>) -> String {
    let text = text.trim_end_matches('.');
    match next {
        // Ended by a line break: what follows where it is quoted is no part of the line to paste.
        Some(asked) => format!("{text}.\n\nNext:\n{asked}\n"),
        None => format!("{text}."),
    }
}
