//! Removing hosts whole, also after a crash and from their names alone.

use std::fs;
use std::path::Path;

use super::names::EnvironmentId;
use super::tools::{HostError, io};
use super::{Host, HostOptions, MAX_HOSTS, cgroups, network};

impl Host {
    /// Ends the host and removes all of it: processes, links, control groups, disk.
    ///
    /// Whatever a crash left of it is enough; that nothing is left is fine as well.
    ///
    /// # Errors
    ///
    /// When something of it cannot be removed.
    pub fn destroy(&self) -> Result<(), HostError> {
        self.kill()?;
        network::remove(self)?;
        cgroups::remove(&self.name);
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io("remove", &self.directory)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Removes every host of an environment, known or left over.
///
/// # Errors
///
/// The first failure, after everything else was removed all the same.
pub fn remove_all(state: &Path) -> Result<(), HostError> {
    let id = EnvironmentId::of(state)?;
    let hosts = id.state().join("hosts");
    let removed = (1..=MAX_HOSTS)
        .filter_map(|number| Host::describe(state, number, HostOptions::default()).ok())
        .map(|host| host.destroy())
        .fold(Ok(()), Result::and);
    let _not_empty_or_absent = fs::remove_dir(hosts);
    removed
}
