//! What stays and what goes, case by case.

use super::world::{HOUR, World, ago, host, tag_about};
use crate::lane::Need;

/// A fact, a registry in which it shows, and the fate of every image there.
pub(super) type Row = (&'static str, fn(&mut World), &'static [&'static str]);

pub(super) fn check(rows: &[Row]) {
    for (fact, build, expected) in rows {
        let mut world = World::new();
        build(&mut world);
        assert_eq!(world.fates(), *expected, "{fact}");
    }
}

/// The known faults of awslabs/ecr-cleanup-lambda. One more, calls whose failures it ignores, is
/// the shell's matter.
#[test]
fn the_faults_of_ecr_cleanup_lambda_are_not_repeated() {
    check(&[
        (
            "an image is judged as a whole: one tag that is followed saves it with its other tags",
            |it| {
                it.single("app").tagged("feature-x latest");
            },
            &["stays, followed: app"],
        ),
        (
            "a version tag saves an image whose other tag nobody follows",
            |it| {
                it.single("app").tagged("feature-x v1");
            },
            &["stays, version: app"],
        ),
        (
            "tags are compared whole: `not-latest` is not `latest`",
            |it| {
                it.single("app").tagged("not-latest latest2");
            },
            &["goes, unmapped: app"],
        ),
        (
            "an image that hosts run by its digest stays without any tag",
            |it| {
                it.single("app");
                it.needs("production", "app", Need::Runs(host()));
            },
            &["stays, runs: app"],
        ),
        (
            "the parts of an index bear no tags and stay with it",
            |it| {
                it.index("app", "amd64 arm64 attestation").tagged("latest");
            },
            &["stays, followed: app", "stays, part: amd64 arm64 attestation"],
        ),
        (
            "an untagged image is not deleted for that alone: staging once wanted it",
            |it| {
                it.single("app");
                it.promoted("staging", "app", 90);
            },
            &["stays, version: app"],
        ),
        (
            "an untagged image is not deleted for that alone: it may be part of a push",
            |it| {
                it.single("app").hours(23);
            },
            &["stays, young: app"],
        ),
    ]);
}

#[test]
fn what_belongs_to_an_image_stays_and_goes_with_it() {
    check(&[
        (
            "a part stays with any index that names it",
            |it| {
                it.index("app", "amd64").tagged("latest");
                it.index("old", "amd64 arm64");
            },
            &[
                "goes, part: arm64",
                "goes, untagged: old",
                "stays, followed: app",
                "stays, part: amd64",
            ],
        ),
        (
            "a part that a host runs stays without its index",
            |it| {
                it.index("old", "amd64 arm64");
                it.needs("production", "amd64", Need::Runs(host()));
            },
            &["goes, part: arm64", "goes, untagged: old", "stays, runs: amd64"],
        ),
        (
            "signatures of parts, and signatures of signatures, stay with the index",
            |it| {
                it.index("app", "amd64").tagged("latest");
                it.signature("sbom", "amd64");
                it.cosign("signature", "sbom");
            },
            &["stays, followed: app", "stays, part: amd64", "stays, referrer: sbom signature"],
        ),
        (
            "what refers to several images stays as long as one of them does",
            |it| {
                it.single("app").tagged("latest");
                it.single("old");
                let tags = format!("{} {}", tag_about("old", ".sbom"), tag_about("app", ".sbom"));
                it.single("sbom").tagged(&tags);
            },
            &["goes, untagged: old", "stays, followed: app", "stays, referrer: sbom"],
        ),
    ]);
}

#[test]
fn what_only_looks_as_if_it_belonged_to_an_image_is_judged_by_itself() {
    check(&[
        (
            "an image that bears a signature's tag beside its own stands for itself",
            |it| {
                it.single("app").tagged(&format!("v1 {}", tag_about("nothing", "")));
            },
            &["stays, version: app"],
        ),
        (
            "an image may bear its own digest as a tag",
            |it| {
                let own = tag_about("app", "");
                it.single("app").tagged(&format!("v1 {own}"));
            },
            &["stays, version: app"],
        ),
        (
            "what refers to an image that is gone goes when it is old enough for its tags",
            |it| {
                it.signature("old", "gone").days(2);
                it.signature("young", "gone").hours(2);
                it.cosign("tagged", "gone").days(2);
                it.cosign("oldest", "gone").days(15);
            },
            &["goes, orphan: old oldest", "stays, unmapped: tagged", "stays, young: young"],
        ),
        (
            "an index of which a part is missing is judged like any other",
            |it| {
                it.index("app", "amd64 ?arm64").tagged("latest");
                it.index("old", "?riscv64");
            },
            &["goes, untagged: old", "stays, followed: app", "stays, part: amd64"],
        ),
    ]);
}

#[test]
fn what_is_not_understood_stays() {
    check(&[
        (
            "an index that cannot be read keeps every untagged manifest that may be its part: \
             whatever is not explained by another",
            |it| {
                it.unreadable("odd").tagged("feature-x");
                it.single("amd64");
                it.index("inner", "arm64");
                it.index("feature", "explained").tagged("feature-y");
            },
            &[
                "goes, part: explained",
                "goes, unmapped: feature",
                "stays, not_understood: amd64 inner odd",
                "stays, part: arm64",
            ],
        ),
        (
            "of a type that is not known nothing is deleted, nor what refers to it",
            |it| {
                it.index("old", "odd-part");
                it.unknown("odd", "application/x");
                it.signature("signature", "odd");
            },
            &[
                "goes, part: odd-part",
                "goes, untagged: old",
                "stays, not_understood: odd",
                "stays, referrer: signature",
            ],
        ),
        (
            "images that refer to each other by their tags stay, and what refers to them",
            |it| {
                it.cosign("one", "other");
                it.cosign("other", "one");
                it.signature("signature", "one");
                it.index("old", "one");
            },
            &["goes, untagged: old", "stays, not_understood: one other signature"],
        ),
    ]);
}

#[test]
fn what_strangers_pull_stays_for_fourteen_days() {
    check(&[
        (
            "an image of no environment stays as long as it is pulled",
            |it| {
                it.single("base").tagged("base").pulled(13);
                it.single("old").tagged("old").pulled(14);
            },
            &["goes, unmapped: old", "stays, pulled: base"],
        ),
        (
            "that Esclusa read an index is no pull, whose clock the registry's is near to",
            |it| {
                it.index("read", "").tagged("read").pulled(2);
                it.memory("read").read_at = Some(ago(48 * HOUR + HOUR / 20));
            },
            &["goes, unmapped: read"],
        ),
        (
            "a stranger's pull counts that came before Esclusa read the index",
            |it| {
                it.index("read", "").tagged("read").pulled(2);
                it.memory("read").read_at = Some(ago(48 * HOUR));
                it.memory("read").pulled_before = Some(ago(72 * HOUR));
            },
            &["stays, pulled: read"],
        ),
        (
            "a stranger's pull counts that came after Esclusa read the index",
            |it| {
                it.index("read", "").tagged("read").pulled(2);
                it.memory("read").read_at = Some(ago(400 * HOUR));
            },
            &["stays, pulled: read"],
        ),
        (
            "a version that enough others follow goes, though it is pulled",
            |it| {
                it.policy.versions = 1;
                it.single("v1").tagged("v1").days(2).pulled(1);
                it.single("v2").tagged("v2").days(1);
            },
            &["goes, version: v1", "stays, version: v2"],
        ),
    ]);
}
