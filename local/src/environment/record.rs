//! What an environment writes down about itself: `environment.json` in its state directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{EnvironmentError, io_at};

/// Raised whenever an older program could misread the state.
const VERSION: u32 = 1;

/// The account that everything belongs to.
pub const ACCOUNT: &str = "123456789012";
/// The region that everything is in.
pub const REGION: &str = "eu-south-1";
/// The stack that the template is deployed as; function names begin with it.
pub const STACK: &str = "esclusa";

/// What the other commands, a demo or a test must know of a running environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The name of the stack.
    pub stack: String,
    /// The port of every AWS service: MiniStack, with our own server behind it.
    pub aws_port: u16,
    /// The port of our own server, for its admin endpoints.
    pub control_port: u16,
    /// The port of the registry.
    pub registry_port: u16,
    /// The hosts, in order.
    pub hosts: Vec<HostRecord>,
    /// The services that were given to `up`.
    pub services: Vec<ServiceRecord>,
    /// The stack's outputs; empty until it is deployed.
    pub outputs: BTreeMap<String, String>,
    /// The log files by part.
    pub logs: BTreeMap<String, PathBuf>,
}

/// One host of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// For example `production-1`.
    pub name: String,
    /// Its number in the environment, from 1.
    pub number: u8,
    /// For example `i-0a1b2c3d000000001`.
    pub instance_id: String,
    /// The address that load balancers reach it at.
    pub address: String,
    /// For example `production`.
    pub environment: String,
    /// For example `eu-south-1a`.
    pub availability_zone: String,
    /// Its EC2 tags.
    pub tags: BTreeMap<String, String>,
}

/// A service that the environment prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The repository's name.
    pub name: String,
    /// Its Compose project, and its directory below `/srv` on its hosts.
    pub project: String,
    /// The directory whose content its hosts got, if any.
    pub files: Option<PathBuf>,
}

impl Record {
    /// A record of an environment that has not started anything yet.
    pub(super) fn new(ports: [u16; 3], services: Vec<ServiceRecord>) -> Self {
        let [aws_port, control_port, registry_port] = ports;
        Self {
            version: VERSION,
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            stack: STACK.to_owned(),
            aws_port,
            control_port,
            registry_port,
            hosts: Vec::new(),
            services,
            outputs: BTreeMap::new(),
            logs: BTreeMap::new(),
        }
    }

    /// The endpoint of every AWS service.
    #[must_use]
    pub fn aws(&self) -> String {
        format!("http://127.0.0.1:{}", self.aws_port)
    }

    /// The endpoint of our own server.
    #[must_use]
    pub fn control(&self) -> String {
        format!("http://127.0.0.1:{}", self.control_port)
    }

    /// A function's name on AWS: Rust's names of binaries have underscores, the stack's have
    /// hyphens.
    #[must_use]
    pub fn function_name(&self, function: &str) -> String {
        format!("{}-{}", self.stack, function.replace('_', "-"))
    }

    /// The registry's name, the same on this machine and inside every host.
    #[must_use]
    pub fn registry(&self) -> String {
        format!("127.0.0.1:{}", self.registry_port)
    }

    /// Where the record of a state directory is.
    pub(super) fn path(state: &Path) -> PathBuf {
        state.join("environment.json")
    }

    /// Reads the record of a state directory; nothing where there is none.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::OtherVersion`] for the state of another version.
    pub(super) fn read(state: &Path) -> Result<Option<Self>, EnvironmentError> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(default)]
            version: u32,
        }
        let path = Self::path(state);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(EnvironmentError::Private { state: state.to_owned() });
            }
            Err(error) => return Err(io_at("read", &path)(error)),
        };
        let found = serde_json::from_slice::<Version>(&text).map_or(0, |it| it.version);
        if found != VERSION {
            let state = state.to_owned();
            return Err(EnvironmentError::OtherVersion { state, found, wanted: VERSION });
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| io_at("read", &path)(error.into()))
    }

    /// Replaces the record of a state directory whole.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn write(&self, state: &Path) -> Result<(), EnvironmentError> {
        let path = Self::path(state);
        let fresh = path.with_extension("fresh");
        let text =
            serde_json::to_vec_pretty(self).map_err(|error| io_at("write", &path)(error.into()))?;
        fs::write(&fresh, text).map_err(io_at("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(io_at("write", &path))
    }
}
