//! The plan: a verdict on every image.

use std::collections::BTreeMap;
use std::time::Duration;

use super::graph::Graph;
use super::inventory::Inventory;
use super::lineage::{Ranks, follows};
use super::order::Families;
use super::reason::{Cause, Keep, Verdict};
use super::{Contents, Image, Kind};
use crate::configuration::Retention;
use crate::release::Availability;
use crate::time::Timestamp;

/// How long an image of no environment stays after someone has pulled it.
const PULLED: Duration = Duration::from_hours(14 * 24);

/// Notes of one kind that a plan spells out; of more it says how many there are.
const NOTES: usize = 20;

/// What becomes of a repository's images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The verdict on each image, in the inventory's order, which is that of the digests.
    pub verdicts: Vec<Verdict>,
    /// What goes together, in the order in which it goes.
    pub(super) families: Families,
    /// Why nothing may be deleted now, whatever the verdicts say; nothing where it may.
    pub withheld: Option<String>,
    /// What a person should know: what is not understood, pulled by strangers, or missing.
    pub notes: Vec<String>,
}

/// A plan in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Images that stay.
    pub kept: usize,
    /// Images that go.
    pub deleted: usize,
    /// At most so many bytes are reclaimed: the compressed sizes of the manifests that go, each
    /// once, indexes not counted beside their parts. Layers that images which stay use too are
    /// stored on.
    pub bytes: u64,
    /// How many stay for each reason, by its word.
    pub kept_for: BTreeMap<&'static str, usize>,
    /// How many go for each reason, by its word.
    pub deleted_for: BTreeMap<&'static str, usize>,
}

impl Plan {
    /// Decides on every image.
    #[must_use]
    pub fn make(inventory: &Inventory, policy: &Retention, now: Timestamp) -> Self {
        let graph = Graph::of(inventory);
        let ranks = Ranks::of(inventory, &graph);
        let judge = Judge { inventory, policy, graph: &graph, ranks: &ranks, now };
        let mut keeps = judge.keeps();
        let families = Families::of(inventory, &graph, &mut keeps);
        let cause = |place| judge.cause(place);
        let verdicts = keeps.into_iter().enumerate().map(|(place, keep)| match keep {
            Some(keep) => Verdict::Keep(keep),
            None => Verdict::Delete(cause(place)),
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        let withheld = inventory.lineages.iter().find_map(|it| it.needs.unknown.clone());
        let notes = judge.notes(&verdicts);
        Self { verdicts, families, withheld, notes }
    }

    /// The plan in figures.
    #[must_use]
    pub fn summary(&self, inventory: &Inventory) -> Summary {
        let mut summary = Summary::default();
        for (image, verdict) in inventory.images().iter().zip(&self.verdicts) {
            let (count, words) = match verdict {
                Verdict::Keep(_) => (&mut summary.kept, &mut summary.kept_for),
                Verdict::Delete(_) => {
                    let own = if image.kind == Kind::Index { 0 } else { image.bytes };
                    summary.bytes = summary.bytes.saturating_add(own);
                    (&mut summary.deleted, &mut summary.deleted_for)
                }
            };
            *count = count.saturating_add(1);
            let word = words.entry(verdict.code()).or_insert(0);
            *word = word.saturating_add(1);
        }
        summary
    }
}

struct Judge<'a> {
    inventory: &'a Inventory,
    policy: &'a Retention,
    graph: &'a Graph,
    ranks: &'a Ranks,
    now: Timestamp,
}

impl Judge<'_> {
    fn image(&self, place: usize) -> Option<&Image> {
        self.inventory.images().get(place)
    }

    /// Why each image stays; nothing for those that go.
    fn keeps(&self) -> Vec<Option<Keep>> {
        let images = self.inventory.images();
        let own = images.iter().enumerate().map(|(place, image)| self.own(place, image));
        let mut keeps: Vec<Option<Keep>> = own.collect();
        let mut kept: Vec<usize> =
            (0..keeps.len()).filter(|it| keeps.get(*it).is_some_and(Option::is_some)).collect();
        while let Some(place) = kept.pop() {
            let Some(digest) = self.image(place).map(|it| &it.digest) else { continue };
            let parts = self.graph.parts(place).map(|it| (it, Keep::PartOf(digest.clone())));
            let about = |it| (it, Keep::RefersTo(digest.clone()));
            let referrers = self.graph.referrers_of(place).map(about);
            for (follower, reason) in parts.chain(referrers) {
                if let Some(keep) = keeps.get_mut(follower).filter(|it| it.is_none()) {
                    *keep = Some(reason);
                    kept.push(follower);
                }
            }
        }
        keeps
    }

    /// Why an image stays for its own sake.
    fn own(&self, place: usize, image: &Image) -> Option<Keep> {
        self.needed(image)
            .or_else(|| self.followed(image))
            .or_else(|| self.untouchable(image))
            .or_else(|| match self.ranks.best(place) {
                Some((rank, environment)) => {
                    (rank <= self.policy.versions).then(|| Keep::Version(environment.clone(), rank))
                }
                None if self.graph.is_root(place) => self.unclaimed(image),
                None => self.orphaned(place, image),
            })
    }

