//! What holds for any registry.
#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::draw::{Drawn, registry};
use super::world::{DAY, NOW, World};
use crate::digest::Digest;
use crate::release::Availability;
use crate::retention::{
    Batches, Contents, Id, Image, Inventory, Kind, Lineage, PER_CALL, Plan, calls,
};
use crate::time::Timestamp;

/// The digests that a plan would delete.
fn doomed(world: &World, plan: &Plan) -> BTreeSet<Digest> {
    let inventory = world.inventory();
    let judged = inventory.images().iter().zip(&plan.verdicts);
    judged.filter(|(_, it)| !it.keeps()).map(|(image, _)| image.digest.clone()).collect()
}

/// The digest that a tag `sha256-….sig` is about.
fn about(tag: &str) -> Option<Digest> {
    let name = tag.split('.').next()?;
    name.starts_with("sha256-").then(|| name.replacen('-', ":", 1).parse().ok()).flatten()
}

fn parts<'a>(world: &'a World, image: &Image) -> &'a [Digest] {
    match world.contents.get(&image.digest) {
        Some(Contents::Children(children)) => children,
        Some(Contents::Unreadable(_)) | None => &[],
    }
}

/// The rule of what is kept, written without thought of speed.
struct Rule<'a> {
    world: &'a World,
    images: BTreeSet<&'a Digest>,
    parts: BTreeSet<&'a Digest>,
}

impl<'a> Rule<'a> {
    fn of(world: &'a World) -> Self {
        let images = world.images.iter().map(|it| &it.digest).collect();
        let parts = world.images.iter().flat_map(|it| parts(world, it)).collect();
        Self { world, images, parts }
    }

    fn subjects(image: &Image) -> Vec<Digest> {
        let by_tags = image.tags.iter().filter_map(|tag| about(tag));
        let all = image.subject.iter().cloned().chain(by_tags);
        all.filter(|it| *it != image.digest).collect()
    }

    fn is_part(&self, image: &Image) -> bool {
        self.parts.contains(&image.digest)
    }

    fn is_root(&self, image: &Image) -> bool {
        let own_tag = image.subject.is_none() && image.tags.iter().any(|it| about(it).is_none());
        (own_tag || Self::subjects(image).is_empty()) && !self.is_part(image)
    }

    /// The versions of an environment, newest first.
    fn versions(&self, lineage: &Lineage) -> Vec<&'a Digest> {
        let mut versions = Vec::new();
        for image in &self.world.images {
            let memory = self.world.memories.get(&image.digest);
            let promoted = memory.and_then(|it| it.promoted.get(&lineage.environment));
            let tagged = |wanted: &dyn Fn(&str) -> bool| image.tags.iter().any(|it| wanted(it));
            let version = |tag: &str| lineage.versions.as_ref().is_some_and(|it| it.matches(tag));
            let silent = tagged(&|tag| tag == lineage.tag.as_str())
                || matches!(image.kind, Kind::Image | Kind::Index)
                    && tagged(&version)
                    && self.is_root(image);
            let at = promoted.copied().or(silent.then_some(image.pushed_at));
            if image.availability == Availability::Active {
                versions.extend(at.map(|at| (at, &image.digest)));
            }
        }
        versions.sort_unstable();
        versions.into_iter().rev().map(|(_, digest)| digest).collect()
    }

    /// Whether an image stays that belongs to no environment.
    fn is_recent(&self, image: &Image) -> bool {
        let younger = |at: Timestamp, age: Duration| NOW.since(at) < age;
        let memory = self.world.memories.get(&image.digest);
        let read = memory.and_then(|it| it.read_at);
        let pulled = match (image.pulled_at, read) {
            (Some(pulled), Some(read)) if pulled == read => memory.and_then(|it| it.pulled_before),
            (pulled, _) => pulled,
        };
        let grace = if image.tags.is_empty() { DAY } else { 14 * DAY };
        younger(image.pushed_at, grace) || pulled.is_some_and(|at| younger(at, 14 * DAY))
    }

    fn stays_by_itself(&self, image: &Image) -> bool {
        let lineages = &self.world.lineages;
        let needed = lineages.iter().any(|it| it.needs.digests.contains_key(&image.digest));
        let followed =
            |lineage: &Lineage| image.tags.iter().any(|tag| **tag == *lineage.tag.as_str());
        let unreadable = |it: &Image| {
            matches!(self.world.contents.get(&it.digest), Some(Contents::Unreadable(_)))
        };
        let odd = matches!(image.kind, Kind::Unknown(_)) || unreadable(image);
        let archived = image.availability == Availability::Archived;
        needed || lineages.iter().any(followed) || odd || archived
    }

    /// Everything that must stay.
    fn kept(&self) -> BTreeSet<&'a Digest> {
        let world = self.world;
        let mut kept = BTreeSet::new();
        let mut versions = BTreeSet::new();
        for lineage in &world.lineages {
            let all = self.versions(lineage);
            kept.extend(all.iter().take(world.policy.versions));
            versions.extend(all);
        }
        for image in &world.images {
            let gone = |it: &Digest| !self.images.contains(it);
            let orphan = !self.is_part(image) && Self::subjects(image).iter().all(gone);
            let unclaimed = !versions.contains(&image.digest) && (self.is_root(image) || orphan);
            let chart = image.kind == Kind::Artifact && self.is_root(image);
            if self.stays_by_itself(image) || unclaimed && (chart || self.is_recent(image)) {
                kept.insert(&image.digest);
            }
        }
        loop {
            let before = kept.len();
            for image in &world.images {
                if kept.contains(&image.digest) {
                    kept.extend(parts(world, image).iter().filter(|it| self.images.contains(it)));
                }
                if Self::subjects(image).iter().any(|it| kept.contains(it)) {
                    kept.insert(&image.digest);
                }
            }
            if kept.len() == before {
                return kept;
            }
        }
    }
}

