//! What a person should know of once an activation has ended well.

use super::journal::Journal;
use super::order::Order;
use super::project::{Container, Observation};
use super::running::is_gone;

/// What is left as it is, and a person should know of.
pub(super) fn find_leftovers(order: &Order, seen: &Observation) -> Vec<String> {
    let services = seen.services_of(&order.repository);
    let own = seen.project_containers();
    let own: Vec<&Container> =
        own.filter(|it| it.service.as_ref().is_some_and(|it| services.contains(it))).collect();
    let gone = own.iter().filter(|it| is_gone(it, seen, &order.repository)).map(|it| {
        format!("{} is no longer in the Compose files, but its container is still there.", it.name)
    });
    let ended = !own.is_empty() && !own.iter().any(|it| it.state.is_up());
    let ended = ended.then(|| "Every container of this service has ended.".to_owned());
    gone.chain(ended).collect()
}

/// Containers that were made while the order ran, of services that its plan leaves alone.
///
/// Compose is told by name what to change, and its dry run is no way to know more before: with
/// `--detach` it changes what runs (docker/compose#14029). So what it did is compared with the
/// plan.
pub(super) fn find_unplanned(seen: &Observation, journal: &Journal) -> Vec<String> {
    let known = seen.kept.snapshots.get(&journal.snapshot).map(|it| &it.known);
    let is_known = |it: &Container| known.is_some_and(|ids| ids.contains(&it.id));
    let is_planned = |it: &Container| {
        let name = it.service.as_ref();
        let mut others = journal.dependencies.iter().chain(&journal.sharers);
        name.is_some_and(|it| journal.targets.contains_key(it) || others.any(|other| other == it))
    };
    let made = seen.project_containers().filter(|it| it.created_at >= journal.began);
    let unplanned = made.filter(|it| !is_known(it) && !is_planned(it));
    let tell = |it: &Container| {
        format!(
            "{} was made while this order ran, which its plan leaves alone: see who did it.",
            it.name
        )
    };
    unplanned.map(tell).collect()
}
