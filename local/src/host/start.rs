//! Making a host's directories and bringing its first process and engine up.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::tools::{HostError, io};
use super::{Engine, Host, HostOptions, engine, network, processes, tools};
use crate::programs;

/// The directories a host has of its own: below its directory, and where it sees them.
pub(super) const OWN: [(&str, &str); 5] =
    [("srv", "/srv"), ("run", "/run"), ("var-lib", "/var/lib"), ("root", "/root"), ("tmp", "/tmp")];

/// The place of a root file system of the host's own, below its directory.
pub(super) const SYSTEM: &str = "system";

const INIT: &str = include_str!("init.sh");
/// Making namespaces takes tens of milliseconds; this is for a machine under heavy load.
const START_LIMIT: Duration = Duration::from_secs(20);

impl Host {
    /// Starts a host that is not running, and its engine. One that runs is left as it is.
    ///
    /// # Errors
    ///
    /// When the namespaces or the engine do not come up; the error names the log to read.
    pub fn start(&self) -> Result<(), HostError> {
        network::make(self)?;
        if processes::first(&self.name).is_none() {
            launch(self)?;
        }
        engine::start(self)
    }

    /// Shuts the host down as a power button does: containers are stopped, then all else ends.
    ///
    /// # Errors
    ///
    /// When something of it is still alive afterwards.
    pub fn stop(&self) -> Result<(), HostError> {
        engine::stop(self)?;
        self.kill()
    }

    /// Ends everything in the host at once, as a power cut does. Its disk stays.
    ///
    /// # Errors
    ///
    /// When something of it is still alive afterwards.
    pub fn kill(&self) -> Result<(), HostError> {
        for pid in processes::marked(&self.name) {
            processes::signal(pid, Signal::SIGKILL);
        }
        wait_for("the end of the host's processes", &self.log("init"), || {
            processes::marked(&self.name).is_empty()
        })
    }

    /// Freezes everything in the host: it neither answers nor ends until [`Host::resume`].
    ///
    /// # Errors
    ///
    /// [`HostError::Stopped`] when it does not run.
    pub fn pause(&self) -> Result<(), HostError> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets a frozen host go on.
    ///
    /// # Errors
    ///
    /// [`HostError::Stopped`] when it does not run.
    pub fn resume(&self) -> Result<(), HostError> {
        self.signal_all(Signal::SIGCONT)
    }

    /// Whether the host's first process is alive, frozen or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        processes::first(&self.name).is_some()
    }

    /// The path of one of the host's logs on the machine: `init` or `dockerd`.
    #[must_use]
    pub fn log(&self, part: &str) -> PathBuf {
        self.directory.join(format!("{part}.log"))
    }

    fn signal_all(&self, signal: Signal) -> Result<(), HostError> {
        let first = self.first()?;
        for pid in processes::below(first) {
            processes::signal(pid, signal);
        }
        Ok(())
    }

    pub(super) fn first(&self) -> Result<i32, HostError> {
        processes::first(&self.name).ok_or_else(|| HostError::Stopped { name: self.name.clone() })
    }
}

pub(super) fn make_directories(host: &Host) -> Result<(), HostError> {
    if let Some(system) = host.options.engine.system() {
        fs::create_dir_all(&host.directory).map_err(io("make", &host.directory))?;
        return copy_system(host, system);
    }
    let below = ["var-lib/docker", "var-lib/esclusa"];
    for place in OWN.iter().map(|(place, _)| *place).chain(below) {
        let path = host.directory.join(place);
        fs::create_dir_all(&path).map_err(io("make", &path))?;
    }
    for (place, mode) in [("root", 0o700), ("tmp", 0o1777), ("var-lib/esclusa", 0o700)] {
        let path = host.directory.join(place);
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(&path, mode).map_err(io("set the mode of", &path))?;
    }
    engine::configure(host)
}

fn copy_system(host: &Host, system: &Path) -> Result<(), HostError> {
    let copy = host.directory.join(SYSTEM);
    let (from, to) = (system.to_string_lossy(), copy.to_string_lossy());
    tools::run("cp", &["--archive", "--reflink=auto", &from, &to]).map(|_| ())
}

/// Writes down what another process cannot derive from the names.
pub(super) fn record(host: &Host) -> Result<(), HostError> {
    let [a, b, c] = host.subnet;
    let mut text = format!("{a} {b} {c} {}\n", host.options.disk_mib.unwrap_or(0)).into_bytes();
    if let Some(directory) = host.options.engine.directory() {
        text.extend(directory.as_os_str().as_encoded_bytes());
    }
    let path = host.directory.join("address");
    fs::write(&path, text).map_err(io("write", &path))
}

pub(super) fn recall(host: &mut Host) -> Result<(), HostError> {
    let text = fs::read(host.directory.join("address")).unwrap_or_default();
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (numbers, engine) = text.split_at(end);
    let numbers = String::from_utf8_lossy(numbers);
    let words: Vec<u32> = numbers.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let unknown = || HostError::Unknown { name: host.name.clone() };
    let &[a, b, c, disk] = words.as_slice() else { return Err(unknown()) };
    let byte = |it: u32| u8::try_from(it).map_err(|_| unknown());
    let subnet = [byte(a)?, byte(b)?, byte(c)?];
    host.subnet = subnet;
    let system = host.directory.join(SYSTEM);
    let engine = match engine.get(1..) {
        _ if system.is_dir() => Engine::System(system),
        None | Some([]) => Engine::Machine,
        Some(directory) => Engine::Newest(OsStr::from_bytes(directory).into()),
    };
    host.options = HostOptions { disk_mib: (disk > 0).then_some(disk), engine };
    Ok(())
}

fn launch(host: &Host) -> Result<(), HostError> {
    // As at every boot: the numbers of processes that it holds may belong to others by then.
    let run = host.directory.join("run");
    let _absent = fs::remove_dir_all(&run);
    fs::create_dir_all(&run).map_err(io("make", &run))?;
    let script = host.directory.join("init.sh");
    fs::write(&script, INIT).map_err(io("write", &script))?;
    let ready = host.directory.join("ready");
    let _absent = fs::remove_file(&ready);
    let log = fs::File::create(host.log("init")).map_err(io("write", &host.log("init")))?;
    let errors = log.try_clone().map_err(io("write", &host.log("init")))?;
    // The shell ends at once, so the host belongs to nobody who could forget to wait for it.
    let mut shell = programs::command("bash");
    shell
        .args([
            "-c",
            r#"net=$1; shift; setsid nsenter --net="$net" unshare --mount --pid --uts \
            --ipc --fork bash "$@" </dev/null &"#,
        ])
        .arg("launch")
        .arg(host.network_namespace())
        .arg(script)
        .arg(processes::marker(&host.name))
        .arg(&host.directory)
        .arg(host.options.disk_mib.unwrap_or(0).to_string())
        .arg(host.options.engine.directory().unwrap_or_else(|| Path::new("")))
        .args(host.options.engine.plugins())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    shell.status().map_err(io("start", &host.directory))?;
    wait_for("the start of the host", &host.log("init"), || ready.exists())
}

/// Looks every 20 ms until something is true.
pub(super) fn wait_for(
    what: &str,
    log: &Path,
    mut done: impl FnMut() -> bool,
) -> Result<(), HostError> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > START_LIMIT {
            let seconds = START_LIMIT.as_secs();
            return Err(HostError::Late { what: what.to_owned(), seconds, log: log.to_owned() });
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}
