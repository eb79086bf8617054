//! The whole of an activation, worked out before anything changes.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{Definition, Port, ServiceDefinition, tag_of};
use super::guard::{check_unexplained, find_edited_others};
use super::network::check_networks;
use super::order::Order;
use super::project::{Container, Observation};
use super::report::Refusal;

/// What an activation will do, and what it needs for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many containers of each service of the repository are to run.
    pub targets: BTreeMap<String, u32>,
    /// Every service of the repository: all of them are pinned.
    pub pinned: BTreeSet<String>,
    /// Services of other images that targets depend on and that were never made here, in their order.
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
    choose_targets(order, seen, definition, &mut plan)?;
    check_one_release(order, definition, &plan)?;
    add_others(definition, seen, &mut plan);
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

/// The same image elsewhere, which would go on running beside what is rolled out here.
#[must_use]
pub fn find_elsewhere(order: &Order, seen: &Observation) -> Option<Refusal> {
    check_elsewhere(order, seen, &mut Plan::default()).err()
}

fn check_elsewhere(order: &Order, seen: &Observation, plan: &mut Plan) -> Result<(), Refusal> {
    let project = &seen.files.project;
    let up = seen.containers.iter().filter(|it| it.state.is_up() && !it.is_one_off);
    for container in up {
        let here = container.is_started_in(&seen.directories);
        let uses = container.uses(&order.repository);
        match &container.project {
            None if uses => plan.warnings.push(format!(
                "{} runs this image outside of Compose: it stays as it is.",
                container.name
            )),
            Some(other) if (uses && !here) || (other != project && here) => {
                let at = container.directory.as_deref().unwrap_or("an unknown directory");
                let directory = seen.directories.iter().next().map_or("", String::as_str);
                let other = container.project.as_deref().unwrap_or_default();
                return Err(Refusal::new(
                    "hosts.compose",
                    format!(
                        "{} runs in the Compose project {other} of {at}, not in {project} of \
                         {directory}: stop it there, or move its files to {directory} and name its \
                         project in COMPOSE_PROJECT_NAME of .env.",
                        container.name
                    ),
                ));
            }
            None | Some(_) => {}
        }
    }
    Ok(())
}

