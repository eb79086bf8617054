//! Registries, in a few words a line.
#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::configuration::Retention;
use crate::digest::Digest;
use crate::lane::{Need, Needs};
use crate::name::HostId;
use crate::release::Availability;
use crate::retention::{Contents, Image, Inventory, Kind, Lineage, Memory, Plan, Verdict};
use crate::time::Timestamp;

/// 2026-01-01T00:00:00Z.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

pub(super) fn ago(span: Duration) -> Timestamp {
    let millis = NOW.as_millis() - Timestamp::default().after(span).as_millis();
    Timestamp::from_millis(millis)
}

/// The digest of what a test calls `name`: as far from alphabetical order as real ones.
pub(super) fn digest(name: &str) -> Digest {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, mix).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("sha256:{}", format!("{hash:016x}").repeat(4)).parse().unwrap()
}

/// The tag that cosign gives to what is about an image.
pub(super) fn tag_about(name: &str, ending: &str) -> String {
    format!("{}{ending}", digest(name).as_str().replace(':', "-"))
}

pub(super) fn host() -> HostId {
    "i-0000000a".parse().unwrap()
}

/// A registry, its lanes and the ledger. Production follows `latest` and asks for a version tag
/// `v*`, staging follows `staging`. Whatever is not said to be younger was pushed 100 days ago.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) images: Vec<Image>,
    pub(super) contents: BTreeMap<Digest, Contents>,
    pub(super) memories: BTreeMap<Digest, Memory>,
    pub(super) lineages: Vec<Lineage>,
    pub(super) policy: Retention,
    names: BTreeMap<Digest, String>,
}

impl World {
    pub(super) fn new() -> Self {
        let lineage = |environment: &str, tag: &str, versions: Option<&str>| Lineage {
            environment: environment.parse().unwrap(),
            tag: tag.parse().unwrap(),
            versions: versions.map(|it| it.parse().unwrap()),
            needs: Needs::default(),
            successes: BTreeMap::new(),
        };
        Self {
            images: Vec::new(),
            contents: BTreeMap::new(),
            memories: BTreeMap::new(),
            lineages: vec![
                lineage("production", "latest", Some("v*")),
                lineage("staging", "staging", None),
            ],
            policy: Retention::default(),
            names: BTreeMap::new(),
        }
    }

