//! What else is on a host that keeps a service from being made: the image elsewhere, its name, its
//! ports.

use super::definition::{Definition, Port};
use super::order::Order;
use super::plan::Plan;
use super::project::{Container, Observation};
use super::report::Refusal;

/// The same image elsewhere, which would go on running beside what is rolled out here.
#[must_use]
pub fn find_elsewhere(order: &Order, seen: &Observation) -> Option<Refusal> {
    check_elsewhere(order, seen, &mut Plan::default()).err()
}

/// The project runs here and nowhere else.
pub(super) fn check_elsewhere(
    order: &Order,
    seen: &Observation,
    plan: &mut Plan,
) -> Result<(), Refusal> {
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

/// Every container that is made has its name to itself.
pub(super) fn check_names(
    definition: &Definition,
    seen: &Observation,
    plan: &Plan,
) -> Result<(), Refusal> {
    for name in plan.made() {
        let own = definition.services.get(name).and_then(|it| it.container_name.as_ref());
        let count = plan.targets.get(name).copied().unwrap_or(1);
        if let (Some(own), 2..) = (own, count) {
            let text = format!(
                "{name} is to run {count} containers, and container_name gives all of them the \
                 name {own}: take container_name out of the Compose file."
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
                "The name {wanted} of {name} is taken by a container that {whose}: remove or \
                 rename that one (docker rename {wanted} {wanted}-old)."
            );
            return Err(Refusal::new("hosts.compose", text));
        }
    }
    Ok(())
}

/// No container that stays holds a port that is to be published, and no two of one service do.
fn check_ports_of(name: &str, port: &Port, seen: &Observation, plan: &Plan) -> Result<(), Refusal> {
    let Port { published, protocol, .. } = port;
    let holds = |it: &&Container| {
        let stays = it.state.is_up() && !plan.replaces(it, &seen.files.project);
        stays && it.ports.iter().any(|held| port.collides(held))
    };
    if let Some(holder) = seen.containers.iter().find(holds) {
        let text = format!(
            "Port {published}/{protocol} of {name} is already allocated: the container {} \
             publishes it.",
            holder.name
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    let count = plan.targets.get(name).copied().unwrap_or(1);
    if count > 1 {
        let text = format!(
            "{name} is to run {count} containers, and only one can publish the port \
             {published}/{protocol}: give it a range of ports, or one container."
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    Ok(())
}

/// Every port that is published can be. Ranges, and ports of the engine's choice, always can.
pub(super) fn check_ports(
    definition: &Definition,
    seen: &Observation,
    plan: &Plan,
) -> Result<(), Refusal> {
    for name in plan.made() {
        let ports = definition.services.get(name).map(|it| &it.ports);
        for port in ports.into_iter().flatten().filter(|it| it.published > 0) {
            check_ports_of(name, port, seen, plan)?;
        }
    }
    Ok(())
}

impl Port {
    /// Whether one of the two keeps the other from being published.
    fn collides(&self, other: &Self) -> bool {
        let covers = |all: &str, one: &str| match all {
            "" | "::" => true,
            "0.0.0.0" => one == "::" || !one.contains(':'),
            _ => all == one,
        };
        let meet = covers(&self.address, &other.address) || covers(&other.address, &self.address);
        self.published == other.published && self.protocol == other.protocol && meet
    }
}