    fn needed(&self, image: &Image) -> Option<Keep> {
        let needs = self.inventory.lineages.iter().filter_map(|it| {
            let need = it.needs.digests.get(&image.digest)?;
            Some((need, &it.environment))
        });
        let (need, environment) = needs.min()?;
        Some(Keep::Needed(environment.clone(), need.clone()))
    }

    fn followed(&self, image: &Image) -> Option<Keep> {
        let by = self.inventory.lineages.iter().find(|it| follows(image, it))?;
        Some(Keep::Followed(by.environment.clone()))
    }

    fn untouchable(&self, image: &Image) -> Option<Keep> {
        if image.availability == Availability::Archived {
            return Some(Keep::Archived);
        }
        let not_understood = |why: &str| Some(Keep::NotUnderstood(why.into()));
        match &image.kind {
            Kind::Unknown(kind) if kind.is_empty() => not_understood("ECR names no type"),
            Kind::Unknown(kind) => not_understood(&format!("its type is `{kind}`")),
            Kind::Index => match self.inventory.contents(&image.digest) {
                Some(Contents::Children(_)) => None,
                Some(Contents::Unreadable(why)) => not_understood(why),
                None => not_understood("what it names was not read"),
            },
            Kind::Image | Kind::Artifact => None,
        }
    }

    /// Why a root stays that no environment ever wanted.
    fn unclaimed(&self, image: &Image) -> Option<Keep> {
        self.aged(image)
            .or_else(|| (image.kind == Kind::Artifact).then_some(Keep::Artifact))
            .or_else(|| self.maybe_a_part(image))
            .or_else(|| self.pulled(image))
    }

    /// Why an image stays although what it refers to is gone: that may be pushed after it.
    fn orphaned(&self, place: usize, image: &Image) -> Option<Keep> {
        self.graph.orphaned_by(place).filter(|_| !self.graph.is_part(place))?;
        self.aged(image).or_else(|| self.pulled(image))
    }

    /// Why an image stays that someone pulls.
    fn pulled(&self, image: &Image) -> Option<Keep> {
        let memory = self.inventory.memories.get(&image.digest);
        let pulled = match memory {
            Some(memory) => memory.pulled_at(image.pulled_at),
            None => image.pulled_at,
        };
        pulled.filter(|at| at.after(PULLED) > self.now).map(Keep::Pulled)
    }

    /// Why an image stays for its age.
    fn aged(&self, image: &Image) -> Option<Keep> {
        let (until, keep): (_, fn(Timestamp) -> Keep) = if image.tags.is_empty() {
            (image.pushed_at.after(self.policy.untagged_grace), Keep::Young)
        } else {
            (image.pushed_at.after(self.policy.unmapped), Keep::Unmapped)
        };
        (until > self.now).then(|| keep(until))
    }

    /// Where an index cannot be read, whatever bears no tag may be part of it.
    fn maybe_a_part(&self, image: &Image) -> Option<Keep> {
        let index = self.image(*self.graph.unreadable.first()?)?;
        let why = || format!("it may be part of {}, which cannot be read", index.digest.short());
        image.tags.is_empty().then(|| Keep::NotUnderstood(why().into()))
    }

    fn cause(&self, place: usize) -> Cause {
        let digest = |place| self.image(place).map(|it| it.digest.clone());
        if let Some(index) = self.graph.indexes_of(place).next().and_then(digest) {
            return Cause::PartOf(index);
        }
        if let Some((rank, environment)) = self.ranks.best(place) {
            return Cause::Version(environment.clone(), rank.saturating_sub(1));
        }
        if let Some(subject) = self.graph.subjects_of(place).next().and_then(digest) {
            return Cause::RefersTo(subject);
        }
        if let Some(subject) = self.graph.orphaned_by(place) {
            return Cause::Orphan(subject.clone());
        }
        let tagged = self.image(place).is_some_and(|image| !image.tags.is_empty());
        if tagged { Cause::Unmapped } else { Cause::Untagged }
    }

    fn notes(&self, verdicts: &[Verdict]) -> Vec<String> {
        let images = self.inventory.images().iter().zip(verdicts);
        let told = images.filter_map(|(image, verdict)| match verdict {
            Verdict::Keep(Keep::NotUnderstood(_) | Keep::Pulled(_)) => {
                Some(format!("{} is kept: {verdict}", name(image)))
            }
            Verdict::Keep(_) | Verdict::Delete(_) => None,
        });
        let mut notes = few(told);
        notes.extend(few(self.graph.missing.iter().filter_map(|(place, count)| {
            let image = self.image(*place)?;
            Some(format!("{} names {count} part(s) that are not there", name(image)))
        })));
        notes
    }
}

/// The first of them, and how many more there are.
fn few(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = all.fuse();
    let mut first: Vec<String> = all.by_ref().take(NOTES).collect();
    let more = all.count();
    if more > 0 {
        first.push(format!("and {more} more of the kind"));
    }
    first
}

/// What a person calls an image: a tag, and the beginning of its digest.
fn name(image: &Image) -> String {
    match image.tags.first() {
        Some(tag) => format!("`{tag}` ({})", image.digest.short()),
        None => image.digest.short().to_owned(),
    }
}
