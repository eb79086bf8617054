//! The whole of an activation, worked out before anything changes.

use std::collections::{BTreeMap, BTreeSet};

use super::conflict::{check_elsewhere, check_names, check_ports};
use super::definition::{Definition, ONCE, RUN_LABEL, ServiceDefinition, repository_of, tag_of};
use super::files::is_shipped;
use super::guard::{check_unexplained, find_edited_others};
use super::network::check_networks;
use super::order::{Mode, Order};
use super::project::{Container, Observation};
use super::report::Refusal;

/// What an activation will do, and what it needs for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many containers of each service of the repository are to run.
    pub targets: BTreeMap<String, u32>,
    /// Services of the repository that run once for a release, what others of them wait for first.
    /// They are no targets.
    pub once: Vec<String>,
    /// Every service of the repository: all of them are pinned.
    pub pinned: BTreeSet<String>,
    /// Services of other images that targets depend on and that were never made here, in their
    /// order.
    pub dependencies: Vec<String>,
    /// Services of other images that share something with a target, and are made again with it.
    pub sharers: Vec<String>,
    /// Services of other images that Compose restarts when a target was changed.
    pub restarts: Vec<String>,
    /// Images that the services of other images need.
    pub images: BTreeSet<String>,
    /// How many containers the files ask for, by service of the repository.
    pub replicas_of_files: BTreeMap<String, u32>,
    /// Sentences for a person.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Every service of which containers are made.
    pub(super) fn made(&self) -> impl Iterator<Item = &String> {
        self.targets.keys().chain(&self.sharers).chain(&self.dependencies)
    }

    /// Whether a container is put out of the way by this plan: another takes its place.
    pub(super) fn replaces(&self, container: &Container, project: &str) -> bool {
        let is_made_again =
            |name: &String| self.targets.contains_key(name) || self.sharers.contains(name);
        container.is_of(project) && container.service.as_ref().is_some_and(is_made_again)
    }
}

/// Plans an activation.
///
/// # Errors
///
/// Everything that is known to stop it, one sentence each: nothing has been changed by then.
pub fn plan_activation(order: &Order, seen: &Observation) -> Result<Plan, Refusal> {
    let definition = match &seen.definition {
        Ok(definition) => definition,
        Err(problem) => return Err(Refusal::new("hosts.compose", &problem.text)),
    };
    let mut plan = Plan::default();
    check_elsewhere(order, seen, &mut plan)?;
    check_run_labels(order, definition)?;
    choose_targets(order, seen, definition, &mut plan)?;
    plan.once = order_once(order, definition);
    warn_of_serving(seen, &mut plan);
    check_one_release(order, definition, &plan)?;
    add_others(order, definition, seen, &mut plan);
    check_names(definition, seen, &plan)?;
    check_ports(definition, seen, &plan)?;
    check_networks(definition, seen, &mut plan)?;
    check_unexplained(order, definition, seen, &mut plan)?;
    let edited = find_edited_others(definition, seen, &plan);
    plan.warnings.extend(edited.into_iter().map(|name| {
        format!("The Compose files changed {name} too: docker compose up -d {name} applies that.")
    }));
    Ok(plan)
}

