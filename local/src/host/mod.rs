//! Hosts that stand in for EC2 machines: each has network, mounts, processes and Docker of its own.
//!
//! A host is made of a network namespace with its own address, and a first process in namespaces of
//! its own that sees the host's directories where an EC2 machine has them. Everything that the host
//! runs descends from that process, so ending it ends the host, whatever state it was in.
//! All names derive from the state directory: environments live side by side, and a later process
//! finds and removes what a killed one left.

mod cgroups;
mod engine;
mod exec;
mod names;
mod network;
mod processes;
mod remove;
mod start;
mod tools;

use std::path::{Path, PathBuf};

pub use engine::Engine;
pub(crate) use engine::PATH;
pub use exec::{Finished, Limits};
pub use names::EnvironmentId;
pub use remove::remove_all;
pub use tools::HostError;

/// The highest number a host of one environment can have: each takes a /30 of one /24.
pub const MAX_HOSTS: u8 = 60;

/// What may differ between hosts.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// Size in MiB of the engine's disk; without it the engine shares the machine's disk.
    pub disk_mib: Option<u32>,
    /// The programs that run the host's containers.
    pub engine: Engine,
}

/// One host of a local environment.
///
/// Holds no resources: dropping it leaves the host running, and [`Host::open`] finds it again.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    link: String,
    directory: PathBuf,
    subnet: [u8; 3],
    number: u8,
    options: HostOptions,
}

impl Host {
    /// Makes host `number` (from 1) of the environment in `state` and starts it with its engine.
    ///
    /// What a killed process left under the same name is removed first.
    ///
    /// # Errors
    ///
    /// When a tool, root or a free address range is missing, or the engine does not start.
    pub fn create(state: &Path, number: u8, options: HostOptions) -> Result<Self, HostError> {
        tools::check()?;
        let mut host = Self::describe(state, number, options)?;
        host.destroy()?;
        host.subnet = network::choose_subnet(&host.name, &EnvironmentId::of(state)?)?;
        start::make_directories(&host)?;
        start::record(&host)?;
        host.start()?;
        Ok(host)
    }

    /// Finds host `number` of the environment in `state`, running or not.
    ///
    /// # Errors
    ///
    /// [`HostError::Unknown`] when it was never made.
    pub fn open(state: &Path, number: u8) -> Result<Self, HostError> {
        let mut host = Self::describe(state, number, HostOptions::default())?;
        start::recall(&mut host)?;
        Ok(host)
    }

    fn describe(state: &Path, number: u8, options: HostOptions) -> Result<Self, HostError> {
        if number == 0 || number > MAX_HOSTS {
            return Err(HostError::Number { number });
        }
        let id = EnvironmentId::of(state)?;
        Ok(Self {
            name: id.host(number),
            link: id.link(number),
            directory: id.state().join("hosts").join(number.to_string()),
            subnet: [10, 0, 0],
            number,
            options,
        })
    }

    /// The host's name, which is also its network namespace's: `esc-<environment>-<number>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's number in its environment.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The host's own address, reachable from the machine.
    #[must_use]
    pub fn address(&self) -> String {
        network::address(self.subnet, self.number, 2)
    }

    /// The machine's address on the link to the host.
    #[must_use]
    pub fn gateway(&self) -> String {
        network::address(self.subnet, self.number, 1)
    }

    /// The path of the host's network namespace, for `setns`.
    #[must_use]
    pub fn network_namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Where one of the host's own paths lies on the machine; [`None`] for paths it shares.
    ///
    /// Own are `/srv`, `/run`, `/var/lib`, `/root` and `/tmp`; on a host with [`Engine::System`],
    /// all but `/run`.
    #[must_use]
    pub fn path(&self, inside: &str) -> Option<PathBuf> {
        if self.options.engine.system().is_some() {
            let below = inside.strip_prefix('/').filter(|it| !it.starts_with("run/"))?;
            return Some(self.directory.join(start::SYSTEM).join(below));
        }
        start::OWN.iter().find_map(|(place, at)| {
            let below = Path::new(inside).strip_prefix(at).ok()?;
            Some(self.directory.join(place).join(below))
        })
    }

    /// The directory that holds all of the host, below the state directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
