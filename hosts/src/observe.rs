//! Looking at the host: what is kept, what runs, and what the files say.

mod project;

pub(crate) use project::list_names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use esclusa_core::digest::Digest;
use esclusa_core::host::{
    Container, ContainerState, Definition, Files, Image, Mode, NEXT_SHIPPED, Network, Observation,
    Order, Phase, Problem, Volume, Wanted, is_once_container, keep_tag,
};
use esclusa_core::order::Verb;
use esclusa_core::reason::Reason;
use esclusa_core::time::Timestamp;

use crate::compose::{Compose, home};
use crate::engine::Engine;
use crate::metadata;
use crate::parameters::time_limit;
use crate::store::Store;

/// What of an order's time is left for its end.
const RESERVE: Duration = Duration::from_mins(1);

/// How many lines of what failed are read, and how much of each is shown.
const LINES: usize = 10;
const LINE: usize = 300;

/// Shorter values are words such as `true`, and would make lines unreadable.
const SHORTEST_SECRET: usize = 6;

/// Where the services' directories lie.
const SERVICES: &str = "/srv";

/// By the host's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Looks at one service of the host, and remembers what no step has changed since.
#[derive(Debug)]
pub(crate) struct Observer {
    /// The engine.
    pub engine: Engine,
    /// Compose in the service's directory.
    pub compose: Compose,
    /// What is kept.
    pub store: Store,
    order: Order,
    ends_at: Timestamp,
    zone: Option<String>,
    project: Option<Known>,
    images: Option<BTreeMap<String, Image>>,
    surroundings: Option<(BTreeMap<String, Network>, BTreeMap<String, Volume>)>,
}

/// What the files say, read once.
#[derive(Debug, Clone)]
struct Known {
    definition: Result<Definition, Problem>,
    files: Files,
    edited_at: Option<Timestamp>,
    takeover: Takeover,
}

/// What a Compose file of an image takes the place of.
#[derive(Debug, Clone, Default)]
struct Takeover {
    /// The team's own files; none where nothing is taken over.
    own: Vec<String>,
    /// The first key in which they differ from the image's.
    differs: Option<String>,
}

impl Observer {
    /// An observer that has not looked yet.
    pub(crate) fn new(engine: Engine, order: Order) -> Self {
        let store = Store::of(&order.project);
        let directory = Path::new(SERVICES).join(&order.project);
        let compose = Compose { directory, home: home() };
        let ends_at = now().after(time_limit(order.verb).saturating_sub(RESERVE));
        Self {
            engine,
            compose,
            store,
            order,
            ends_at,
            zone: None,
            project: None,
            images: None,
            surroundings: None,
        }
    }

