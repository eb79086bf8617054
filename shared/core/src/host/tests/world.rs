//! One way to build what a host observes: the healthy project `shop` in `/srv/shop`, which runs
//! release `a` as `web` beside the database `db`. Rows spoil it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::definition::*;
use super::super::files::Files;
use super::super::health::Patience;
use super::super::journal::{Finished, Kept};
use super::super::order::{Mode, Order, Wanted};
use super::super::project::*;
use super::super::running::keep_tag;
use crate::configuration::Compose;
use crate::digest::Digest;
use crate::name::LaneId;
use crate::order::{Fence, OnHostFailure, Verb};
use crate::time::Timestamp;

pub(super) const REPOSITORY: &str = "1.dkr.ecr.eu-west-1.amazonaws.com/shop";
pub(super) const OTHER: &str = "postgres:16";
/// When the host is looked at, in seconds; containers were made at 1,000 and files before.
pub(super) const NOW: u64 = 10_000;

/// What a row changes in the healthy project.
pub(super) type Spoil = fn(&mut Observation);

/// Holds what was decided against what each row says, and names every row that differs.
pub(super) fn compare<'a>(rows: impl IntoIterator<Item = (&'a str, String, &'a str)>) {
    let differs = |(row, found, expected): (&str, String, &str)| {
        (found != expected).then(|| format!("{row}\n   found: {found}\nexpected: {expected}"))
    };
    let wrong: Vec<String> = rows.into_iter().filter_map(differs).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(second.saturating_mul(1000))
}

pub(super) fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

pub(super) fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

pub(super) fn map<V: Clone>(pairs: &[(&str, V)]) -> BTreeMap<String, V> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

// ---- Images ------------------------------------------------------------------------------------

pub(super) fn digest(letter: char) -> Digest {
    format!("sha256:{}", letter.to_string().repeat(64)).parse().unwrap()
}

/// The engine's id of the image of a release.
pub(super) fn id_of(letter: char) -> String {
    format!("sha256:0{}", letter.to_string().repeat(63))
}

pub(super) fn by_digest(letter: char) -> String {
    format!("{REPOSITORY}@{}", digest(letter))
}

/// The name that a pin of ours gives a release.
pub(super) fn pinned(letter: char) -> String {
    format!("{REPOSITORY}:v-{letter}@{}", digest(letter))
}

pub(super) fn image(letter: char) -> Image {
    Image {
        id: id_of(letter),
        digests: set(&[&by_digest(letter)]),
        environment: map(&[("PATH", 1)]),
        runs: Command { entrypoint: list(&["/serve"]), command: Vec::new() },
        patience: Some(PATIENCE),
        platform: "linux/amd64".to_owned(),
        ..Image::default()
    }
}

/// 3 tries of at most 10 s each: 40 s in all.
pub(super) const PATIENCE: Patience = Patience {
    start_period: std::time::Duration::ZERO,
    interval: std::time::Duration::from_secs(5),
    timeout: std::time::Duration::from_secs(5),
    retries: 3,
};

pub(super) fn other_image() -> Image {
    Image { id: "sha256:pg".to_owned(), tags: set(&[OTHER]), ..Image::default() }
}

/// Gives the engine an image under its id and these names.
pub(super) fn add_image(seen: &mut Observation, image: &Image, names: &[&str]) {
    for name in names.iter().copied().chain([image.id.as_str()]) {
        seen.images.insert(name.to_owned(), image.clone());
    }
}

/// Gives the engine a release as a prefetch leaves it.
pub(super) fn add_release(seen: &mut Observation, letter: char) {
    let tag = keep_tag(&seen.files.project, digest(letter).as_str());
    add_image(seen, &image(letter), &[&by_digest(letter), &tag]);
}

// ---- Containers and services -------------------------------------------------------------------

/// A container of the project that runs well.
pub(super) fn container(service: &str, number: u32, reference: &str, image: &str) -> Container {
    Container {
        id: format!("{service}{number}"),
        name: format!("shop-{service}-{number}"),
        project: Some("shop".to_owned()),
        service: Some(service.to_owned()),
        number,
        is_one_off: false,
        reference: reference.to_owned(),
        image: image.to_owned(),
        digest: None,
        state: ContainerState::Running,
        health: None,
        patience: None,
        created_at: at(1000),
        started_at: at(1000),
        restarts: 0,
        restarts_always: true,
        removes_itself: false,
        runs: Command::default(),
        environment: BTreeMap::new(),
        ports: BTreeSet::new(),
        exposes_ports: false,
        mounts: Vec::new(),
        shares_with: BTreeSet::new(),
        networks: set(&["shop_default"]),
        directory: Some("/srv/shop".to_owned()),
        files: list(&["/srv/shop/compose.yaml"]),
        environment_files: Vec::new(),
    }
}

/// A container of a release.
pub(super) fn own(service: &str, number: u32, letter: char) -> Container {
    Container {
        digest: Some(digest(letter)),
        health: Some(HealthWord::Healthy),
        patience: Some(PATIENCE),
        runs: image(letter).runs,
        environment: map(&[("PATH", 1)]),
        ..container(service, number, &pinned(letter), &id_of(letter))
    }
}

/// A container of another image.
pub(super) fn other(service: &str) -> Container {
    container(service, 1, OTHER, "sha256:pg")
}

