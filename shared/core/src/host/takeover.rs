//! A Compose file that comes with the image and takes the place of the host's own.
//!
//! What comes with the image was reviewed where it is written. But when it first takes the place of
//! files that lie on the host, nobody has looked at both: then nothing but the release may change.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::definition::{Definition, ServiceDefinition, repository_of};
use super::files::has_shipped;
use super::guard::{find_difference, find_lost_mount};
use super::order::Order;
use super::plan::Plan;
use super::project::{Container, Observation};
use super::report::Refusal;
use crate::configuration::Compose;

/// Refuses a takeover that changes more than the release, unless the configuration says that the
/// image's file counts whatever the host's own said; later it tells of mounts that are taken away.
pub(super) fn check_takeover(
    order: &Order,
    definition: &Definition,
    seen: &Observation,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    if came_with_image(seen) {
        plan.warnings.extend(find_taken_mounts(definition, seen, plan));
        return Ok(());
    }
    let directory = seen.directories.iter().next().map_or("", String::as_str);
    let of_files = seen.differs_from_own.as_ref().map(|key| {
        format!("The Compose file of the image and those in {directory} differ in {key}")
    });
    let difference = of_files.or_else(|| find_changed_container(definition, seen, plan));
    let Some(difference) = difference else { return Ok(()) };
    if order.compose == Compose::Image {
        plan.warnings.push(format!("{difference}; the image's counts, as it is configured."));
        return Ok(());
    }
    let text = format!(
        "{difference}: it would replace the host's own. Make them alike (an override file on the \
         host counts beside both), or have a person store compose = \"host\" or \"image\"."
    );
    Err(Refusal::new("hosts.compose", text))
}

/// Whether the file in use came with an image already.
fn came_with_image(seen: &Observation) -> bool {
    let finished = seen.kept.finished.as_ref();
    finished.is_some_and(|it| has_shipped(&it.files.listed))
}

fn find_taken_mounts(definition: &Definition, seen: &Observation, plan: &Plan) -> Vec<String> {
    let taken = targets(definition, seen, plan).filter_map(|(container, service)| {
        let mount = find_lost_mount(service?, container)?;
        Some(format!("{} {mount}: the image's Compose file no longer gives it.", container.name))
    });
    taken.collect()
}

/// What runs, and is not what the image's file would give: started with other files or variables
/// than those that lie there.
fn find_changed_container(
    definition: &Definition,
    seen: &Observation,
    plan: &Plan,
) -> Option<String> {
    let mut others =
        targets(definition, seen, plan).filter(|(container, _)| !has_shipped(&container.files));
    others.find_map(|(container, service)| {
        let difference = match service {
            None => Some(format!("is of the service {}", name_of(container))),
            Some(service) => find_lost_mount(service, container)
                .or_else(|| find_difference(service, container, seen.images.get(&container.image))),
        };
        let difference = difference?;
        let name = &container.name;
        Some(format!("{name} {difference}, which the image's Compose file does not give"))
    })
}

/// What runs of the services that change, and of those that the file does not have.
fn targets<'a>(
    definition: &'a Definition,
    seen: &'a Observation,
    plan: &'a Plan,
) -> impl Iterator<Item = (&'a Container, Option<&'a ServiceDefinition>)> {
    let running = seen.project_containers().filter(|it| it.state.is_up());
    let described = running.map(|it| (it, definition.services.get(name_of(it))));
    described.filter(|(container, service)| {
        let name = name_of(container);
        let changes = plan.targets.contains_key(name) || plan.sharers.iter().any(|it| it == name);
        changes || service.is_none()
    })
}

fn name_of(container: &Container) -> &str {
    container.service.as_deref().unwrap_or_default()
}

/// The first key in which two projects differ, as Compose resolves both; nothing where only the
/// release of `repository` or the project's name does. No value is told.
#[must_use]
pub fn compare_projects(own: &Value, brought: &Value, repository: &str) -> Option<String> {
    let is_released = |path: &[&str], one: &Value, other: &Value| match path {
        ["name"] => true,
        ["services", _, "image"] => [one, other]
            .iter()
            .all(|it| it.as_str().is_some_and(|it| repository_of(it) == repository)),
        _ => false,
    };
    compare(&mut Vec::new(), own, brought, &is_released)
}

/// What is not there at all is compared as null.
fn compare<'a>(
    path: &mut Vec<&'a str>,
    one: &'a Value,
    other: &'a Value,
    is_released: &impl Fn(&[&str], &Value, &Value) -> bool,
) -> Option<String> {
    if one == other || is_released(path, one, other) {
        return None;
    }
    let (Value::Object(members), Value::Object(others)) = (one, other) else {
        return Some(path.join("."));
    };
    let names: BTreeSet<&String> = members.keys().chain(others.keys()).collect();
    names.into_iter().find_map(|name| {
        path.push(name);
        let of = |members: &'a Map<String, Value>| members.get(name).unwrap_or(&Value::Null);
        let found = compare(path, of(members), of(others), is_released);
        path.pop();
        found
    })
}
