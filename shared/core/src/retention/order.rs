//! The order in which images go: what belongs together, together, and nothing before what names it.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::inventory::Inventory;
use super::reason::Keep;
use super::{Image, Plan};
use crate::configuration::Retention;
use crate::digest::Digest;
use crate::time::Timestamp;

/// Ids that `BatchDeleteImage` and `DescribeImages` take in one call.
pub const PER_CALL: usize = 100;

/// Images that go together: an index, its parts and what refers to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Each with its level: what names it, or what it refers to, is on a lower one.
    members: Vec<(usize, Doomed)>,
}

/// An image that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Its place in the inventory.
    pub place: usize,
    /// The places of those that must be gone before it: should one of them stay, so does this.
    pub after: Vec<usize>,
}

/// Everything that goes, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Families(Vec<Family>);

impl Families {
    /// Groups what is not kept. What names itself by way of others is kept: that is no order.
    pub(super) fn of(inventory: &Inventory, graph: &Graph, keeps: &mut [Option<Keep>]) -> Self {
        let levels = levels(graph, keeps);
        for (keep, level) in keeps.iter_mut().zip(&levels) {
            if keep.is_none() && level.is_none() {
                *keep = Some(Keep::NotUnderstood("it and others refer to each other".into()));
            }
        }
        let heads = heads(graph, keeps);
        let mut families: BTreeMap<usize, Family> = BTreeMap::new();
        for (place, level) in levels.iter().enumerate() {
            let (Some(level), Some(Some(head))) = (level, heads.get(place)) else { continue };
            let family = families.entry(*head).or_insert(Family { members: Vec::new() });
            let goes = |place: &usize| keeps.get(*place).is_some_and(Option::is_none);
            let after = graph.above(place).filter(goes).collect();
            family.members.push((*level, Doomed { place, after }));
        }
        let age = |family: &Family| {
            let pushed =
                family.members.iter().filter_map(|(_, it)| inventory.images().get(it.place));
            pushed.map(|image| image.pushed_at).min().unwrap_or_default()
        };
        let mut families: Vec<(Timestamp, usize, Family)> =
            families.into_iter().map(|(head, family)| (age(&family), head, family)).collect();
        families.sort_unstable_by_key(|(age, head, _)| (*age, *head));
        Self(families.into_iter().map(|(_, _, family)| family).collect())
    }
}

/// How many steps below what nothing else names each image that goes stands; nothing for those
/// that stay, and for those that cannot be put in order.
fn levels(graph: &Graph, keeps: &[Option<Keep>]) -> Vec<Option<usize>> {
    let goes = |place: &usize| keeps.get(*place).is_some_and(Option::is_none);
    let above = |place: usize| graph.above(place).filter(&goes);
    let mut waits: Vec<usize> = (0..keeps.len()).map(|place| above(place).count()).collect();
    let mut levels = vec![None; keeps.len()];
    let mut ready: Vec<(usize, usize)> = Vec::new();
    for place in (0..keeps.len()).filter(&goes) {
        if waits.get(place) == Some(&0) {
            ready.push((0, place));
        }
    }
    while let Some((level, place)) = ready.pop() {
        if let Some(known) = levels.get_mut(place) {
            *known = Some(level);
        }
        for follower in graph.followers(place).filter(&goes) {
            let Some(left) = waits.get_mut(follower) else { continue };
            *left = left.saturating_sub(1);
            if *left == 0 {
                let highest = above(follower).filter_map(|it| levels.get(it).copied().flatten());
                let level = highest.max().unwrap_or(0).saturating_add(1);
                ready.push((level, follower));
            }
        }
    }
    levels
}

/// The image that each one that goes is told apart by: one for all that belong together.
fn heads(graph: &Graph, keeps: &[Option<Keep>]) -> Vec<Option<usize>> {
    let goes = |place: &usize| keeps.get(*place).is_some_and(Option::is_none);
    let mut heads = vec![None; keeps.len()];
    for first in (0..keeps.len()).filter(&goes) {
        let mut reached = vec![first];
        while let Some(place) = reached.pop() {
            let Some(head) = heads.get_mut(place).filter(|it: &&mut Option<usize>| it.is_none())
            else {
                continue;
            };
            *head = Some(first);
            reached.extend(graph.followers(place).chain(graph.above(place)).filter(&goes));
        }
    }
    heads
}

/// What one call to delete names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// The image.
    pub digest: Digest,
    /// One of its tags, which is taken off it: the image goes with its last one. Nothing for an
    /// image that bears none, which goes as it is.
    pub tag: Option<Box<str>>,
}

/// What one run deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// Level by level: those of one may go in any order, once those of the levels before are gone.
    pub levels: Vec<Vec<Doomed>>,
    /// Images that the plan would delete and this run does not, for the cap.
    pub left: usize,
    /// The cap, in images; nothing where a person has lifted it.
    pub cap: Option<usize>,
}

impl Plan {
    /// What a run deletes of which `before` images are deleted already: whole families, the oldest
    /// first, as far as the cap allows.
    #[must_use]
    pub fn batches(&self, policy: &Retention, before: usize, force: bool) -> Batches {
        let half = self.verdicts.len().saturating_add(before) / 2;
        let cap = (!force).then(|| policy.max_deletions.min(half));
        let mut room = cap.map_or(usize::MAX, |cap| cap.saturating_sub(before));
        let mut by_level: BTreeMap<usize, Vec<Doomed>> = BTreeMap::new();
        let mut left: usize = 0;
        for family in &self.families.0 {
            let size = family.members.len();
            if left > 0 || size > room {
                left = left.saturating_add(size);
                continue;
            }
            room = room.saturating_sub(size);
            for (level, doomed) in &family.members {
                by_level.entry(*level).or_default().push(doomed.clone());
            }
        }
        Batches { levels: by_level.into_values().collect(), left, cap }
    }
}

/// The ids of images, in as few calls as ECR allows.
#[must_use]
pub fn calls<'a>(images: impl IntoIterator<Item = &'a Image>) -> Vec<Vec<Id>> {
    let mut ids = Vec::new();
    for image in images {
        let id = |tag: Option<Box<str>>| Id { digest: image.digest.clone(), tag };
        if image.tags.is_empty() {
            ids.push(id(None));
        }
        ids.extend(image.tags.iter().map(|tag| id(Some(tag.clone()))));
    }
    ids.chunks(PER_CALL).map(<[Id]>::to_vec).collect()
}