/// A container that Esclusa has nothing to do with.
pub(super) fn foreign(name: &str, project: Option<&str>) -> Container {
    Container {
        id: format!("foreign-{name}"),
        name: name.to_owned(),
        project: project.map(str::to_owned),
        directory: project.map(|it| format!("/opt/{it}")),
        networks: BTreeSet::new(),
        ..container("x", 1, "nginx:1", "sha256:nginx")
    }
}

pub(super) fn service(image: &str) -> ServiceDefinition {
    ServiceDefinition {
        image: image.to_owned(),
        is_active: true,
        replicas: 1,
        restarts_always: true,
        networks: set(&["default"]),
        ..ServiceDefinition::default()
    }
}

pub(super) fn own_service() -> ServiceDefinition {
    service(&format!("{REPOSITORY}:latest"))
}

pub(super) const fn waits(condition: Condition) -> Dependency {
    Dependency { condition, restarts: false }
}

pub(super) fn port(address: &str, published: u16, target: u16, protocol: &str) -> Port {
    let (address, protocol) = (address.to_owned(), protocol.to_owned());
    Port { address, published, target, protocol }
}

pub(super) fn mount(source: &str, target: &str) -> Mount {
    let (source, target) = (source.to_owned(), target.to_owned());
    Mount { source, target, is_anonymous: false, holds_data: true }
}

pub(super) fn gives(source: &str, target: &str) -> MountDefinition {
    MountDefinition { source: Some(source.to_owned()), target: target.to_owned() }
}

// ---- The host ----------------------------------------------------------------------------------

/// The healthy project.
pub(super) fn shop() -> Observation {
    let network = NetworkDefinition { name: "shop_default".to_owned(), ..Default::default() };
    let definition = Definition {
        project: "shop".to_owned(),
        services: map(&[("web", own_service()), ("db", service(OTHER))]),
        networks: map(&[("default", network)]),
        ..Definition::default()
    };
    let bridge = Network { driver: "bridge".to_owned(), ..Network::default() };
    let listed = list(&["compose.yaml"]);
    let mut seen = Observation {
        zone: String::new(),
        now: at(NOW),
        platform: "linux/amd64".parse().ok(),
        definition: Ok(definition),
        files: Files { listed, project: "shop".to_owned(), ..Files::default() },
        differs_from_own: None,
        pin: Some(map(&[("web", pinned('a'))])),
        has_next_file: false,
        edited_at: Some(at(500)),
        directories: set(&["/srv/shop"]),
        containers: vec![own("web", 1, 'a'), other("db")],
        images: BTreeMap::new(),
        networks: map(&[("shop_default", bridge)]),
        volumes: BTreeMap::new(),
        last_lines: BTreeMap::new(),
        kept: Kept::default(),
    };
    add_release(&mut seen, 'a');
    add_release(&mut seen, 'b');
    add_image(&mut seen, &other_image(), &[OTHER]);
    seen
}

/// The project as rows change it.
pub(super) fn shop_with(spoil: Spoil) -> Observation {
    let mut seen = shop();
    spoil(&mut seen);
    seen
}

/// What the files say, to be changed.
pub(super) fn files(seen: &mut Observation) -> &mut Definition {
    seen.definition.as_mut().unwrap()
}

/// A service of the files, which may be new.
pub(super) fn says<'a>(seen: &'a mut Observation, name: &str) -> &'a mut ServiceDefinition {
    files(seen).services.entry(name.to_owned()).or_insert_with(|| service(OTHER))
}

/// A container by its id.
pub(super) fn of<'a>(seen: &'a mut Observation, id: &str) -> &'a mut Container {
    seen.containers.iter_mut().find(|it| it.id == id).unwrap()
}

/// Puts a definition that cannot be read in place of the files.
pub(super) fn spoil_files(seen: &mut Observation) {
    let text = "docker compose config fails in /srv/shop: yaml: line 3.".to_owned();
    seen.definition = Err(Problem { text });
}

pub(super) fn lane() -> LaneId {
    LaneId { service: "shop".parse().unwrap(), environment: "production".parse().unwrap() }
}

pub(super) const fn fence(generation: u64) -> Fence {
    Fence { epoch: 1, generation }
}

pub(super) fn release(letter: char) -> Wanted {
    Wanted::Release(format!("v-{letter}").parse().unwrap(), digest(letter))
}

/// An order to activate.
pub(super) fn order(wanted: Wanted) -> Order {
    Order {
        verb: Verb::Activate,
        lane: lane(),
        project: "shop".to_owned(),
        repository: REPOSITORY.to_owned(),
        wanted,
        image_bytes: 0,
        fence: fence(7),
        issued_at: at(NOW),
        not_after: at(NOW.saturating_add(120)),
        on_failure: OnHostFailure::Restore,
        mode: Mode::Change,
        deadline: None,
        http: None,
        compose: Compose::Host,
        allowed: BTreeSet::new(),
    }
}

/// What the host wrote down of an order that ended well.
pub(super) fn finished(generation: u64, letter: char) -> Finished {
    Finished {
        fence: fence(generation),
        wanted: release(letter).to_string(),
        mode: Mode::Change.to_string(),
        answer: "{}".to_owned(),
        exit: 0,
        targets: map(&[("web", 1)]),
        replicas_of_files: map(&[("web", 1)]),
        files: Files::default(),
        containers: BTreeSet::new(),
    }
}
