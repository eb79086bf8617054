//! Everything that a plan is made from, seen in an order that keeps what comes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::configuration::{Configuration, Retention};
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::Service;
use esclusa_core::retention::{
    Contents, Image, Inventory, Kind, Memory, PER_CALL, is_in_scope, lineages,
};
use esclusa_core::time::Timestamp;

use super::RetainError;
use super::ports::Ports;
use crate::ports::Unavailable;

/// How long what the ledger knows of an image outlives the image's listing.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// Images that are forgotten in one run, at most: what is left is forgotten by the next one.
const FORGOTTEN: usize = 100;

/// What a repository's service says, before the repository is looked at.
#[derive(Debug)]
pub(super) struct Context {
    configuration: Configuration,
    configured: bool,
    lanes: Vec<Lane>,
}

/// Everything that was seen of a repository.
#[derive(Debug)]
pub struct Seen {
    /// What its service configures.
    pub policy: Retention,
    /// Its images and what is known of them.
    pub inventory: Inventory,
    /// Its lanes, as they were when it was looked at.
    pub lanes: Vec<Lane>,
}

/// Whether retention is any of a repository's business, and what its service says.
pub(super) async fn context<P: Ports>(
    ports: &P,
    service: &Service,
) -> Result<Context, RetainError> {
    let sources = ports.sources(service).await?;
    let configured = sources.service.is_some();
    let lanes = lanes(ports, service).await?;
    if !is_in_scope(configured, &lanes) {
        return Err(RetainError::NotOurs(service.clone()));
    }
    let read = Configuration::read(sources.service.as_deref(), sources.defaults.as_deref());
    let failed = |source| RetainError::Configuration { service: service.clone(), source };
    Ok(Context { configuration: read.map_err(failed)?, configured, lanes })
}

/// The lanes of a service, as they are stored now.
pub(super) async fn lanes<P: Ports>(
    ports: &P,
    service: &Service,
) -> Result<Vec<Lane>, Unavailable> {
    let mut lanes = Vec::new();
    for id in ports.lanes_of(service).await? {
        lanes.extend(ports.load(&id).await?);
    }
    Ok(lanes)
}

/// Looks at everything.
///
/// Memories before images: what is remembered was there before the images were listed, so what is
/// not listed then is gone. Indexes that were not read before are read, and remembered.
///
/// # Errors
///
/// A repository that does not exist, or a call that failed.
pub(super) async fn see<P: Ports>(
    ports: &P,
    service: &Service,
    context: Context,
) -> Result<Seen, RetainError> {
    let Context { configuration, configured, lanes } = context;
    let mut memories = ports.memories(service).await?;
    let Some(images) = ports.images(service).await? else {
        return Err(RetainError::NoRepository(service.clone()));
    };
    forget_gone(ports, service, &images, &mut memories).await?;
    let contents = contents(ports, service, &images, &mut memories).await?;
    let now = ports.now();
    let lineages = lineages(service, &configuration, &lanes, configured, now);
    let inventory = Inventory::new(images, contents, memories, lineages);
    let news = inventory.followed_for_the_first_time();
    ports.remember(service, &news).await?;
    let inventory = inventory.remembering(news);
    Ok(Seen { policy: configuration.retention, inventory, lanes })
}

/// Forgets what is gone from the registry, however it went.
async fn forget_gone<P: Ports>(
    ports: &P,
    service: &Service,
    images: &[Image],
    memories: &mut BTreeMap<Digest, Memory>,
) -> Result<(), Unavailable> {
    let listed: BTreeSet<&Digest> = images.iter().map(|image| &image.digest).collect();
    let now = ports.now();
    let old = |memory: &Memory| {
        let last = memory.promoted.values().copied().chain(memory.read_at).max();
        last.is_none_or(|at| now.since(at) > FORGOTTEN_AFTER)
    };
    let gone = memories.iter().filter(|(digest, it)| !listed.contains(digest) && old(it));
    let gone: BTreeSet<Digest> = gone.take(FORGOTTEN).map(|(digest, _)| digest.clone()).collect();
    if !gone.is_empty() {
        ports.forget(service, &gone).await?;
        memories.retain(|digest, _| !gone.contains(digest));
    }
    Ok(())
}

/// What each index names: as it is remembered, else as it is read now.
async fn contents<P: Ports>(
    ports: &P,
    service: &Service,
    images: &[Image],
    memories: &mut BTreeMap<Digest, Memory>,
) -> Result<BTreeMap<Digest, Contents>, Unavailable> {
    let mut contents = BTreeMap::new();
    let mut unread = BTreeMap::new();
    for index in images.iter().filter(|image| image.kind == Kind::Index) {
        match memories.get_mut(&index.digest).and_then(|it| it.children.take()) {
            Some(children) => {
                contents.insert(index.digest.clone(), Contents::Children(children));
            }
            None => {
                unread.insert(index.digest.clone(), index.pulled_at);
            }
        }
    }
    let unread: Vec<(Digest, Option<Timestamp>)> = unread.into_iter().collect();
    // Call by call, so that what is read once stays read, whatever becomes of the run.
    for some in unread.chunks(PER_CALL) {
        let read_at = ports.now();
        let digests: Vec<Digest> = some.iter().map(|(digest, _)| digest.clone()).collect();
        let read = ports.contents(service, &digests).await?;
        let news = memories_of(&read, some, read_at);
        ports.remember(service, &news).await?;
        for (digest, news) in news {
            let memory = memories.entry(digest).or_default();
            (memory.read_at, memory.pulled_before) = (news.read_at, news.pulled_before);
        }
        contents.extend(read);
    }
    Ok(contents)
}

/// What is remembered of indexes that were just read. What cannot be read is read again by the next
/// run; the archive hands nothing out.
fn memories_of(
    read: &BTreeMap<Digest, Contents>,
    listed: &[(Digest, Option<Timestamp>)],
    read_at: Timestamp,
) -> BTreeMap<Digest, Memory> {
    let memory = |(digest, pulled_before): &(Digest, Option<Timestamp>)| match read.get(digest)? {
        Contents::Children(children) => {
            let (children, read_at) = (Some(children.clone()), Some(read_at));
            let pulled_before = *pulled_before;
            let memory = Memory { children, read_at, pulled_before, ..Memory::default() };
            Some((digest.clone(), memory))
        }
        Contents::Unreadable(_) => None,
    };
    listed.iter().filter_map(memory).collect()
}
