//! How the agent of a host runs a script there.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

/// A script that the agent was told to run.
#[derive(Debug, Clone)]
pub struct ScriptJob {
    /// The command that asked for it, for file names and logs.
    pub command_id: String,
    /// The whole script; its first line may name an interpreter.
    pub script: Vec<u8>,
    /// Environment variables, all of them.
    pub environment: Vec<(String, String)>,
    /// When the script is killed.
    pub timeout: Duration,
    /// The directory to run in, if the document names one.
    pub directory: Option<String>,
}

/// How a script ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptOutcome {
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// Standard error, whole.
    pub stderr: Vec<u8>,
    /// The exit code; 137 for a script that was killed at its timeout.
    pub exit_code: i32,
    /// Whether the timeout ended it.
    pub timed_out: bool,
}

/// The machine on which a script runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptHost {
    /// The instance id.
    pub instance_id: String,
    /// The host's short name.
    pub name: String,
    /// Its address in its own network namespace.
    pub address: IpAddr,
}

/// Runs scripts on hosts as the Systems Manager agent does: as root, in the host's namespaces.
///
/// An error is a sentence saying why the script could not be started; it becomes the
/// invocation's standard error. Dropping the future must kill everything that it started.
pub trait HostRunner: Send + Sync + 'static {
    /// Runs `job` on `host` to its end.
    fn run(
        &self,
        host: ScriptHost,
        job: ScriptJob,
    ) -> Pin<Box<dyn Future<Output = Result<ScriptOutcome, String>> + Send + '_>>;
}
