//! A machine of its own for a user: a host with engine, network, `/home`, `/etc` and `/var/lib`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use esclusa_local::host::{Finished, Host, HostOptions, Limits, remove_all};
use esclusa_local::owner::home;
use esclusa_local::places::{state_directory, tested_checkout};
use nix::sched::{CloneFlags, unshare};

/// What Debian gives to a normal user.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";

/// Where the user's checkout lies; filled up to 150 characters.
const FOLDERS: &str = "/home/dev/projects/compañía de señales/plataforma";

/// More than anything here takes, also beside other suites.
const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) struct Machine {
    host: Host,
    state: PathBuf,
    checkout: String,
}

impl Machine {
    /// Gives `test` a machine, and removes it afterwards, also when the test failed.
    pub(crate) fn with(name: &str, test: impl FnOnce(&Self) + Send) {
        // Mounts of this thread and what it starts are nobody else's, and end with them.
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("root makes a mount namespace");
                outside("mount --make-rprivate /", &[]);
                test(&Self::start(name));
            });
            if let Err(panic) = ended.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn start(name: &str) -> Self {
        let state = state_directory(&tested_checkout(), name);
        remove_all(&state).unwrap_or_else(|error| panic!("{error}"));
        let host = Host::create(&state, 1, HostOptions::default());
        let host = host.unwrap_or_else(|error| panic!("{error}"));
        let folders = format!("{FOLDERS}/{}", "x".repeat(141 - FOLDERS.chars().count()));
        let machine = Self { host, state, checkout: format!("{folders}/esclusa") };
        // What is mounted below its directories before it starts is there in it.
        machine.host.kill().unwrap();
        machine.lend_files();
        machine.host.start().unwrap_or_else(|error| panic!("{error}"));
        machine.root(PREPARE);
        for path in toolchain() {
            let (from, to) = (format!("/tmp{}", lent_place(&path)), path.display());
            machine
                .root(&format!("mkdir -p '{to}'; mount --bind '{from}' '{to}'; cd '{to}'; {USE}"));
        }
        machine
    }

    /// Where the user's checkout is, in the machine.
    pub(crate) fn checkout(&self) -> &str {
        &self.checkout
    }

    /// Shows this checkout and root's toolchain in the machine, where what is written stays.
    fn lend_files(&self) {
        let below = self.host.path("/tmp").unwrap();
        let mut lent = vec![(tested_checkout(), self.checkout.clone())];
        lent.extend(toolchain().into_iter().map(|path| (path.clone(), lent_place(&path))));
        for (number, (from, to)) in lent.iter().enumerate() {
            let to = below.join(to.trim_start_matches('/'));
            let written = below.join(format!("written/{number}"));
            outside(OVERLAY, &[from, &to, &written]);
        }
        let checkout = below.join(self.checkout.trim_start_matches('/'));
        outside(SNAPSHOT, &[&tested_checkout(), &checkout]);
        lend_compose(&below.join(self.checkout.trim_start_matches('/')));
    }

    /// Runs a script as root, which must succeed, and answers what it printed.
    pub(crate) fn root(&self, script: &str) -> String {
        let done = self.host.exec(&["bash", "-euo", "pipefail", "-c", script], &[], b"", limits());
        answer(script, &done.unwrap())
    }

    /// Runs a script in the checkout as the user, as after a login, and answers what it printed.
    pub(crate) fn user(&self, script: &str) -> String {
        let begun = std::time::Instant::now();
        let script = format!("umask 077; cd '{}'; {script}", self.checkout);
        let path = format!("PATH={PATH}");
        let cargo_home = format!("CARGO_HOME={}", cargo_home().display());
        let rustup_home = format!("RUSTUP_HOME={}", rustup_home().display());
        let login = [
            "setpriv",
            "--reuid=dev",
            "--regid=dev",
            "--init-groups",
            "env",
            "-i",
            &path,
            "HOME=/home/dev",
            "USER=dev",
            "LOGNAME=dev",
            "SHELL=/bin/bash",
            "LANG=es_ES.UTF-8",
            &cargo_home,
            &rustup_home,
            // The machine has no other network.
            "CARGO_NET_OFFLINE=true",
            "RUSTUP_AUTO_INSTALL=0",
            "bash",
            "-euo",
            "pipefail",
            "-c",
            &script,
        ];
        let done = self.host.exec(&login, &[], b"", limits()).unwrap();
        let printed = answer(&script, &done);
        let last = script.lines().next().unwrap_or_default().rsplit(';').next().unwrap_or_default();
        eprintln!("{last}: {} s", begun.elapsed().as_secs());
        printed
    }

    /// Ends the machine's Docker.
    pub(crate) fn stop_docker(&self) {
        // Its socket goes before it does, and another one does not start beside it.
        self.root(
            "pid=$(</run/docker.pid); kill $pid; while kill -0 $pid 2>&-; do sleep 0.1; done",
        );
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The mounts below its directories would keep them.
        let _gone = self.host.kill();
        let below = self.host.path("/tmp").unwrap_or_default();
        outside(UNMOUNT, &[&below]);
        if let Err(error) = remove_all(&self.state) {
            eprintln!("{}", esclusa_local::environment::chain(&error));
        }
        let _others_keep_it = std::fs::remove_dir(&self.state);
    }
}

