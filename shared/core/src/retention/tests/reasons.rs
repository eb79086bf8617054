//! Every reason to stay or to go, with its words.

use super::world::{DAY, NOW, World, digest, host, tag_about};
use crate::lane::Need;

type Row = (&'static str, &'static str, fn(&mut World));

fn check(rows: &[Row]) {
    for (code, text, build) in rows {
        let mut world = World::new();
        build(&mut world);
        let verdict = world.verdict("it");
        let seen = (verdict.code(), world.named(&verdict.to_string()));
        assert_eq!(seen, (*code, (*text).to_owned()));
    }
}

#[test]
fn what_lanes_need_stays_for_their_reasons() {
    fn need(world: &mut World, need: Need) {
        world.single("it");
        world.needs("production", "it", need);
    }
    check(&[
        ("runs", "i-0000000a runs it, in production", |it| need(it, Need::Runs(host()))),
        ("needed", "it is the current release, in production", |it| need(it, Need::Current)),
        ("needed", "a rollout is about it, in production", |it| need(it, Need::Rollout)),
        ("needed", "it is to be rolled out, in production", |it| need(it, Need::Wanted)),
        ("needed", "it is one of the last 3 successful releases, in production", |it| {
            need(it, Need::Target);
        }),
        ("pinned", "it is pinned until 2026-02-01T00:00:00Z, in production", |it| {
            need(it, Need::Pinned(NOW.after(31 * DAY)));
        }),
        ("runs", "i-0000000a runs it, in staging", |it| {
            need(it, Need::Target);
            it.needs("staging", "it", Need::Runs(host()));
        }),
    ]);
}

#[test]
fn what_stays_says_why() {
    check(&[
        ("followed", "staging follows its tag", |it| {
            it.single("it").tagged("staging");
        }),
        ("version", "version 2 of production, from the newest", |it| {
            it.single("newer").tagged("v2").days(1);
            it.single("it").tagged("v1").days(2);
        }),
        ("archived", "it is archived", |it| {
            it.single("it").archived();
        }),
        ("part", "part of app, which stays", |it| {
            it.index("app", "it").tagged("latest");
        }),
        ("referrer", "about app, which stays", |it| {
            it.single("app").tagged("latest");
            it.signature("it", "app");
        }),
        (
            "unmapped",
            "no environment follows its tags; it may go from 2026-01-14T00:00:00Z",
            |it| {
                it.single("it").tagged("feature-x").days(1);
            },
        ),
        ("young", "it may belong to a push; it may go from 2026-01-01T23:00:00Z", |it| {
            it.single("it").hours(1);
        }),
        (
            "pulled",
            "it was pulled at 2025-12-29T00:00:00Z, and no host of Esclusa's runs it",
            |it| {
                it.single("it").tagged("feature-x").pulled(3);
            },
        ),
        ("artifact", "it is no image, and refers to none", |it| {
            it.artifact("it").tagged("chart-1");
        }),
    ]);
}

#[test]
fn what_is_not_understood_says_why() {
    check(&[
        ("not_understood", "it is not understood: its type is `application/x`", |it| {
            it.unknown("it", "application/x");
        }),
        ("not_understood", "it is not understood: ECR names no type", |it| {
            it.unknown("it", "");
        }),
        ("not_understood", "it is not understood: it does not parse", |it| {
            it.unreadable("it");
        }),
        ("not_understood", "it is not understood: what it names was not read", |it| {
            it.unread("it");
        }),
        (
            "not_understood",
            "it is not understood: it may be part of app, which cannot be read",
            |it| {
                it.unreadable("app");
                it.single("it");
            },
        ),
        ("not_understood", "it is not understood: it and others refer to each other", |it| {
            it.cosign("it", "other");
            it.cosign("other", "it");
        }),
    ]);
}

#[test]
fn what_goes_says_why() {
    check(&[
        ("version", "1 versions of production are newer", |it| {
            it.policy.versions = 1;
            it.single("newer").tagged("v2").days(1);
            it.single("it").tagged("v1").days(2);
        }),
        ("unmapped", "no environment follows its tags, and it is old", |it| {
            it.single("it").tagged("feature-x");
        }),
        ("untagged", "it bears no tag, and no environment ever wanted it", |it| {
            it.single("it");
        }),
        ("part", "part of app, which goes", |it| {
            it.index("app", "it");
        }),
        ("referrer", "about app, which goes", |it| {
            it.single("app");
            it.cosign("it", "app");
        }),
        ("orphan", "about app, which is gone", |it| {
            it.single("app");
            it.cosign("it", "app");
            it.images.retain(|image| image.digest != digest("app"));
        }),
    ]);
}

#[test]
fn a_person_is_told_what_is_not_understood_pulled_by_strangers_or_missing() {
    let mut world = World::new();
    world.unknown("odd", "application/x").tagged("odd-1");
    world.single("shared").tagged("base").pulled(1);
    world.index("app", "amd64 ?arm64 ?riscv64").tagged("latest");
    let mut notes: Vec<String> = world.plan().notes.iter().map(|it| world.named(it)).collect();
    notes.sort_unstable();
    let pulled = "it was pulled at 2025-12-31T00:00:00Z, and no host of Esclusa's runs it";
    assert_eq!(
        notes,
        [
            format!("`base` (shared) is kept: {pulled}"),
            "`latest` (app) names 2 part(s) that are not there".to_owned(),
            "`odd-1` (odd) is kept: it is not understood: its type is `application/x`".to_owned(),
        ]
    );
}

#[test]
fn of_many_notes_of_a_kind_the_first_twenty_are_spelt_out() {
    let mut world = World::new();
    for number in 0..23 {
        world.unknown(&format!("odd{number}"), "application/x");
    }
    let notes = world.plan().notes;
    assert_eq!((notes.len(), notes[20].as_str()), (21, "and 3 more of the kind"));
}

#[test]
fn a_summary_counts_sizes_once_and_by_reason() {
    let mut world = World::new();
    world.single("app").tagged("latest");
    world.index("old", "amd64 attestation");
    world.single("sbom").tagged(&tag_about("old", ".sbom"));
    let plan = world.plan();
    let summary = plan.summary(&world.inventory());
    assert_eq!((summary.kept, summary.deleted, summary.bytes), (1, 4, 3000));
    assert_eq!(Vec::from_iter(summary.kept_for), [("followed", 1)]);
    let deleted_for = Vec::from_iter(summary.deleted_for);
    assert_eq!(deleted_for, [("part", 2), ("referrer", 1), ("untagged", 1)]);
}
