//! The way back: to the containers that a snapshot describes, not to a digest.
//!
//! Old containers are started where they still exist. Where they are gone, the engine makes them
//! again as it had them; only where it no longer knows how, after a reboot, Compose does, from the
//! files and images of the snapshot. What had ended is not run again, and only what was made since
//! is removed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::activate::report_failure;
use super::definition::repository_of;
use super::health::{Tally, Verdict, is_job, judge_container};
use super::image::merge_pin;
use super::journal::{Journal, Phase};
use super::order::Order;
use super::project::{Container, ContainerState, Observation};
use super::report::{Report, Restored};
use super::snapshot::{Snapshot, SnapshotContainer};
use super::step::{Step, Turn};
use crate::reason::{Code, Reason};
use crate::time::Timestamp;

/// What happens next on the way back.
pub(super) fn next_restore_turn(order: &Order, seen: &Observation, journal: &Journal) -> Turn {
    let Some(snapshot) = seen.kept.snapshots.get(&journal.snapshot) else {
        let text = format!("What ran before order {} is not written down here.", journal.snapshot);
        return report_restore(order, journal, Some(&Reason::new(Code::read("hosts.up"), text)));
    };
    if journal.phase == Phase::JudgingRestored {
        return judge_restored(order, seen, journal, snapshot);
    }
    let missing = find_missing(seen, journal, snapshot);
    if let Some(turn) = fetch_image(order, seen, journal, &missing) {
        return turn;
    }
    let is_forgotten = !seen.kept.remembered.contains(&snapshot.source);
    let by_compose = if is_forgotten { missing } else { Vec::new() };
    restore_files(order, seen, journal, snapshot, &by_compose)
        .or_else(|| remove_new(seen, journal, snapshot))
        .or_else(|| bring_back(seen, journal, snapshot, is_forgotten))
        .unwrap_or_else(|| {
            if by_compose.is_empty() {
                let then = journal.entering(Phase::JudgingRestored, seen.now);
                return Turn::Act(Step::Wait(Duration::ZERO), Some(Box::new(then)));
            }
            bring_back_by_compose(seen, journal, snapshot, &by_compose)
        })
}

/// Fetches the image of a container that has to be made again. Where it cannot be had, nothing is
/// removed: what runs is all that there is.
fn fetch_image(
    order: &Order,
    seen: &Observation,
    journal: &Journal,
    missing: &[&SnapshotContainer],
) -> Option<Turn> {
    // Of an order of the scripts that came before, only the reference is known.
    let is_here = |it: &SnapshotContainer| {
        let names = [&it.image, &it.keep_tag, &it.reference, &by_digest(&it.reference)];
        names.iter().any(|name| seen.images.contains_key(*name))
    };
    let lost = missing.iter().find(|it| !is_here(it))?;
    if lost.reference.contains('@') {
        let pull = Step::Pull { reference: by_digest(&lost.reference), bytes: 0 };
        return Some(Turn::Act(pull, None));
    }
    let text = format!(
        "The image of {} ({}) is not on this host any more, and no registry has it.",
        lost.name, lost.reference
    );
    let reason = Reason::new(Code::RELEASE_NOT_IN_REGISTRY, text);
    Some(report_restore(order, journal, Some(&reason)))
}

/// A reference without the tag beside its digest, as orders name images.
fn by_digest(reference: &str) -> String {
    let digest = reference.rsplit_once('@').map(|(_, digest)| digest).unwrap_or_default();
    format!("{}@{digest}", repository_of(reference))
}

/// The pin as it was; where Compose has to make containers again, with the very images that ran.
fn restore_files(
    order: &Order,
    seen: &Observation,
    journal: &Journal,
    snapshot: &Snapshot,
    by_compose: &[&SnapshotContainer],
) -> Option<Turn> {
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    for service in &snapshot.services {
        if let Some(image) = snapshot.pin.get(service) {
            own.insert(service.clone(), image.clone());
        }
    }
    // Only images of the repository have keep tags.
    let name = |it: &SnapshotContainer| {
        let is_kept = seen.images.contains_key(&it.keep_tag);
        if is_kept { it.keep_tag.clone() } else { it.reference.clone() }
    };
    own.extend(by_compose.iter().map(|it| (it.service.clone(), name(it))));
    let mut images = merge_pin(seen, &order.repository, &own);
    images.retain(|service, _| own.contains_key(service) || !snapshot.services.contains(service));
    let is_as_it_was = match &seen.pin {
        None => images.is_empty(),
        Some(pin) => *pin == images && !images.is_empty(),
    };
    if is_as_it_was {
        return None;
    }
    let files = snapshot.files.clone();
    Some(Turn::Act(Step::RestoreFiles { images, files, snapshot: journal.snapshot }, None))
}

