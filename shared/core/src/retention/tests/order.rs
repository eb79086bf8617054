//! In which order images go, and how many in one run.

use std::collections::BTreeSet;

use super::world::{World, digest, tag_about};
use crate::retention::{Batches, Id, calls};

/// The names of what goes, level by level.
fn names<'a>(world: &'a World, batches: &Batches) -> Vec<Vec<&'a str>> {
    let inventory = world.inventory();
    let mut levels = Vec::new();
    for level in &batches.levels {
        let digests = level.iter().map(|it| &inventory.images()[it.place].digest);
        let names: BTreeSet<&str> = digests.map(|digest| world.name(digest)).collect();
        levels.push(Vec::from_iter(names));
    }
    levels
}

type Row = (&'static str, fn(&mut World), &'static [&'static [&'static str]]);

const ORDERS: &[Row] = &[
    (
        "indexes go before their parts",
        |it| {
            it.index("app", "amd64 arm64");
        },
        &[&["app"], &["amd64", "arm64"]],
    ),
    (
        "indexes of indexes go before these",
        |it| {
            it.index("inner", "amd64");
            it.index("outer", "inner arm64");
        },
        &[&["outer"], &["arm64", "inner"], &["amd64"]],
    ),
    (
        "images go before what refers to them",
        |it| {
            it.single("app");
            it.signature("notation", "app");
            it.cosign("cosign", "notation");
        },
        &[&["app"], &["notation"], &["cosign"]],
    ),
    (
        "an attestation that refers to its sibling goes after it",
        |it| {
            it.index("app", "amd64 attestation");
            it.image("attestation").subject = Some(digest("amd64"));
        },
        &[&["app"], &["amd64"], &["attestation"]],
    ),
    (
        "a shared part goes after the last index that names it",
        |it| {
            it.index("inner", "amd64");
            it.index("outer", "inner");
            it.index("other", "amd64");
        },
        &[&["other", "outer"], &["inner"], &["amd64"]],
    ),
    (
        "what refers to several images goes after the last of them",
        |it| {
            it.index("app", "amd64");
            let tags = format!("{} {}", tag_about("app", ".sbom"), tag_about("amd64", ".sbom"));
            it.single("sbom").tagged(&tags);
        },
        &[&["app"], &["amd64"], &["sbom"]],
    ),
    (
        "a signature that its subject names as a part goes once",
        |it| {
            it.single("signature");
            it.index("app", "signature signature");
            it.image("signature").tags = vec![tag_about("app", ".sig").into()];
        },
        &[&["app"], &["signature"]],
    ),
];

#[test]
fn nothing_goes_before_what_names_it() {
    for (fact, build, expected) in ORDERS {
        let mut world = World::new();
        build(&mut world);
        let batches = world.plan().batches(&world.policy, 0, true);
        assert_eq!(names(&world, &batches), *expected, "{fact}");
        assert_eq!((batches.left, batches.cap), (0, None), "{fact}");
    }
}

#[test]
fn each_image_knows_what_must_be_gone_before_it() {
    let mut world = World::new();
    world.index("app", "amd64");
    world.index("kept", "amd64").tagged("latest");
    world.signature("signature", "app");
    let inventory = world.inventory();
    let batches = world.plan().batches(&world.policy, 0, true);
    let name = |place: usize| world.name(&inventory.images()[place].digest);
    let doomed = batches.levels.iter().flatten();
    let seen: Vec<(&str, Vec<&str>)> =
        doomed.map(|it| (name(it.place), it.after.iter().map(|it| name(*it)).collect())).collect();
    assert_eq!(seen, [("app", vec![]), ("signature", vec!["app"])]);
}

/// Three old indexes of two parts each, and a current image.
fn three_families() -> World {
    let mut world = World::new();
    world.single("current").tagged("latest");
    world.index("b", "b1 b2").days(80);
    world.index("c", "c1 c2").days(70);
    world.index("a", "a1 a2").days(90);
    world
}

#[test]
fn the_cap_takes_whole_families_oldest_first() {
    let half = Some(5);
    for (fact, max, before, force, expected, left, cap) in [
        ("half of the repository at most", 100, 0, false, "a a1 a2", 6, half),
        ("a family that does not fit stays whole", 2, 0, false, "", 9, Some(2)),
        ("none that fits jumps the queue", 4, 0, false, "a a1 a2", 6, Some(4)),
        ("what the run has deleted counts", 5, 3, false, "", 9, Some(5)),
        ("and was part of the repository", 100, 20, false, "", 9, Some(15)),
        ("a person's word lifts it", 1, 0, true, "a a1 a2 b b1 b2 c c1 c2", 0, None),
    ] {
        let mut world = three_families();
        world.policy.max_deletions = max;
        let batches = world.plan().batches(&world.policy, before, force);
        let mut gone = names(&world, &batches).concat();
        gone.sort_unstable();
        assert_eq!(
            (gone.join(" ").as_str(), batches.left, batches.cap),
            (expected, left, cap),
            "{fact}"
        );
    }
}

#[test]
fn a_family_that_does_not_fit_ends_the_run() {
    let mut world = World::new();
    world.policy.max_deletions = 3;
    for name in ["k1", "k2", "k3", "k4", "k5"] {
        world.single(name).tagged("latest");
    }
    world.index("big", "b1 b2 b3").days(90);
    world.single("small").days(80);
    let batches = world.plan().batches(&world.policy, 0, false);
    assert_eq!((batches.levels.len(), batches.left, batches.cap), (0, 5, Some(3)));
}

#[test]
fn an_image_with_tags_is_deleted_tag_by_tag() {
    let mut world = World::new();
    let (app, untagged) = (digest("app"), digest("untagged"));
    world.single("app").tagged("feature-y feature-x");
    world.single("untagged");
    let inventory = world.inventory();
    let mut ids = calls(inventory.images()).concat();
    ids.sort_unstable();
    let id = |digest, tag: Option<&str>| Id { digest, tag: tag.map(Into::into) };
    let mut expected =
        [id(app.clone(), Some("feature-x")), id(app, Some("feature-y")), id(untagged, None)];
    expected.sort_unstable();
    assert_eq!(ids, expected);
}

#[test]
fn a_call_names_a_hundred_ids_at_most() {
    let mut world = World::new();
    let tags: Vec<String> = (0..201).map(|number| format!("feature-{number}")).collect();
    world.single("app").tagged(&tags.join(" "));
    world.single("untagged");
    let sizes = calls(world.inventory().images()).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes, [100, 100, 2]);
}

#[test]
fn a_big_repository_whose_indexes_share_a_part_is_planned_at_once() {
    let mut world = World::new();
    world.policy.max_deletions = 100_000;
    for number in 0..5000 {
        let parts = format!("shared amd64-{number} attestation-{number}");
        world.index(&format!("app-{number}"), &parts).tagged(&format!("v{number}"));
        world.signature(&format!("signature-{number}"), &format!("app-{number}"));
    }
    let plan = world.plan();
    let summary = plan.summary(&world.inventory());
    assert_eq!((summary.kept, summary.deleted), (10 * 4 + 1, 4990 * 4));
    let batches = plan.batches(&world.policy, 0, true);
    assert_eq!(batches.levels.iter().map(Vec::len).collect::<Vec<_>>(), [4990, 3 * 4990]);
}
