//! The host's own Docker Engine.

use std::fs;
use std::path::{Path, PathBuf};

use super::Host;
use super::exec::Limits;
use super::start::wait_for;
use super::tools::{HostError, io};
use crate::{owner, places};

const PID_FILE: &str = "/run/docker.pid";
/// The host's own programs first, then those that it shares with the machine.
pub(crate) const PATH: &str =
    "/root/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where a host sees the directory of an engine that is not the machine's.
const UNPACKED: &str = "/run/engine";
/// Where an engine's packages have the plugins of its CLI.
const PLUGINS: &str = "usr/libexec/docker/cli-plugins";

/// The programs that run a host's containers: engine, containerd, CLI and Compose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Engine {
    /// Those that are installed on the machine, with the engine's own image store: an image's id is
    /// the digest of its configuration.
    #[default]
    Machine,
    /// Packages unpacked in this directory, with the containerd image store: an image's id is the
    /// digest of its manifest. What the packages lack is the machine's.
    Newest(PathBuf),
    /// What is installed in this root file system. The host has a copy of it in place of the
    /// machine's, and its engine runs once somebody on the host starts it.
    System(PathBuf),
}

impl Engine {
    /// The engine that `scripts/setup engine` unpacks in `tools`; [`None`] where it found that this
    /// system's archives carry none.
    ///
    /// # Errors
    ///
    /// When it was not run.
    pub fn newest(tools: &Path) -> std::io::Result<Option<Self>> {
        let directory = tools.join("engine");
        fs::metadata(directory.join("versions"))?;
        let directory = directory.canonicalize().unwrap_or(directory);
        Ok(directory.join("usr").is_dir().then_some(Self::Newest(directory)))
    }

    /// The directory of an engine that is not the machine's.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Machine | Self::System(_) => None,
            Self::Newest(directory) => Some(directory),
        }
    }

    /// The root file system that is copied for the host, where it does not see the machine's.
    pub(super) fn system(&self) -> Option<&Path> {
        match self {
            Self::Machine | Self::Newest(_) => None,
            Self::System(directory) => Some(directory),
        }
    }

    /// The search path of everything that the host runs.
    pub(super) fn search_path(&self) -> String {
        match self {
            Self::Machine | Self::System(_) => PATH.to_owned(),
            Self::Newest(_) => format!("{UNPACKED}/usr/sbin:{UNPACKED}/usr/bin:{PATH}"),
        }
    }

    /// The plugins of the CLI that the host would not see by itself.
    pub(super) fn plugins(&self) -> Vec<PathBuf> {
        match self {
            Self::Machine => plugin_of_checkout_or_home().into_iter().collect(),
            Self::System(_) => Vec::new(),
            Self::Newest(directory) => {
                let entries = fs::read_dir(directory.join(PLUGINS)).into_iter().flatten();
                entries.flatten().map(|it| it.path()).collect()
            }
        }
    }

    fn has_containerd_images(&self) -> bool {
        matches!(self, Self::Newest(_))
    }
}

/// The Compose plugin, when it lies where the host will not see it: the one that `scripts/setup`
/// unpacked into the checkout, or one in the home of the user who called sudo.
fn plugin_of_checkout_or_home() -> Option<PathBuf> {
    let named = std::env::var_os("ESCLUSA_ROOT").map(PathBuf::from);
    let checkout = places::find_checkout(named.as_deref()).ok();
    let unpacked = checkout.map(|root| root.join(".tools/docker-compose"));
    let personal = owner::home().map(|home| home.join(".docker/cli-plugins/docker-compose"));
    [unpacked, personal].into_iter().flatten().find(|path| path.is_file())
}

/// Writes the engine's configuration, so that the machine's own is not read.
pub(super) fn configure(host: &Host) -> Result<(), HostError> {
    let text = format!(
        r#"{{
  "cgroup-parent": "/{name}",
  "data-root": "/var/lib/docker",
  "exec-root": "/run/docker",
  "features": {{"containerd-snapshotter": {containerd_images}}},
  "hosts": ["unix:///run/docker.sock"],
  "log-level": "warn",
  "pidfile": "{PID_FILE}",
  "shutdown-timeout": 5
}}
"#,
        name = host.name,
        containerd_images = host.options.engine.has_containerd_images()
    );
    let path = host.directory.join("daemon.json");
    fs::write(&path, text).map_err(io("write", &path))?;
    let inside = host.directory.join("root/daemon.json");
    fs::copy(&path, &inside).map(|_| ()).map_err(io("write", &inside))
}

/// Starts the engine unless it answers already, and waits until it does.
pub(super) fn start(host: &Host) -> Result<(), HostError> {
    if host.options.engine.system().is_some() || answers(host) {
        return Ok(());
    }
    // A killed host leaves the file behind, and its number may belong to another process by then.
    let _absent = fs::remove_file(host.directory.join("run/docker.pid"));
    let log = host.log("dockerd");
    let file = fs::OpenOptions::new().create(true).append(true).open(&log);
    let file = file.map_err(io("write", &log))?;
    let errors = file.try_clone().map_err(io("write", &log))?;
    let engine = "exec setsid --fork dockerd --config-file /root/daemon.json";
    let mut command = host.command(&["bash", "-c", engine])?;
    command.stdout(file).stderr(errors).status().map_err(io("start the engine, see", &log))?;
    wait_for("the start of the Docker Engine", &log, || answers(host))
}

/// Asks the engine to end, which stops its containers, and ends it by force if it does not.
pub(super) fn stop(host: &Host) -> Result<(), HostError> {
    let script = format!(
        "[[ -e {PID_FILE} ]] || exit 0; pid=$(<{PID_FILE}); kill \"$pid\"; \
         while kill -0 \"$pid\" 2>/dev/null; do sleep 0.05; done"
    );
    match host.exec(&["bash", "-c", &script], &[], b"", Limits::seconds(15)) {
        Ok(_) | Err(HostError::Stopped { .. }) => Ok(()),
        Err(other) => Err(other),
    }
}

impl Host {
    /// Ends the engine by force and leaves the host and its containers running.
    ///
    /// # Errors
    ///
    /// [`HostError::Stopped`] when the host does not run.
    pub fn kill_engine(&self) -> Result<(), HostError> {
        let script = format!("pkill --signal KILL --pidfile {PID_FILE}");
        self.exec(&["bash", "-c", &script], &[], b"", Limits::seconds(10)).map(|_| ())
    }
}

fn answers(host: &Host) -> bool {
    let question = ["docker", "version", "--format", "{{.Server.Version}}"];
    let asked = host.exec(&question, &[], b"", Limits::seconds(5));
    asked.is_ok_and(|it| it.code == Some(0))
}
