//! Starting, asking, resetting and stopping, whatever happened in between.

use std::path::Path;
use std::process::Command;

use esclusa_local::environment::{Environment, EnvironmentError, Options, down};
use esclusa_local::host::EnvironmentId;
use esclusa_local::places::{runtime_directory, tested_checkout};

use crate::{start, state};

/// Every process that carries the environment's mark.
fn processes(state: &Path) -> Vec<u32> {
    let mark = format!("ESCLUSA_PART_OF={}", state.display());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let marked = |pid: &u32| {
        let variables = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    pids.filter(marked).collect()
}

/// What `ip` lists that belongs to the environment.
fn network(prefix: &str) -> Vec<String> {
    let listed = Command::new("ip").args(["netns", "list"]).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    listed.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}

fn assert_nothing_is_left(path: &Path, prefix: &str) {
    assert_eq!(processes(path), Vec::<u32>::new(), "processes");
    assert_eq!(network(prefix), Vec::<String>::new(), "network namespaces");
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&*path.to_string_lossy()), "{mounts}");
    for gone in [path, &runtime_directory(path)] {
        assert!(!gone.exists(), "{}", gone.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_healthy_once_up_and_after_a_reset_and_goes_without_a_trace() {
    let environment = start("life").await;
    let path = environment.state().to_owned();
    let prefix = EnvironmentId::of(&path).unwrap().host_prefix();
    assert_eq!(network(&prefix).len(), 2);
    for _ in 0..2 {
        let parts = environment.status().await;
        assert!(parts.iter().all(|part| part.healthy), "{parts:?}");
        environment.reset().await.unwrap();
    }
    let root = tested_checkout();
    let again = Environment::up(Options::new(&root, &path)).await;
    assert!(matches!(again, Err(EnvironmentError::AlreadyUp { .. })), "{again:?}");
    environment.down().await.unwrap();
    assert_nothing_is_left(&path, &prefix);
    assert!(matches!(Environment::open(&path), Err(EnvironmentError::NotUp { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn down_works_after_every_process_was_killed() {
    let environment = start("crash").await;
    let path = environment.state().to_owned();
    let prefix = EnvironmentId::of(&path).unwrap().host_prefix();
    for pid in processes(&path) {
        Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }
    let parts = environment.status().await;
    assert!(parts.iter().any(|part| part.part == "aws" && !part.healthy), "{parts:?}");
    down(&path).unwrap();
    assert_nothing_is_left(&path, &prefix);
}

#[tokio::test]
async fn what_is_missing_is_said_in_one_sentence() {
    let path = state("refusals");
    let root = tested_checkout();
    let nowhere = Options::new(Path::new("/nonexistent"), &path);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let busy = Options { registry_port: Some(port), ..Options::new(&root, &path) };
    for (options, expected) in [
        // The virtual environment, or the functions where that lies elsewhere.
        (nowhere, "/nonexistent/"),
        (busy, "of 127.0.0.1 is taken: choose another one"),
    ] {
        let refused = Environment::up(options).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    down(&path).unwrap();
}
