//! What is seen on a host: containers, images, networks, and what was kept.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{Definition, Port, repository_of};
use super::files::Files;
use super::health::Patience;
use super::journal::Kept;
use crate::digest::Digest;
use crate::scan::Platform;
use crate::time::Timestamp;

/// Everything that was seen on a host in one look.
#[derive(Clone, Debug)]
pub struct Observation {
    /// By the host's clock.
    pub now: Timestamp,
    /// What the engine runs.
    pub platform: Option<Platform>,
    /// The host's availability zone; empty where it is not known.
    pub zone: String,
    /// What the files say, or why that is not known.
    pub definition: Result<Definition, Problem>,
    /// The files that Compose was given.
    pub files: Files,
    /// The first key in which the image's Compose file differs from the host's own files, where it
    /// is to take their place.
    pub differs_from_own: Option<String>,
    /// The pin as it is written: images by service; nothing where there is none.
    pub pin: Option<BTreeMap<String, String>>,
    /// Whether the next release's own Compose file lies ready.
    pub has_next_file: bool,
    /// When a file that Compose reads was last changed, as the file system keeps it.
    pub edited_at: Option<Timestamp>,
    /// The service's directory, and the same without links.
    pub directories: BTreeSet<String>,
    /// Every container of the host.
    pub containers: Vec<Container>,
    /// Images by every reference that was asked about and found: names, digests and ids.
    pub images: BTreeMap<String, Image>,
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Volume>,
    /// The last lines that containers wrote which were to run once and have failed, by id.
    pub last_lines: BTreeMap<String, Vec<String>>,
    /// What the host wrote down of this service.
    pub kept: Kept,
}

/// Why the project is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The sentence that says what, where and what to do.
    pub text: String,
}

/// How a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Ended, and about to be started again.
    Restarting,
    /// Ended with this exit code.
    Exited(i64),
    /// Being removed, or broken.
    Dead,
}

/// One container.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that the engine tells"
)]
pub struct Container {
    /// The engine's id of it.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// The Compose project that it belongs to.
    pub project: Option<String>,
    /// The Compose service.
    pub service: Option<String>,
    /// Its number within the service, from 1.
    pub number: u32,
    /// Whether `docker compose run` made it.
    pub is_one_off: bool,
    /// The image as it was named when the container was made.
    pub reference: String,
    /// The engine's id of the image.
    pub image: String,
    /// The digest under which the registry knows the image, where it does.
    pub digest: Option<Digest>,
    /// How it stands.
    pub state: ContainerState,
    /// What its healthcheck says; nothing without one.
    pub health: Option<HealthWord>,
    /// The patience of its healthcheck; nothing without one.
    pub patience: Option<Patience>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last started; the beginning of time if never.
    pub started_at: Timestamp,
    /// How often the engine started it again.
    pub restarts: u64,
    /// Whether the engine starts it again whenever it ends.
    pub restarts_always: bool,
    /// Whether the engine removes it when it ends.
    pub removes_itself: bool,
    /// What it runs: entrypoint and command.
    pub runs: Command,
    /// Variables with fingerprints of their values.
    pub environment: BTreeMap<String, u64>,
    /// Published ports.
    pub ports: BTreeSet<Port>,
    /// Whether it listens on some port by its image or its files.
    pub exposes_ports: bool,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Containers whose network, processes, memory or volumes it uses, by id or name.
    pub shares_with: BTreeSet<String>,
    /// Names of the networks that it is in.
    pub networks: BTreeSet<String>,
    /// The directory that Compose was called in.
    pub directory: Option<String>,
    /// The files that Compose was given.
    pub files: Vec<String>,
    /// The files with variables that Compose was given, if not its own choice.
    pub environment_files: Vec<String>,
}

/// What a container or an image runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program, with arguments that always come first.
    pub entrypoint: Vec<String>,
    /// The arguments that come after, or the program where there is no entrypoint.
    pub command: Vec<String>,
}

/// What a healthcheck says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthWord {
    /// Not judged yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

