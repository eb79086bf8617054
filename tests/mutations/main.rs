//! Guarantees switched off one at a time, each in a copy of the core, the shell and the simulator
//! built alone: the invariant that a patch names must break, or the simulation proves nothing.
//!
//! A fifth of them is played a day, for each is built alone; `MUTATIONS=all` plays every one. That
//! each still applies is seen always.
//!
//! A patch says in its first line what it breaks, and in its second which invariant that is. One
//! that no longer applies fails too: write it anew against what the code has become.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use esclusa_local::places::tested_checkout;

/// Histories that are played at most to find a mutation out; most need a few hundred.
const HISTORIES: &str = "20000";

/// In so many turns, one a day, every mutation is played.
const TURNS: usize = 5;

/// The crates that are copied.
const CRATES: [&str; 3] = ["shared/core", "shared/shell", "shared/sim"];

fn root() -> PathBuf {
    tested_checkout()
}

/// A patch, and the invariant that it breaks.
struct Mutation {
    name: String,
    text: String,
    invariant: String,
}

fn mutations() -> Vec<Mutation> {
    let mut mutations = Vec::new();
    for entry in fs::read_dir(root().join("tests/mutations")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "patch") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let caught = text.lines().nth(1).and_then(|line| line.strip_prefix("caught by: "));
        let caught = caught.unwrap_or_else(|| panic!("{name}: no line `caught by: invariant …`"));
        mutations.push(Mutation { name, invariant: format!("{caught}:"), text });
    }
    mutations.sort_by(|a, b| a.name.cmp(&b.name));
    mutations
}

/// Copies what changed, so that what did not is not built again.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        let text = fs::read(from).unwrap();
        if fs::read(to).ok().as_ref() != Some(&text) {
            fs::write(to, text).unwrap();
        }
    }
}

/// The three crates as a workspace of their own, with the versions of ours.
fn prepare(to: &Path) {
    for name in CRATES {
        copy(&root().join(name), &to.join(name));
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (start, rest) = manifest.split_once("members = [").unwrap();
    let (_, rest) = rest.split_once(']').unwrap();
    let members = CRATES.map(|name| format!("\"{name}\"")).join(", ");
    // Built once and searched for seconds: less optimised is sooner done.
    let rest = rest.replace("opt-level = 2", "opt-level = 1");
    let manifest = format!("{start}members = [{members}]{rest}");
    if fs::read_to_string(to.join("Cargo.toml")).ok().as_ref() != Some(&manifest) {
        fs::write(to.join("Cargo.toml"), manifest).unwrap();
        fs::copy(root().join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
    }
}

fn patch(to: &Path, mutation: &Mutation) {
    let mut child = Command::new("patch")
        .args(["--strip=1", "--batch", "--fuzz=0", "--no-backup-if-mismatch"])
        .current_dir(to)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`patch` runs");
    child.stdin.take().unwrap().write_all(mutation.text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{} does not apply any more:\n{said}", mutation.name);
}

fn cargo(to: &Path, arguments: &[&str]) -> Output {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .args(["--offline", "--quiet", "--package", "esclusa-sim", "--example", "search"])
        .env("CARGO_TARGET_DIR", to.join("target"))
        .current_dir(to)
        .output()
        .expect("cargo runs")
}

/// What the search says of the code as it lies there.
fn search(to: &Path, name: &str) -> String {
    let built = cargo(to, &["build"]);
    let errors = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{name} does not build:\n{errors}");
    let search = to.join("target/debug/examples/search");
    let output = Command::new(search).args(["0", HISTORIES]).output().expect("the search runs");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Which of the turns it is today; [`None`] where all are to be played.
fn turn() -> Option<usize> {
    if std::env::var("MUTATIONS").is_ok_and(|it| it == "all") {
        return None;
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let turn = usize::try_from(since.as_secs() / 86_400).unwrap() % TURNS;
    println!("turn {turn} of {TURNS}");
    Some(turn)
}

#[test]
fn every_guarantee_is_missed_when_it_is_switched_off() {
    let to = root().join("target/mutations");
    let mutations = mutations();
    assert!(mutations.len() >= 12, "only {} mutations", mutations.len());
    let mut missed = Vec::new();
    let turn = turn();
    for (index, mutation) in mutations.iter().enumerate() {
        prepare(&to);
        patch(&to, mutation);
        if turn.is_some_and(|turn| index % TURNS != turn) {
            continue;
        }
        let said = search(&to, &mutation.name);
        println!("{}: {}", mutation.name, said.trim());
        if !said.contains(&mutation.invariant) {
            missed.push(format!("{} ({}): {said}", mutation.name, mutation.invariant));
        }
    }
    assert!(missed.is_empty(), "not caught as they should be:\n{}", missed.join(""));
}
