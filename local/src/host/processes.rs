//! Finding and signalling a host's processes, from its name alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The word on the command line by which a host's first process is known.
pub(super) fn marker(name: &str) -> String {
    format!("esclusa-host={name}")
}

/// The host's first process, as the machine numbers it.
pub(super) fn first(name: &str) -> Option<i32> {
    marked(name).into_iter().find(|pid| is_first_in_its_namespace(*pid))
}

/// Every process that bears the host's marker: the first one and those that wait for it.
pub(super) fn marked(name: &str) -> Vec<i32> {
    let marker = marker(name);
    all().into_iter().filter(|pid| has_word(*pid, &marker)).collect()
}

/// Sends a signal; a process that ended meanwhile is fine.
pub(super) fn signal(pid: i32, signal: Signal) {
    // The only other failure is a lack of rights, and a host is only ever used by root.
    let _gone = kill(Pid::from_raw(pid), signal);
}

/// Everything that the host runs, its first process excepted, in no order.
pub(super) fn below(first: i32) -> BTreeSet<i32> {
    let home = namespace_of(first);
    let family: Vec<(i32, i32)> =
        all().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    // Commands that were brought in from outside have no parent inside, hence the namespace.
    let mut members: BTreeSet<i32> = family
        .iter()
        .map(|(pid, _)| *pid)
        .filter(|pid| home.is_some() && namespace_of(*pid) == home)
        .collect();
    loop {
        let before = members.len();
        members.extend(
            family
                .iter()
                .filter(|(_, up)| members.contains(up))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if members.len() == before {
            break;
        }
    }
    members.remove(&first);
    members
}

fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn has_word(pid: i32, word: &str) -> bool {
    let line = fs::read(proc(pid).join("cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|it| it == word.as_bytes())
}

fn is_first_in_its_namespace(pid: i32) -> bool {
    let ids = status(pid, "NSpid:");
    let own = status(std::process::id().cast_signed(), "NSpid:");
    let depth = |it: &Option<String>| it.as_deref().map_or(0, |ids| ids.split_whitespace().count());
    let last = ids.as_deref().and_then(|it| it.split_whitespace().last());
    last == Some("1") && depth(&ids) > depth(&own)
}

fn parent(pid: i32) -> Option<i32> {
    status(pid, "PPid:")?.trim().parse().ok()
}

fn status(pid: i32, field: &str) -> Option<String> {
    let text = fs::read_to_string(proc(pid).join("status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)).map(str::to_owned)
}

fn namespace_of(pid: i32) -> Option<PathBuf> {
    fs::read_link(proc(pid).join("ns/pid")).ok()
}

fn proc(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}
