//! An activation: makes a host run a release, judges it, and turns back when it is not well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::health::{Tally, Verdict, Watch, is_job, judge_container};
use super::image::{explain_gone, find_candidate, merge_pin, pin_reference};
use super::journal::{Journal, Phase};
use super::leftovers::{find_leftovers, find_unplanned};
use super::once::next_once_turn;
use super::order::{Order, Wanted};
use super::plan::Plan;
use super::prefetch::{Prepared, prepare};
use super::project::{Container, ContainerState, Observation};
use super::report::{Refusal, Report, Restored};
use super::restore::{next_restore_turn, report_restore};
use super::running::{containers_of, is_service_gone, running_of};
use super::snapshot::Snapshot;
use super::step::{Step, Turn};
use crate::order::{Fence, Mode, OnHostFailure};
use crate::reason::{Code, Reason};

/// How long dependencies that were just made are waited for.
pub(super) const DEPENDENCIES: Duration = Duration::from_mins(3);

/// How long the probe is asked where the order has no deadline.
const PROBE: Duration = Duration::from_secs(30);

/// What happens next to an activation; `failure` is why the last step failed.
#[must_use]
pub fn next_activation_turn(order: &Order, seen: &Observation, failure: Option<&Reason>) -> Turn {
    if order.mode == Mode::Once {
        return next_once_turn(order, seen, failure);
    }
    let own = seen.kept.journal.as_ref().filter(|it| it.is_of(order));
    match (own, failure) {
        (None, Some(reason)) => refuse(Refusal(reason.clone())),
        (None, None) => begin(order, seen).unwrap_or_else(refuse),
        (Some(journal), Some(reason)) => fail(order, seen, journal, reason),
        (Some(journal), None) => advance(order, seen, journal),
    }
}

fn refuse(refusal: Refusal) -> Turn {
    Turn::End(Box::new(Report::refused(refusal, Vec::new())))
}

// ---- Before the change --------------------------------------------------------------------------

fn begin(order: &Order, seen: &Observation) -> Result<Turn, Refusal> {
    match &order.wanted {
        Wanted::Nothing => Ok(open(order, seen, &Plan::default(), Phase::Stopping)),
        Wanted::Snapshot(fence) => Ok(begin_to_restore(order, seen, *fence)),
        Wanted::Local(_) | Wanted::Release(..) => Ok(match prepare(order, seen)? {
            Prepared::Missing(step) => Turn::Act(step, None),
            Prepared::Ready(plan, _) => open(order, seen, &plan, Phase::Pinning),
        }),
    }
}

/// Goes back to what ran before another order, which may never have begun here.
fn begin_to_restore(order: &Order, seen: &Observation, fence: Fence) -> Turn {
    if seen.kept.snapshots.contains_key(&fence) {
        let journal = Journal {
            snapshot: fence,
            ..describe(order, seen, &Plan::default(), Phase::Restoring)
        };
        return Turn::Act(Step::Wait(Duration::ZERO), Some(Box::new(journal)));
    }
    let text = format!("Order {fence} never began on this host: nothing was to put back.");
    let report = Report { changed: false, ..Report::done(text, None, Vec::new()) };
    Turn::End(Box::new(Report { is_activated: false, ..report }))
}

/// Writes down what is about to be changed, and what was there before.
///
/// What an order that was cut off had found is better known to be good than what it left behind.
fn open(order: &Order, seen: &Observation, plan: &Plan, phase: Phase) -> Turn {
    let cut_off = seen.kept.journal.as_ref().and_then(|it| seen.kept.snapshots.get(&it.snapshot));
    let mut services = seen.services_of(&order.repository);
    services.extend(plan.pinned.iter().chain(&plan.sharers).cloned());
    let fresh = || Snapshot::take(seen, order.fence, &order.repository, services.clone());
    let snapshot = match cut_off {
        Some(found) => {
            let mut found = found.clone();
            found.services.extend(services.iter().cloned());
            found
        }
        None => fresh(),
    };
    let journal = describe(order, seen, plan, phase);
    Turn::Act(Step::TakeSnapshot(order.fence, Box::new(snapshot)), Some(Box::new(journal)))
}