/// What ECR does when it is asked to delete.
struct Registry {
    tags: BTreeMap<Digest, BTreeSet<Box<str>>>,
    parts: BTreeMap<Digest, Vec<Digest>>,
}

impl Registry {
    fn of(drawn: &Drawn) -> Self {
        let mut parts = drawn.hidden.clone();
        for (index, contents) in &drawn.world.contents {
            if let Contents::Children(children) = contents {
                parts.insert(index.clone(), children.clone());
            }
        }
        let tags = |image: &Image| (image.digest.clone(), image.tags.iter().cloned().collect());
        Self { tags: drawn.world.images.iter().map(tags).collect(), parts }
    }

    /// Deletes as asked, or says what it would refuse. Within one call it takes the ids in no
    /// certain order, so that a part is refused if its index was there before the call.
    fn delete(&mut self, ids: &[Id]) -> Result<(), TestCaseError> {
        prop_assert!(ids.len() <= PER_CALL);
        let indexes = self.parts.iter().filter(|(index, _)| self.tags.contains_key(index));
        let parts: BTreeSet<Digest> = indexes.flat_map(|(_, parts)| parts).cloned().collect();
        for Id { digest, tag } in ids {
            let Some(tags) = self.tags.get_mut(digest) else {
                return Err(TestCaseError::fail(format!("ImageNotFound: {digest}")));
            };
            let found = tag.as_ref().is_none_or(|tag| tags.remove(tag));
            prop_assert!(found, "ImageNotFound: {digest} {tag:?}");
            if tag.is_none() || tags.is_empty() {
                prop_assert!(!parts.contains(digest), "ImageReferencedByManifestList: {digest}");
                self.tags.remove(digest);
            }
        }
        Ok(())
    }

