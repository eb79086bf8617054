//! What runs once for a release: a service labelled `esclusa.run=once`, on the one host that is
//! told to, with the new image, beside what serves.
//!
//! That it is begun is written down before, and its container is named by the order: an order that
//! was cut off finds both, and begins nothing twice. Where what was begun cannot be found any more,
//! nobody knows how it ended, and a person has to look.

use std::time::Duration;

use super::activate::{DEPENDENCIES, pause};
use super::definition::Condition;
use super::image::{explain_gone, find_candidate, pin_reference};
use super::journal::Kept;
use super::order::Order;
use super::plan::Plan;
use super::prefetch::{Prepared, prepare};
use super::project::{Container, ContainerState, HealthWord, Observation};
use super::report::{Refusal, Report, Restored};
use super::step::{Step, Turn};
use crate::reason::{Code, Reason};

/// How long an order may take since it was sent: the agent ends it after 30 minutes.
const LONGEST: Duration = Duration::from_mins(26);

/// Characters of what a container wrote last that an answer has room for.
const ROOM: usize = 160;

/// Whether the release of an order has something that runs once.
#[must_use]
pub fn runs_once(order: &Order, seen: &Observation) -> bool {
    let Ok(definition) = &seen.definition else { return false };
    definition.services_of(&order.repository).any(|(_, it)| it.runs_once())
}

/// Whether a container is one that this order has made to run once.
#[must_use]
pub fn is_once_container(container: &Container, order: &Order) -> bool {
    container.is_one_off && container.name.ends_with(&format!("-once-{}", order.fence))
}

/// Whether an order has begun here to run something once: it is carried on, however late it comes.
#[must_use]
pub fn has_begun_once(order: &Order, kept: &Kept) -> bool {
    kept.fence_of(&order.lane) == Some(order.fence) && !begun_by(order, kept).is_empty()
}

/// The services that an order has begun to run once, in their order.
fn begun_by<'a>(order: &Order, kept: &'a Kept) -> &'a [String] {
    let own = kept.begun_once.as_ref().filter(|it| it.fence == order.fence);
    own.map_or(&[], |it| &it.services)
}

/// What happens next to an order to run what runs once; `failure` is why the last step failed.
pub(super) fn next_once_turn(order: &Order, seen: &Observation, failure: Option<&Reason>) -> Turn {
    if !has_begun_once(order, &seen.kept) {
        let begun = match failure {
            Some(reason) => Err(Refusal(reason.clone())),
            None => begin_next(order, seen),
        };
        let refuse = |refusal| Turn::End(Box::new(Report::refused(refusal, Vec::new())));
        return begun.unwrap_or_else(refuse);
    }
    match failure {
        // An engine that does not answer says nothing of what runs on it.
        Some(reason) if reason.code.as_str() == "hosts.docker" => {
            wait_or(order, seen, Duration::ZERO, &reason.text)
        }
        Some(reason) => fail_to_start(order, seen, reason),
        None => carry_on(order, seen),
    }
}

/// Looks at what has begun, before anything else: nothing that happens beside it changes its end.
fn carry_on(order: &Order, seen: &Observation) -> Turn {
    for service in begun_by(order, &seen.kept) {
        if let Some(turn) = follow(service, order, seen) {
            return turn;
        }
    }
    // What has ended well stands; what should have come after it never began.
    begin_next(order, seen).unwrap_or_else(|Refusal(reason)| end(Code::ONCE_FAILED, &reason.text))
}

/// What happens next to a service that was begun; nothing once it has ended well.
fn follow(service: &str, order: &Order, seen: &Observation) -> Option<Turn> {
    let Some(container) = find_own(service, order, seen) else {
        let text = format!("{service} was begun, and its container is gone");
        return Some(end_unknown(&text));
    };
    let name = &container.name;
    match container.state {
        ContainerState::Exited(0) => None,
        ContainerState::Created => {
            Some(Turn::Act(Step::StartContainer(container.id.clone()), None))
        }
        ContainerState::Running | ContainerState::Restarting | ContainerState::Paused => {
            let ran = seen.now.since(container.started_at);
            Some(wait_or(order, seen, ran, &format!("{service} still runs, as {name}")))
        }
        ContainerState::Exited(code) => {
            Some(end(Code::ONCE_FAILED, &explain_exit(service, code, container, seen)))
        }
        ContainerState::Dead => {
            Some(end(Code::ONCE_FAILED, &format!("{service} is dead ({name})")))
        }
    }
}

/// Waits, as long as the agent lets the order run.
fn wait_or(order: &Order, seen: &Observation, ran: Duration, text: &str) -> Turn {
    let sent = seen.now.since(order.issued_at);
    if sent > LONGEST {
        return end_unknown(&format!("{text} after {} min", sent.as_secs() / 60));
    }
    Turn::Act(Step::Wait(pause(ran)), None)
}

/// Compose could not start what was begun last: nothing of it has run, unless its container says
/// otherwise.
fn fail_to_start(order: &Order, seen: &Observation, reason: &Reason) -> Turn {
    let last = begun_by(order, &seen.kept).last();
    let container = last.and_then(|service| find_own(service, order, seen));
    if container.is_some_and(|it| it.state != ContainerState::Created) {
        return carry_on(order, seen);
    }
    end(Code::ONCE_FAILED, &reason.text)
}

