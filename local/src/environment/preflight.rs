//! What must hold before anything is started, each refusal in one sentence.

use std::process::Stdio;

use nix::unistd::geteuid;

use super::error::EnvironmentError;
use super::options::Options;
use crate::programs;

/// The functions of the template.
pub(super) const FUNCTIONS: [&str; 5] =
    ["rollout", "operator", "retention", "metrics", "publish_program"];

/// The programs that this module's own work needs; the hosts and the registry check theirs.
const PROGRAMS: [&str; 6] = ["curl", "docker", "dockerd", "docker-registry", "haproxy", "setsid"];

/// Refuses a machine or a user that cannot run an environment.
///
/// # Errors
///
/// The first thing that is missing, with what to do about it.
pub(super) fn check_machine() -> Result<(), EnvironmentError> {
    if !cfg!(target_os = "linux") {
        return Err(EnvironmentError::NotLinux);
    }
    check_user()?;
    for program in PROGRAMS {
        if programs::find(program).is_none() {
            return Err(EnvironmentError::NotSetUp { what: format!("`{program}`") });
        }
    }
    docker_answers()
}

/// Refuses a user who is not root.
///
/// # Errors
///
/// [`EnvironmentError::NotRoot`].
pub(super) fn check_user() -> Result<(), EnvironmentError> {
    if geteuid().is_root() { Ok(()) } else { Err(EnvironmentError::NotRoot) }
}

/// Refuses a checkout that was not set up and built.
///
/// # Errors
///
/// The first thing that is missing, with what to do about it.
pub(super) fn check_built(options: &Options) -> Result<(), EnvironmentError> {
    let python = options.python();
    if !python.is_file() {
        let what = format!("the virtual environment ({})", python.display());
        return Err(EnvironmentError::NotSetUp { what });
    }
    for name in FUNCTIONS {
        let path = options.code().join(name).join("bootstrap");
        if !path.is_file() {
            return Err(EnvironmentError::NotBuilt { name, path });
        }
    }
    let path = options.programs().join(std::env::consts::ARCH).join("esclusa-host");
    if !path.is_file() {
        let what = format!("the host program ({}: make programs)", path.display());
        return Err(EnvironmentError::NotSetUp { what });
    }
    Ok(())
}

/// Images are built and pushed with the machine's own engine; the hosts bring their own.
fn docker_answers() -> Result<(), EnvironmentError> {
    let mut docker = programs::command("docker");
    docker.args(["version", "--format", "{{.Server.Version}}"]);
    docker.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match docker.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(EnvironmentError::NoDocker),
    }
}
