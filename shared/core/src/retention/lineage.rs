//! The versions of each environment, newest first.

use super::graph::Graph;
use super::inventory::{Inventory, Lineage, Memory};
use super::{Image, Kind};
use crate::name::Environment;
use crate::release::Availability;
use crate::time::Timestamp;

/// Where each image stands among the versions of the environments.
#[derive(Debug)]
pub(super) struct Ranks {
    /// For each image: its best rank in a lineage, counted from 1, and in which.
    best: Vec<Option<(usize, Environment)>>,
}

impl Ranks {
    pub(super) fn of(inventory: &Inventory, graph: &Graph) -> Self {
        let mut best: Vec<Option<(usize, Environment)>> = vec![None; inventory.images().len()];
        for lineage in &inventory.lineages {
            for (before, place) in versions(inventory, graph, lineage).into_iter().enumerate() {
                let rank = before.saturating_add(1);
                let Some(known) = best.get_mut(place) else { continue };
                if known.as_ref().is_none_or(|(best, _)| rank < *best) {
                    *known = Some((rank, lineage.environment.clone()));
                }
            }
        }
        Self { best }
    }

    /// The best rank of an image, and of which environment; nothing if it is no version.
    pub(super) fn best(&self, place: usize) -> Option<(usize, &Environment)> {
        let (rank, environment) = self.best.get(place)?.as_ref()?;
        Some((*rank, environment))
    }
}

/// The versions of one environment, newest first.
///
/// A tag that is given to an old image makes it new: what counts is when the environment came to
/// want it. Where the ledger does not say, it is when the image was pushed.
fn versions(inventory: &Inventory, graph: &Graph, lineage: &Lineage) -> Vec<usize> {
    let mut all: Vec<(Timestamp, usize)> = Vec::new();
    for (place, image) in inventory.images().iter().enumerate() {
        if image.availability == Availability::Archived {
            continue;
        }
        let memory = inventory.memories.get(&image.digest);
        let known = wanted_at(image, memory, lineage);
        let silent = || is_version(image, graph.is_root(place), lineage).then_some(image.pushed_at);
        if let Some(at) = known.or_else(silent) {
            all.push((at, place));
        }
    }
    // Images are sorted by digest: of two of one instant the greater digest is the newer.
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.into_iter().map(|(_, place)| place).collect()
}

/// When the environment last came to want an image, by the ledger.
fn wanted_at(image: &Image, memory: Option<&Memory>, lineage: &Lineage) -> Option<Timestamp> {
    let promoted = memory.and_then(|it| it.promoted.get(&lineage.environment));
    promoted.into_iter().chain(lineage.successes.get(&image.digest)).max().copied()
}

/// Whether an image that the ledger does not know is a version all the same.
fn is_version(image: &Image, is_root: bool, lineage: &Lineage) -> bool {
    let release = matches!(image.kind, Kind::Index | Kind::Image) && is_root;
    let pattern = lineage.versions.as_ref();
    let versioned = || image.tags.iter().any(|tag| pattern.is_some_and(|it| it.matches(tag)));
    follows(image, lineage) || (release && versioned())
}

/// Whether an image bears the tag that an environment follows.
pub(super) fn follows(image: &Image, lineage: &Lineage) -> bool {
    image.tags.iter().any(|tag| **tag == *lineage.tag.as_str())
}
