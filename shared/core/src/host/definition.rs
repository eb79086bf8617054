//! A Compose project as `docker compose config` resolves it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The label that says when a service runs, where that is not always.
pub const RUN_LABEL: &str = "esclusa.run";
/// Its only word: once for a release, on one host, before any host is changed.
pub const ONCE: &str = "once";

/// What the project's files say, by Compose's own reading of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// The project's name.
    pub project: String,
    /// Every service that could be read, those behind inactive profiles among them.
    pub services: BTreeMap<String, ServiceDefinition>,
    /// Networks by their key in the files.
    pub networks: BTreeMap<String, NetworkDefinition>,
    /// Volumes by their key in the files.
    pub volumes: BTreeMap<String, VolumeDefinition>,
    /// Why services behind profiles could not be read, where one of them may run once.
    pub hides_once: Option<String>,
}

/// One service of the project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceDefinition {
    /// The image as the files name it, variables filled in; empty where it is only built.
    pub image: String,
    /// Whether no profile, or an active one, holds it.
    pub is_active: bool,
    /// How many containers the files ask for.
    pub replicas: u32,
    /// Whether the files say the number themselves.
    pub replicas_are_given: bool,
    /// The services that it waits for.
    pub dependencies: BTreeMap<String, Dependency>,
    /// The services whose network, processes, memory or volumes it uses.
    pub shares_with: BTreeSet<String>,
    /// The command, where the files replace the image's.
    pub command: Option<Vec<String>>,
    /// The entrypoint, where the files replace the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Variables by name, each with a fingerprint of its value: no value is kept.
    pub environment: BTreeMap<String, u64>,
    /// Published ports.
    pub ports: BTreeSet<Port>,
    /// Mounts of every kind.
    pub mounts: Vec<MountDefinition>,
    /// The healthcheck, where the files have a word on it.
    pub healthcheck: Healthcheck,
    /// How long the healthcheck of the files may take to decide; nothing where they give none.
    pub patience: Option<Duration>,
    /// Whether it is started again whenever it ends (`always`, `unless-stopped`).
    pub restarts_always: bool,
    /// A container name of its own.
    pub container_name: Option<String>,
    /// Keys of the networks that it joins.
    pub networks: BTreeSet<String>,
    /// What its label `esclusa.run` says; nothing without one.
    pub run_label: Option<String>,
}

/// What a service waits for of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// How far the other must be.
    pub condition: Condition,
    /// Whether the service is restarted once the other was changed.
    pub restarts: bool,
}

/// How far a dependency must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Started.
    Started,
    /// Healthy by its healthcheck.
    Healthy,
    /// Ended with exit code 0.
    Completed,
}

/// What the files say of a healthcheck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Healthcheck {
    /// Nothing: the image's counts.
    #[default]
    OfImage,
    /// It is switched off.
    Off,
    /// One of their own.
    Own,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The address on the host; empty for all of them.
    pub address: String,
    /// The port on the host; 0 where the engine chooses, or one of a range.
    pub published: u16,
    /// The container's port.
    pub target: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// A mount that the files give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountDefinition {
    /// Where the container sees it, without a slash at the end.
    pub target: String,
    /// A path on the host, or the volume's name in the engine; nothing where it has none to
    /// compare.
    pub source: Option<String>,
}

/// A network that the files give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkDefinition {
    /// Its name in the engine.
    pub name: String,
    /// Whether it must be there already.
    pub is_external: bool,
    /// The driver, where it is given.
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Whether it has no way out.
    pub is_internal: bool,
    /// Subnets, where they are given.
    pub subnets: BTreeSet<String>,
}

/// A volume that the files give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeDefinition {
    /// Its name in the engine.
    pub name: String,
    /// Whether it must be there already.
    pub is_external: bool,
    /// The driver, where it is given.
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// The repository of an image reference: without its tag and digest.
///
/// A colon after the last slash begins a tag; one before it belongs to the registry's port.
#[must_use]
pub(super) fn repository_of(reference: &str) -> &str {
    let named = reference.split_once('@').map_or(reference, |(name, _)| name);
    let path = named.rfind('/').map_or(0, |at| at.saturating_add(1));
    match named.get(path..).and_then(|last| last.find(':')) {
        Some(colon) => named.get(..path.saturating_add(colon)).unwrap_or(named),
        None => named,
    }
}

/// The tag of an image reference, or its digest; `latest` where it has neither.
pub(super) fn tag_of(reference: &str) -> &str {
    let rest = reference.get(repository_of(reference).len()..).unwrap_or_default();
    match rest.split_once('@') {
        Some((_, digest)) => digest,
        None if rest.is_empty() => "latest",
        None => rest.trim_start_matches(':'),
    }
}

impl ServiceDefinition {
    /// Whether it runs once for a release, and never with the others.
    #[must_use]
    pub fn runs_once(&self) -> bool {
        self.run_label.as_deref() == Some(ONCE)
    }
}

impl Definition {
    /// The services whose image is of this repository.
    pub fn services_of<'a>(
        &'a self,
        repository: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a ServiceDefinition)> {
        self.services.iter().filter(move |(_, it)| repository_of(&it.image) == repository)
    }

    /// Whether a service runs once for a release, and never with the others.
    #[must_use]
    pub fn runs_once(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(ServiceDefinition::runs_once)
    }

    /// Whether some service waits for the end of this one: it is a job, not a server.
    #[must_use]
    pub fn is_awaited_to_complete(&self, service: &str) -> bool {
        let waits = |it: &ServiceDefinition| {
            it.dependencies.get(service).is_some_and(|on| on.condition == Condition::Completed)
        };
        self.services.values().any(waits)
    }
}