fn describe(order: &Order, seen: &Observation, plan: &Plan, phase: Phase) -> Journal {
    Journal {
        fence: order.fence,
        wanted: order.wanted.clone(),
        mode: order.mode.to_string(),
        phase,
        began: seen.now,
        phase_began: seen.now,
        snapshot: order.fence,
        before: running_of(seen, &order.repository),
        files: seen.files.clone(),
        targets: plan.targets.clone(),
        replicas_of_files: plan.replicas_of_files.clone(),
        dependencies: plan.dependencies.clone(),
        sharers: plan.sharers.clone(),
        restarts: plan.restarts.clone(),
        warnings: plan.warnings.clone(),
        failure: None,
        replaced: BTreeMap::new(),
    }
}

// ---- The change ---------------------------------------------------------------------------------

fn advance(order: &Order, seen: &Observation, journal: &Journal) -> Turn {
    let then = |phase: Phase| Some(Box::new(journal.entering(phase, seen.now)));
    match journal.phase {
        Phase::Pinning => write_pin(order, seen, journal),
        Phase::StartingDependencies => {
            let services = journal.dependencies.iter().map(|it| (it.clone(), None)).collect();
            let files = journal.files.clone();
            let up = Step::Up { services, recreates: false, keeps_existing: true, files };
            Turn::Act(up, then(Phase::AwaitingDependencies))
        }
        Phase::AwaitingDependencies => await_dependencies(seen, journal),
        Phase::Changing => Turn::Act(bring_up(journal), then(Phase::RecreatingSharers)),
        Phase::RecreatingSharers => {
            let services: BTreeMap<_, _> =
                journal.sharers.iter().map(|it| (it.clone(), None)).collect();
            let files = journal.files.clone();
            let is_due = !services.is_empty()
                && (has_changed(seen, journal) || has_lost_sharer(seen, journal));
            let up = Step::Up { services, recreates: true, keeps_existing: false, files };
            act_if(is_due, up, then(Phase::RestartingDependants))
        }
        Phase::RestartingDependants => {
            let is_due = !journal.restarts.is_empty() && has_changed(seen, journal);
            let (services, files) = (journal.restarts.clone(), journal.files.clone());
            act_if(is_due, Step::Restart { services, files }, then(Phase::Judging))
        }
        Phase::Judging => judge(order, seen, journal, || match &order.http {
            Some(_) => Turn::Act(Step::Wait(Duration::ZERO), then(Phase::Probing)),
            None => settle(order, seen, journal),
        }),
        Phase::Probing => match order.http.clone() {
            Some(http) => {
                let within = order.deadline.map_or(PROBE, Duration::from_secs);
                Turn::Act(Step::Probe { http, within }, then(Phase::Settling))
            }
            None => settle(order, seen, journal),
        },
        Phase::Settling => judge(order, seen, journal, || settle(order, seen, journal)),
        Phase::Restoring | Phase::JudgingRestored => next_restore_turn(order, seen, journal),
        Phase::Stopping => stop(order, seen, journal),
    }
}

fn act_if(is_due: bool, step: Step, then: Option<Box<Journal>>) -> Turn {
    Turn::Act(if is_due { step } else { Step::Wait(Duration::ZERO) }, then)
}

fn write_pin(order: &Order, seen: &Observation, journal: &Journal) -> Turn {
    let Some((found, image)) = find_candidate(order, seen) else {
        return fail(order, seen, journal, &explain_gone(order));
    };
    let image_name = pin_reference(order, seen, &found);
    let mut services = seen.services_of(&order.repository);
    services.extend(journal.targets.keys().cloned());
    // A pin would make a service out of what the files no longer have.
    services.retain(|it| !is_service_gone(it, seen, &order.repository));
    let own: BTreeMap<String, String> =
        services.into_iter().map(|it| (it, image_name.clone())).collect();
    let ships = order.compose.may_come_with_image()
        && image.labels.contains_key(super::image::COMPOSE_LABEL);
    let mut files = journal.files.clone();
    if ships {
        let next = |it: &mut String| {
            if it == super::files::NEXT_SHIPPED {
                super::files::SHIPPED.clone_into(it);
            }
        };
        files.listed.iter_mut().for_each(next);
    }
    let then = journal.entering(
        if journal.dependencies.is_empty() { Phase::Changing } else { Phase::StartingDependencies },
        seen.now,
    );
    let then = Journal { files: files.clone(), ..then };
    let images = merge_pin(seen, &order.repository, &own);
    Turn::Act(Step::WritePin { images, files, ships }, Some(Box::new(then)))
}

