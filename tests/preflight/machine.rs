//! A checkout with nothing but the scripts, and a search path with nothing but stand-ins and the
//! system's plain tools.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use esclusa_local::places::{demo_lock, tested_checkout};
use esclusa_local::programs;

/// The system's own, as the scripts use them.
const PLAIN: &[&str] = &[
    "awk",
    "bash",
    "cat",
    "cc",
    "cut",
    "df",
    "dirname",
    "env",
    "find",
    "findmnt",
    "flock",
    "git",
    "grep",
    "head",
    "id",
    "ldd",
    "mktemp",
    "readlink",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "stat",
    "tail",
    "tr",
    "true",
];

/// What ends well whatever it is asked.
const WELL: [&str; 6] = ["docker", "iptables", "modprobe", "sudo", "ip", "unshare"];

/// What is other than on a machine that has everything, and what is said of that; nothing, if all
/// is well all the same.
pub(crate) struct Row<'a> {
    pub(crate) mode: &'a str,
    pub(crate) programs: &'a [(&'a str, &'a str)],
    pub(crate) gone: &'a [&'a str],
    pub(crate) variables: &'a [(&'a str, &'a str)],
    pub(crate) refusal: &'a str,
}

pub(crate) struct Machine {
    directory: PathBuf,
    checkout: PathBuf,
}

impl Machine {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let unique = format!("esclusa-preflight-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().canonicalize().unwrap().join(unique);
        let machine = Self { checkout: directory.join(name), directory };
        for file in ["preflight", "path", "setup", "versions", "as_root"] {
            let file = format!("scripts/{file}");
            let to = machine.checkout.join(&file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(tested_checkout().join(file), to).unwrap();
        }
        fs::copy(tested_checkout().join("Cargo.toml"), machine.checkout.join("Cargo.toml"))
            .unwrap();
        machine.make_programs();
        machine
    }

    fn make_programs(&self) {
        let bin = self.directory.join("bin");
        fs::create_dir_all(&bin).unwrap();
        for name in PLAIN {
            let found = programs::find(name).unwrap_or_else(|| panic!("there is no {name}"));
            symlink(found, bin.join(name)).unwrap();
        }
        // Itself: what picks one of several versions needs more than what is here.
        let itself = ["-c", "import os, sys; print(os.path.realpath(sys.executable), end='')"];
        let python = programs::command("python3").args(itself).output().unwrap().stdout;
        symlink(String::from_utf8(python).unwrap(), bin.join("python3")).unwrap();
        for name in WELL {
            self.stand_in(name, "#!/bin/sh\nexit 0\n");
        }
        self.stand_in("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo x86_64\n");
        self.stand_in("cargo", "#!/bin/sh\necho cargo 1.999.0\n");
    }

    fn stand_in(&self, name: &str, text: &str) {
        let path = self.directory.join("bin").join(name);
        let _absent = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes a program that is a link to a file of that path.
    pub(crate) fn link(&self, name: &str, to: &str) {
        self.write(to, "#!/bin/sh\n");
        let place = self.directory.join("bin").join(name);
        fs::remove_file(&place).unwrap();
        let to = self.directory.join(to);
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        symlink(to, place).unwrap();
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.directory.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.directory.join(file)).unwrap();
    }

    /// A `/proc` of a kernel that has everything.
    pub(crate) fn make_proc(&self) -> String {
        for kind in ["ipc", "mnt", "net", "pid", "uts"] {
            self.write(&format!("proc/self/ns/{kind}"), "");
        }
        self.write("proc/filesystems", "nodev\ttmpfs\nnodev\toverlay\n");
        self.write("proc/meminfo", "MemAvailable: 8000000 kB\nSwapFree: 0 kB\n");
        self.directory.join("proc").display().to_string()
    }

    /// Does as a running demo does.
    pub(crate) fn hold_demo_lock(&self) -> File {
        let name = demo_lock(&self.checkout).file_name().unwrap().to_owned();
        self.write("run/other", "");
        let file = File::create(self.directory.join("run").join(name)).unwrap();
        file.try_lock().unwrap();
        file
    }

    pub(crate) fn expect(&self, row: &Row<'_>) {
        self.expect_with(row, &[]);
    }

    pub(crate) fn expect_with(&self, row: &Row<'_>, variables: &[(&str, &str)]) {
        for (name, text) in row.programs {
            self.stand_in(name, text);
        }
        for name in row.gone {
            fs::remove_file(self.directory.join("bin").join(name)).unwrap();
        }
        let mut preflight = self.command("preflight", row.mode);
        preflight.envs(row.variables.iter().copied()).envs(variables.iter().copied());
        let output = preflight.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.stdout.is_empty(), "data on standard output");
        if row.refusal.is_empty() {
            assert!(output.status.success() && said.is_empty(), "{}: {said}", row.mode);
        } else {
            assert_eq!(output.status.code(), Some(1), "{}: {said}", row.refusal);
            let found = said
                .lines()
                .any(|line| line.starts_with("preflight: ") && line.contains(row.refusal));
            assert!(found, "`{}` is not in:\n{said}", row.refusal);
        }
    }

    /// What `scripts/setup` says before it ends with 1.
    pub(crate) fn setup(&self, purpose: &str, variables: &[(&str, &str)]) -> String {
        let mut setup = self.command("setup", purpose);
        let output = setup.envs(variables.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    fn command(&self, script: &str, argument: &str) -> Command {
        let here = |name: &str| self.directory.join(name);
        let mut command = Command::new(here("bin/bash"));
        command.arg(self.checkout.join("scripts").join(script)).arg(argument);
        command.env_clear().env("PATH", here("bin")).env("HOME", here("home"));
        command.env("ESCLUSA_SYSTEM_PATH", "/nowhere").env("ESCLUSA_RUNTIME_HOME", here("run"));
        // The limits are those of rows.
        command.env("ESCLUSA_MEMORY_MIB", "1").env("ESCLUSA_DISK_MIB", "1");
        command.env("ESCLUSA_STATE_DISK_MIB", "1");
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _absent = fs::remove_dir_all(Path::new(&self.directory));
    }
}
