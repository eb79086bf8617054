//! Everything that a plan is made from.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lineage::follows;
use super::{Contents, Image};
use crate::configuration::{Configuration, Pattern};
use crate::digest::Digest;
use crate::lane::{Lane, Needs};
use crate::name::{Environment, LaneId, Service, Tag};
use crate::time::Timestamp;

/// What the ledger remembers of one image, beside what its lanes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// When it last became what each environment wants.
    pub promoted: BTreeMap<Environment, Timestamp>,
    /// The children of an index, read once for ever: a digest never names anything else.
    pub children: Option<Vec<Digest>>,
    /// When Esclusa read it, which the registry counts as a pull.
    pub read_at: Option<Timestamp>,
    /// When someone else had pulled it last before that.
    pub pulled_before: Option<Timestamp>,
}

impl Memory {
    /// When someone other than Esclusa last pulled the image, which the registry says was at
    /// `listed`.
    pub(super) fn pulled_at(&self, listed: Option<Timestamp>) -> Option<Timestamp> {
        let ours = |at: Timestamp| self.read_at.is_some_and(|read| near(at, read));
        if listed.is_some_and(ours) { self.pulled_before } else { listed }
    }
}

/// Whether two instants are one for the registry, whose clock is not ours.
fn near(a: Timestamp, b: Timestamp) -> bool {
    a.since(b).max(b.since(a)) <= Duration::from_mins(5)
}

/// What one environment of a service asks of retention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Which.
    pub environment: Environment,
    /// The tag that it follows.
    pub tag: Tag,
    /// What its version tags look like, where it asks for one.
    pub versions: Option<Pattern>,
    /// What its lane needs.
    pub needs: Needs,
    /// Digests that ran on all of its hosts, and when.
    pub successes: BTreeMap<Digest, Timestamp>,
}

/// Whether retention is any of a repository's business.
#[must_use]
pub fn is_in_scope(configured: bool, lanes: &[Lane]) -> bool {
    configured || lanes.iter().any(|lane| !lane.successes.is_empty())
}

/// The environments of a service, with what the ledger says of their lanes.
///
/// `configured` says whether the service has a configuration of its own: then the sweep makes a
/// lane for each of its environments, and one that is missing has not been looked at yet.
#[must_use]
pub fn lineages(
    service: &Service,
    configuration: &Configuration,
    lanes: &[Lane],
    configured: bool,
    now: Timestamp,
) -> Vec<Lineage> {
    let mut all = Vec::new();
    for (environment, settings) in &configuration.environments {
        let id = LaneId { service: service.clone(), environment: environment.clone() };
        let lane = lanes.iter().find(|lane| lane.id == id);
        let unknown = || Needs {
            unknown: Some(format!("{environment} has not been looked at yet")),
            ..Needs::default()
        };
        let needs = match lane {
            Some(lane) => lane.needs(now),
            None if configured => unknown(),
            None => Needs::default(),
        };
        all.push(Lineage {
            environment: environment.clone(),
            tag: settings.tag.clone(),
            versions: settings.require_version_tag.clone(),
            needs,
            successes: lane.map(successes).unwrap_or_default(),
        });
    }
    // A lane whose environment is configured no more still has hosts.
    for lane in
        lanes.iter().filter(|it| !configuration.environments.contains_key(&it.id.environment))
    {
        let LaneId { environment, .. } = &lane.id;
        let Ok(tag) = environment.as_str().parse() else { continue };
        let (versions, needs, successes) = (None, lane.needs(now), successes(lane));
        all.push(Lineage { environment: environment.clone(), tag, versions, needs, successes });
    }
    all
}

fn successes(lane: &Lane) -> BTreeMap<Digest, Timestamp> {
    let mut all = BTreeMap::new();
    for success in lane.successes.iter().rev() {
        all.insert(success.release.digest.clone(), success.at);
    }
    all
}

/// One repository, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Every image, by digest, each once.
    images: Vec<Image>,
    /// What each index names.
    contents: BTreeMap<Digest, Contents>,
    /// What the ledger remembers.
    pub memories: BTreeMap<Digest, Memory>,
    /// What the environments ask for.
    pub lineages: Vec<Lineage>,
}

impl Inventory {
    /// An inventory of these images, in whatever order they were listed.
    #[must_use]
    pub fn new(
        mut images: Vec<Image>,
        contents: BTreeMap<Digest, Contents>,
        memories: BTreeMap<Digest, Memory>,
        lineages: Vec<Lineage>,
    ) -> Self {
        for image in &mut images {
            image.tags.sort_unstable();
        }
        images.sort_unstable_by(|a, b| a.digest.cmp(&b.digest));
        images.dedup_by(|a, b| a.digest == b.digest);
        Self { images, contents, memories, lineages }
    }

    /// Every image, by digest.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Where an image stands among them.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<usize> {
        self.images.binary_search_by(|image| image.digest.cmp(digest)).ok()
    }

    /// What an index names: as it was just read, else as the ledger remembers it.
    #[must_use]
    pub fn contents(&self, digest: &Digest) -> Option<&Contents> {
        self.contents.get(digest)
    }

    /// Images that bear the tag that an environment follows, which the ledger does not know yet: a
    /// version, from the time of its push on, also when the tag has moved on.
    #[must_use]
    pub fn followed_for_the_first_time(&self) -> BTreeMap<Digest, Memory> {
        let mut news: BTreeMap<Digest, Memory> = BTreeMap::new();
        for image in &self.images {
            let known = self.memories.get(&image.digest);
            for lineage in self.lineages.iter().filter(|it| follows(image, it)) {
                let environment = &lineage.environment;
                if known.is_none_or(|it| !it.promoted.contains_key(environment)) {
                    let memory = news.entry(image.digest.clone()).or_default();
                    memory.promoted.insert(environment.clone(), image.pushed_at);
                }
            }
        }
        news
    }

    /// The same inventory, with what was just remembered of these.
    #[must_use]
    pub fn remembering(mut self, news: BTreeMap<Digest, Memory>) -> Self {
        for (digest, news) in news {
            self.memories.entry(digest).or_default().promoted.extend(news.promoted);
        }
        self
    }
}
