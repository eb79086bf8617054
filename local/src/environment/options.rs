//! What can be chosen about an environment.

use std::path::{Path, PathBuf};

use esclusa_core::name;

use super::error::EnvironmentError;

/// The environments that every service has, with the ordinal of their first host.
pub(super) const ENVIRONMENTS: [&str; 2] = ["production", "staging"];

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The checkout with the template, the launcher, the virtual environment and the functions.
    pub root: PathBuf,
    /// Where everything of this environment is kept; nothing else may be in it.
    pub state: PathBuf,
    /// The services to prepare: repositories, host tags, and files on the hosts.
    pub services: Vec<Service>,
    /// How many hosts production and staging get.
    pub hosts: [u8; 2],
    /// The port of the AWS endpoint, instead of a free one.
    pub aws_port: Option<u16>,
    /// The port of the registry, instead of a free one.
    pub registry_port: Option<u16>,
    /// Told of each step in one line.
    pub progress: fn(&str),
}

/// A service that the environment prepares.
#[derive(Debug, Clone)]
pub struct Service {
    /// The ECR repository's name.
    pub name: name::Service,
    /// A directory whose content each of its hosts gets as the service's directory below `/srv`.
    pub files: Option<PathBuf>,
}

impl Service {
    /// Reads `name` or `name=directory`.
    ///
    /// # Errors
    ///
    /// When the name is not a repository's, or the directory does not exist.
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let (name, files) = match text.split_once('=') {
            Some((name, files)) => (name, Some(PathBuf::from(files))),
            None => (text, None),
        };
        let name: name::Service = name.parse().map_err(EnvironmentError::ServiceName)?;
        if let Some(directory) = files.as_ref().filter(|it| !it.is_dir()) {
            let (service, directory) = (name.to_string(), directory.clone());
            return Err(EnvironmentError::NoFiles { service, directory });
        }
        Ok(Self { name, files })
    }
}

impl Options {
    /// Two hosts per environment, free ports, no service yet; silent.
    #[must_use]
    pub fn new(root: &Path, state: &Path) -> Self {
        Self {
            // Shorter in messages; a root that does not exist is refused for what it lacks.
            root: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            state: state.to_owned(),
            services: Vec::new(),
            hosts: [2, 2],
            aws_port: None,
            registry_port: None,
            progress: |_| {},
        }
    }

    /// The Python of the virtual environment that `scripts/setup` made.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        let fallback = || self.root.join(".tools/venv");
        let venv = std::env::var_os("ESCLUSA_VENV").map_or_else(fallback, PathBuf::from);
        venv.join("bin/python3")
    }

    /// Where `make build` leaves the functions: `<name>/bootstrap`.
    #[must_use]
    pub fn code(&self) -> PathBuf {
        self.target().join("lambda")
    }

    /// Where `make programs` leaves the host program: `<architecture>/esclusa-host`.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.target().join("hosts")
    }

    fn target(&self) -> PathBuf {
        let fallback = || self.root.join("target");
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(fallback, PathBuf::from)
    }

    /// The Python launcher.
    pub(super) fn launcher(&self) -> PathBuf {
        self.root.join("local/launcher")
    }
}