/// Removes what was made since the snapshot, and nothing else.
fn remove_new(seen: &Observation, journal: &Journal, snapshot: &Snapshot) -> Option<Turn> {
    let is_made_back = |id: &String| journal.replaced.values().any(|it| it == id);
    let concerned = |it: &Container| {
        it.service.as_ref().is_some_and(|service| {
            snapshot.services.contains(service)
                || journal.targets.contains_key(service)
                || journal.sharers.contains(service)
        })
    };
    let new = seen
        .project_containers()
        .filter(|it| concerned(it) && !snapshot.known.contains(&it.id) && !is_made_back(&it.id));
    let ids: Vec<String> = new.map(|it| it.id.clone()).collect();
    (!ids.is_empty()).then_some(Turn::Act(Step::RemoveContainers(ids), None))
}

/// The container that stands for one of the snapshot: itself, or what was made in its place.
fn find_present<'a>(
    seen: &'a Observation,
    journal: &Journal,
    wanted: &SnapshotContainer,
) -> Option<&'a Container> {
    let replaced = journal.replaced.get(&wanted.id);
    seen.container(replaced.unwrap_or(&wanted.id)).filter(|it| it.state != ContainerState::Dead)
}

fn find_missing<'a>(
    seen: &Observation,
    journal: &Journal,
    snapshot: &'a Snapshot,
) -> Vec<&'a SnapshotContainer> {
    let up = snapshot.to_run().into_iter();
    up.filter(|it| find_present(seen, journal, it).is_none()).collect()
}

/// Brings back one container after the other; those that only Compose can make come last.
fn bring_back(
    seen: &Observation,
    journal: &Journal,
    snapshot: &Snapshot,
    is_forgotten: bool,
) -> Option<Turn> {
    let to_run = snapshot.to_run();
    let step = to_run.into_iter().find_map(|wanted| match find_present(seen, journal, wanted) {
        Some(container) => bring_present_back(seen, journal, snapshot, wanted, container),
        None if is_forgotten => None,
        None => Some(Step::RecreateContainer {
            snapshot: snapshot.source,
            container: Box::new(wanted.clone()),
            replaced: journal.replaced.clone(),
        }),
    })?;
    Some(Turn::Act(step, None))
}

/// What a container lacks that is there. It is started at most once: what ends by itself is judged.
fn bring_present_back(
    seen: &Observation,
    journal: &Journal,
    snapshot: &Snapshot,
    wanted: &SnapshotContainer,
    container: &Container,
) -> Option<Step> {
    let mut owners = snapshot.containers.iter().filter(|it| wanted.shares_with.contains(&it.id));
    let owner_is_other = owners.any(|it| seen.container(&it.id).is_none());
    if owner_is_other && container.id == wanted.id {
        return Some(Step::RemoveContainers(vec![container.id.clone()]));
    }
    if container.name != wanted.name {
        return Some(Step::Rename { id: container.id.clone(), name: wanted.name.clone() });
    }
    if container.started_at >= journal.phase_began {
        return None;
    }
    if !container.state.is_up() {
        return Some(Step::StartContainer(container.id.clone()));
    }
    let is_behind = seen.is_older_than_owner(container);
    is_behind.then(|| Step::RestartContainer(container.id.clone()))
}

/// What only the files still tell how to make.
fn bring_back_by_compose(
    seen: &Observation,
    journal: &Journal,
    snapshot: &Snapshot,
    missing: &[&SnapshotContainer],
) -> Turn {
    let mut services: BTreeMap<String, Option<u32>> = BTreeMap::new();
    for wanted in missing {
        let all = snapshot.containers.iter().filter(|it| it.was_up && it.service == wanted.service);
        services.insert(wanted.service.clone(), u32::try_from(all.count()).ok());
    }
    let files = snapshot.files.clone();
    let mut then = journal.entering(Phase::JudgingRestored, seen.now);
    then.warnings.push(
        "The host was restarted meanwhile: containers were made again from the Compose files as \
         they are now."
            .to_owned(),
    );
    let up = Step::Up { services, recreates: false, keeps_existing: false, files };
    Turn::Act(up, Some(Box::new(then)))
}

