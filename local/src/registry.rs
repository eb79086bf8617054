//! ECR's data plane: Debian's `docker-registry` on the loopback, which demands ECR's kind of login.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::programs;

/// The user name of every ECR login.
pub const USER: &str = "AWS";

/// The cheapest that the registry accepts: it hashes at every request, for a local token.
const COST: u32 = 4;
const LIMIT: Duration = Duration::from_secs(10);

/// Why the registry could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The package is not installed. Install it with `scripts/setup`.
    #[error("`docker-registry` is not installed: run scripts/setup")]
    Missing,
    /// Somebody else listens there. Choose another port.
    #[error("port {port} of 127.0.0.1 is taken, so the registry cannot listen there")]
    PortTaken {
        /// The port that was asked for.
        port: u16,
    },
    /// It did not begin or end in time. Its log says why.
    #[error("the registry did not {verb} within {} s: see {}", LIMIT.as_secs(), log.display())]
    Late {
        /// What it should have done.
        verb: &'static str,
        /// Its log.
        log: PathBuf,
    },
    /// The token could not be made into a password file.
    #[error("cannot hash the registry's token")]
    Hash {
        /// What the hash function said.
        source: bcrypt::BcryptError,
    },
    /// A file or process could not be used.
    #[error("cannot {what}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The registry of one environment; found again by its state directory.
#[derive(Debug, Clone)]
pub struct Registry {
    directory: PathBuf,
}

impl Registry {
    /// The registry that lives in `<state>/registry`, running or not.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { directory: state.join("registry") }
    }

    /// Starts it on `127.0.0.1:<port>` with `token` as the password of [`USER`].
    ///
    /// `notifications` is the URL that each push and delete is posted to. A registry of this state
    /// directory that still runs is stopped first; what it stores stays.
    ///
    /// # Errors
    ///
    /// When it is not installed, the port is taken, or it does not answer in time.
    pub fn start(
        &self,
        port: u16,
        token: &str,
        notifications: Option<&str>,
    ) -> Result<(), RegistryError> {
        if programs::find("docker-registry").is_none() {
            return Err(RegistryError::Missing);
        }
        self.stop()?;
        if !soon_free(port) {
            return Err(RegistryError::PortTaken { port });
        }
        let storage = self.directory.join("storage");
        fs::create_dir_all(&storage).map_err(io("make", &storage))?;
        self.set_token(token)?;
        let configuration = self.configuration_path();
        fs::write(&configuration, self.configuration(port, notifications))
            .map_err(io("write", &configuration))?;
        self.spawn()?;
        self.wait("answer", || TcpStream::connect(("127.0.0.1", port)).is_ok())
    }

    /// Replaces the token; the running registry demands the new one from its next request on.
    ///
    /// # Errors
    ///
    /// When the password file cannot be written.
    pub fn set_token(&self, token: &str) -> Result<(), RegistryError> {
        // ECR's tokens are longer than bcrypt reads. The registry's own check cuts the same way.
        let hash = bcrypt::hash(token, COST).map_err(|source| RegistryError::Hash { source })?;
        let path = self.password_path();
        let fresh = path.with_extension("fresh");
        fs::write(&fresh, format!("{USER}:{hash}\n")).map_err(io("write", &fresh))?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))
            .map_err(io("protect", &fresh))?;
        fs::rename(&fresh, &path).map_err(io("write", &path))
    }

    /// Stops it; that it does not run is fine, also after a crash.
    ///
    /// # Errors
    ///
    /// When it is still alive after a while.
    pub fn stop(&self) -> Result<(), RegistryError> {
        for pid in self.processes() {
            // The only failure left is that it ended meanwhile.
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        self.wait("end", || self.processes().is_empty())
    }

    /// Whether its process is alive.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.processes().is_empty()
    }

    /// The path of its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("registry.log")
    }

    fn configuration_path(&self) -> PathBuf {
        self.directory.join("registry.yml")
    }

    fn password_path(&self) -> PathBuf {
        self.directory.join("htpasswd")
    }

    fn configuration(&self, port: u16, notifications: Option<&str>) -> String {
        let storage = self.directory.join("storage");
        let password = self.password_path();
        let basis = format!(
            "version: 0.1\n\
             log:\n  level: info\n  accesslog:\n    disabled: true\n\
             storage:\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: {}\n\
             auth:\n  htpasswd:\n    realm: esclusa\n    path: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n  secret: local\n",
            quoted(&storage),
            quoted(&password),
        );
        let notified = notifications.map_or_else(String::new, |url| {
            format!(
                "notifications:\n  endpoints:\n    - name: esclusa\n      url: {url}\n      \
                 timeout: 2s\n      threshold: 3\n      backoff: 1s\n",
            )
        });
        basis + &notified
    }

    fn spawn(&self) -> Result<(), RegistryError> {
        let log = fs::File::create(self.log()).map_err(io("write", &self.log()))?;
        let errors = log.try_clone().map_err(io("write", &self.log()))?;
        let mut command = programs::command("setsid");
        // Forked away, so that nobody needs to wait for it and it outlives its starter.
        command.args(["--fork", "docker-registry", "serve"]).arg(self.configuration_path());
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command.status().map_err(io("start a registry with", &self.configuration_path()))?;
        Ok(())
    }

    /// The registry's processes, known by the configuration file on their command line.
    fn processes(&self) -> Vec<i32> {
        let path = self.configuration_path();
        let wanted = path.as_os_str().as_encoded_bytes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == wanted)
        })
        .collect()
    }

    fn wait(
        &self,
        verb: &'static str,
        mut done: impl FnMut() -> bool,
    ) -> Result<(), RegistryError> {
        let start = Instant::now();
        while !done() {
            if start.elapsed() > LIMIT {
                return Err(RegistryError::Late { verb, log: self.log() });
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// A path as a YAML scalar: JSON's strings are YAML's.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RegistryError {
    let what = format!("{what} {}", path.display());
    move |source| RegistryError::Io { what, source }
}
/// Whether nobody listens on a port, or stops to within a second: a process that ends loses its
/// name before its sockets.
fn soon_free(port: u16) -> bool {
    (0..20).any(|_| {
        let free = TcpStream::connect(("127.0.0.1", port)).is_err();
        if !free {
            std::thread::sleep(Duration::from_millis(50));
        }
        free
    })
}