fn bring_up(journal: &Journal) -> Step {
    let scaled = |(name, count): (&String, &u32)| {
        let by_files = journal.replicas_of_files.get(name) == Some(count);
        (name.clone(), (!by_files).then_some(*count))
    };
    Step::Up {
        services: journal.targets.iter().map(scaled).collect(),
        recreates: journal.mode == Mode::Restart.to_string(),
        keeps_existing: false,
        files: journal.files.clone(),
    }
}

/// Whether a target has a container that was not there when the order began, or that it started:
/// what an order that was cut off had stopped is started, and not made again.
fn has_changed(seen: &Observation, journal: &Journal) -> bool {
    let known = seen.kept.snapshots.get(&journal.snapshot).map(|it| &it.known);
    let is_target =
        |it: &Container| it.service.as_ref().is_some_and(|name| journal.targets.contains_key(name));
    let is_new = |it: &Container| known.is_none_or(|ids| !ids.contains(&it.id));
    let is_started = |it: &Container| it.state.is_up() && it.started_at >= journal.began;
    seen.project_containers().any(|it| is_target(it) && (is_new(it) || is_started(it)))
}

/// Whether a container that shares with a target does not run, or shares with what ran before.
fn has_lost_sharer(seen: &Observation, journal: &Journal) -> bool {
    journal.sharers.iter().flat_map(|it| seen.containers_of_service(it)).any(|it| {
        let has_ended_well = it.state == ContainerState::Exited(0) && is_job(it, seen);
        !has_ended_well && (!it.state.is_up() || seen.is_older_than_owner(it))
    })
}

fn await_dependencies(seen: &Observation, journal: &Journal) -> Turn {
    let names: BTreeSet<&String> = journal.dependencies.iter().collect();
    let watch = Watch {
        now: seen.now,
        made_since: journal.began,
        since: Some(journal.phase_began),
        deadline: None,
    };
    let mut tally = Tally::default();
    for container in seen.project_containers() {
        if container.service.as_ref().is_some_and(|it| names.contains(it)) {
            let verdict = judge_container(container, is_job(container, seen), &watch);
            tally.count(&container.name, &verdict);
        }
    }
    let waited = seen.now.since(journal.phase_began);
    if tally.bad.is_none() && tally.waiting.is_some() && waited < DEPENDENCIES {
        return Turn::Act(Step::Wait(pause(waited)), None);
    }
    let mut then = journal.entering(Phase::Changing, seen.now);
    let unwell = tally.bad.or(tally.waiting);
    then.warnings.extend(unwell.map(|why| format!("This service depends on it: {why}")));
    Turn::Act(Step::Wait(Duration::ZERO), Some(Box::new(then)))
}

/// Looks often at first, then every second.
pub(super) fn pause(waited: Duration) -> Duration {
    if waited > Duration::from_secs(10) {
        Duration::from_secs(1)
    } else {
        Duration::from_millis(250)
    }
}

// ---- Health -------------------------------------------------------------------------------------

/// Goes on once every container of the targets, and of what shares with them, is well.
fn judge(
    order: &Order,
    seen: &Observation,
    journal: &Journal,
    go_on: impl FnOnce() -> Turn,
) -> Turn {
    let tally = tally_targets(order, seen, journal);
    if let Some(why) = tally.bad {
        return fail(order, seen, journal, &Reason::new(Code::HEALTH_CONTAINER, why));
    }
    if tally.waiting.is_some() {
        let waited = seen.now.since(journal.phase_began);
        return Turn::Act(Step::Wait(pause(waited)), None);
    }
    go_on()
}