    fn push(&mut self, name: &str, kind: Kind) -> Pushed<'_> {
        assert!(self.names.insert(digest(name), name.to_owned()).is_none(), "{name} exists");
        self.images.push(Image {
            digest: digest(name),
            tags: Vec::new(),
            kind,
            bytes: 1000,
            pushed_at: ago(100 * DAY),
            pulled_at: None,
            subject: None,
            availability: Availability::Active,
        });
        let last = self.images.len() - 1;
        Pushed(&mut self.images[last..])
    }

    /// An image of one platform.
    pub(super) fn single(&mut self, name: &str) -> Pushed<'_> {
        self.push(name, Kind::Image)
    }

    /// An index, and those of its parts that are not there yet; `?` begins one that is missing.
    pub(super) fn index(&mut self, name: &str, parts: &str) -> Pushed<'_> {
        let first = self.images.len();
        let mut named = Vec::new();
        for part in parts.split_whitespace() {
            named.push(digest(part.trim_start_matches('?')));
            if !part.starts_with('?') && !self.names.contains_key(&digest(part)) {
                self.single(part);
            }
        }
        self.contents.insert(digest(name), Contents::Children(named));
        self.push(name, Kind::Index);
        Pushed(&mut self.images[first..])
    }

    /// An index that does not parse.
    pub(super) fn unreadable(&mut self, name: &str) -> Pushed<'_> {
        self.contents.insert(digest(name), Contents::Unreadable("it does not parse".to_owned()));
        self.push(name, Kind::Index)
    }

    /// An index that nobody has read.
    pub(super) fn unread(&mut self, name: &str) -> Pushed<'_> {
        self.push(name, Kind::Index)
    }

    /// Something that is no image, such as a chart.
    pub(super) fn artifact(&mut self, name: &str) -> Pushed<'_> {
        self.push(name, Kind::Artifact)
    }

    /// A manifest of a type that is not known.
    pub(super) fn unknown(&mut self, name: &str, media_type: &str) -> Pushed<'_> {
        self.push(name, Kind::Unknown(media_type.into()))
    }

    /// A signature that names its subject (OCI 1.1).
    pub(super) fn signature(&mut self, name: &str, of: &str) -> Pushed<'_> {
        let pushed = self.artifact(name);
        pushed.0[0].subject = Some(digest(of));
        pushed
    }

    /// A signature that is found by its tag.
    pub(super) fn cosign(&mut self, name: &str, of: &str) -> Pushed<'_> {
        self.single(name).tagged(&tag_about(of, ".sig"))
    }

    pub(super) fn image(&mut self, name: &str) -> &mut Image {
        let digest = digest(name);
        self.images.iter_mut().find(|image| image.digest == digest).unwrap()
    }

    pub(super) fn lineage(&mut self, environment: &str) -> &mut Lineage {
        self.lineages.iter_mut().find(|it| it.environment.as_str() == environment).unwrap()
    }

    pub(super) fn needs(&mut self, environment: &str, name: &str, need: Need) {
        self.lineage(environment).needs.digests.insert(digest(name), need);
    }

    pub(super) fn memory(&mut self, name: &str) -> &mut Memory {
        self.memories.entry(digest(name)).or_default()
    }

    /// By the ledger, the environment came to want the image so many days ago.
    pub(super) fn promoted(&mut self, environment: &str, name: &str, days: u32) {
        let environment = environment.parse().unwrap();
        self.memory(name).promoted.insert(environment, ago(days * DAY));
    }

    pub(super) fn inventory(&self) -> Inventory {
        let (contents, memories) = (self.contents.clone(), self.memories.clone());
        Inventory::new(self.images.clone(), contents, memories, self.lineages.clone())
    }

    pub(super) fn plan(&self) -> Plan {
        Plan::make(&self.inventory(), &self.policy, NOW)
    }

    /// What is there when these are gone, and forgotten.
    pub(super) fn without(&self, gone: &BTreeSet<Digest>) -> Self {
        let mut world = self.clone();
        world.images.retain(|image| !gone.contains(&image.digest));
        world.memories.retain(|digest, _| !gone.contains(digest));
        world
    }

    /// What a test calls an image.
    pub(super) fn name(&self, digest: &Digest) -> &str {
        &self.names[digest]
    }

    /// The same text, with names for digests.
    pub(super) fn named(&self, text: &str) -> String {
        let named =
            |text: String, (digest, name): (&Digest, &String)| text.replace(digest.short(), name);
        self.names.iter().fold(text.to_owned(), named)
    }

    pub(super) fn verdict(&self, name: &str) -> Verdict {
        let place = self.inventory().find(&digest(name)).unwrap();
        self.plan().verdicts[place].clone()
    }

    /// The fate of every image: `stays, version: v1 v2`.
    pub(super) fn fates(&self) -> Vec<String> {
        let (inventory, plan) = (self.inventory(), self.plan());
        let mut fates: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (image, verdict) in inventory.images().iter().zip(&plan.verdicts) {
            let does = if verdict.keeps() { "stays" } else { "goes" };
            let fate = format!("{does}, {}", verdict.code());
            fates.entry(fate).or_default().insert(self.name(&image.digest));
        }
        let line = |(fate, names): (String, BTreeSet<&str>)| {
            format!("{fate}: {}", Vec::from_iter(names).join(" "))
        };
        fates.into_iter().map(line).collect()
    }
}

/// What was just pushed together; the last of it is what bears the tags.
pub(super) struct Pushed<'a>(&'a mut [Image]);

impl Pushed<'_> {
    fn each(self, change: impl Fn(&mut Image)) -> Self {
        self.0.iter_mut().for_each(change);
        self
    }

    pub(super) fn tagged(self, tags: &str) -> Self {
        let tags = tags.split_whitespace().map(Into::into).collect();
        if let Some(last) = self.0.last_mut() {
            last.tags = tags;
        }
        self
    }

    /// Pushed so many days ago.
    pub(super) fn days(self, days: u32) -> Self {
        self.hours(days * 24)
    }

    /// Pushed so many hours ago.
    pub(super) fn hours(self, hours: u32) -> Self {
        self.each(|image| image.pushed_at = ago(hours * HOUR))
    }

    /// Pulled so many days ago.
    pub(super) fn pulled(self, days: u32) -> Self {
        self.each(|image| image.pulled_at = Some(ago(days * DAY)))
    }

    pub(super) fn archived(self) -> Self {
        self.each(|image| image.availability = Availability::Archived)
    }
}
