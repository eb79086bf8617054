//! What a host runs, for a lane that asks.

use super::definition::ServiceDefinition;
use super::health::{Tally, Verdict, Watch, is_job, judge_container};
use super::order::Order;
use super::project::{Container, Observation};
use super::running::{containers_of, is_service_gone, running_of};
use crate::release::Running;

/// What an inspection found.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What runs, in one word.
    pub running: Running,
    /// How it is.
    pub tally: Tally,
    /// Whether every container that runs has a healthcheck.
    pub has_healthcheck: bool,
    /// Names of containers that are not well.
    pub unwell: Vec<String>,
}

/// Looks at the containers of a service.
///
/// A service that is to run and has no container is not well: absence passes no check.
#[must_use]
pub fn inspect(order: &Order, seen: &Observation) -> Inspection {
    let watch = Watch::glance(seen.now);
    let own = containers_of(seen, &order.repository);
    let mut tally = Tally::default();
    let mut unwell = Vec::new();
    for container in &own {
        let verdict = judge_container(container, is_job(container, seen), &watch);
        if verdict != Verdict::Well {
            unwell.push(container.name.clone());
        }
        tally.count(&container.name, &verdict);
    }
    if let Some(text) = find_absent(order, seen, &own) {
        tally.bad.get_or_insert(text);
    }
    Inspection {
        running: running_of(seen, &order.repository),
        has_healthcheck: !own.is_empty() && own.iter().all(|it| it.patience.is_some()),
        tally,
        unwell,
    }
}

/// A service that the last activation left running, and that has fewer containers now; without one,
/// an active service without any container beside others that have some. A job that others wait for
/// has done its work: people prune what has ended.
fn find_absent(order: &Order, seen: &Observation, own: &[&Container]) -> Option<String> {
    let count = |name: &str| own.iter().filter(|it| it.service.as_deref() == Some(name)).count();
    let is_awaited =
        |name: &str| seen.definition.as_ref().is_ok_and(|it| it.is_awaited_to_complete(name));
    if let Some(finished) = seen.kept.finished.as_ref().filter(|it| !it.targets.is_empty()) {
        // What was taken out of the files since is told of, and not missed.
        let is_there =
            |name: &String| !is_service_gone(name, seen, &order.repository) && !is_awaited(name);
        let mut targets = finished.targets.iter().filter(|(name, _)| is_there(name));
        return targets.find_map(|(name, wanted)| {
            let (found, wanted) = (count(name), usize::try_from(*wanted).unwrap_or(usize::MAX));
            let text = || format!("The service {name} has {found} of {wanted} containers.");
            (found < wanted).then(text)
        });
    }
    let definition = seen.definition.as_ref().ok().filter(|_| !own.is_empty())?;
    let mut active = definition.services_of(&order.repository);
    let is_due = |it: &ServiceDefinition| it.is_active && it.replicas > 0 && !it.runs_once();
    let absent = active.find(|(name, it)| is_due(it) && count(name) == 0 && !is_awaited(name));
    absent.map(|(name, _)| format!("The service {name} has no container."))
}