    /// The service's directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.compose.directory
    }

    /// What the files say, where they were read.
    pub(crate) fn definition(&self) -> Option<&Definition> {
        self.project.as_ref().and_then(|it| it.definition.as_ref().ok())
    }

    /// The team's own files that a Compose file of an image is to take the place of.
    pub(crate) fn own_files(&self) -> &[String] {
        self.project.as_ref().map_or(&[], |it| &it.takeover.own)
    }

    /// Adds a line about the order to the host's log.
    pub(crate) fn log(&self, text: &str) {
        self.store.log(&self.order, text);
    }

    /// How long the order may still take.
    pub(crate) fn time_left(&self) -> Duration {
        self.ends_at.since(now())
    }

    /// Has the files read again at the next look.
    pub(crate) fn forget_project(&mut self) {
        self.project = None;
    }

    /// Has the images listed again at the next look.
    pub(crate) fn forget_images(&mut self) {
        self.images = None;
    }

    /// The directory as it is named, and without links.
    fn directories(&self) -> BTreeSet<String> {
        let real = self.directory().canonicalize().ok();
        let both = [Some(self.directory().to_owned()), real];
        both.into_iter().flatten().map(|it: PathBuf| it.to_string_lossy().into_owned()).collect()
    }

    /// Looks at everything that the next decision hangs on.
    ///
    /// # Errors
    ///
    /// `hosts.docker` when the engine does not answer, `hosts.state` when what is kept cannot be
    /// read.
    pub(crate) async fn look(&mut self) -> Result<Observation, Reason> {
        let kept = self.store.read()?;
        let directories = self.directories();
        // Engine and Compose are asked at the same time.
        let (containers, asked, zone) = tokio::join!(
            self.look_at_containers(&directories),
            self.ask_ahead(&kept),
            self.find_zone(),
        );
        self.zone = Some(zone.clone());
        let mut containers = containers?;
        let project = match self.project.clone() {
            Some(project) => project,
            None => self.read_project(&kept, &containers, &directories, asked).await,
        };
        self.project = Some(project.clone());
        let images = self.look_at_images(&project, &containers).await?;
        let known = known_digests(&kept.history, &self.order.wanted);
        for container in &mut containers {
            container.digest = digest_of(container, &self.order.repository, &images, &known);
        }
        let (networks, volumes) = self.look_around().await?;
        let last_lines = self.read_last_lines(&containers).await;
        Ok(Observation {
            now: now(),
            platform: self.engine.platform,
            zone,
            definition: project.definition,
            files: project.files,
            differs_from_own: project.takeover.differs,
            pin: crate::step::read_pin(self.directory()),
            has_next_file: self.directory().join(NEXT_SHIPPED).is_file(),
            edited_at: project.edited_at,
            directories,
            containers,
            images,
            networks,
            volumes,
            last_lines,
            kept,
        })
    }

    /// The host's zone; not asked for where it is to change, which was planned by then.
    async fn find_zone(&self) -> String {
        match &self.zone {
            Some(zone) => zone.clone(),
            None if self.order.verb == Verb::Activate => String::new(),
            None => metadata::find_zone().await,
        }
    }

    async fn look_at_containers(
        &self,
        directories: &BTreeSet<String>,
    ) -> Result<Vec<Container>, Reason> {
        let wanted = |it: &Container| {
            let named = it.project.as_ref() == Some(&self.order.project);
            let ours = named || it.uses(&self.order.repository) || it.is_started_in(directories);
            ours && (!it.is_one_off || self.order.mode == Mode::Once)
        };
        self.engine.containers(wanted).await
    }

    /// What those wrote last that this order had run once, and that failed: without the values of
    /// their variables, which may be secret, and not at all where those are not all known.
    async fn read_last_lines(&self, containers: &[Container]) -> BTreeMap<String, Vec<String>> {
        let has_failed = |it: &&Container| {
            let ended = !matches!(it.state, ContainerState::Exited(0));
            is_once_container(it, &self.order) && !it.state.is_up() && ended
        };
        let mut all = BTreeMap::new();
        if self.order.mode != Mode::Once {
            return all;
        }
        for container in containers.iter().filter(has_failed) {
            let Some(values) = self.engine.values_of_variables(&container.id).await else {
                continue;
            };
            // What the container itself fetches, only it knows.
            let entrypoint = &container.runs.entrypoint;
            let fetches = values.iter().any(|it| it.contains("secretsmanager:"))
                || entrypoint.iter().any(|it| it.contains("esclusa-secrets"));
            if fetches {
                continue;
            }
            let lines = self.engine.whole_last_lines(&container.id, LINES).await;
            let masked = lines.iter().map(|it| mask(it, &values)).collect();
            all.insert(container.id.clone(), masked);
        }
        all
    }

    async fn look_at_images(
        &mut self,
        project: &Known,
        containers: &[Container],
    ) -> Result<BTreeMap<String, Image>, Reason> {
        if let Some(images) = &self.images {
            let known = |it: &Container| {
                !it.is_of(&project.files.project) || images.contains_key(&it.image)
            };
            if containers.iter().all(known) {
                return Ok(images.clone());
            }
        }
        let own = containers.iter().filter(|it| it.is_of(&project.files.project));
        let mut whole: BTreeSet<String> = own.map(|it| it.image.clone()).collect();
        if self.order.verb != Verb::Inspect {
            whole.extend(self.order.wanted.reference(&self.order.repository));
            if let Some(reference) = self.order.wanted.reference(&self.order.repository) {
                let digest = reference.rsplit('@').next().unwrap_or_default();
                whole.insert(keep_tag(&project.files.project, digest));
            }
            let services = project.definition.iter().flat_map(|it| it.services.values());
            whole.extend(services.map(|it| it.image.clone()).filter(|it| !it.is_empty()));
        }
        let images = self.engine.images(&whole).await?;
        self.images = Some(images.clone());
        Ok(images)
    }

    async fn look_around(
        &mut self,
    ) -> Result<(BTreeMap<String, Network>, BTreeMap<String, Volume>), Reason> {
        if self.order.verb == Verb::Inspect {
            return Ok((BTreeMap::new(), BTreeMap::new()));
        }
        if let Some(known) = &self.surroundings {
            return Ok(known.clone());
        }
        let found = tokio::try_join!(self.engine.networks(), self.engine.volumes())?;
        self.surroundings = Some(found.clone());
        Ok(found)
    }

    /// Whether the next release's own Compose file is the one to read.
    fn reads_next_file(kept: &esclusa_core::host::Kept, order: &Order) -> bool {
        if order.verb == Verb::Inspect {
            return false;
        }
        let own = kept.journal.as_ref().filter(|it| it.is_of(order));
        own.is_none_or(|it| it.phase <= Phase::Pinning)
    }
}

/// A line without these values, nor lines of them; shortened after that, so that no part is left.
fn mask(line: &str, values: &[String]) -> String {
    let secret = values.iter().flat_map(|it| it.lines()).map(str::trim);
    let mut secret: Vec<&str> = secret.filter(|it| it.len() >= SHORTEST_SECRET).collect();
    secret.sort_by_key(|it| std::cmp::Reverse(it.len()));
    let masked = secret.iter().fold(line.to_owned(), |line, value| line.replace(value, "***"));
    masked.chars().take(LINE).collect()
}

/// The digest by which the registry knows a container's image: the one that it was pinned to, else
/// one that leads to the image.
fn digest_of(
    container: &Container,
    repository: &str,
    images: &BTreeMap<String, Image>,
    known: &BTreeSet<Digest>,
) -> Option<Digest> {
    let pinned = container.reference.rsplit_once('@').filter(|_| container.uses(repository));
    if let Some((_, digest)) = pinned {
        return digest.parse().ok();
    }
    let image = images.get(&container.image)?;
    let prefix = format!("{repository}@");
    let named = image.digests.iter().find_map(|it| it.strip_prefix(&prefix));
    named
        .and_then(|it| it.parse().ok())
        .or_else(|| container.image.parse().ok().filter(|it| known.contains(it)))
}

/// The digests of releases that orders were about. Some engines call an image by its manifest's
/// digest, and forget where it came from with its last name.
fn known_digests(history: &[String], wanted: &Wanted) -> BTreeSet<Digest> {
    let released = history.iter().filter(|it| !it.starts_with("local@"));
    let mut known: BTreeSet<Digest> =
        released.filter_map(|it| it.rsplit('@').next()?.parse().ok()).collect();
    if let Wanted::Release(_, digest) = wanted {
        known.insert(digest.clone());
    }
    known
}
