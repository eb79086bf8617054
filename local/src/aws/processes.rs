//! Finding HAProxy processes that a killed server left behind.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills HAProxy processes whose configuration lies in `directory`.
pub(crate) fn kill_proxies(directory: &Path) {
    for pid in running() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|&byte| byte == 0).map(String::from_utf8_lossy);
        let is_proxy = words.next().is_some_and(|it| it.ends_with("haproxy"));
        if is_proxy && words.any(|it| Path::new(it.as_ref()).starts_with(directory)) {
            // The only failure left is that it ended meanwhile.
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn running() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|it| it.file_name().to_str()?.parse().ok()).collect()
}