fn choose_targets(
    order: &Order,
    seen: &Observation,
    definition: &Definition,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    for (name, service) in definition.services_of(&order.repository) {
        plan.pinned.insert(name.clone());
        if service.runs_once() {
            continue;
        }
        let own: Vec<&Container> = seen.containers_of_service(name).collect();
        let runs = own.iter().any(|it| it.state.is_up());
        if service.is_active || runs {
            let count = choose_replicas(name, service, &own, seen, plan);
            plan.replicas_of_files.insert(name.clone(), service.replicas);
            if count > 0 {
                plan.targets.insert(name.clone(), count);
            }
        }
    }
    let directory = seen.directories.iter().next().map_or("", String::as_str);
    if plan.pinned.is_empty() {
        let file = seen.files.listed.first().map_or("the Compose file", String::as_str);
        let text = if is_shipped(file) {
            format!(
                "No service in the Compose file that the image brings uses the image {}: name it \
                 there (image:), in the service's repository.",
                order.repository
            )
        } else {
            format!(
                "No service in {directory} uses the image {}: name it in {file}.",
                order.repository
            )
        };
        return Err(Refusal::new("hosts.compose", text));
    }
    if plan.targets.is_empty() {
        let text = format!(
            "Every service in {directory} that uses {} is behind a profile that is not active, has \
             no replica, or runs once.",
            order.repository
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    Ok(())
}

/// How many containers a service has, and how many of them are up. An order that was cut off may
/// have left fewer than it found.
fn count_replicas(name: &str, own: &[&Container], seen: &Observation) -> (u32, u32) {
    let cut_off = seen.kept.journal.as_ref().and_then(|it| seen.kept.snapshots.get(&it.snapshot));
    let are_up: Vec<bool> = match cut_off {
        Some(found) => {
            let found = found.containers.iter().filter(|it| it.service == *name);
            found.map(|it| it.was_up).collect()
        }
        None => own.iter().map(|it| it.state.is_up()).collect(),
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (count(are_up.len()), count(are_up.iter().filter(|is_up| **is_up).count()))
}

/// What somebody scaled by hand stays, unless the files were given another number since.
fn choose_replicas(
    name: &str,
    service: &ServiceDefinition,
    own: &[&Container],
    seen: &Observation,
    plan: &mut Plan,
) -> u32 {
    let (there, up) = count_replicas(name, own, seen);
    let files = service.replicas;
    if there == 0 || there == files || up == files {
        return files;
    }
    let recorded = seen.kept.finished.as_ref().and_then(|it| it.replicas_of_files.get(name));
    let newest = own.iter().map(|it| it.created_at).max();
    let was_edited = match recorded {
        Some(before) => *before != files,
        None => service.replicas_are_given && seen.edited_at > newest,
    };
    if was_edited {
        return files;
    }
    let text = format!(
        "{name} runs {there} containers, and the Compose files say {files}: {there} are kept."
    );
    plan.warnings.push(text);
    there
}

/// One release cannot be two images.
fn check_one_release(order: &Order, definition: &Definition, plan: &Plan) -> Result<(), Refusal> {
    let mut tags: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, service) in definition.services_of(&order.repository) {
        if plan.targets.contains_key(name) || plan.once.contains(name) {
            tags.entry(tag_of(&service.image)).or_insert(name);
        }
    }
    let mut named = tags.iter();
    if let (Some((one, first)), Some((other, second))) = (named.next(), named.next()) {
        let text = format!(
            "{first} uses the tag {one} of {}, and {second} uses {other}: one release cannot be \
             both. Give them one tag, or images of their own.",
            order.repository
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    Ok(())
}

/// A label that would be taken for nothing is refused: what should run once would serve instead.
fn check_run_labels(order: &Order, definition: &Definition) -> Result<(), Refusal> {
    if let Some(complaint) = &definition.hides_once {
        let text = format!(
            "The Compose files name {RUN_LABEL}, and their services behind profiles cannot be \
             read: {complaint}"
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    for (name, service) in &definition.services {
        let Some(label) = &service.run_label else { continue };
        if !service.runs_once() {
            let word: String = label.chars().filter(|it| !it.is_control()).take(60).collect();
            let text =
                format!("{name} has the label {RUN_LABEL}=\"{word}\": it can be \"{ONCE}\".");
            return Err(Refusal::new("hosts.compose", text));
        }
        if repository_of(&service.image) != order.repository {
            let text = format!(
                "{name} has the label {RUN_LABEL}, and its image is not {}: only the service's own \
                 image runs once for a release.",
                order.repository
            );
            return Err(Refusal::new("hosts.compose", text));
        }
    }
    Ok(())
}

/// What served and is to run once from now on is not stopped by anybody.
fn warn_of_serving(seen: &Observation, plan: &mut Plan) {
    for name in &plan.once {
        if let Some(container) = seen.containers_of_service(name).find(|it| it.state.is_up()) {
            let container = &container.name;
            plan.warnings.push(format!(
                "{name} runs once from now on, and {container} of it still runs: docker compose rm \
                 --stop {name} removes it."
            ));
        }
    }
}

/// What runs once, each after those that it waits for. Profiles say when people bring it up, and
/// nothing of this.
fn order_once(order: &Order, definition: &Definition) -> Vec<String> {
    let own = definition.services_of(&order.repository).filter(|(_, it)| it.runs_once());
    let mut left: Vec<&String> = own.map(|(name, _)| name).collect();
    let mut ordered: Vec<String> = Vec::new();
    while !left.is_empty() {
        let waits = |name: &&String| {
            let on = definition.services.get(*name).map(|it| &it.dependencies);
            on.into_iter().flat_map(BTreeMap::keys).any(|it| left.contains(&it))
        };
        // Compose refuses files in which services wait for each other.
        let next = left.iter().position(|it| !waits(it)).unwrap_or_default();
        ordered.push(left.remove(next).clone());
    }
    ordered
}

/// Finds the services of other images that this activation concerns.
fn add_others(order: &Order, definition: &Definition, seen: &Observation, plan: &mut Plan) {
    let mut visited = BTreeSet::new();
    let made: Vec<String> = match order.mode {
        Mode::Once => plan.once.clone(),
        Mode::Change | Mode::Restart => plan.targets.keys().cloned().collect(),
    };
    for target in made {
        add_dependencies(&target, definition, seen, plan, &mut visited);
    }
    while let Some(next) = find_sharer(definition, seen, plan) {
        plan.sharers.push(next);
    }
    for (name, service) in &definition.services {
        let is_made_again =
            |name: &String| plan.targets.contains_key(name) || plan.sharers.contains(name);
        let mut restarting = service.dependencies.iter().filter(|(_, how)| how.restarts);
        let restarted = restarting.any(|(on, _)| is_made_again(on));
        let up = seen.containers_of_service(name).any(|it| it.state.is_up());
        if restarted && !is_made_again(name) && up {
            plan.restarts.push(name.clone());
        }
    }
    for name in plan.dependencies.iter().chain(&plan.sharers) {
        let image = definition.services.get(name).map_or("", |it| &it.image);
        if !image.is_empty() {
            plan.images.insert(image.to_owned());
        }
    }
}

/// Adds what a service depends on and was never made here, what that depends on first.
fn add_dependencies(
    name: &str,
    definition: &Definition,
    seen: &Observation,
    plan: &mut Plan,
    visited: &mut BTreeSet<String>,
) {
    let Some(service) = definition.services.get(name) else { return };
    for on in service.dependencies.keys() {
        let Some(other) = definition.services.get(on) else { continue };
        let exists = seen.containers_of_service(on).next().is_some();
        let is_off = !other.is_active || other.replicas == 0;
        if plan.pinned.contains(on) || exists || is_off || !visited.insert(on.clone()) {
            continue;
        }
        add_dependencies(on, definition, seen, plan, visited);
        plan.dependencies.push(on.clone());
    }
}

/// A service of another image that uses the network, processes or volumes of one that is made
/// again.
fn find_sharer(definition: &Definition, seen: &Observation, plan: &Plan) -> Option<String> {
    let again = |name: &String| plan.targets.contains_key(name) || plan.sharers.contains(name);
    let (name, _) = definition.services.iter().find(|(name, service)| {
        let exists = seen.containers_of_service(name).next().is_some();
        let is_other = !plan.pinned.contains(*name) && !again(name);
        let shares = service.shares_with.iter().any(again);
        is_other && shares && (exists || service.is_active)
    })?;
    Some(name.clone())
}
