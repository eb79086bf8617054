//! Which crate may use which: the direction of dependencies, from what cargo itself says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::tree::root;

/// Our crates, and which of ours each may use outside its tests.
const MAY_USE: &[(&str, &[&str])] = &[
    ("esclusa-core", &[]),
    ("esclusa-shell", &["esclusa-core"]),
    ("esclusa-sim", &["esclusa-core", "esclusa-shell"]),
    ("esclusa-aws", &["esclusa-core", "esclusa-shell"]),
    ("rollout", &["esclusa-aws", "esclusa-core", "esclusa-shell"]),
    ("operator", &["esclusa-aws", "esclusa-core", "esclusa-shell"]),
    ("metrics", &["esclusa-aws", "esclusa-core", "esclusa-shell"]),
    ("publish_program", &["esclusa-aws"]),
    ("retention", &["esclusa-aws", "esclusa-core", "esclusa-shell"]),
    ("esclusa-host", &["esclusa-core"]),
    ("esclusa-secrets", &["esclusa-core"]),
    ("esclusa-local", &["esclusa-aws", "esclusa-core", "esclusa-shell"]),
    ("esclusa-tests", &[]),
    ("bare", &[]),
];

/// What each of our crates uses outside its tests.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let listed = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo lists the crates");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mut uses = BTreeMap::new();
    for package in listed["packages"].as_array().unwrap() {
        let production = |it: &&serde_json::Value| it["kind"].as_str() != Some("dev");
        let dependencies = package["dependencies"].as_array().unwrap();
        let names = dependencies.iter().filter(production);
        let names = names.filter_map(|it| it["name"].as_str()).map(str::to_owned);
        uses.insert(package["name"].as_str().unwrap().to_owned(), names.collect());
    }
    uses
}

#[test]
fn dependencies_point_one_way() {
    let uses = uses();
    let ours: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    assert_eq!(uses.keys().map(String::as_str).collect::<BTreeSet<_>>(), ours);
    for (name, allowed) in MAY_USE {
        for used in uses[*name].iter().filter(|used| ours.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn only_the_edges_know_aws() {
    for (name, used) in uses() {
        let aws = used.iter().any(|it| it.starts_with("aws"));
        let edges = [
            "esclusa-aws",
            "esclusa-host",
            "esclusa-local",
            "esclusa-secrets",
            "metrics",
            "operator",
            "publish_program",
            "retention",
            "rollout",
        ];
        let edge = edges.contains(&name.as_str());
        assert!(edge || !aws, "{name} must not use {used:?}");
    }
}