/// Sources by another path would be built again.
fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map_or_else(|| home().unwrap().join(".cargo"), PathBuf::from)
}

fn rustup_home() -> PathBuf {
    std::env::var_os("RUSTUP_HOME").map_or_else(|| home().unwrap().join(".rustup"), PathBuf::from)
}

/// What this checkout was built and set up with, which is known by these paths.
fn toolchain() -> Vec<PathBuf> {
    let all = [cargo_home(), rustup_home(), home().unwrap().join(".pyenv")];
    all.into_iter().filter(|path| path.is_dir()).collect()
}

/// Where a folder is put before it gets its own path.
fn lent_place(path: &Path) -> String {
    format!("/lent{}", path.display())
}

const OVERLAY: &str = r#"
    mkdir -p "$2" "$3/upper" "$3/work"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work,metacopy=on" "$2"
"#;

/// Only what is built and installed is shared: whoever works on the rest meanwhile changes nothing.
const SNAPSHOT: &str = r#"
    cd "$1"
    for entry in .[!.]* *; do
        case $entry in target | .tools) continue ;; esac
        rm -rf "$2/$entry"
        cp -a "$entry" "$2/$entry"
    done
"#;

const UNMOUNT: &str = r#"
    findmnt --noheadings --raw --output TARGET | { grep -F "${1%/}/" || true; } | tac |
        while read -r target; do umount --lazy "$(printf %b "$target")"; done
"#;

/// The user, the machine's own files, and no trace of what other suites build meanwhile.
const PREPARE: &str = r"
    mount --rbind /tmp/home /home
    mkdir -p /tmp/etc/upper /tmp/etc/work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=/tmp/etc/upper,workdir=/tmp/etc/work /etc
    mount -t tmpfs tmpfs /var/log
    printf '127.0.0.1 localhost %s\n' $(hostname) >/etc/hosts
    ! getent passwd dev >/dev/null || userdel --force dev
    useradd --no-create-home --home-dir /home/dev --shell /bin/bash dev
    printf 'dev ALL=(ALL:ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/dev
    chmod 0440 /etc/sudoers.d/dev
    chmod 0711 /root
    find /home/dev -path '*/esclusa/target/mutations' -prune -exec rm -rf {} +
    chown -R --no-dereference dev: /home/dev
";

/// Others may read a toolchain, and the user lock it.
const USE: &str = r"
    find . \( -type f ! -perm -o=r -o -type d ! -perm -o=rx \) -exec chmod a+rX {} +
    find . -maxdepth 2 -exec chown --no-dereference dev: {} +
";

/// Where root has Compose in its own home, `scripts/setup` unpacked it there: the user's would have
/// put it into the checkout.
fn lend_compose(checkout: &Path) {
    let plugin = home().unwrap().join(".docker/cli-plugins/docker-compose");
    let unpacked = checkout.join(".tools/docker-compose");
    if plugin.is_file() && !unpacked.exists() {
        std::fs::copy(plugin, unpacked).unwrap();
    }
}

fn limits() -> Limits {
    Limits { timeout: PATIENCE }
}

/// Runs a script on this machine, in the test's own mount namespace.
fn outside(script: &str, arguments: &[&Path]) {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script, "bash"]).args(arguments);
    let output = bash.output().expect("bash runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

fn answer(script: &str, done: &Finished) -> String {
    let (printed, said) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.code, Some(0), "{script}\n{printed}{said}");
    printed.into_owned()
}
