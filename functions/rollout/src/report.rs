//! What the log says of notices: one clear sentence each, with what, where and what to do.
//!
//! Transitions of rollouts are logged where lanes are saved.

use esclusa_aws::chain;
use esclusa_aws::event::DecodeError;
use esclusa_core::name::LaneId;
use esclusa_shell::drive::{DriveError, Driven};
use esclusa_shell::receive::{Notice, Received};
use tokio::task::JoinError;
use tokio::time::error::Elapsed;
use tracing::{debug, error, info, warn};

/// Logs what became of a notice; true when its messages are done.
pub(crate) fn received(
    notice: &Notice,
    result: Result<Result<Received, DriveError>, Elapsed>,
) -> bool {
    match result {
        Ok(Ok(received)) => {
            done(notice, &received);
            true
        }
        Ok(Err(failure)) => {
            let what = describe(notice);
            let text = chain(&failure);
            warn!(notice = what, failed = 1, "{text}; the message will be delivered again");
            false
        }
        Err(_) => {
            let what = describe(notice);
            warn!(
                notice = what,
                failed = 1,
                "the time of this invocation is over; the message will be delivered again"
            );
            false
        }
    }
}

/// Logs a message that stays on the queue until it ends in the dead-letter queue.
pub(crate) fn not_understood(message_id: &str, failure: &DecodeError) {
    error!(
        message_id,
        not_understood = 1,
        "{failure}; it goes to the dead-letter queue: see there what sent it"
    );
}

/// Logs that a task ended without saying what it did.
pub(crate) fn died(failure: &JoinError) {
    error!(failed = 1, "a pass died: {failure}; its messages will be delivered again");
}

fn done(notice: &Notice, received: &Received) {
    match received {
        Received::Drove(lanes) => {
            for (lane, driven) in lanes {
                drove(notice, lane, driven);
            }
        }
        Received::Woke(lanes) => debug!(lanes, "every lane was woken"),
        Received::NotFollowed(service, tag) => info!(
            service = service.as_str(),
            tag = tag.as_str(),
            not_followed = 1,
            "no environment of {service} follows the tag `{tag}`, so it is not rolled out; \
             set `tag` in `/esclusa/services/{service}` if one should"
        ),
    }
}

fn drove(notice: &Notice, lane: &LaneId, driven: &Driven) {
    let (service, environment) = (lane.service.as_str(), lane.environment.as_str());
    match driven {
        Driven::Rested(rested) => {
            // A push that starts nothing is answered each time; of other passes only what changes
            // is told.
            if let (Notice::Pushed { tag, .. }, Some(blocker)) = (notice, &rested.blocker) {
                let (code, text) = (blocker.reason.code.as_str(), &blocker.reason.text);
                let tag = tag.as_str();
                info!(
                    service,
                    environment, tag, code, "the push of `{tag}` starts no rollout: {text}"
                );
            }
            debug!(service, environment, revision = rested.revision, "the lane rests");
        }
        Driven::Busy(until) => {
            let until = until.to_string();
            debug!(service, environment, until, "another invocation acts on the lane");
        }
        Driven::Stale => debug!(service, environment, "an older wake-up than the awaited one"),
        Driven::Postponed(failure) => {
            let text = chain(failure);
            warn!(service, environment, postponed = 1, "{text}; it is tried again in seconds");
        }
    }
}

fn describe(notice: &Notice) -> String {
    match notice {
        Notice::Pushed { service, tag } => format!("push of {service}:{tag}"),
        Notice::Scanned(service) => format!("scan of {service}"),
        Notice::Rotated(secret) => format!("rotation of {secret}"),
        Notice::Alarm(alarm) => format!("alarm {alarm}"),
        Notice::Command(lane) => format!("command of {lane}"),
        Notice::Hosts => "hosts".to_owned(),
        Notice::Sweep => "sweep".to_owned(),
        Notice::Wake { lane, .. } => format!("wake-up of {lane}"),
    }
}
