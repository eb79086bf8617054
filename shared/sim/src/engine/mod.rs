//! A container engine with one Compose project, as a value: what a host's program sees and changes.
//!
//! [`Engine::observe`] brings the model up to an instant and shows it as the program's own look
//! would; [`Engine::apply`] takes one step of the program. The rest is what happens to an engine
//! beside the program: people, reboots, a full disk.

mod container;
mod images;
mod kept;
mod machine;
mod project;
mod step;
mod up;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::host::{Container, ContainerState, Files, HealthWord, Kept, Observation};
use esclusa_core::order::Fence;
use esclusa_core::release::{Release, Running};
use esclusa_core::time::Timestamp;

pub use project::Project;
pub(crate) use step::not_answering;

use crate::world::Behaviour;

/// How long a container takes to become healthy where no order sets the pace.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long an image works that fails later.
pub(crate) const FAILS_AFTER: Duration = Duration::from_secs(45);

/// What the registry has, and how its images behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registry<'a> {
    pub(crate) images: &'a BTreeMap<Digest, (Release, Behaviour)>,
    pub(crate) withdrawn: &'a BTreeMap<Digest, bool>,
    /// Images that never become healthy on this host.
    pub(crate) ails: &'a BTreeSet<Digest>,
}

impl Registry<'_> {
    /// How an image behaves once it runs; images of other repositories are good.
    pub(crate) fn behaviour(&self, digest: &Digest) -> Option<Behaviour> {
        self.images.get(digest).map(|(_, behaviour)| *behaviour)
    }

    fn starts(&self, digest: Option<&Digest>) -> bool {
        digest.is_none_or(|digest| {
            let behaves = self.behaviour(digest).is_some_and(Behaviour::starts);
            behaves && !self.ails.contains(digest)
        })
    }

    /// Whether a container that has been given its time works.
    fn works(&self, container: &Container, now: Timestamp) -> bool {
        let behaviour = container.digest.as_ref().and_then(|it| self.behaviour(it));
        let fails_at = container.started_at.after(FAILS_AFTER);
        let is_dead = behaviour == Some(Behaviour::DiesLater) && now >= fails_at;
        self.starts(container.digest.as_ref()) && !is_dead
    }

    fn hands_out(&self, digest: &Digest) -> bool {
        let there = self.behaviour(digest).is_some_and(|it| it != Behaviour::Missing);
        there && !self.withdrawn.contains_key(digest)
    }
}

/// One host's engine, its project, and what the program has written down.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    /// The state itself, in the words in which the program sees it.
    seen: Observation,
    repository: String,
    /// Containers made so far: ids are never used twice.
    made: u64,
    /// When a container's healthcheck decides, or its job ends, by id.
    decides_at: BTreeMap<String, Timestamp>,
    /// How long the next containers take to become healthy.
    warm_up: Duration,
    /// How the engine made the containers of a snapshot; gone with the next boot.
    remembered: BTreeMap<Fence, Vec<Container>>,
    /// The engine does not answer until then.
    pub(crate) down_until: Timestamp,
    /// Nothing can be written until then.
    pub(crate) full_until: Timestamp,
    /// The registry does not answer until then.
    pub(crate) cut_off_until: Timestamp,
    /// Jobs that the way back ran again, which must never happen.
    pub(crate) jobs_run_again: u64,
    /// What was ever started to run once, by the names of its containers.
    once_started: BTreeSet<String>,
    /// How often one of that was started again, which must never happen either.
    pub(crate) started_twice: u64,
}

impl Engine {
    /// An engine that runs this of a repository, and never saw an order.
    pub(crate) fn new(repository: &str, project: Project, running: &Running) -> Self {
        let directory = "/srv/acme--boletos".to_owned();
        let name = "acme--boletos".to_owned();
        let definition = project.define(&name, repository);
        let mut engine = Self {
            seen: Observation {
                now: Timestamp::default(),
                platform: "linux/amd64".parse().ok(),
                zone: String::new(),
                definition: Ok(definition),
                files: Files {
                    listed: vec!["compose.yaml".to_owned()],
                    project: name,
                    ..Files::default()
                },
                differs_from_own: None,
                pin: None,
                has_next_file: false,
                edited_at: None,
                directories: BTreeSet::from([directory]),
                containers: Vec::new(),
                images: BTreeMap::new(),
                networks: BTreeMap::new(),
                volumes: BTreeMap::new(),
                last_lines: BTreeMap::new(),
                kept: Kept::default(),
            },
            repository: repository.to_owned(),
            made: 0,
            decides_at: BTreeMap::new(),
            warm_up: WARM_UP,
            remembered: BTreeMap::new(),
            down_until: Timestamp::default(),
            full_until: Timestamp::default(),
            cut_off_until: Timestamp::default(),
            jobs_run_again: 0,
            once_started: BTreeSet::new(),
            started_twice: 0,
        };
        engine.run_by_hand(running, Timestamp::default());
        engine
    }

    /// Sets how long the next containers take to become healthy.
    pub(crate) fn set_warm_up(&mut self, span: Option<Duration>) {
        self.warm_up = span.unwrap_or(WARM_UP);
    }

    /// Brings the engine up to `now`, and shows it.
    pub(crate) fn observe(&mut self, now: Timestamp, registry: Registry<'_>) -> &Observation {
        self.seen.now = now;
        for container in &mut self.seen.containers {
            if !container.state.is_up() {
                continue;
            }
            let decided = self.decides_at.get(&container.id).is_none_or(|at| *at <= now);
            if container.is_one_off && decided {
                let behaviour = container.digest.as_ref().and_then(|it| registry.behaviour(it));
                let fails = behaviour.is_some_and(Behaviour::fails_job);
                container.state = ContainerState::Exited(i64::from(fails));
                continue;
            }
            let is_well = registry.works(container, now);
            container.health = Some(match (decided, is_well) {
                (false, _) => HealthWord::Starting,
                (true, true) => HealthWord::Healthy,
                (true, false) => HealthWord::Unhealthy,
            });
        }
        &self.seen
    }

    /// The same as it was last shown.
    pub(crate) fn seen(&self) -> &Observation {
        &self.seen
    }

    /// What the program has written down.
    pub(crate) fn kept(&self) -> &Kept {
        &self.seen.kept
    }

    /// The same, for the program to write.
    pub(crate) fn kept_mut(&mut self) -> &mut Kept {
        &mut self.seen.kept
    }

    /// When a container's health is decided next.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let up = self.seen.containers.iter().filter(|it| it.state.is_up());
        up.filter_map(|it| self.decides_at.get(&it.id)).copied().filter(|at| *at > now).min()
    }
}
