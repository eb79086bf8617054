//! Making a container again as the engine had it.
//!
//! What the engine needs for that is kept in memory-backed storage only, as long as the way back
//! may be needed: variables can hold what belongs on no disk twice.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig,
    MountPoint, NetworkConnectRequest, NetworkingConfig,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use esclusa_core::host::SnapshotContainer;
use esclusa_core::reason::Reason;
use serde::{Deserialize, Serialize};

use super::{Engine, is_absent, refused};

/// How the engine made the containers of a snapshot, by their ids.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Remembered {
    containers: BTreeMap<String, Made>,
}

/// How one container was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    body: ContainerCreateBody,
    networks: BTreeMap<String, EndpointSettings>,
}

impl Engine {
    /// Reads how these containers were made.
    ///
    /// # Errors
    ///
    /// `hosts.docker`.
    pub(crate) async fn remember(
        &self,
        containers: &[SnapshotContainer],
    ) -> Result<Remembered, Reason> {
        let mut remembered = Remembered::default();
        for container in containers.iter().filter(|it| it.was_up) {
            match self.docker.inspect_container(&container.id, None).await {
                Ok(seen) => {
                    remembered.containers.insert(container.id.clone(), describe(seen));
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(refused("look at a container", &error)),
            }
        }
        Ok(remembered)
    }

    /// Makes a container again and starts it; its new id.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(crate) async fn recreate(
        &self,
        container: &SnapshotContainer,
        remembered: &Remembered,
        replaced: &BTreeMap<String, String>,
    ) -> Result<String, Reason> {
        let doing = format!("make {} again", container.name);
        let Some(made) = remembered.containers.get(&container.id) else {
            let text = format!("Cannot {doing}: how it was made is not known any more.");
            return Err(crate::error::reason(crate::error::UP, text));
        };
        let mut body = made.body.clone();
        point_at_new(&mut body, replaced);
        let mut networks = made.networks.clone();
        // Older engines take one network when a container is made; the others are joined
        // afterwards.
        let first = networks.pop_first();
        body.networking_config = first.map(|(name, settings)| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(name, settings)])),
        });
        body.image = Some(self.name_of_image(container).await);
        let options = CreateContainerOptionsBuilder::new().name(&container.name).build();
        let created = self.docker.create_container(Some(options), body).await;
        let id = created.map_err(|it| refused(&doing, &it))?.id;
        for (name, settings) in networks {
            let request =
                NetworkConnectRequest { container: id.clone(), endpoint_config: Some(settings) };
            let joined = self.docker.connect_network(&name, request).await;
            joined.map_err(|it| refused(&doing, &it))?;
        }
        self.start(&id).await?;
        Ok(id)
    }
}

impl Engine {
    /// A name that leads to the very image that a container ran: the one that it was made with,
    /// unless that leads elsewhere by now; else the tag that keeps the image, or its id.
    async fn name_of_image(&self, container: &SnapshotContainer) -> String {
        for name in [&container.reference, &container.keep_tag] {
            let found = self.docker.inspect_image(name).await.ok().and_then(|it| it.id);
            if found.as_ref() == Some(&container.image) {
                return name.clone();
            }
        }
        container.image.clone()
    }
}

impl Remembered {
    /// The same once some containers were made again: they are known by their new ids.
    pub(crate) fn with_replaced(mut self, replaced: &BTreeMap<String, String>) -> Self {
        for (old, new) in replaced {
            if let Some(made) = self.containers.remove(old) {
                self.containers.insert(new.clone(), made);
            }
        }
        for made in self.containers.values_mut() {
            point_at_new(&mut made.body, replaced);
        }
        self
    }
}

