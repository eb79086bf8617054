//! The hosts themselves: made, cut off, frozen, removed; and the scripts as text.

use std::fs;
use std::path::Path;
use std::process::Command;

use esclusa_local::host::{EnvironmentId, Host, HostOptions, Limits, remove_all};
use esclusa_local::places::{state_directory, tested_checkout};

use crate::world::{new_host, newest_engine};

#[test]
fn a_host_survives_power_cuts_and_leaves_nothing_when_removed() {
    make_cut_and_remove("machines", HostOptions::default());
}

#[test]
fn so_does_a_host_with_the_newest_engine_which_it_keeps() {
    let Some(engine) = newest_engine() else { return };
    let host = make_cut_and_remove("machines-newest", HostOptions { engine, disk_mib: None });
    assert!(host.contains("/run/engine/"), "{host}");
    assert!(host.contains("io.containerd.snapshotter"), "{host}");
}

/// Answers what the host said of its engine after the power cut.
fn make_cut_and_remove(name: &str, options: HostOptions) -> String {
    let state = state_directory(&tested_checkout(), &format!("hosts-{name}"));
    remove_all(&state).unwrap_or_else(|error| panic!("{error}"));
    let (host, other) = (new_host(&state, 1, options.clone()), new_host(&state, 2, options));
    assert_ne!(host.address(), other.address());
    run(&host, "echo there >/srv/file; docker volume create kept");
    host.kill().unwrap();
    let host = Host::open(&state, 1).unwrap();
    assert!(!host.is_running());
    assert!(host.exec(&["true"], &[], b"", Limits::seconds(5)).is_err());
    host.start().unwrap();
    assert_eq!(run(&host, "cat /srv/file; docker volume ls -q"), "there\nkept\n");
    let told = run(&host, "type -P docker dockerd; docker info --format '{{.DriverStatus}}'");
    host.pause().unwrap();
    assert!(host.exec(&["docker", "ps"], &[], b"", Limits::seconds(1)).unwrap().timed_out);
    host.resume().unwrap();
    assert_eq!(run(&host, "docker ps -q"), "");
    host.stop().unwrap();
    // As after a crash that lost everything but the names.
    host.start().unwrap();
    fs::remove_file(host.directory().join("address")).unwrap();
    assert!(Host::open(&state, 1).is_err());
    remove_all(&state).unwrap();
    assert_nothing_left(&state, &host);
    told
}

fn run(host: &Host, script: &str) -> String {
    let done = host.exec(&["bash", "-c", script], &[], b"", Limits::seconds(20)).unwrap();
    assert_eq!(done.code, Some(0), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn assert_nothing_left(state: &Path, host: &Host) {
    let id = EnvironmentId::of(state).unwrap();
    assert!(!host.directory().exists());
    assert!(!host.network_namespace().exists());
    let links = fs::read_dir("/sys/class/net").unwrap().flatten();
    let links: Vec<_> = links.map(|it| it.file_name().into_string().unwrap()).collect();
    assert!(links.iter().all(|it| !it.starts_with(&id.link_prefix())), "{links:?}");
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&id.host_prefix()), "{mounts}");
    let mut find = Command::new("find");
    find.args(["/sys/fs/cgroup", "-maxdepth", "2", "-name", &format!("{}*", id.host_prefix())]);
    let found = find.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
