//! Which rules of a repository's own lifecycle policy are told, and how.

use super::world::World;
use crate::lane::Need;
use crate::retention::{Action, Count, Rule, Tagging, dangers};

fn rule(priority: u64, tagging: Tagging, count: Count) -> Rule {
    Rule { priority, description: String::new(), tagging, count, action: Action::Expire }
}

fn prefixes(all: &[&str]) -> Tagging {
    Tagging::Prefixes(all.iter().map(|it| (*it).to_owned()).collect())
}

fn patterns(all: &[&str]) -> Tagging {
    Tagging::Patterns(all.iter().map(|it| it.parse().unwrap()).collect())
}

/// Two versions of production, the newer one an index; three of staging, of which one bears the
/// tag; an old and a young feature; an archived image; an untagged one that goes.
fn world() -> World {
    let mut world = World::new();
    world.index("v2", "amd64 attestation").tagged("v2 latest").days(1);
    world.single("v1").tagged("v1").days(40);
    world.single("s3").tagged("staging").days(2);
    for (name, days) in [("s2", 30), ("s1", 60)] {
        world.single(name).days(days);
        world.promoted("staging", name, days);
    }
    world.single("feature-old").tagged("feature-old").days(50);
    world.single("feature-young").tagged("feature-young").days(1);
    world.single("cold").tagged("v0").archived();
    world.single("stray").days(50);
    world
}

#[test]
fn a_rule_is_told_that_could_take_what_must_stay() {
    let any = || rule(9, Tagging::Any, Count::MoreThan(100));
    for (fact, rules, expected) in [
        (
            "untagged images older than 14 days: staging's last versions are among them",
            vec![rule(1, Tagging::Untagged, Count::Older)],
            vec![(1, 2)],
        ),
        (
            "more than so many images of any kind: parts are not counted, nor what is archived",
            vec![any()],
            vec![(9, 6)],
        ),
        (
            "what a rule of higher priority selects is its alone, in whatever order they come",
            vec![any(), rule(1, Tagging::Untagged, Count::Older)],
            vec![(1, 2), (9, 4)],
        ),
        (
            "a rule that selects nothing which stays is silent, and shields what it selects",
            vec![rule(1, prefixes(&["feature-"]), Count::Older), any()],
            vec![(9, 5)],
        ),
        (
            "what stays for its age alone is old enough for a rule about age one day",
            vec![rule(1, patterns(&["feature-*"]), Count::Older)],
            vec![],
        ),
        (
            "but not for a rule that counts",
            vec![rule(1, patterns(&["feature-*"]), Count::MoreThan(1))],
            vec![(1, 1)],
        ),
        (
            "all of its prefixes must be found, each by one tag or another",
            vec![
                rule(1, prefixes(&["v", "staging"]), Count::Older),
                rule(2, prefixes(&["v", "lat"]), Count::Older),
            ],
            vec![(2, 1)],
        ),
        (
            "all of its patterns must be found, each by one tag or another",
            vec![
                rule(1, patterns(&["v*", "stag*"]), Count::Older),
                rule(2, patterns(&["*2", "l*t"]), Count::Older),
            ],
            vec![(2, 1)],
        ),
        ("a policy without rules", vec![], vec![]),
    ] {
        let world = world();
        let told = dangers(&rules, &world.inventory(), &world.plan());
        let seen: Vec<(u64, usize)> = told.iter().map(|it| (it.priority, it.images)).collect();
        assert_eq!(seen, expected, "{fact}");
    }
}

#[test]
fn a_danger_names_the_rule_and_an_image() {
    let mut world = World::new();
    world.single("app");
    world.needs("production", "app", Need::Current);
    let why = "app: it is the current release, in production; remove the rule, for Esclusa's \
               retention does what it is for";
    for (description, count, action, expected) in [
        (
            "",
            Count::MoreThan(30),
            Action::Expire,
            "rule 7 of the repository's lifecycle policy could delete 1 image(s) that must stay, \
             beyond the 30 newest, such as ",
        ),
        (
            "tidy up",
            Count::Older,
            Action::Archive,
            "rule 7 (“tidy up”) of the repository's lifecycle policy could archive 1 image(s) that \
             must stay, once they are old enough, such as ",
        ),
    ] {
        let description = description.to_owned();
        let rule = Rule { priority: 7, description, tagging: Tagging::Any, count, action };
        let told = dangers(&[rule], &world.inventory(), &world.plan());
        assert_eq!(world.named(&told[0].text), format!("{expected}{why}"));
    }
}
