//! The control groups of a host's containers, which outlive the processes in them.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// Removes the host's group from every hierarchy; none is left when none was there.
pub(super) fn remove(name: &str) {
    for parent in parents() {
        remove_tree(&parent.join(name));
    }
}

/// The root itself (version 2) and each controller's hierarchy below it (version 1).
fn parents() -> Vec<PathBuf> {
    let below = fs::read_dir(ROOT).into_iter().flatten().flatten().map(|it| it.path());
    std::iter::once(PathBuf::from(ROOT)).chain(below).collect()
}

/// A group's files belong to the kernel: only directories can be removed, from the inside out.
fn remove_tree(path: &Path) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _busy_until_the_last_process_is_reaped = fs::remove_dir(path);
}