/// Begins what comes next, or ends where nothing is left.
fn begin_next(order: &Order, seen: &Observation) -> Result<Turn, Refusal> {
    let plan = match prepare(order, seen)? {
        Prepared::Missing(step) => return Ok(Turn::Act(step, None)),
        Prepared::Ready(plan, _) => plan,
    };
    let begun = begun_by(order, &seen.kept);
    if let Some(service) = plan.once.iter().find(|it| !begun.contains(it)) {
        return begin(service, order, seen, &plan);
    }
    let text = if plan.once.is_empty() {
        format!("Nothing of {} runs once.", order.lane.service)
    } else {
        format!("{} ran once for {}.", plan.once.join(", "), order.wanted)
    };
    let report = Report::done(text, None, plan.warnings);
    Ok(Turn::End(Box::new(Report { is_activated: false, ..report })))
}

fn begin(service: &str, order: &Order, seen: &Observation, plan: &Plan) -> Result<Turn, Refusal> {
    let runs: Vec<&Container> = runs_of(service, seen).collect();
    if let Some(other) = runs.iter().find(|it| it.state.is_up()) {
        let text = format!(
            "{} of an order before still runs: wait for its end, or stop it (docker stop {}).",
            other.name, other.name
        );
        return Err(Refusal::new("order.busy", text));
    }
    if !runs.is_empty() {
        let ended = runs.iter().map(|it| it.id.clone()).collect();
        return Ok(Turn::Act(Step::RemoveContainers(ended), None));
    }
    let files = seen.files.clone();
    if !plan.dependencies.is_empty() {
        let services = plan.dependencies.iter().map(|it| (it.clone(), None)).collect();
        let up = Step::Up { services, recreates: false, keeps_existing: true, files };
        return Ok(Turn::Act(up, None));
    }
    if is_dependency_starting(service, seen) {
        return Ok(Turn::Act(Step::Wait(Duration::from_millis(250)), None));
    }
    let Some((found, _)) = find_candidate(order, seen) else {
        return Err(Refusal(explain_gone(order)));
    };
    let image = pin_reference(order, seen, &found);
    let (name, service) = (name_of(service, order, seen), service.to_owned());
    Ok(Turn::Act(Step::RunOnce { service, name, image, files }, None))
}

fn name_of(service: &str, order: &Order, seen: &Observation) -> String {
    format!("{}-{service}-once-{}", seen.files.project, order.fence)
}

/// The container that this order has made of a service, whatever the files say by now.
fn find_own<'a>(service: &str, order: &Order, seen: &'a Observation) -> Option<&'a Container> {
    let is_own = |it: &&Container| {
        let of_service = it.service.as_deref() == Some(service) && it.uses(&order.repository);
        is_once_container(it, order) && of_service
    };
    seen.containers.iter().find(is_own)
}

/// Containers that orders have made to run this very service once.
fn runs_of<'a>(service: &'a str, seen: &'a Observation) -> impl Iterator<Item = &'a Container> {
    let prefix = format!("{}-{service}-once-", seen.files.project);
    let is_own = move |it: &&Container| {
        let labelled = it.project.as_ref() == Some(&seen.files.project)
            && it.service.as_deref() == Some(service);
        it.is_one_off && labelled && it.name.starts_with(&prefix)
    };
    seen.containers.iter().filter(is_own)
}

/// Whether something that the service waits for was made a moment ago and is not that far yet. What
/// does not get there is for the service itself to find out.
fn is_dependency_starting(service: &str, seen: &Observation) -> bool {
    let Ok(definition) = &seen.definition else { return false };
    let Some(service) = definition.services.get(service) else { return false };
    service.dependencies.iter().any(|(name, on)| {
        let is_due = |it: &Container| match (on.condition, it.health) {
            (Condition::Completed, _) => it.state.is_up(),
            (Condition::Started | Condition::Healthy, Some(word)) => {
                it.state.is_up() && word != HealthWord::Healthy
            }
            (Condition::Started | Condition::Healthy, None) => false,
        };
        let is_young = |it: &Container| seen.now.since(it.created_at) < DEPENDENCIES;
        let mut containers = seen.containers_of_service(name);
        containers.any(|it| is_young(it) && (it.state == ContainerState::Created || is_due(it)))
    })
}

fn explain_exit(service: &str, code: i64, container: &Container, seen: &Observation) -> String {
    let lines = seen.last_lines.get(&container.id).into_iter().flatten();
    let written = lines.map(|it| it.trim()).filter(|it| !it.is_empty()).collect::<Vec<_>>();
    let all: String = written.join(" / ").chars().filter(|it| !it.is_control()).collect();
    let skipped = all.chars().count().saturating_sub(ROOM);
    let last: String = all.chars().skip(skipped).collect();
    let name = &container.name;
    if last.is_empty() {
        return format!("{service} ended with exit code {code} (docker logs {name})");
    }
    format!("{service} ended with exit code {code} (docker logs {name}): {last}")
}

fn end_unknown(text: &str) -> Turn {
    end(Code::ONCE_UNKNOWN, text)
}

/// It was begun and did not end well: that is the order's last word.
fn end(code: Code, text: &str) -> Turn {
    Turn::End(Box::new(Report {
        reason: Reason::new(code, text),
        before: None,
        restored: Restored::NotNeeded,
        changed: true,
        is_activated: false,
        is_final: true,
        warnings: Vec::new(),
    }))
}
