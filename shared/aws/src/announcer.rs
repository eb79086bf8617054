//! What happens to lanes, as events of the source `esclusa` on the account's default bus.

use std::collections::BTreeSet;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use esclusa_core::announcement::{Announcement, Ask};
use esclusa_core::name::LaneId;
use esclusa_shell::measure::ports::Herald;
use esclusa_shell::ports::{Announcer, BoxError, Unavailable};
use serde_json::{Value, json};

use crate::failure::{chain, unavailable};
use crate::{Aws, Gauges, Machines, clock};

/// The source of our events.
const SOURCE: &str = "esclusa";

/// The kind of the event that a sweep ends with.
pub(crate) const SWEPT: &str = "Lanes Swept";

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

    async fn swept(&self, lanes: usize) {
        let at = clock::now();
        let detail = json!({ "id": format!("sweep#{}", at.as_millis()), "lanes": lanes,
            "at": at.to_string() });
        let put = self.own.eventbridge.put_events().entries(entry(SWEPT, &detail));
        if let Err(error) = put.send().await {
            let error = chain(&error);
            tracing::warn!(%error, "the end of a sweep was not published; the next one will be");
        }
    }
}

impl Herald for Aws<Gauges> {
    async fn tell(&self, lane: &LaneId, id: &str, found: &Announcement) -> Result<(), Unavailable> {
        let doing = || unavailable(format!("publish `{}` of lane `{lane}`", found.kind));
        let entry = entry(found.kind.word(), &detail(id, lane, found, &self.names.operator));
        let put = self.own.eventbridge.put_events().entries(entry).send().await;
        let results = put.map_err(|error| doing()(error.into()))?.entries.unwrap_or_default();
        match results.into_iter().find_map(|it| it.error_code) {
            None => Ok(()),
            Some(code) => Err(doing()(format!("EventBridge refuses it: {code}").into())),
        }
    }

    fn line(&self, lane: &LaneId, ask: &Ask) -> String {
        ask.line(&self.names.operator, lane)
    }
}

impl Aws<Machines> {
    /// The numbers of those that were taken: an answer of success may refuse some.
    async fn put_events(&self, lane: &LaneId, some: &[Announcement]) -> Result<Vec<u64>, BoxError> {
        let operator = &self.names.operator;
        let entries = some.iter().map(|it| {
            let id = format!("{lane}#{}", it.number);
            entry(it.kind.word(), &detail(&id, lane, it, operator))
        });
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
fn detail(id: &str, lane: &LaneId, it: &Announcement, operator: &str) -> Value {
    let next = it.ask.as_ref().map(|ask| ask.line(operator, lane));
    json!({
        "id": id,
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
