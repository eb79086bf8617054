//! Which image belongs to which: parts to their indexes, signatures to what they sign.

use super::inventory::Inventory;
use super::{Contents, Image, Kind};
use crate::digest::Digest;

/// The images that an inventory's images belong to, by their place in it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Who is part of whom: the children of each index that are there.
    pub(super) children: Vec<Vec<usize>>,
    /// The indexes that name each image.
    pub(super) indexes: Vec<Vec<usize>>,
    /// The images that refer to each image.
    pub(super) referrers: Vec<Vec<usize>>,
    /// What each image refers to and is there.
    subjects: Vec<Vec<usize>>,
    /// What each image refers to and is not in the repository.
    gone: Vec<Vec<Digest>>,
    /// Whether each image is about others, and nothing but that.
    about: Vec<bool>,
    /// Parts that an index names and that are not there: the index, and how many.
    pub(super) missing: Vec<(usize, usize)>,
    /// Indexes of which it is not known what they name.
    pub(super) unreadable: Vec<usize>,
}

impl Graph {
    pub(super) fn of(inventory: &Inventory) -> Self {
        let count = inventory.images().len();
        let mut graph = Self {
            children: vec![Vec::new(); count],
            indexes: vec![Vec::new(); count],
            referrers: vec![Vec::new(); count],
            ..Self::default()
        };
        for (place, image) in inventory.images().iter().enumerate() {
            graph.name_subjects(inventory, place, image);
            graph.name_children(inventory, place, image);
        }
        graph
    }

    fn name_subjects(&mut self, inventory: &Inventory, place: usize, image: &Image) {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for digest in image.refers_to() {
            match inventory.find(&digest) {
                Some(itself) if itself == place => {}
                Some(subject) => {
                    there.push(subject);
                    if let Some(referrers) = self.referrers.get_mut(subject) {
                        referrers.push(place);
                    }
                }
                None => gone.push(digest),
            }
        }
        let refers = !there.is_empty() || !gone.is_empty();
        self.about.push(refers && !image.has_a_tag_of_its_own());
        self.subjects.push(there);
        self.gone.push(gone);
    }

    fn name_children(&mut self, inventory: &Inventory, place: usize, image: &Image) {
        if image.kind != Kind::Index {
            return;
        }
        let named = match inventory.contents(&image.digest) {
            Some(Contents::Children(named)) => named,
            Some(Contents::Unreadable(_)) | None => {
                self.unreadable.push(place);
                return;
            }
        };
        let found: Vec<usize> = named.iter().filter_map(|it| inventory.find(it)).collect();
        let missing = named.len().saturating_sub(found.len());
        if missing > 0 {
            self.missing.push((place, missing));
        }
        for child in &found {
            if let Some(indexes) = self.indexes.get_mut(*child) {
                indexes.push(place);
            }
        }
        if let Some(children) = self.children.get_mut(place) {
            *children = found;
        }
    }

    /// The images that stay or go with the one at `place`.
    pub(super) fn followers(&self, place: usize) -> impl Iterator<Item = usize> {
        self.parts(place).chain(self.referrers_of(place))
    }

    pub(super) fn parts(&self, place: usize) -> impl Iterator<Item = usize> {
        self.children.get(place).into_iter().flatten().copied()
    }

    pub(super) fn referrers_of(&self, place: usize) -> impl Iterator<Item = usize> {
        self.referrers.get(place).into_iter().flatten().copied()
    }

    /// The images that must be gone before the one at `place`, should they go.
    pub(super) fn above(&self, place: usize) -> impl Iterator<Item = usize> {
        self.indexes_of(place).chain(self.subjects_of(place))
    }

    pub(super) fn subjects_of(&self, place: usize) -> impl Iterator<Item = usize> {
        self.subjects.get(place).into_iter().flatten().copied()
    }

    /// An image that the one at `place` refers to and that is gone, where none of them is there.
    pub(super) fn orphaned_by(&self, place: usize) -> Option<&Digest> {
        let none = self.subjects_of(place).next().is_none();
        self.gone.get(place).and_then(|gone| gone.first()).filter(|_| none)
    }

    pub(super) fn indexes_of(&self, place: usize) -> impl Iterator<Item = usize> {
        self.indexes.get(place).into_iter().flatten().copied()
    }

    pub(super) fn is_part(&self, place: usize) -> bool {
        self.indexes_of(place).next().is_some()
    }

    /// Whether an image stands for itself: part of nothing, and not merely about others.
    pub(super) fn is_root(&self, place: usize) -> bool {
        !self.is_part(place) && self.about.get(place).is_some_and(|about| !about)
    }
}