/// A container that Compose restarts with what was put back, and that was started before it: it may
/// hold the address of what is gone.
fn find_dependant<'a>(
    seen: &'a Observation,
    journal: &Journal,
    snapshot: &Snapshot,
) -> Option<&'a Container> {
    let definition = seen.definition.as_ref().ok()?;
    let was_put_back = |name: &String, since: Timestamp| {
        seen.containers_of_service(name)
            .any(|it| it.started_at >= journal.began && it.started_at > since)
    };
    seen.project_containers().filter(|it| it.state.is_up()).find(|container| {
        let service = container.service.as_ref().filter(|it| !snapshot.services.contains(*it));
        let service = service.and_then(|it| definition.services.get(it));
        let dependencies = service.into_iter().flat_map(|it| &it.dependencies);
        let mut restarting = dependencies
            .filter(|(on, how)| how.restarts && snapshot.services.contains(*on))
            .map(|(on, _)| on);
        container.started_at < journal.phase_began
            && restarting.any(|on| was_put_back(on, container.started_at))
    })
}

/// Waits until what was put back is as well as it was.
fn judge_restored(
    order: &Order,
    seen: &Observation,
    journal: &Journal,
    snapshot: &Snapshot,
) -> Turn {
    if let Some(dependant) = find_dependant(seen, journal, snapshot) {
        return Turn::Act(Step::RestartContainer(dependant.id.clone()), None);
    }
    let watch = journal.watch(seen.now, order.deadline);
    let mut tally = Tally::default();
    let mut unwell_before = Vec::new();
    for wanted in snapshot.to_run() {
        let same = |it: &&Container| {
            it.service.as_ref() == Some(&wanted.service) && it.number == wanted.number
        };
        let present =
            find_present(seen, journal, wanted).or_else(|| seen.project_containers().find(same));
        let Some(container) = present else {
            tally.bad.get_or_insert_with(|| format!("The container {} is gone.", wanted.name));
            continue;
        };
        match judge_container(container, is_job(container, seen), &watch) {
            Verdict::Well => tally.count(&wanted.name, &Verdict::Well),
            Verdict::Waiting(_) | Verdict::Bad(_) if !wanted.was_well => {
                unwell_before.push(wanted.name.clone());
            }
            other @ (Verdict::Waiting(_) | Verdict::Bad(_)) => tally.count(&wanted.name, &other),
        }
    }
    if let Some(why) = tally.bad {
        let reason = Reason::new(Code::HEALTH_CONTAINER, why);
        return report_restore(order, journal, Some(&reason));
    }
    if tally.waiting.is_some() {
        return Turn::Act(Step::Wait(Duration::from_millis(500)), None);
    }
    let mut journal = journal.clone();
    if !unwell_before.is_empty() {
        let names = unwell_before.join(", ");
        journal.warnings.push(format!("{names} is back, and as unhealthy as before."));
    }
    report_put_back(order, &journal, snapshot.to_run().is_empty())
}

fn report_put_back(order: &Order, journal: &Journal, is_nothing: bool) -> Turn {
    let restored = if is_nothing { Restored::NotNeeded } else { Restored::Yes };
    let text = format!("{} is as it was before order {}.", order.lane.service, journal.snapshot);
    Turn::End(Box::new(match &journal.failure {
        Some(reason) => report_failure(journal, reason, restored),
        None => Report {
            restored,
            is_activated: false,
            ..Report::done(text, Some(journal.before.clone()), journal.warnings.clone())
        },
    }))
}

/// Ends the way back with what did not go well.
pub(super) fn report_restore(order: &Order, journal: &Journal, failure: Option<&Reason>) -> Turn {
    let Some(failure) = failure else { return report_put_back(order, journal, false) };
    let mut journal = journal.clone();
    let reason = match &journal.failure {
        Some(first) => {
            let first = first.clone();
            journal
                .warnings
                .insert(0, format!("What ran before could not be put back: {}", failure.text));
            first
        }
        None => failure.clone(),
    };
    Turn::End(Box::new(report_failure(&journal, &reason, Restored::Failed)))
}
