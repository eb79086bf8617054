//! What the log says of facts: one clear sentence each.

use esclusa_aws::chain;
use esclusa_aws::event::DecodeError;
use esclusa_core::measure::Datum;
use esclusa_shell::measure::{Fact, Measured};
use esclusa_shell::ports::Unavailable;
use tracing::{error, info, warn};

/// An event that is not counted.
pub(crate) fn ignored(message_id: &str, kind: &str) {
    info!(message_id, kind, ignored = 1, "an event of this kind is not counted");
}

/// A message that stays on the queue until it ends in the dead-letter queue.
pub(crate) fn not_understood(message_id: &str, failure: &DecodeError) {
    error!(
        message_id,
        not_understood = 1,
        "{failure}; it goes to the dead-letter queue: see there what sent it"
    );
}

/// What was seen of a fact that a person may want to know, and what could not be.
pub(crate) fn seen(fact: &Fact, measured: &Measured) {
    let fact = describe(fact);
    for note in &measured.notes {
        info!(fact, "{note}");
    }
    for trouble in &measured.trouble {
        let text = chain(trouble);
        warn!(fact, unseen = 1, "{text}; the next look makes up for it");
    }
}

/// A fact that could not be counted yet.
pub(crate) fn failed(fact: &Fact, failure: &Unavailable) {
    let (fact, text) = (describe(fact), chain(failure));
    warn!(fact, failed = 1, "{text}; the message will be delivered again");
}

/// A fact that there was no time for.
pub(crate) fn late(fact: &Fact) {
    let fact = describe(fact);
    warn!(
        fact,
        failed = 1,
        "the time of this invocation is over; the message will be delivered again"
    );
}

/// Numbers that went to CloudWatch, or did not and are lost: they are marked as counted.
pub(crate) fn handed_over(data: &[Datum], failure: Option<&Unavailable>) {
    let numbers = data.len();
    match failure {
        None => info!(numbers, "CloudWatch has the numbers"),
        Some(failure) => {
            let text = chain(failure);
            error!(numbers, lost = numbers, "{text}; these points are missing from the metrics");
        }
    }
}

fn describe(fact: &Fact) -> String {
    match fact {
        Fact::Pushed(service, tag) => format!("push of {service}:{tag}"),
        Fact::Ended(lane, rollout) => format!("end of rollout {rollout} of {lane}"),
        Fact::Retained { service, run, .. } => format!("run {run} of retention on {service}"),
        Fact::Swept(sweep) => format!("end of {sweep}"),
        Fact::Scanned(service) => format!("scan of {service}"),
        Fact::Gauges(_) => "what lanes are like".to_owned(),
        Fact::Usage(_) => "what containers take".to_owned(),
        Fact::Upkeep => "alarms of services".to_owned(),
    }
}
