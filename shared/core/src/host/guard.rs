//! What the files would now give against what runs: a difference that nobody's edit explains means
//! that the containers were started with something that is not in the files.

use std::collections::BTreeSet;

use super::definition::{Definition, MountDefinition, Port, ServiceDefinition};
use super::files::has_shipped;
use super::order::Order;
use super::plan::Plan;
use super::project::{Container, Image, Mount, Observation};
use super::report::Refusal;
use super::takeover::check_takeover;

/// Refuses differences that no edit explains, and tells of mounts that an edit takes away.
///
/// Containers that Esclusa made came from the files, so whatever differs since is an edit.
pub(super) fn check_unexplained(
    order: &Order,
    definition: &Definition,
    seen: &Observation,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    if has_shipped(&seen.files.listed) {
        return check_takeover(order, definition, seen, plan);
    }
    let made = seen.kept.finished.as_ref().map(|it| &it.containers);
    let is_ours = |it: &Container| made.is_some_and(|ids| ids.contains(&it.id));
    for container in seen.project_containers().filter(|it| it.state.is_up()) {
        let name = container.service.as_deref().unwrap_or_default();
        let Some(service) = definition.services.get(name) else { continue };
        if !plan.targets.contains_key(name) {
            continue;
        }
        let was_edited = is_ours(container) || seen.edited_at > Some(container.created_at);
        let lost = find_lost_mount(service, container);
        if was_edited {
            plan.warnings.extend(lost.map(|it| {
                format!("{} {it}: the edited Compose files no longer give it.", container.name)
            }));
            continue;
        }
        let image = seen.images.get(&container.image);
        if let Some(difference) = lost.or_else(|| find_difference(service, container, image)) {
            return Err(refuse(container, &difference, seen));
        }
    }
    Ok(())
}

/// Services of other images that run otherwise than the files say. They are the team's: what
/// changed in their files is told, not done.
pub(super) fn find_edited_others(
    definition: &Definition,
    seen: &Observation,
    plan: &Plan,
) -> BTreeSet<String> {
    let mut edited = BTreeSet::new();
    for container in seen.project_containers().filter(|it| it.state.is_up()) {
        let name = container.service.as_deref().unwrap_or_default();
        let Some(service) = definition.services.get(name) else { continue };
        let is_touched = plan.pinned.contains(name) || plan.sharers.iter().any(|it| it == name);
        let image = seen.images.get(&container.image);
        let differs = || {
            find_lost_mount(service, container).is_some()
                || find_difference(service, container, image).is_some()
                || (!service.image.is_empty() && service.image != container.reference)
        };
        if !is_touched && differs() {
            edited.insert(name.to_owned());
        }
    }
    edited
}

fn refuse(container: &Container, difference: &str, seen: &Observation) -> Refusal {
    let directory = seen.directories.iter().next().map_or("", String::as_str);
    Refusal::new(
        "hosts.compose",
        format!(
            "{} {difference}, which the Compose files in {directory} do not give: it was started \
             with other files or variables. Write them into the files or into .env, or start it \
             from them once (docker compose up -d).",
            container.name
        ),
    )
}

/// A mount of data that would be lost or go elsewhere.
pub(super) fn find_lost_mount(
    service: &ServiceDefinition,
    container: &Container,
) -> Option<String> {
    let borrowed = !service.shares_with.is_empty();
    let named = |it: &&Mount| it.holds_data && !it.is_anonymous && !borrowed;
    let given = |it: &Mount, wanted: &MountDefinition| {
        let same_source = |source: &String| trim(source) == trim(&it.source);
        trim(&wanted.target) == trim(&it.target) && wanted.source.as_ref().is_none_or(same_source)
    };
    let mounts = container.mounts.iter().filter(named);
    let lost = mounts
        .filter(|it| !service.mounts.iter().any(|wanted| given(it, wanted)))
        .min_by(|one, other| one.target.cmp(&other.target))?;
    Some(format!("has {} at {}", lost.source, lost.target))
}

fn trim(path: &str) -> &str {
    if path.len() > 1 { path.trim_end_matches('/') } else { path }
}

/// Anything else that the files say otherwise, in a few words, without a value.
pub(super) fn find_difference(
    service: &ServiceDefinition,
    container: &Container,
    image: Option<&Image>,
) -> Option<String> {
    find_variable(service, container, image)
        .map(|name| format!("has another value of the variable {name}"))
        .or_else(|| {
            runs_otherwise(service, container, image).then(|| "has another command".to_owned())
        })
        .or_else(|| find_port(service, container).map(|port| format!("publishes port {port}")))
}

/// A variable whose value in the container is not what the files or the image would give.
fn find_variable(
    service: &ServiceDefinition,
    container: &Container,
    image: Option<&Image>,
) -> Option<String> {
    let has = |name: &String| container.environment.get(name);
    let given = service.environment.iter();
    let other = given.clone().find(|(name, value)| has(name) != Some(*value)).map(|(name, _)| name);
    let of_image = |name: &String| image.is_none_or(|it| it.environment.get(name) == has(name));
    // The engine's client may hand every container the proxies that it was configured with.
    let is_proxy = |name: &String| name.to_lowercase().ends_with("_proxy");
    let mut extra = container.environment.keys().filter(|it| !is_proxy(it));
    other
        .or_else(|| extra.find(|name| !service.environment.contains_key(*name) && !of_image(name)))
        .cloned()
}

fn runs_otherwise(
    service: &ServiceDefinition,
    container: &Container,
    image: Option<&Image>,
) -> bool {
    let Some(image) = image else { return false };
    let entrypoint = service.entrypoint.as_ref().unwrap_or(&image.runs.entrypoint);
    let none = Vec::new();
    let of_image = if service.entrypoint.is_some() { &none } else { &image.runs.command };
    let command = service.command.as_ref().unwrap_or(of_image);
    (entrypoint, command) != (&container.runs.entrypoint, &container.runs.command)
}

/// A port that is published otherwise than the files say. Ranges and ports of the engine's choice
/// are given by the container's port alone.
fn find_port(service: &ServiceDefinition, container: &Container) -> Option<String> {
    let is_given = |held: &Port| service.ports.iter().any(|given| gives(given, held));
    let is_held = |given: &Port| container.ports.iter().any(|held| gives(given, held));
    if let Some(extra) = container.ports.iter().find(|it| !is_given(it)) {
        return Some(describe_port(extra));
    }
    let missing = service.ports.iter().find(|it| !is_held(it))?;
    Some(format!("not {}", describe_port(missing)))
}

fn gives(given: &Port, held: &Port) -> bool {
    let published = given.published == 0 || given.published == held.published;
    let same = given.target == held.target && given.protocol == held.protocol;
    same && published && everywhere(&given.address) == everywhere(&held.address)
}

/// All addresses have several names; this is the shortest.
fn everywhere(address: &str) -> &str {
    if matches!(address, "0.0.0.0" | "::") { "" } else { address }
}

fn describe_port(port: &Port) -> String {
    match everywhere(&port.address) {
        "" => format!("{}:{}", port.published, port.target),
        address => format!("{address}:{}:{}", port.published, port.target),
    }
}
