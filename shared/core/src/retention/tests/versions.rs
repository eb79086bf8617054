//! Which images are versions of which environments, and in which order.

use super::rows::check;
use super::world::{HOUR, World, ago, digest};

#[test]
fn the_last_ten_versions_of_each_environment_stay() {
    check(&[
        (
            "staging has only a moving tag: its last 10 versions are what the ledger says",
            |it| {
                for day in 1..=11 {
                    let name = format!("s{day:02}");
                    it.single(&name).days(day);
                    it.promoted("staging", &name, day);
                }
                it.image("s01").tags = vec!["staging".into()];
            },
            &[
                "goes, version: s11",
                "stays, followed: s01",
                "stays, version: s02 s03 s04 s05 s06 s07 s08 s09 s10",
            ],
        ),
        (
            "where the ledger is silent, production's versions are told by their tags",
            |it| {
                for day in 1..=12 {
                    let name = format!("v{day:02}");
                    it.single(&name).tagged(&name).days(day);
                }
            },
            &["goes, version: v11 v12", "stays, version: v01 v02 v03 v04 v05 v06 v07 v08 v09 v10"],
        ),
        (
            "many feature branches never push a version of production out",
            |it| {
                it.policy.versions = 2;
                it.single("v1").tagged("v1").days(90);
                it.single("v2").tagged("v2").days(80);
                for day in 1..=30 {
                    let name = format!("f{day:02}");
                    it.single(&name).tagged(&name).days(day);
                }
            },
            &[
                "goes, unmapped: f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25 f26 f27 f28 f29 \
                 f30",
                "stays, unmapped: f01 f02 f03 f04 f05 f06 f07 f08 f09 f10 f11 f12 f13",
                "stays, version: v1 v2",
            ],
        ),
        (
            "many versions of staging never push one of production out",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1").days(90);
                for day in 1..=3 {
                    it.single(&format!("s{day}")).days(day);
                    it.promoted("staging", &format!("s{day}"), day);
                }
            },
            &["goes, version: s2 s3", "stays, version: s1 v1"],
        ),
    ]);
}

#[test]
fn the_newest_versions_are_those_that_an_environment_wanted_last() {
    check(&[
        (
            "an old image is new again when an environment comes to want it again",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1").days(90);
                it.promoted("production", "v1", 1);
                it.single("v2").tagged("v2").days(30);
                it.promoted("production", "v2", 29);
            },
            &["goes, version: v2", "stays, version: v1"],
        ),
        (
            "a success counts as wanting it",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1").days(90);
                it.lineage("production").successes.insert(digest("v1"), ago(HOUR));
                it.single("v2").tagged("v2").days(30);
            },
            &["goes, version: v2", "stays, version: v1"],
        ),
        (
            "what is a version in two environments stays for the better of its ranks",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1").days(90);
                it.promoted("staging", "v1", 89);
                it.single("v2").tagged("v2").days(30);
            },
            &["stays, version: v1 v2"],
        ),
    ]);
}

#[test]
fn versions_are_counted_in_roots() {
    check(&[
        (
            "one push of buildx is one version, though it is three manifests",
            |it| {
                it.policy.versions = 2;
                for day in 1..=3 {
                    let parts = format!("amd64-{day} attestation-{day}");
                    it.index(&format!("v{day}"), &parts).tagged(&format!("v{day}")).days(day);
                }
            },
            &[
                "goes, part: amd64-3 attestation-3",
                "goes, version: v3",
                "stays, part: amd64-1 amd64-2 attestation-1 attestation-2",
                "stays, version: v1 v2",
            ],
        ),
        (
            "a tagged part of an index is no version by its tag",
            |it| {
                it.policy.versions = 2;
                for day in 1..=2 {
                    let part = format!("v{day}-amd64");
                    it.single(&part).tagged(&part).days(day);
                    it.index(&format!("v{day}"), &part).tagged(&format!("v{day}")).days(day);
                }
            },
            &["stays, part: v1-amd64 v2-amd64", "stays, version: v1 v2"],
        ),
        (
            "signatures are no versions, whatever their tags",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1");
                it.signature("notation", "v1").tagged("v1-signature").days(1);
                it.cosign("cosign", "v1").days(1);
            },
            &["stays, referrer: cosign notation", "stays, version: v1"],
        ),
        (
            "charts are no versions, whatever their tags",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1");
                it.artifact("chart").tagged("v2-chart").days(20);
            },
            &["stays, artifact: chart", "stays, version: v1"],
        ),
        (
            "archived images are left alone and take no version's place",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1").days(90);
                it.index("v2", "amd64").tagged("v2").days(30).archived();
            },
            &["stays, archived: amd64 v2", "stays, version: v1"],
        ),
    ]);
}

#[test]
fn what_bears_a_followed_tag_is_a_version_from_its_push_on() {
    let mut world = World::new();
    world.single("app").tagged("latest").days(3);
    world.single("known").tagged("staging").days(3);
    world.promoted("staging", "known", 2);
    let inventory = world.inventory();
    let news = inventory.followed_for_the_first_time();
    let promoted = |name: &str| news.get(&digest(name)).map(|it| Vec::from_iter(&it.promoted));
    let production = "production".parse().unwrap();
    assert_eq!(promoted("app"), Some(vec![(&production, &ago(72 * HOUR))]));
    assert_eq!(promoted("known"), None);
    let inventory = inventory.remembering(news);
    assert!(inventory.followed_for_the_first_time().is_empty());
}
