//! The pipeline that a service's repository uses: what decides in it, as rows that Node.js runs.

use std::fs;
use std::process::Command;

use esclusa_local::places::tested_checkout;
use esclusa_local::registry::Registry;

/// The password of the registry that some of the rows ask.
const PASSWORD: &str = "a-password-for-tests";

/// Runs every file of rows in this directory; `least` fewer would mean that one is not found.
fn run_rows(directory: &str, environment: &[(&str, &str)], least: usize) {
    let actions = tested_checkout().join(".github/actions");
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap"]);
    for entry in fs::read_dir(actions.join(directory).join("tests")).unwrap() {
        node.arg(entry.unwrap().path());
    }
    node.envs(environment.iter().copied());
    let output = node.output().expect("`node` runs: scripts/setup check");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().find_map(|line| line.strip_prefix("# pass ")?.parse::<usize>().ok());
    assert!(passed >= Some(least), "{passed:?} rows passed");
}

#[test]
fn branches_versions_and_tags_are_as_their_rows_say() {
    run_rows("plan", &[], 80);
}

#[test]
fn what_tests_a_service_is_as_its_rows_say() {
    run_rows("test", &[], 22);
}

#[test]
fn what_is_reported_of_a_build_is_as_its_rows_say() {
    run_rows("report", &[], 7);
}

#[test]
fn what_a_push_changes_is_as_its_rows_say() {
    run_rows("push", &[], 88);
}

#[test]
fn what_is_promoted_is_as_its_rows_say() {
    run_rows("promote", &[], 30);
}

#[test]
fn how_a_rollout_is_waited_for_is_as_its_rows_say() {
    run_rows("wait", &[], 27);
}

#[test]
fn registries_are_asked_and_told_as_they_are() {
    let state = std::env::temp_dir().join(format!("esclusa-pipeline-{}", std::process::id()));
    let registry = Registry::of(&state);
    let port = esclusa_local::ports::free().unwrap();
    registry.start(port, PASSWORD, None).unwrap();
    let address = format!("127.0.0.1:{port}");
    run_rows("lib", &[("REGISTRY", &address), ("PASSWORD", PASSWORD)], 65);
    registry.stop().unwrap();
    fs::remove_dir_all(&state).unwrap();
}
