//! Containers: made, started, stopped, removed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::host::{
    Command, Container, ContainerState, HealthWord, Order, Patience, ServiceDefinition, Step,
    is_once_container,
};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Running;
use esclusa_core::time::Timestamp;

use super::project::JOB;
use super::{Engine, Registry};
use crate::world::Behaviour;

/// What the healthcheck of every image allows.
pub(super) const PATIENCE: Patience = Patience {
    start_period: Duration::from_mins(1),
    interval: Duration::from_secs(5),
    timeout: Duration::from_secs(2),
    retries: 3,
};

/// Why the engine or Compose could not do something.
pub(super) fn failed(text: impl Into<String>) -> Reason {
    Reason::new(Code::read("hosts.up"), text)
}

impl Engine {
    pub(super) fn service(&self, name: &str) -> Option<ServiceDefinition> {
        self.seen.definition.as_ref().ok()?.services.get(name).cloned()
    }

    /// Whether a service is no server: a job, or what runs once and people brought up by hand.
    pub(super) fn ends_by_itself(&self, service: &str) -> bool {
        service == JOB || self.service(service).is_some_and(|it| it.runs_once())
    }

    /// The containers of a service.
    pub(super) fn containers_of(&self, service: &str) -> impl Iterator<Item = &Container> {
        let is_own =
            move |it: &&Container| it.service.as_deref() == Some(service) && !it.is_one_off;
        self.seen.containers.iter().filter(is_own)
    }

    /// Makes a container of an image that the engine has; it is not started.
    pub(super) fn make(
        &mut self,
        service: &str,
        number: u32,
        reference: &str,
        now: Timestamp,
    ) -> Result<String, Reason> {
        let Some(image) = self.find_image(reference) else {
            return Err(failed(format!("No such image: {reference}")));
        };
        let (image, digest) = (image.id.clone(), super::images::digest_of(image));
        let definition = self.service(service).unwrap_or_default();
        self.made = self.made.saturating_add(1);
        let id = format!("{:012x}", self.made);
        let project = self.seen.files.project.clone();
        self.seen.containers.push(Container {
            id: id.clone(),
            name: format!("{project}-{service}-{number}"),
            project: Some(project),
            service: Some(service.to_owned()),
            number,
            is_one_off: false,
            reference: reference.to_owned(),
            image,
            digest,
            state: ContainerState::Created,
            health: None,
            patience: Some(PATIENCE),
            created_at: now,
            started_at: Timestamp::default(),
            restarts: 0,
            restarts_always: definition.restarts_always,
            removes_itself: false,
            runs: Command::default(),
            environment: BTreeMap::new(),
            ports: BTreeSet::new(),
            exposes_ports: true,
            mounts: Vec::new(),
            shares_with: BTreeSet::new(),
            networks: BTreeSet::new(),
            directory: self.seen.directories.first().cloned(),
            files: Vec::new(),
            environment_files: Vec::new(),
        });
        self.share(&id, &definition);
        Ok(id)
    }

    /// What is to be run once is written down before.
    pub(super) fn note_once(&mut self, service: &str, now: Timestamp) -> Result<(), Reason> {
        self.check_room(now)?;
        let newest = self.seen.kept.newest.as_ref().map(|it| it.fence).unwrap_or_default();
        self.seen.kept.begun_once = Some(self.seen.kept.beginning_once(newest, service));
        Ok(())
    }

    /// One that is cut off is written down, and there or not, and not started.
    pub(crate) fn cut_run_off(&mut self, step: &Step, now: Timestamp) {
        let Step::RunOnce { service, name, image, .. } = step else { return };
        if self.note_once(service, now).is_ok() && self.made.is_multiple_of(2) {
            let _no_image = self.make_once(service, name, image, now);
        }
    }

    fn make_once(
        &mut self,
        service: &str,
        name: &str,
        image: &str,
        now: Timestamp,
    ) -> Result<String, Reason> {
        if self.seen.containers.iter().any(|it| it.name == name) {
            return Err(failed(format!("the name {name} is in use")));
        }
        let id = self.make(service, 1, image, now)?;
        if let Some(container) = self.seen.containers.iter_mut().find(|it| it.id == id) {
            container.is_one_off = true;
            name.clone_into(&mut container.name);
        }
        Ok(id)
    }

