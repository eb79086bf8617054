//! What is written down when an order has ended.

use std::collections::{BTreeMap, BTreeSet};

use super::activate::containers_after;
use super::health::is_job;
use super::image::ROLLBACK_LABEL;
use super::journal::Finished;
use super::order::{Mode, Order, Wanted};
use super::project::Observation;
use super::report::Report;
use crate::order::Verb;
use crate::reason::Code;
use crate::release::Running;

/// How many images a host remembers to have run.
const HISTORY: usize = 10;

/// Whether this is an order's last word, which is given again when the order comes again.
#[must_use]
pub fn is_last_word(order: &Order, report: &Report) -> bool {
    let is_ok = report.reason.code == Code::OK;
    order.verb == Verb::Activate && report.is_final && (report.changed || is_ok)
}

/// What is kept of an order that has ended, and how it was answered.
#[must_use]
pub fn finish(
    order: &Order,
    report: &Report,
    seen: &Observation,
    (answer, exit): (&str, u8),
) -> Finished {
    if order.mode == Mode::Once {
        return Finished {
            fence: order.fence,
            wanted: order.wanted.to_string(),
            mode: order.mode.to_string(),
            answer: answer.to_owned(),
            exit,
            ..Finished::default()
        };
    }
    let journal = seen.kept.journal.as_ref().filter(|it| it.is_of(order));
    let made = journal.filter(|_| report.is_activated);
    // What was put back runs as the order before had left it.
    let before = seen.kept.finished.as_ref();
    let containers = containers_after(order, seen);
    let runs_nothing = order.wanted == Wanted::Nothing || containers.is_empty();
    Finished {
        fence: order.fence,
        wanted: order.wanted.to_string(),
        mode: order.mode.to_string(),
        answer: answer.to_owned(),
        exit,
        targets: match made {
            Some(journal) => leave_out_jobs(&journal.targets, seen),
            None if runs_nothing => BTreeMap::new(),
            None => before.map(|it| it.targets.clone()).unwrap_or_default(),
        },
        replicas_of_files: match made {
            Some(journal) => journal.replicas_of_files.clone(),
            None => before.map(|it| it.replicas_of_files.clone()).unwrap_or_default(),
        },
        files: journal.map_or_else(|| seen.files.clone(), |it| it.files.clone()),
        containers,
    }
}

/// The services that are to go on running: not those of which only jobs are there that have ended.
fn leave_out_jobs(targets: &BTreeMap<String, u32>, seen: &Observation) -> BTreeMap<String, u32> {
    let mut left = targets.clone();
    left.retain(|name, _| {
        let mut own = seen.containers_of_service(name);
        own.any(|it| it.state.is_up() || !is_job(it, seen))
    });
    left
}

/// The images that a host remembers after an order, the newest first; nothing where that does not
/// change.
#[must_use]
pub fn history_after(order: &Order, report: &Report, seen: &Observation) -> Option<Vec<String>> {
    if !report.is_activated || order.wanted == Wanted::Nothing {
        return None;
    }
    // What ran before comes second, though no order of ours may have brought it.
    let before = match &report.before {
        Some(Running::Digest(digest)) => Some(format!("before@{digest}")),
        Some(Running::Local(id)) => Some(format!("local@{id}")),
        Some(Running::Nothing | Running::Mixed) | None => None,
    };
    let newest = std::iter::once(order.wanted.to_string()).chain(before);
    let digest = |it: &String| it.rsplit('@').next().unwrap_or_default().to_owned();
    let mut known = BTreeSet::new();
    let all = newest.chain(seen.kept.history.iter().cloned());
    Some(all.filter(|it| known.insert(digest(it))).take(HISTORY).collect())
}

/// Whether an order's image says that going back from it is not safe; nothing where it is not here.
#[must_use]
pub fn is_one_way(order: &Order, seen: &Observation) -> Option<bool> {
    let image = seen.images.get(&order.wanted.reference(&order.repository)?)?;
    Some(image.labels.get(ROLLBACK_LABEL).is_some_and(|it| it == "unsafe"))
}
