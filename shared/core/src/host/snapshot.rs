//! What ran on a host before an order: what going back means.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::health::{Verdict, Watch, is_in_crash_loop, is_job, judge_container};
use super::project::{Container, Observation};
use crate::order::Fence;
use crate::release::Running;
use crate::time::Timestamp;

/// What was there when an order began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Under whose fence the engine's own description of its containers lies.
    pub source: Fence,
    /// When it was taken.
    pub at: Timestamp,
    /// What the repository's services ran, in one word.
    pub running: Option<Running>,
    /// The services that the order may touch: those of the repository and those that share with
    /// them.
    pub services: BTreeSet<String>,
    /// Their containers.
    pub containers: Vec<SnapshotContainer>,
    /// Every container of the project by id: none of them was made by the order.
    pub known: BTreeSet<String>,
    /// The files that Compose was given before; empty where none were known.
    pub files: Files,
    /// The pin as it was: images by service.
    pub pin: BTreeMap<String, String>,
}

/// One container of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotContainer {
    /// The engine's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its number within the service.
    pub number: u32,
    /// The engine's id of its image.
    pub image: String,
    /// The image as it was named.
    pub reference: String,
    /// The local tag that keeps the image.
    pub keep_tag: String,
    /// Whether it ran: what had ended is not run again.
    pub was_up: bool,
    /// Whether it was well.
    pub was_well: bool,
    /// When it was started, for the order in which they are started again.
    pub started_at: Timestamp,
    /// Containers of the snapshot, by id, whose network, processes or volumes it used.
    pub shares_with: BTreeSet<String>,
}

impl Snapshot {
    /// Takes the snapshot of what an order is about to change.
    #[must_use]
    pub fn take(
        seen: &Observation,
        fence: Fence,
        repository: &str,
        services: BTreeSet<String>,
    ) -> Self {
        let project: Vec<&Container> = seen.project_containers().collect();
        let touched =
            |it: &&&Container| it.service.as_ref().is_some_and(|it| services.contains(it));
        let containers = project.iter().filter(touched).filter_map(|it| describe(seen, it));
        Self {
            source: fence,
            at: seen.now,
            running: Some(super::running::running_of(seen, repository)),
            containers: containers.collect(),
            known: project.iter().map(|it| it.id.clone()).collect(),
            files: seen.files.clone(),
            pin: seen.pin.clone().unwrap_or_default(),
            services,
        }
    }

    /// The same once some of its containers were made again: they are known by their new ids.
    #[must_use]
    pub fn with_replaced(&self, replaced: &BTreeMap<String, String>) -> Self {
        let mut snapshot = self.clone();
        let new = |id: &String| replaced.get(id).unwrap_or(id).clone();
        for container in &mut snapshot.containers {
            container.id = new(&container.id);
            container.shares_with = container.shares_with.iter().map(new).collect();
        }
        snapshot.known.extend(replaced.values().cloned());
        snapshot
    }

    /// What it was, in one word.
    #[must_use]
    pub fn running(&self) -> Running {
        self.running.clone().unwrap_or(Running::Nothing)
    }

    /// The containers that ran, each after those that it shares with, else the first started first.
    #[must_use]
    pub fn to_run(&self) -> Vec<&SnapshotContainer> {
        let mut waiting: Vec<&SnapshotContainer> =
            self.containers.iter().filter(|it| it.was_up).collect();
        waiting.sort_by_key(|it| it.started_at);
        let mut ordered = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let is_free = |it: &&&SnapshotContainer| {
                !waiting.iter().any(|other| it.shares_with.contains(&other.id))
            };
            let next = waiting.iter().position(|it| is_free(&it)).unwrap_or(0);
            ordered.push(waiting.remove(next));
        }
        ordered
    }
}

fn describe(seen: &Observation, container: &Container) -> Option<SnapshotContainer> {
    let as_it_is = judge_container(container, is_job(container, seen), &Watch::glance(seen.now));
    let shares = container.shares_with.iter().filter_map(|with| {
        let of = |it: &&Container| it.id == *with || it.name == *with;
        seen.containers.iter().find(of).map(|it| it.id.clone())
    });
    Some(SnapshotContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        service: container.service.clone()?,
        number: container.number,
        image: container.image.clone(),
        reference: container.reference.clone(),
        keep_tag: super::running::keep_tag(&seen.files.project, &super::running::key_of(container)),
        was_up: container.state.is_up(),
        was_well: !matches!(as_it_is, Verdict::Bad(_)) && !is_in_crash_loop(container, seen.now),
        started_at: container.started_at,
        shares_with: shares.collect(),
    })
}