fn tally_targets(order: &Order, seen: &Observation, journal: &Journal) -> Tally {
    let watch = journal.watch(seen.now, order.deadline);
    let mut tally = Tally::default();
    let expected = journal.targets.iter().map(|(name, count)| (name, *count));
    for (service, count) in expected.chain(journal.sharers.iter().map(|it| (it, 1))) {
        let mut found = 0_u32;
        for container in seen.containers_of_service(service) {
            found = found.saturating_add(1);
            let verdict: Verdict = judge_container(container, is_job(container, seen), &watch);
            tally.count(&container.name, &verdict);
        }
        if found < count {
            let text = format!("The service {service} has {found} of {count} containers.");
            tally.bad.get_or_insert(text);
        }
    }
    tally
}

// ---- The end ------------------------------------------------------------------------------------

fn settle(order: &Order, seen: &Observation, journal: &Journal) -> Turn {
    if let Some(other) = find_other_image(order, seen, journal) {
        return fail(order, seen, journal, &Reason::new(Code::read("hosts.up"), other));
    }
    let wanted: String = order.wanted.to_string().chars().take(60).collect();
    let text = format!("{} runs {wanted} on this host.", order.lane.service);
    let mut warnings = journal.warnings.clone();
    warnings.extend(find_leftovers(order, seen));
    warnings.extend(find_unplanned(seen, journal));
    Turn::End(Box::new(Report::done(text, Some(journal.before.clone()), warnings)))
}

/// A target that does not run what was ordered.
fn find_other_image(order: &Order, seen: &Observation, journal: &Journal) -> Option<String> {
    let (_, image) = find_candidate(order, seen)?;
    let other = seen.project_containers().find(|it| {
        let is_target = it.service.as_ref().is_some_and(|it| journal.targets.contains_key(it));
        is_target && it.image != image.id
    })?;
    Some(format!("{} runs {} instead of {}.", other.name, other.reference, order.wanted))
}

/// Removes the service's containers, and the pin after them.
fn stop(order: &Order, seen: &Observation, journal: &Journal) -> Turn {
    let services = seen.services_of(&order.repository);
    let own = seen.project_containers();
    let ids: Vec<String> = own
        .filter(|it| it.service.as_ref().is_some_and(|it| services.contains(it)))
        .map(|it| it.id.clone())
        .collect();
    if !ids.is_empty() {
        return Turn::Act(Step::RemoveContainers(ids), None);
    }
    let images = merge_pin(seen, &order.repository, &BTreeMap::new());
    if seen.pin.is_some() && seen.pin.as_ref() != Some(&images)
        || images.is_empty() && seen.pin.is_some()
    {
        let files = journal.files.clone();
        let restore = Step::RestoreFiles { images, files, snapshot: journal.snapshot };
        return Turn::Act(restore, None);
    }
    let text = format!("Nothing of {} runs on this host.", order.lane.service);
    let before = Some(journal.before.clone());
    Turn::End(Box::new(Report::done(text, before, journal.warnings.clone())))
}

/// Turns back, or leaves what was done, as the order says.
///
/// An engine that does not answer says nothing about the release: the order is carried on when it
/// is given again.
fn fail(order: &Order, seen: &Observation, journal: &Journal, reason: &Reason) -> Turn {
    if reason.code.as_str() == "hosts.docker" {
        return Turn::End(Box::new(Report {
            is_final: false,
            ..report_failure(journal, reason, Restored::No)
        }));
    }
    if journal.phase.goes_back() {
        return report_restore(order, journal, Some(reason));
    }
    if order.on_failure == OnHostFailure::Restore && journal.phase != Phase::Stopping {
        let then = journal.turning_back(reason.clone(), seen.now);
        return Turn::Act(Step::Wait(Duration::ZERO), Some(Box::new(then)));
    }
    Turn::End(Box::new(report_failure(journal, reason, Restored::No)))
}

pub(super) fn report_failure(journal: &Journal, reason: &Reason, restored: Restored) -> Report {
    Report {
        reason: reason.clone(),
        before: Some(journal.before.clone()),
        restored,
        changed: true,
        is_activated: false,
        is_final: true,
        warnings: journal.warnings.clone(),
    }
}

/// The containers that a lane's next look will count, for what is kept after a success.
pub(super) fn containers_after(order: &Order, seen: &Observation) -> BTreeSet<String> {
    containers_of(seen, &order.repository).iter().map(|it| it.id.clone()).collect()
}
