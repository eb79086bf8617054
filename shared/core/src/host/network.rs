//! Networks and volumes: what must be there, and what must not be made again under others.

use std::collections::BTreeMap;

use super::definition::{
    Definition, MountDefinition, NetworkDefinition, ServiceDefinition, VolumeDefinition,
};
use super::plan::Plan;
use super::project::{Container, Network, Observation, Volume};
use super::report::Refusal;

/// Refuses what is missing, and what Compose could only change by taking it away from containers
/// that stay.
pub(super) fn check_networks(
    definition: &Definition,
    seen: &Observation,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let made = |plan: &Plan| -> Vec<&ServiceDefinition> {
        let names = plan.made().chain(&plan.once);
        names.filter_map(|it| definition.services.get(it)).collect()
    };
    for (key, network) in &definition.networks {
        if made(plan).iter().any(|it| it.networks.contains(key)) {
            check_network(key, network, seen, plan)?;
        }
    }
    for (key, volume) in &definition.volumes {
        let uses = |it: &MountDefinition| it.source.as_ref() == Some(&volume.name);
        if made(plan).iter().any(|it| it.mounts.iter().any(uses)) {
            check_volume(key, volume, seen)?;
        }
    }
    Ok(())
}

fn check_network(
    key: &str,
    wanted: &NetworkDefinition,
    seen: &Observation,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let Some(there) = seen.networks.get(&wanted.name) else {
        if wanted.is_external {
            let name = &wanted.name;
            let text = format!(
                "The network {name} is external and does not exist: docker network create {name}."
            );
            return Err(Refusal::new("hosts.compose", text));
        }
        return Ok(());
    };
    let Some(change) = find_network_change(wanted, there).filter(|_| !wanted.is_external) else {
        return Ok(());
    };
    // What runs once does so while everything else is still there.
    let is_first = !plan.once.is_empty();
    let stays = |it: &&Container| {
        let is_on = it.networks.contains(&wanted.name) && it.state.is_up();
        is_on && (is_first || !plan.replaces(it, &seen.files.project))
    };
    if let Some(holder) = seen.containers.iter().find(stays) {
        let text = format!(
            "The Compose files change the network {key} ({change}), and {} is on it: a network can \
             only be made again without containers. Take them down by hand (docker compose down, \
             then up), or undo the change.",
            holder.name
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    plan.warnings.push(format!("The Compose files change the network {key} ({change})."));
    Ok(())
}

/// What differs, in a few words; nothing where all that the files say is so.
fn find_network_change(wanted: &NetworkDefinition, there: &Network) -> Option<String> {
    if let Some(driver) = wanted.driver.as_ref().filter(|it| **it != there.driver) {
        return Some(format!("its driver was {} and becomes {driver}", there.driver));
    }
    if wanted.is_internal != there.is_internal {
        return Some("whether it is internal".to_owned());
    }
    if !wanted.subnets.is_empty() && wanted.subnets != there.subnets {
        return Some("its subnets".to_owned());
    }
    find_option_change(&wanted.options, &there.options)
}

/// Options that the engine sets by itself say nothing about the files.
fn find_option_change(
    wanted: &BTreeMap<String, String>,
    there: &BTreeMap<String, String>,
) -> Option<String> {
    let own = |key: &&String| {
        !key.starts_with("com.docker.network.enable_ip") && !key.ends_with(".vxlanid_list")
    };
    let keys = wanted.keys().chain(there.keys());
    let changed = keys.filter(own).find(|key| wanted.get(*key) != there.get(*key));
    changed.map(|key| format!("its option {key}"))
}

fn check_volume(key: &str, wanted: &VolumeDefinition, seen: &Observation) -> Result<(), Refusal> {
    let Some(there) = seen.volumes.get(&wanted.name) else {
        if wanted.is_external {
            let name = &wanted.name;
            let text = format!(
                "The volume {name} is external and does not exist: docker volume create {name}."
            );
            return Err(Refusal::new("hosts.compose", text));
        }
        return Ok(());
    };
    if wanted.is_external {
        return Ok(());
    }
    if let Some(change) = find_volume_change(wanted, there) {
        let text = format!(
            "The Compose files change the volume {key} ({change}), which holds data: undo the \
             change, or give the volume another name."
        );
        return Err(Refusal::new("hosts.compose", text));
    }
    Ok(())
}

fn find_volume_change(wanted: &VolumeDefinition, there: &Volume) -> Option<String> {
    if let Some(driver) = wanted.driver.as_ref().filter(|it| **it != there.driver) {
        return Some(format!("its driver was {} and becomes {driver}", there.driver));
    }
    find_option_change(&wanted.options, &there.options)
}
