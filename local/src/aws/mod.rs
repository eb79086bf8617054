//! AWS as the functions and the hosts see it: ECR, Systems Manager, load balancing, and the
//! instance metadata service, with AWS's semantics over a real registry, real hosts and HAProxy.
//!
//! Requests arrive from MiniStack, whose IAM has authorised them, so no signature is checked here;
//! the server listens on the loopback only.

mod admin;
mod calls;
mod clock;
mod ecr;
mod elb;
mod error;
mod eventbridge;
mod events;
mod fleet;
mod host_runner;
mod imds;
mod json;
mod plane;
mod processes;
mod query;
mod runner;
mod server;
mod ssm;
mod store;
mod xml;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use calls::{Action, Fault, When};
pub(crate) use ecr::MANIFEST_TYPES;
pub use ecr::{RegistryAccess, ScanResult};
pub use eventbridge::EventBridge;
pub use events::{Event, EventSink};
pub use fleet::{Agent, HostEntry, Power};
pub use host_runner::HostAgents;
pub use imds::{Credentials, CredentialsSource};
pub use plane::{ControlPlane, ControlPlaneConfig, PlaneError};
pub use runner::{HostRunner, ScriptHost, ScriptJob, ScriptOutcome};

/// How long things take that AWS takes time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// One of AWS's seconds, wherever a request or a setting counts seconds. Scripts' own time
    /// limits are not scaled. Tests make it short.
    pub second: Duration,
    /// How long after `SendCommand` the command is not found yet.
    pub visible_after: Duration,
    /// How long a command is on its way to a listening agent.
    pub pick_up: Duration,
    /// How long after its last ping a host counts as lost.
    pub ping_lag: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            second: Duration::from_secs(1),
            visible_after: Duration::from_millis(250),
            pick_up: Duration::from_millis(150),
            ping_lag: Duration::from_mins(5),
        }
    }
}

/// What every service knows of its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) state_dir: PathBuf,
    /// Where sockets lie; its path is short.
    pub(crate) runtime_dir: PathBuf,
    pub(crate) timing: Timing,
    /// What agents' scripts find in their environment besides the agent's own variables.
    pub(crate) host_environment: Vec<(String, String)>,
}

/// The SHA-256 of some bytes, in lowercase hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a text cannot fail.
        let _written = write!(hex, "{byte:02x}");
    }
    hex
}

/// Locks; a panic elsewhere does not make what it left unreadable.
pub(crate) fn guard<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