/// A mount of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// A path on the host, or the name of a volume.
    pub source: String,
    /// Where the container sees it.
    pub target: String,
    /// Whether it is a volume that has no name of its own.
    pub is_anonymous: bool,
    /// Whether it is a bind mount or a volume: others hold nothing that could be lost.
    pub holds_data: bool,
}

/// One image in the engine.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The engine's id of it.
    pub id: String,
    /// Every name with a tag that leads to it.
    pub tags: BTreeSet<String>,
    /// Every name with a digest that leads to it.
    pub digests: BTreeSet<String>,
    /// Its labels, those that Esclusa reads.
    pub labels: BTreeMap<String, String>,
    /// Variables with fingerprints of their values.
    pub environment: BTreeMap<String, u64>,
    /// What it runs: entrypoint and command.
    pub runs: Command,
    /// The patience of its healthcheck; nothing without one.
    pub patience: Option<Patience>,
    /// Paths that become volumes unless something is mounted there.
    pub volumes: BTreeSet<String>,
    /// What it is built for, as the engine says it.
    pub platform: String,
}

/// One network of the engine.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The driver.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Whether it has no way out.
    pub is_internal: bool,
    /// Subnets.
    pub subnets: BTreeSet<String>,
    /// The Compose project that made it.
    pub project: Option<String>,
}

/// One volume of the engine.
#[derive(Clone, Debug, Default)]
pub struct Volume {
    /// The driver.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// The Compose project that made it.
    pub project: Option<String>,
}

impl ContainerState {
    /// Whether the container takes part in the service now, well or not.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Restarting | Self::Paused)
    }
}

impl Container {
    /// Whether it belongs to a project, and was not made by `docker compose run`.
    #[must_use]
    pub fn is_of(&self, project: &str) -> bool {
        self.project.as_deref() == Some(project) && !self.is_one_off
    }

    /// Whether its image is of this repository.
    #[must_use]
    pub fn uses(&self, repository: &str) -> bool {
        repository_of(&self.reference) == repository
    }

    /// Whether it was started in one of these directories, or below one.
    #[must_use]
    pub fn is_started_in(&self, directories: &BTreeSet<String>) -> bool {
        let Some(at) = &self.directory else { return false };
        directories.iter().any(|directory| {
            at == directory
                || at.strip_prefix(directory.as_str()).is_some_and(|it| it.starts_with('/'))
        })
    }
}

impl Observation {
    /// The containers of the project, without those of `docker compose run`.
    pub fn project_containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|it| it.is_of(&self.files.project))
    }

    /// The containers of one service of the project.
    pub fn containers_of_service(&self, service: &str) -> impl Iterator<Item = &Container> {
        self.project_containers().filter(move |it| it.service.as_deref() == Some(service))
    }

    /// A container by its id.
    #[must_use]
    pub fn container(&self, id: &str) -> Option<&Container> {
        self.containers.iter().find(|it| it.id == id)
    }

    /// Whether a container was started before one whose network, processes or volumes it uses: it
    /// holds those of the time before.
    #[must_use]
    pub fn is_older_than_owner(&self, container: &Container) -> bool {
        let is_owner = |it: &Container| {
            [&it.id, &it.name].iter().any(|it| container.shares_with.contains(*it))
        };
        let is_younger = |it: &Container| is_owner(it) && it.started_at > container.started_at;
        self.containers.iter().any(is_younger)
    }

    /// The definition, empty where it is not known.
    #[must_use]
    pub fn known_definition(&self) -> Definition {
        let unknown =
            || Definition { project: self.files.project.clone(), ..Definition::default() };
        self.definition.clone().unwrap_or_else(|_| unknown())
    }

    /// The services of a repository: by the files, and by what runs where those do not say.
    #[must_use]
    pub fn services_of(&self, repository: &str) -> BTreeSet<String> {
        let mut services = BTreeSet::new();
        if let Ok(definition) = &self.definition {
            services.extend(definition.services_of(repository).map(|(name, _)| name.clone()));
        }
        let keep = super::running::keep_prefix(&self.files.project);
        let ours = |it: &&Container| it.uses(repository) || it.reference.starts_with(&keep);
        services.extend(self.project_containers().filter(ours).filter_map(|it| it.service.clone()));
        services
    }
}
