//! What the log says of tasks: one clear sentence each, with what, where and what to do.

use esclusa_aws::chain;
use esclusa_aws::event::DecodeError;
use esclusa_shell::ports::Unavailable;
use esclusa_shell::retain::{Done, Report, RetainError, Stop, Task};
use tokio::time::error::Elapsed;
use tracing::{error, info, warn};

use crate::ask::Question;

/// Logs an event that is nothing to retention.
pub(crate) fn ignored(message_id: &str, kind: &str) {
    info!(message_id, kind, ignored = 1, "an event of this kind is nothing to retention");
}

/// Logs a message that stays on the queue until it ends in the dead-letter queue.
pub(crate) fn not_understood(message_id: &str, failure: &DecodeError) {
    error!(
        message_id,
        not_understood = 1,
        "{failure}; it goes to the dead-letter queue: see there what sent it"
    );
}

/// Logs what became of a task; true when its messages are done.
pub(crate) fn carried_out(task: &Task, result: Result<Result<Done, Unavailable>, Elapsed>) -> bool {
    let what = describe(task);
    match result {
        Ok(Ok(done)) => {
            told(&what, &done);
            true
        }
        Ok(Err(failure)) => {
            let text = chain(&failure);
            warn!(task = what, failed = 1, "{text}; the message will be delivered again");
            false
        }
        Err(_) => {
            warn!(
                task = what,
                failed = 1,
                "the time of this invocation is over; the message will be delivered again"
            );
            false
        }
    }
}

fn told(what: &str, done: &Done) {
    match done {
        Done::Retained(report) => run(report),
        Done::Waits(at) => info!(task = what, %at, "a run is due then"),
        Done::Stale => info!(task = what, "another run has taken the place of this one"),
        Done::Sent(repositories) => info!(repositories, "each repository has a task of its own"),
        Done::Later(until) => info!(task = what, %until, "another run is under way"),
        Done::Skipped(reason) => {
            let text = chain(reason.as_ref());
            match reason.as_ref() {
                RetainError::NotOurs(_) => info!(task = what, code = code(reason), "{text}"),
                RetainError::NoRepository(_)
                | RetainError::Configuration { .. }
                | RetainError::Busy { .. }
                | RetainError::Unavailable(_) => warn!(task = what, code = code(reason), "{text}"),
            }
        }
    }
}

fn run(report: &Report) {
    let (service, run, stop) = (report.service.as_str(), &report.run, report.stop.word());
    let (kept, deleted, bytes) = (report.summary.kept, report.deleted, report.bytes);
    let planned = report.summary.deleted;
    let text = report.text();
    for note in &report.notes {
        warn!(service, run, "{note}");
    }
    match report.stop {
        Stop::Cap { .. } | Stop::Withheld(_) | Stop::Refused => {
            warn!(service, run, kept, deleted, planned, bytes, stop, "{text}");
        }
        Stop::Nothing | Stop::Planned | Stop::FirstRun | Stop::Time => {
            info!(service, run, kept, deleted, planned, bytes, stop, "{text}");
        }
    }
}

/// Logs a question that could not be answered, and returns why.
pub(crate) fn failed(question: &Question, failure: &Unavailable) -> String {
    let text = chain(failure);
    let (service, actor, reason) =
        (question.run.service.as_str(), &question.actor, &question.reason);
    error!(service, actor, reason, failed = 1, "{text}");
    text
}

/// The stable word for why a repository was not looked at.
pub(crate) fn code(error: &RetainError) -> &'static str {
    match error {
        RetainError::NotOurs(_) => "retention.not_ours",
        RetainError::NoRepository(_) => "retention.no_repository",
        RetainError::Configuration { .. } => "config.invalid",
        RetainError::Busy { .. } => "retention.busy",
        RetainError::Unavailable(_) => "unavailable",
    }
}

fn describe(task: &Task) -> String {
    match task {
        Task::Pushed(service) => format!("push to {service}"),
        Task::Due(service, _) => format!("due run on {service}"),
        Task::One(service) => format!("daily run on {service}"),
        Task::All => "daily round".to_owned(),
        Task::GoOn(run) => format!("rest of the run on {}", run.service),
    }
}