    /// `docker compose run` of a service, with an image of its own choice.
    pub(super) fn run_once(
        &mut self,
        service: &str,
        name: &str,
        image: &str,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<(), Reason> {
        let id = self.make_once(service, name, image, now)?;
        self.start(&id, now, registry)
    }

    /// Whether a container that was to run once for this order has ended well.
    pub(crate) fn has_run_once(&self, order: &Order) -> bool {
        let own = |it: &&Container| is_once_container(it, order);
        let mut own = self.seen.containers.iter().filter(own);
        own.any(|it| it.state == ContainerState::Exited(0))
    }

    /// A container that uses another's network is bound to that very container.
    fn share(&mut self, id: &str, definition: &ServiceDefinition) {
        let owners = definition.shares_with.iter();
        let owners: BTreeSet<String> =
            owners.filter_map(|it| self.containers_of(it).next()).map(|it| it.id.clone()).collect();
        if let Some(container) = self.seen.containers.iter_mut().find(|it| it.id == id) {
            container.shares_with = owners;
        }
    }

    /// Starts a container, or starts it again. A job ends at once.
    pub(super) fn start(
        &mut self,
        id: &str,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<(), Reason> {
        let Some(container) = self.seen.container(id) else {
            return Err(failed(format!("No such container: {id}")));
        };
        let is_up = |owner: &String| self.seen.container(owner).is_some_and(|it| it.state.is_up());
        if let Some(owner) = container.shares_with.iter().find(|owner| !is_up(owner)) {
            return Err(failed(format!("cannot join network of container {owner}: not running")));
        }
        let name = container.service.clone().unwrap_or_default();
        let is_job = self.ends_by_itself(&name) && !container.is_one_off;
        let digest = container.digest.as_ref();
        let fails = digest.and_then(|it| registry.behaviour(it)).is_some_and(Behaviour::fails_job);
        let Some(container) = self.seen.containers.iter_mut().find(|it| it.id == id) else {
            return Ok(());
        };
        if container.is_one_off && !self.once_started.insert(container.name.clone()) {
            self.started_twice = self.started_twice.saturating_add(1);
        }
        container.started_at = now;
        if is_job {
            container.state = ContainerState::Exited(i64::from(fails));
            container.health = Some(HealthWord::Unhealthy);
        } else {
            container.state = ContainerState::Running;
            container.health = Some(HealthWord::Starting);
            self.decides_at.insert(id.to_owned(), now.after(self.warm_up));
        }
        Ok(())
    }

    /// Stops a container; whoever shares its network loses it.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(container) = self.seen.containers.iter_mut().find(|it| it.id == id)
            && container.state.is_up()
        {
            container.state = ContainerState::Exited(143);
            container.health = Some(HealthWord::Unhealthy);
        }
    }

    /// Removes a container.
    pub(super) fn remove(&mut self, id: &str) {
        self.seen.containers.retain(|it| it.id != id);
        self.decides_at.remove(id);
    }

    // ---- The truth, for the checker -------------------------------------------------------------

    /// The containers of the repository's services: what runs once is none that serves.
    fn own(&self) -> impl Iterator<Item = &Container> {
        let is_own = |it: &&Container| {
            let service = it.service.as_deref().unwrap_or_default();
            !matches!(service, "side" | "db" | "prepare")
        };
        self.seen.containers.iter().filter(is_own)
    }

    /// What the containers run, in one word.
    pub(crate) fn running(&self) -> Running {
        let is_up = |it: &&Container| it.state.is_up();
        let is_done =
            |it: &&Container| it.state == ContainerState::Exited(0) && !it.restarts_always;
        let done = || word_of(self.own().filter(is_done));
        word_of(self.own().filter(is_up)).or_else(done).unwrap_or(Running::Nothing)
    }

    /// Whether every service of the repository has its containers, and each of them is well.
    pub(crate) fn is_well(&self, now: Timestamp, registry: Registry<'_>) -> bool {
        self.are_well(&["web", "worker"], now, registry)
    }

    /// The same, whatever number of containers people have left it.
    pub(crate) fn is_serving(&self, now: Timestamp, registry: Registry<'_>) -> bool {
        let definition = self.seen.definition.as_ref().ok();
        let mut services = definition.into_iter().flat_map(|it| it.services.keys());
        self.down_until <= now
            && services.all(|name| {
                let is_own = ["web", "worker"].contains(&name.as_str());
                !is_own || self.containers_of(name).any(|it| self.serves(it, now, registry))
            })
    }

    /// The same of every service: what shares a network shares that of a container which runs.
    pub(crate) fn is_whole(&self, now: Timestamp, registry: Registry<'_>) -> bool {
        self.are_well(&["web", "worker", "side", "db"], now, registry)
    }

    fn are_well(&self, names: &[&str], now: Timestamp, registry: Registry<'_>) -> bool {
        let Ok(definition) = &self.seen.definition else { return false };
        let known = names.iter().filter_map(|it| definition.services.get_key_value(*it));
        let mut services = known.map(|(name, it)| (name.as_str(), it.replicas));
        self.down_until <= now
            && services.all(|(name, replicas)| {
                let well = self.containers_of(name).filter(|it| self.serves(it, now, registry));
                well.count() >= usize::try_from(replicas).unwrap_or(usize::MAX)
            })
            && !self.containers_of(JOB).any(|it| it.state != ContainerState::Exited(0))
    }

    fn serves(&self, container: &Container, now: Timestamp, registry: Registry<'_>) -> bool {
        let decided = self.decides_at.get(&container.id).is_none_or(|at| *at <= now);
        let shares = |owner: &String| {
            let owner = self.seen.container(owner).filter(|it| it.state.is_up());
            owner.is_some_and(|it| it.started_at <= container.started_at)
        };
        container.state == ContainerState::Running
            && decided
            && registry.works(container, now)
            && container.shares_with.iter().all(shares)
    }

    /// Since when the oldest container of the repository has run; zero if none runs.
    pub(crate) fn started_at(&self) -> Timestamp {
        let up = self.own().filter(|it| it.state.is_up());
        up.map(|it| it.started_at).min().unwrap_or_default()
    }
}

/// What containers run, in one word; nothing if there are none.
fn word_of<'a>(mut containers: impl Iterator<Item = &'a Container>) -> Option<Running> {
    let first = containers.next()?;
    let is_same = |it: &Container| match &first.digest {
        Some(digest) => it.digest.as_ref() == Some(digest),
        None => it.digest.is_none() && it.image == first.image,
    };
    if !containers.all(is_same) {
        return Some(Running::Mixed);
    }
    Some(match &first.digest {
        Some(digest) => Running::Digest(digest.clone()),
        None => first.image.parse().map_or(Running::Mixed, Running::Local),
    })
}
