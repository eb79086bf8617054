//! What retention does, as events of the source `esclusa` on the account's default bus.

use esclusa_core::retention::{RAN, STOPPED, ask_line};
use esclusa_shell::ports::BoxError;
use esclusa_shell::retain::ports::Listeners;
use esclusa_shell::retain::{Report, Stop};
use serde_json::{Value, json};

use crate::announcer::{entry, message};
use crate::failure::chain;
use crate::{Aws, Shelves};

/// Notes that an event spells out: those of the biggest run would not fit into it.
const NOTES: usize = 100;

impl Listeners for Aws<Shelves> {
    async fn tell(&self, report: &Report) -> bool {
        let (service, run) = (&report.service, &report.run);
        match self.put_event(report).await {
            Ok(None) => true,
            Ok(Some((code, why))) => {
                tracing::warn!(%service, run, code, why, "an event was refused");
                false
            }
            Err(error) => {
                let error = chain(error.as_ref());
                tracing::warn!(%service, run, %error, "an event was not published yet");
                false
            }
        }
    }
}

impl Aws<Shelves> {
    /// Code and words of the refusal, which may come in an answer of success.
    async fn put_event(&self, report: &Report) -> Result<Option<(String, String)>, BoxError> {
        let kind = if report.tells_a_person() { STOPPED } else { RAN };
        let entry = entry(kind, &detail(report, &self.own.names.function));
        let put = self.own.eventbridge.put_events().entries(entry).send().await?;
        let refused = put.entries.unwrap_or_default().into_iter().find_map(|result| {
            Some((result.error_code?, result.error_message.unwrap_or_default()))
        });
        Ok(refused)
    }
}

/// The detail of an event. Members are added, never renamed or removed. `id` is the same whenever
/// the same is published again.
fn detail(report: &Report, function: &str) -> Value {
    let Report { service, run, at, summary, deleted, bytes, stop, notes } = report;
    let next = next(report, function);
    let text = report.text();
    let (cap, left) = match stop {
        Stop::Cap { cap, left } => (Some(cap), Some(left)),
        Stop::Nothing
        | Stop::Planned
        | Stop::FirstRun
        | Stop::Withheld(_)
        | Stop::Time
        | Stop::Refused => (None, None),
    };
    let mut told: Vec<String> = notes.iter().take(NOTES).cloned().collect();
    let more = notes.len().saturating_sub(NOTES);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    json!({
        "id": format!("{service}#retention#{run}"),
        "service": service.as_str(),
        "at": at.to_string(),
        "run": run,
        "kept": summary.kept,
        "deleted": deleted,
        "planned": summary.deleted,
        "bytes": bytes,
        "reclaimable": summary.bytes,
        "stop": stop.word(),
        "cap": cap,
        "left": left,
        "notes": told,
        "tells": report.tells_a_person(),
        "message": message(&text, next.as_deref()),
        "text": text,
        "next": next,
    })
}

/// The line that does what only a person can.
fn next(report: &Report, function: &str) -> Option<String> {
    let force = match report.stop {
        Stop::FirstRun => false,
        Stop::Cap { .. } => true,
        Stop::Nothing | Stop::Planned | Stop::Withheld(_) | Stop::Time | Stop::Refused => {
            return None;
        }
    };
    report.tells_a_person().then(|| ask_line(function, &report.service, force))
}
