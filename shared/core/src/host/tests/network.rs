//! Networks and volumes.

use super::super::definition::{NetworkDefinition, VolumeDefinition};
use super::super::plan::plan_activation;
use super::super::project::{ContainerState as State, Observation, Volume};
use super::plan::tell;
use super::world::*;

type Row = (&'static str, Spoil, &'static str);

fn network<'a>(seen: &'a mut Observation, key: &str) -> &'a mut NetworkDefinition {
    files(seen).networks.entry(key.to_owned()).or_default()
}

fn mtu(seen: &mut Observation) {
    network(seen, "default").options = map(&[(MTU, "1400".to_owned())]);
}

const MTU: &str = "com.docker.network.driver.mtu";

/// Adds a network that must be there, which `service` joins.
fn joins_external(seen: &mut Observation, service: &str) {
    *network(seen, "edge") =
        NetworkDefinition { name: "edge".to_owned(), is_external: true, ..Default::default() };
    says(seen, service).networks.insert("edge".to_owned());
}

const NETWORKS: &[Row] = &[
    ("nothing has changed", |_| {}, "web 1"),
    ("a network that is not there is made", |it| it.networks.clear(), "web 1"),
    (
        "G2: an option of a network that another service stays on",
        mtu,
        "refused: The Compose files change the network default (its option \
         com.docker.network.driver.mtu), and shop-db-1 is on it: a network can only be made again \
         without containers. Take them down by hand (docker compose down, then up), or undo the \
         change.",
    ),
    (
        "G2: the option was there and is taken away",
        |it| {
            let there = it.networks.get_mut("shop_default").unwrap();
            there.options = map(&[(MTU, "1400".to_owned())]);
        },
        "refused: The Compose files change the network default (its option \
         com.docker.network.driver.mtu), and shop-db-1 is on it: a network can only be made again \
         without containers. Take them down by hand (docker compose down, then up), or undo the \
         change.",
    ),
    (
        "G2: a container of another project is on it",
        |it| {
            mtu(it);
            it.containers.pop();
            let mut guest = foreign("guest", Some("monitoring"));
            guest.networks = set(&["shop_default"]);
            it.containers.push(guest);
        },
        "refused: The Compose files change the network default (its option \
         com.docker.network.driver.mtu), and guest is on it: a network can only be made again \
         without containers. Take them down by hand (docker compose down, then up), or undo the \
         change.",
    ),
    (
        "only targets are on it: it can be made again",
        |it| {
            mtu(it);
            it.containers.pop();
        },
        "web 1; The Compose files change the network default (its option \
         com.docker.network.driver.mtu).",
    ),
    (
        "what has ended is in nobody's way",
        |it| {
            mtu(it);
            of(it, "db1").state = State::Exited(0);
        },
        "web 1; The Compose files change the network default (its option \
         com.docker.network.driver.mtu).",
    ),
    (
        "a changed network that no target joins",
        |it| {
            mtu(it);
            says(it, "web").networks = set(&["front"]);
        },
        "web 1",
    ),
    (
        "another driver",
        |it| network(it, "default").driver = Some("macvlan".to_owned()),
        "refused: The Compose files change the network default (its driver was bridge and becomes \
         macvlan), and shop-db-1 is on it: a network can only be made again without containers. \
         Take them down by hand (docker compose down, then up), or undo the change.",
    ),
    (
        "the driver that the engine would choose, written out",
        |it| network(it, "default").driver = Some("bridge".to_owned()),
        "web 1",
    ),
    (
        "internal from now on",
        |it| network(it, "default").is_internal = true,
        "refused: The Compose files change the network default (whether it is internal), and \
         shop-db-1 is on it: a network can only be made again without containers. Take them down \
         by hand (docker compose down, then up), or undo the change.",
    ),
    (
        "other subnets",
        |it| network(it, "default").subnets = set(&["10.9.0.0/24"]),
        "refused: The Compose files change the network default (its subnets), and shop-db-1 is on \
         it: a network can only be made again without containers. Take them down by hand (docker \
         compose down, then up), or undo the change.",
    ),
    (
        "the subnet that the engine chose",
        |it| it.networks.get_mut("shop_default").unwrap().subnets = set(&["172.18.0.0/16"]),
        "web 1",
    ),
    (
        "options that the engine sets by itself",
        |it| {
            let there = it.networks.get_mut("shop_default").unwrap();
            there.options = map(&[
                ("com.docker.network.enable_ipv4", "true".to_owned()),
                ("com.docker.network.enable_ipv6", "false".to_owned()),
                ("com.docker.network.driver.overlay.vxlanid_list", "4097".to_owned()),
            ]);
        },
        "web 1",
    ),
    (
        "an external network that does not exist",
        |it| joins_external(it, "web"),
        "refused: The network edge is external and does not exist: docker network create edge.",
    ),
    (
        "one that only another service joins is that service's matter",
        |it| joins_external(it, "db"),
        "web 1",
    ),
    (
        "an external network is as it is",
        |it| {
            joins_external(it, "web");
            network(it, "edge").driver = Some("overlay".to_owned());
            let there = it.networks["shop_default"].clone();
            it.networks.insert("edge".to_owned(), there);
        },
        "web 1",
    ),
];

fn volume<'a>(seen: &'a mut Observation, service: &str) -> &'a mut VolumeDefinition {
    says(seen, service).mounts.push(gives("shop_data", "/data"));
    let volume = files(seen).volumes.entry("data".to_owned()).or_default();
    volume.name = "shop_data".to_owned();
    volume
}

fn add_volume(seen: &mut Observation) {
    of(seen, "web1").mounts.push(mount("shop_data", "/data"));
    let there = Volume { driver: "local".to_owned(), ..Volume::default() };
    seen.volumes.insert("shop_data".to_owned(), there);
}

const VOLUMES: &[Row] = &[
    (
        "a volume that is there and is as the files say",
        |it| {
            volume(it, "web");
            add_volume(it);
        },
        "web 1",
    ),
    (
        "an external volume that does not exist",
        |it| {
            it.edited_at = Some(at(2000));
            volume(it, "web").is_external = true;
        },
        "refused: The volume shop_data is external and does not exist: docker volume create \
         shop_data.",
    ),
    (
        "D5: one that only a service behind an inactive profile uses does not count",
        |it| {
            says(it, "backup").is_active = false;
            volume(it, "backup").is_external = true;
        },
        "web 1",
    ),
    (
        "a volume whose driver the files change holds data",
        |it| {
            volume(it, "web").driver = Some("nfs".to_owned());
            add_volume(it);
        },
        "refused: The Compose files change the volume data (its driver was local and becomes nfs), \
         which holds data: undo the change, or give the volume another name.",
    ),
    (
        "a volume whose options the files change holds data",
        |it| {
            volume(it, "web").options = map(&[("device", "/mnt/new".to_owned())]);
            add_volume(it);
        },
        "refused: The Compose files change the volume data (its option device), which holds data: \
         undo the change, or give the volume another name.",
    ),
    (
        "a volume of another service that was changed is not this rollout's matter",
        |it| {
            volume(it, "db").driver = Some("nfs".to_owned());
            add_volume(it);
            of(it, "web1").mounts.clear();
            it.edited_at = Some(at(2000));
        },
        "web 1",
    ),
];

#[test]
fn a_network_or_volume_that_cannot_be_changed_is_named() {
    let plan = |spoil| tell(plan_activation(&order(release('b')), &shop_with(spoil)));
    for rows in [NETWORKS, VOLUMES] {
        compare(rows.iter().map(|(row, spoil, expected)| (*row, plan(*spoil), *expected)));
    }
}
