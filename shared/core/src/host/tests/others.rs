//! Services of other images, as far as an activation concerns them.

use super::super::definition::{Condition, Dependency};
use super::super::project::{ContainerState as State, Observation};
use super::plan::{Row, add_worker, check};
use super::world::*;

fn shares(seen: &mut Observation, name: &str, with: &str) {
    says(seen, name).shares_with = set(&[with]);
    seen.containers.push(other(name));
}

fn depends(seen: &mut Observation, name: &str, on: &str, how: Dependency) {
    says(seen, on);
    says(seen, name).dependencies.insert(on.to_owned(), how);
}

const STARTED: Dependency = waits(Condition::Started);
const RESTART: Dependency = Dependency { restarts: true, ..STARTED };

const OTHERS: &[Row] = &[
    (
        "D1: what uses the network of a target is made again with it",
        |it| shares(it, "side", "web"),
        "web 1; with side; needs postgres:16",
    ),
    (
        "D1: and what uses the network of that",
        |it| {
            shares(it, "side", "web");
            shares(it, "aside", "side");
        },
        "web 1; with side aside; needs postgres:16",
    ),
    ("what shares with a service that stays, stays", |it| shares(it, "side", "db"), "web 1"),
    (
        "a target that shares with a target is a target",
        |it| {
            add_worker(it);
            says(it, "worker").shares_with = set(&["web"]);
        },
        "web 1 worker 1",
    ),
    (
        "a sharer behind an inactive profile that does not run is left out",
        |it| {
            shares(it, "side", "web");
            says(it, "side").is_active = false;
            it.containers.pop();
        },
        "web 1",
    ),
    (
        "a sharer behind an inactive profile that runs would lose its network",
        |it| {
            shares(it, "side", "web");
            says(it, "side").is_active = false;
        },
        "web 1; with side; needs postgres:16",
    ),
    (
        "D2: what is to be restarted with a target is",
        |it| {
            depends(it, "proxy", "web", RESTART);
            it.containers.push(other("proxy"));
        },
        "web 1; restarts proxy",
    ),
    (
        "D2: also when it depends on what is made again with a target",
        |it| {
            shares(it, "side", "web");
            depends(it, "proxy", "side", RESTART);
            it.containers.push(other("proxy"));
        },
        "web 1; with side; restarts proxy; needs postgres:16",
    ),
    (
        "D2: what only waits for a target is not restarted",
        |it| {
            depends(it, "proxy", "web", STARTED);
            it.containers.push(other("proxy"));
        },
        "web 1",
    ),
    (
        "D2: what does not run is not restarted",
        |it| {
            depends(it, "proxy", "web", RESTART);
            it.containers.push(other("proxy"));
            of(it, "proxy1").state = State::Exited(0);
        },
        "web 1",
    ),
    (
        "D3: a dependency that was never made here is made first, and its image is needed",
        |it| {
            depends(it, "web", "cache", STARTED);
            says(it, "cache").image = "redis:7".to_owned();
        },
        "web 1; after cache; needs redis:7",
    ),
    (
        "D3: a dependency of a dependency before it",
        |it| {
            depends(it, "web", "cache", STARTED);
            depends(it, "cache", "disk", STARTED);
        },
        "web 1; after disk cache; needs postgres:16",
    ),
    (
        "D4: dependencies behind inactive profiles are left out",
        |it| {
            depends(it, "web", "my", STARTED);
            depends(it, "web", "pg", STARTED);
            says(it, "my").is_active = false;
        },
        "web 1; after pg; needs postgres:16",
    ),
    (
        "a dependency that exists is the team's, even when it was stopped",
        |it| {
            depends(it, "web", "db", STARTED);
            of(it, "db1").state = State::Exited(0);
        },
        "web 1",
    ),
    (
        "a dependency without a replica is left out",
        |it| {
            depends(it, "web", "cache", STARTED);
            says(it, "cache").replicas = 0;
        },
        "web 1",
    ),
    (
        "dependencies that wait for each other end",
        |it| {
            depends(it, "web", "cache", STARTED);
            depends(it, "cache", "disk", STARTED);
            depends(it, "disk", "cache", STARTED);
        },
        "web 1; after disk cache; needs postgres:16",
    ),
    (
        "a dependency of a service of the same release is followed",
        |it| {
            add_worker(it);
            depends(it, "worker", "cache", STARTED);
        },
        "web 1 worker 1; after cache; needs postgres:16",
    ),
];

#[test]
fn other_services_are_concerned_as_far_as_they_hang_on_a_target() {
    check(OTHERS);
}