    /// Carries out what one run deletes, and tells what is gone.
    fn carry_out(
        &mut self,
        inventory: &Inventory,
        batches: &Batches,
    ) -> Result<BTreeSet<Digest>, TestCaseError> {
        let before: BTreeSet<Digest> = self.tags.keys().cloned().collect();
        for level in &batches.levels {
            for doomed in level {
                let gone = |it: &usize| !self.tags.contains_key(&inventory.images()[*it].digest);
                prop_assert!(doomed.after.iter().all(gone), "{doomed:?}");
            }
            for ids in calls(level.iter().map(|it| &inventory.images()[it.place])) {
                self.delete(&ids)?;
            }
        }
        Ok(before.into_iter().filter(|it| !self.tags.contains_key(it)).collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_rules_keep_is_never_deleted(drawn in registry(2)) {
        let Drawn { world, .. } = &drawn;
        let goes = doomed(world, &world.plan());
        let rule = Rule::of(world);
        for digest in rule.kept() {
            prop_assert!(!goes.contains(digest), "{}", world.name(digest));
        }
        for lineage in &world.lineages {
            let newest = rule.versions(lineage).into_iter().take(world.policy.versions);
            for digest in newest {
                prop_assert!(!goes.contains(digest), "{}", world.name(digest));
            }
        }
    }

    #[test]
    fn what_the_rules_do_not_keep_is_deleted(drawn in registry(0)) {
        let Drawn { world, .. } = &drawn;
        let goes = doomed(world, &world.plan());
        let kept = Rule::of(world).kept();
        for image in &world.images {
            let stays = kept.contains(&image.digest);
            prop_assert_eq!(stays, !goes.contains(&image.digest), "{}", world.name(&image.digest));
        }
    }

    #[test]
    fn carried_out_a_plan_deletes_what_it_says_and_is_never_refused(drawn in registry(2)) {
        let (world, mut registry) = (&drawn.world, Registry::of(&drawn));
        let plan = world.plan();
        let batches = plan.batches(&world.policy, 0, true);
        let gone = registry.carry_out(&world.inventory(), &batches)?;
        prop_assert_eq!(&gone, &doomed(world, &plan));
        let after = world.without(&gone);
        let again = doomed(&after, &after.plan());
        prop_assert!(again.is_empty(), "{:?}", again);
    }

    #[test]
    fn one_run_deletes_no_more_than_it_may_and_the_next_the_same_rest(
        drawn in registry(2),
        max in 1..60_usize,
    ) {
        let mut registry = Registry::of(&drawn);
        let mut world = drawn.world;
        world.policy.max_deletions = max;
        let plan = world.plan();
        let goes = doomed(&world, &plan);
        let batches = plan.batches(&world.policy, 0, false);
        let gone = registry.carry_out(&world.inventory(), &batches)?;
        prop_assert!(gone.len() <= max.min(world.images.len() / 2));
        prop_assert_eq!(gone.len() + batches.left, goes.len());
        let rest: BTreeSet<Digest> = goes.difference(&gone).cloned().collect();
        let after = world.without(&gone);
        prop_assert_eq!(doomed(&after, &after.plan()), rest);
    }

    #[test]
    fn the_order_in_which_images_are_listed_changes_nothing(
        drawn in registry(2),
        salt in any::<usize>(),
    ) {
        let mut shuffled = drawn.world.clone();
        for image in &mut shuffled.images {
            image.tags.reverse();
        }
        let length = shuffled.images.len().max(1);
        shuffled.images.rotate_left(salt % length);
        shuffled.images.sort_by_key(|image| image.digest.as_str().as_bytes()[7 + salt % 16]);
        prop_assert_eq!(shuffled.inventory(), drawn.world.inventory());
        prop_assert_eq!(shuffled.plan(), drawn.world.plan());
    }

    #[test]
    fn every_image_has_one_verdict_and_a_summary_adds_up(drawn in registry(2)) {
        let world = &drawn.world;
        let (inventory, plan) = (world.inventory(), world.plan());
        prop_assert_eq!(inventory.images().len(), world.images.len());
        prop_assert_eq!(plan.verdicts.len(), world.images.len());
        let summary = plan.summary(&inventory);
        prop_assert_eq!(summary.kept + summary.deleted, world.images.len());
        prop_assert_eq!(summary.kept_for.values().sum::<usize>(), summary.kept);
        prop_assert_eq!(summary.deleted_for.values().sum::<usize>(), summary.deleted);
        let goes = doomed(world, &plan);
        let manifests = world.images.iter().filter(|it| it.kind != Kind::Index);
        let gone = manifests.filter(|it| goes.contains(&it.digest));
        prop_assert_eq!(summary.bytes, gone.map(|it| it.bytes).sum::<u64>());
    }
}