/// What the engine was told when the container was made, out of what it tells now.
fn describe(seen: ContainerInspectResponse) -> Made {
    let short: String = seen.id.unwrap_or_default().chars().take(12).collect();
    let host = with_volumes(seen.host_config.unwrap_or_default(), seen.mounts.unwrap_or_default());
    let joins_own = host.network_mode.as_ref().is_none_or(|it| !it.starts_with("container:"));
    let networks = seen.network_settings.and_then(|it| it.networks).unwrap_or_default();
    let networks = networks.into_iter().filter(|_| joins_own);
    let mut body = to_body(seen.config.unwrap_or_default());
    // The engine makes a hostname out of the id where none was given; another's network has its
    // own.
    body.hostname = body.hostname.filter(|it| *it != short && joins_own);
    body.exposed_ports = body.exposed_ports.filter(|_| joins_own);
    body.host_config = Some(host);
    Made { networks: networks.map(|(name, it)| (name, read_endpoint(it, &short))).collect(), body }
}

/// Volumes without a name of their own are found again by the one that the engine gave them.
fn with_volumes(mut host: HostConfig, mounts: Vec<MountPoint>) -> HostConfig {
    let mut binds = host.binds.unwrap_or_default();
    let given = host.mounts.unwrap_or_default();
    let is_named = |at: &str| {
        let bound = binds.iter().any(|it| it.split(':').nth(1) == Some(at));
        let mounted = given.iter().any(|it| {
            let has_source = it.source.as_ref().is_some_and(|it| !it.is_empty());
            has_source && it.target.as_deref() == Some(at)
        });
        bound || mounted
    };
    let unnamed: Vec<(String, String)> = mounts
        .into_iter()
        .filter_map(|it| Some((it.name.filter(|it| !it.is_empty())?, it.destination?)))
        .filter(|(_, at)| !is_named(at))
        .collect();
    let is_unnamed = |target: Option<&String>| unnamed.iter().any(|(_, at)| Some(at) == target);
    host.mounts = Some(given.into_iter().filter(|it| !is_unnamed(it.target.as_ref())).collect());
    binds.extend(unnamed.iter().map(|(name, at)| format!("{name}:{at}")));
    host.binds = Some(binds);
    host
}

fn to_body(config: ContainerConfig) -> ContainerCreateBody {
    ContainerCreateBody {
        hostname: config.hostname,
        domainname: config.domainname,
        user: config.user,
        attach_stdin: config.attach_stdin,
        attach_stdout: config.attach_stdout,
        attach_stderr: config.attach_stderr,
        exposed_ports: config.exposed_ports,
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        env: config.env,
        cmd: config.cmd,
        healthcheck: config.healthcheck,
        args_escaped: config.args_escaped,
        image: config.image,
        volumes: config.volumes,
        working_dir: config.working_dir,
        entrypoint: config.entrypoint,
        network_disabled: config.network_disabled,
        on_build: config.on_build,
        labels: config.labels,
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        shell: config.shell,
        host_config: None,
        networking_config: None,
    }
}

/// What was asked of a network, without what it gave.
fn read_endpoint(seen: EndpointSettings, short: &str) -> EndpointSettings {
    let aliases = seen.aliases.unwrap_or_default();
    EndpointSettings {
        ipam_config: seen.ipam_config,
        links: seen.links,
        aliases: Some(aliases.into_iter().filter(|it| it != short).collect()),
        driver_opts: seen.driver_opts,
        gw_priority: seen.gw_priority,
        ..EndpointSettings::default()
    }
}

/// Containers that were made again have new ids.
fn point_at_new(body: &mut ContainerCreateBody, replaced: &BTreeMap<String, String>) {
    let Some(host) = &mut body.host_config else { return };
    let modes = [&mut host.network_mode, &mut host.pid_mode, &mut host.ipc_mode];
    for mode in modes.into_iter().flatten() {
        let new = mode.strip_prefix("container:").and_then(|old| replaced.get(old));
        if let Some(new) = new {
            *mode = format!("container:{new}");
        }
    }
    for from in host.volumes_from.iter_mut().flatten() {
        let (old, rest) = from.split_once(':').map_or((from.as_str(), None), |(a, b)| (a, Some(b)));
        if let Some(new) = replaced.get(old) {
            *from = rest.map_or_else(|| new.clone(), |rest| format!("{new}:{rest}"));
        }
    }
}
