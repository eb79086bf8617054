//! Which images leave a host.

use std::collections::BTreeSet;

use super::super::project::Observation;
use super::super::prune::choose_prunable;
use super::super::running::keep_tag;
use super::world::*;

type Row = (&'static str, Spoil, &'static str);

/// Releases `a` to `f` were activated one after the other, and `a` runs.
fn rolled_out() -> Observation {
    let mut seen = shop();
    for letter in 'a'..='f' {
        add_release(&mut seen, letter);
        seen.kept.pulled.insert(by_digest(letter));
    }
    seen.kept.history = ('a'..='f').map(|it| release(it).to_string()).collect();
    seen
}

/// Names in short: `a tag` for the keep tag of a release, `a` for its digest.
fn choose(seen: &Observation) -> String {
    let short = |name: &str| -> String {
        for letter in 'a'..='f' {
            if name == by_digest(letter) {
                return letter.to_string();
            }
            if name == keep_tag("shop", digest(letter).as_str()) {
                return format!("{letter} tag");
            }
        }
        name.to_owned()
    };
    let names: BTreeSet<String> = choose_prunable(seen).iter().map(|it| short(&it.0)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

const ROWS: &[Row] = &[
    ("the current release and two before it stay", |_| {}, "d, d tag, e, e tag, f, f tag"),
    (
        "what was fetched last stays",
        |it| it.kept.fetched = Some(release('e').to_string()),
        "d, d tag, f, f tag",
    ),
    (
        "what runs stays, however old it is",
        |it| it.containers.push(own("worker", 1, 'f')),
        "d, d tag, e, e tag",
    ),
    (
        "what has ended and was not removed stays",
        |it| {
            let mut ended = own("worker", 1, 'f');
            ended.state = super::super::project::ContainerState::Exited(0);
            it.containers.push(ended);
        },
        "d, d tag, e, e tag",
    ),
    (
        "what ran before the first order is remembered by its digest",
        |it| {
            it.kept.history =
                list(&[&release('a').to_string(), &format!("before@{}", digest('f'))]);
        },
        "b, b tag, c, c tag, d, d tag, e, e tag",
    ),
    (
        "M8: what a person pulled or tagged stays",
        |it| {
            it.kept.pulled.clear();
            let names = [format!("{REPOSITORY}:v-d"), format!("{REPOSITORY}:latest")];
            add_image(it, &image('d'), &[&names[0], &names[1]]);
            it.images.retain(|name, _| !name.starts_with("esclusa/keep"));
        },
        "",
    ),
    (
        "keep tags of another project stay",
        |it| {
            it.kept.pulled.clear();
            it.images.retain(|name, _| !name.starts_with("esclusa/keep"));
            let names =
                [keep_tag("shop2", "sha256:dddddddddddd"), keep_tag("shop-x", "eeeeeeeeeeee")];
            add_image(it, &image('d'), &[&names[0], &names[1]]);
        },
        "",
    ),
    (
        "a tag that only looks like a keep tag stays",
        |it| {
            it.kept.pulled.clear();
            it.images.retain(|name, _| !name.starts_with("esclusa/keep"));
            add_image(
                it,
                &image('d'),
                &["esclusa/keep:shop-by-hand-1.0", "esclusa/keep:shop-dddd"],
            );
        },
        "",
    ),
    (
        "an adopted image that no registry has is kept while it runs",
        |it| {
            let mut local = own("worker", 1, 'f');
            local.digest = None;
            it.containers.push(local);
            let tag = keep_tag("shop", &id_of('f'));
            add_image(it, &image('f'), &[&tag]);
        },
        "d, d tag, e, e tag, f, f tag",
    ),
    (
        "a host without orders",
        |it| it.kept = super::super::journal::Kept::default(),
        "b tag, c tag, d tag, e tag, f tag",
    ),
];

#[test]
fn only_what_esclusa_fetched_and_nobody_needs_is_pruned() {
    compare(ROWS.iter().map(|(row, spoil, expected)| {
        let mut seen = rolled_out();
        spoil(&mut seen);
        (*row, choose(&seen), *expected)
    }));
}

#[test]
fn a_keep_tag_is_one_that_the_engine_takes() {
    for (project, expected) in [
        ("shop", "esclusa/keep:shop-aaaaaaaaaaaa"),
        ("a_b.c-d", "esclusa/keep:a_b.c-d-aaaaaaaaaaaa"),
    ] {
        assert_eq!(keep_tag(project, digest('a').as_str()), expected, "{project}");
    }
    let (long, other) = ("x".repeat(200), format!("{}y", "x".repeat(199)));
    let tag = |project: &str| keep_tag(project, digest('a').as_str());
    let length = tag(&long).rsplit(':').next().unwrap_or_default().len();
    assert!(length <= 128, "{length} characters");
    assert_ne!(tag(&long), tag(&other), "two projects with long names");
}
