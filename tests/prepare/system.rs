//! The root file system that hosts begin with: made by `mmdebstrap` from this system's mirror.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use esclusa_local::places::tested_checkout;
use esclusa_local::programs;

/// A root file system of one release, and where packages of it and of an older one come from.
pub(crate) struct System {
    pub(crate) directory: PathBuf,
    pub(crate) older: String,
    mirror: String,
    components: &'static str,
}

impl System {
    /// Makes it in a directory; [`None`] where scripts/versions names no releases for this system.
    pub(crate) fn make(directory: PathBuf) -> Option<Self> {
        let own = read_assignments(Path::new("/etc/os-release"));
        let codename = own.get("VERSION_CODENAME").cloned().unwrap_or_default();
        let known = read_assignments(&tested_checkout().join("scripts/versions"));
        let releases = known.get(&format!("PREPARED_HOSTS_{codename}"))?;
        let (release, older) = releases.split_once(' ').unwrap();
        let is_ubuntu = own.get("ID").is_some_and(|id| id == "ubuntu");
        let system = Self {
            directory,
            older: older.to_owned(),
            mirror: find_mirror(&codename),
            components: if is_ubuntu { "main universe" } else { "main" },
        };
        let mut command = programs::command("mmdebstrap");
        command
            .args(["--quiet", "--mode=root", "--variant=minbase", "--dpkgopt=force-unsafe-io"])
            // What nobody reads here costs time, at each copy and removal.
            .args(
                ["doc", "locale", "man"]
                    .map(|it| format!("--dpkgopt=path-exclude=/usr/share/{it}/*")),
            )
            .arg(format!("--components={}", system.components.replace(' ', ",")))
            .arg(release)
            .arg(&system.directory)
            .arg(&system.mirror)
            .env("TMPDIR", system.directory.parent().unwrap());
        succeed(&mut command);
        Some(system)
    }

    /// A line of apt's sources for the older release.
    pub(crate) fn older_source(&self) -> String {
        format!("deb {} {} {}\n", self.mirror, self.older, self.components)
    }
}

/// The mirror that this system's own packages come from, as `scripts/setup` finds it.
fn find_mirror(codename: &str) -> String {
    let listed = succeed(programs::command("apt-get").args(["--print-uris", "update"]));
    let release = format!("/dists/{codename}/");
    let mirrors = listed.lines().filter_map(|line| line.strip_prefix('\'')?.split_once(&release));
    let mirror = mirrors.map(|(mirror, _)| mirror.to_owned()).min();
    mirror.unwrap_or_else(|| panic!("apt's sources name no mirror for {codename}"))
}

fn read_assignments(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

/// Runs a program of this machine that must succeed, and answers its output.
fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}: run scripts/setup"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