fn choose_targets(
    order: &Order,
    seen: &Observation,
    definition: &Definition,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    for (name, service) in definition.services_of(&order.repository) {
        plan.pinned.insert(name.clone());
        let own: Vec<&Container> = containers_of(seen, name).collect();
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
        let text = format!(
            "No service in {directory} uses the image {}: name it in {file}.",
            order.repository
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    if plan.targets.is_empty() {
        let text = format!(
            "Every service in {directory} that uses {} is behind a profile that is not active, or \
             has no replica.",
            order.repository
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    Ok(())
}

fn containers_of<'a>(
    seen: &'a Observation,
    service: &'a str,
) -> impl Iterator<Item = &'a Container> {
    seen.project_containers().filter(move |it| it.service.as_deref() == Some(service))
}

/// How many containers a service had before any order: one that was cut off may have left fewer.
fn count_before(name: &str, own: &[&Container], seen: &Observation) -> usize {
    let cut_off = seen.kept.journal.as_ref().and_then(|it| seen.kept.snapshots.get(&it.snapshot));
    cut_off
        .map_or(own.len(), |found| found.containers.iter().filter(|it| it.service == name).count())
}

/// What somebody scaled by hand stays, unless the files were given another number since.
fn choose_replicas(
    name: &str,
    service: &ServiceDefinition,
    own: &[&Container],
    seen: &Observation,
    plan: &mut Plan,
) -> u32 {
    let there = u32::try_from(count_before(name, own, seen)).unwrap_or(u32::MAX);
    let files = service.replicas;
    if there == 0 || there == files {
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
        if plan.targets.contains_key(name) {
            tags.entry(tag_of(&service.image)).or_insert(name);
        }
    }
    let mut named = tags.iter();
    if let (Some((one, first)), Some((other, second))) = (named.next(), named.next()) {
        let text = format!(
            "{first} uses the tag {one} of {}, and {second} uses {other}: one release cannot be both. \
             Give them one tag, or images of their own.",
            order.repository
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    Ok(())
}

/// Finds the services of other images that this activation concerns.
fn add_others(definition: &Definition, seen: &Observation, plan: &mut Plan) {
    for target in plan.targets.keys().cloned().collect::<Vec<_>>() {
        add_dependencies(&target, definition, seen, plan);
    }
    while let Some(next) = find_sharer(definition, seen, plan) {
        plan.sharers.push(next);
    }
    for (name, service) in &definition.services {
        let restarted = service
            .dependencies
            .iter()
            .any(|(on, how)| how.restarts && plan.targets.contains_key(on));
        let concerned = plan.targets.contains_key(name) || plan.sharers.contains(name);
        let up = containers_of(seen, name).any(|it| it.state.is_up());
        if restarted && !concerned && up {
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
fn add_dependencies(name: &str, definition: &Definition, seen: &Observation, plan: &mut Plan) {
    let Some(service) = definition.services.get(name) else { return };
    for on in service.dependencies.keys() {
        let Some(other) = definition.services.get(on) else { continue };
        let known = plan.pinned.contains(on) || plan.dependencies.contains(on);
        let exists = containers_of(seen, on).next().is_some();
        if known || exists || !other.is_active || other.replicas == 0 {
            continue;
        }
        add_dependencies(on, definition, seen, plan);
        if !plan.dependencies.contains(on) {
            plan.dependencies.push(on.clone());
        }
    }
}

/// A service of another image that uses the network, processes or volumes of one that is made again.
fn find_sharer(definition: &Definition, seen: &Observation, plan: &Plan) -> Option<String> {
    let again = |name: &String| plan.targets.contains_key(name) || plan.sharers.contains(name);
    let (name, _) = definition.services.iter().find(|(name, service)| {
        let exists = containers_of(seen, name).next().is_some();
        let is_other = !plan.pinned.contains(*name) && !again(name);
        let shares = service.shares_with.iter().any(again);
        is_other && shares && (exists || service.is_active)
    })?;
    Some(name.clone())
}

/// Every container that is made has its name to itself.
fn check_names(definition: &Definition, seen: &Observation, plan: &Plan) -> Result<(), Refusal> {
    for (name, count) in &plan.targets {
        let own = definition.services.get(name).and_then(|it| it.container_name.as_ref());
        if let (Some(own), 2..) = (own, count) {
            let text = format!(
                "{name} is to run {count} containers, and container_name gives all of them the name \
                 {own}: take container_name out of the Compose file."
            );
            return Err(Refusal::new("hosts.compose", text));
        }
        let default = format!("{}-{name}-1", seen.files.project);
        let wanted = own.unwrap_or(&default);
        let foreign = |it: &&Container| {
            let same = it.is_of(&seen.files.project) && it.service.as_ref() == Some(name);
            it.name == *wanted && !same
        };
        if let Some(holder) = seen.containers.iter().find(foreign) {
            let whose = holder.project.as_deref().map_or_else(
                || "was made outside of Compose".to_owned(),
                |project| format!("belongs to the Compose project {project}"),
            );
            let text = format!(
                "The name {wanted} of {name} is taken by a container that {whose}: remove or rename \
                 that one (docker rename {wanted} {wanted}-old)."
            );
            return Err(Refusal::new("hosts.compose", text));
        }
    }
    Ok(())
}

/// No container that stays holds a port that a target publishes.
fn check_ports(definition: &Definition, seen: &Observation, plan: &Plan) -> Result<(), Refusal> {
    let goes = |it: &Container| {
        let service = it.service.as_deref().unwrap_or_default();
        let again =
            plan.targets.contains_key(service) || plan.sharers.iter().any(|name| name == service);
        it.is_of(&seen.files.project) && again
    };
    for name in plan.targets.keys() {
        let ports = definition.services.get(name).map(|it| &it.ports);
        for port in ports.into_iter().flatten().filter(|it| it.published > 0) {
            let holds = |it: &&Container| {
                it.state.is_up() && !goes(it) && it.ports.iter().any(|held| port.collides(held))
            };
            if let Some(holder) = seen.containers.iter().find(holds) {
                let text = format!(
                    "Port {}/{} of {name} is already allocated: the container {} publishes it.",
                    port.published, port.protocol, holder.name
                );
                return Err(Refusal::new("hosts.compose", text));
            }
        }
    }
    Ok(())
}

impl Port {
    /// Whether one of the two keeps the other from being published.
    fn collides(&self, other: &Self) -> bool {
        let everywhere = |it: &str| matches!(it, "" | "0.0.0.0" | "::");
        let same = self.address == other.address
            || everywhere(&self.address)
            || everywhere(&other.address);
        self.published == other.published && self.protocol == other.protocol && same
    }
}
