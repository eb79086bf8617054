//! Containers, networks and volumes as the engine tells them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, HealthConfig,
    HealthStatusEnum, MountPoint, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions,
};
use esclusa_core::fingerprint::fingerprint;
use esclusa_core::host::{
    Command, Container, ContainerState, HealthWord, Mount, Network, Patience, Port, Volume,
};
use esclusa_core::reason::Reason;
use esclusa_core::time::Timestamp;
use futures_util::future::join_all;

use super::{Engine, is_absent, refused};

const PROJECT: &str = "com.docker.compose.project";

impl Engine {
    /// Every container of the host. Those that `wants` picks are described whole; of the others
    /// only what keeps others from a name or a port.
    ///
    /// # Errors
    ///
    /// `hosts.docker`.
    pub(crate) async fn containers(
        &self,
        wants: impl Fn(&Container) -> bool,
    ) -> Result<Vec<Container>, Reason> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.map_err(|it| refused("list the containers", &it))?;
        let brief: Vec<Container> = listed.into_iter().map(of_summary).collect();
        let (whole, mut rest): (Vec<_>, Vec<_>) = brief.into_iter().partition(wants);
        let asked = whole.iter().map(|it| self.docker.inspect_container(&it.id, None));
        for answer in join_all(asked).await {
            match answer {
                Ok(described) => rest.push(of_inspection(described)),
                // One that ended and was removed since the list was made.
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(refused("look at the containers", &error)),
            }
        }
        Ok(rest)
    }

    /// Networks by name.
    ///
    /// # Errors
    ///
    /// `hosts.docker`.
    pub(crate) async fn networks(&self) -> Result<BTreeMap<String, Network>, Reason> {
        let listed = self.docker.list_networks(None::<ListNetworksOptions>).await;
        let listed = listed.map_err(|it| refused("list the networks", &it))?;
        let read = listed.into_iter().map(|it| {
            let pools = it.ipam.and_then(|it| it.config).unwrap_or_default();
            let labels = it.labels.unwrap_or_default();
            let network = Network {
                driver: it.driver.unwrap_or_default(),
                options: it.options.unwrap_or_default().into_iter().collect(),
                is_internal: it.internal.unwrap_or_default(),
                subnets: pools.into_iter().filter_map(|it| it.subnet).collect(),
                project: labels.get(PROJECT).cloned(),
            };
            (it.name.unwrap_or_default(), network)
        });
        Ok(read.collect())
    }

    /// Volumes by name.
    ///
    /// # Errors
    ///
    /// `hosts.docker`.
    pub(crate) async fn volumes(&self) -> Result<BTreeMap<String, Volume>, Reason> {
        let listed = self.docker.list_volumes(None::<ListVolumesOptions>).await;
        let listed = listed.map_err(|it| refused("list the volumes", &it))?;
        let read = listed.volumes.unwrap_or_default().into_iter().map(|it| {
            let volume = Volume {
                driver: it.driver,
                options: it.options.into_iter().collect(),
                project: it.labels.get(PROJECT).cloned(),
            };
            (it.name, volume)
        });
        Ok(read.collect())
    }
}

/// What Compose wrote on a container.
struct Labels(HashMap<String, String>);

impl Labels {
    fn of_compose(&self, name: &str) -> Option<&String> {
        self.0.get(&format!("com.docker.compose.{name}")).filter(|it| !it.is_empty())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.of_compose(name).map(String::as_str).unwrap_or_default();
        text.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }
}

/// A container of which nothing but its labels is known.
fn with_labels(labels: &Labels) -> Container {
    Container {
        id: String::new(),
        name: String::new(),
        project: labels.of_compose("project").cloned(),
        service: labels.of_compose("service").cloned(),
        number: labels.of_compose("container-number").and_then(|it| it.parse().ok()).unwrap_or(1),
        is_one_off: labels.of_compose("oneoff").is_some_and(|it| it.eq_ignore_ascii_case("true")),
        reference: String::new(),
        image: String::new(),
        digest: None,
        state: ContainerState::Dead,
        health: None,
        patience: None,
        created_at: Timestamp::default(),
        started_at: Timestamp::default(),
        restarts: 0,
        restarts_always: false,
        removes_itself: false,
        runs: Command::default(),
        environment: BTreeMap::new(),
        ports: BTreeSet::new(),
        exposes_ports: false,
        mounts: Vec::new(),
        shares_with: BTreeSet::new(),
        networks: BTreeSet::new(),
        directory: labels.of_compose("project.working_dir").cloned(),
        files: labels.list("project.config_files"),
        environment_files: labels.list("project.environment_file"),
    }
}

fn of_summary(summary: ContainerSummary) -> Container {
    let labels = Labels(summary.labels.unwrap_or_default());
    let state = summary.state.map(|it| it.to_string()).unwrap_or_default();
    let ports = summary.ports.unwrap_or_default().into_iter().filter_map(|it| {
        Some(Port {
            address: it.ip.unwrap_or_default(),
            published: it.public_port?,
            target: it.private_port,
            protocol: it.typ.map(|it| it.to_string()).unwrap_or_default(),
        })
    });
    let networks = summary.network_settings.and_then(|it| it.networks).unwrap_or_default();
    Container {
        id: summary.id.unwrap_or_default(),
        name: plain_name(summary.names.and_then(|it| it.into_iter().next())),
        reference: summary.image.unwrap_or_default(),
        image: summary.image_id.unwrap_or_default(),
        state: read_state(&state, 0),
        ports: ports.collect(),
        networks: networks.into_keys().collect(),
        ..with_labels(&labels)
    }
}

fn plain_name(name: Option<String>) -> String {
    name.unwrap_or_default().trim_start_matches('/').to_owned()
}

fn read_state(word: &str, exit: i64) -> ContainerState {
    match word {
        "created" => ContainerState::Created,
        "running" | "stopping" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "exited" => ContainerState::Exited(exit),
        _ => ContainerState::Dead,
    }
}

fn of_inspection(seen: ContainerInspectResponse) -> Container {
    let config = seen.config.unwrap_or_default();
    let host = seen.host_config.unwrap_or_default();
    let state = seen.state.unwrap_or_default();
    let labels = Labels(config.labels.unwrap_or_default());
    let status = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY).to_string();
    let policy = host.restart_policy.and_then(|it| it.name);
    let settings = seen.network_settings.unwrap_or_default();
    let health = state.health.and_then(|it| it.status);
    let modes = [&host.network_mode, &host.pid_mode, &host.ipc_mode];
    let shared = modes.into_iter().flatten().filter_map(|it| it.strip_prefix("container:"));
    let borrowed = host.volumes_from.iter().flatten().filter_map(|it| it.split(':').next());
    let instant = |text: Option<String>| text.and_then(|it| it.parse().ok()).unwrap_or_default();
    Container {
        id: seen.id.unwrap_or_default(),
        name: plain_name(seen.name),
        reference: config.image.unwrap_or_default(),
        image: seen.image.unwrap_or_default(),
        state: read_state(&status, state.exit_code.unwrap_or_default()),
        health: health.and_then(read_health),
        patience: config.healthcheck.as_ref().and_then(read_patience),
        created_at: instant(seen.created),
        started_at: instant(state.started_at),
        restarts: seen.restart_count.and_then(|it| it.try_into().ok()).unwrap_or_default(),
        restarts_always: matches!(
            policy,
            Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED)
        ),
        removes_itself: host.auto_remove.unwrap_or_default(),
        runs: Command {
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
        },
        environment: read_environment(&config.env.unwrap_or_default()),
        ports: read_ports(host.port_bindings.unwrap_or_default()),
        exposes_ports: config.exposed_ports.is_some_and(|it| !it.is_empty()),
        mounts: seen.mounts.unwrap_or_default().into_iter().map(read_mount).collect(),
        shares_with: shared.chain(borrowed).map(str::to_owned).collect(),
        networks: settings.networks.unwrap_or_default().into_keys().collect(),
        ..with_labels(&labels)
    }
}

fn read_health(word: HealthStatusEnum) -> Option<HealthWord> {
    match word {
        HealthStatusEnum::STARTING => Some(HealthWord::Starting),
        HealthStatusEnum::HEALTHY => Some(HealthWord::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(HealthWord::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

/// The engine's own defaults stand where a healthcheck says nothing.
pub(super) fn read_patience(check: &HealthConfig) -> Option<Patience> {
    let test = check.test.as_ref().and_then(|it| it.first()).map_or("NONE", String::as_str);
    if test == "NONE" {
        return None;
    }
    let span = |nanos: Option<i64>, default: u64| match nanos.and_then(|it| u64::try_from(it).ok())
    {
        None | Some(0) => Duration::from_secs(default),
        Some(nanos) => Duration::from_nanos(nanos),
    };
    let retries = check.retries.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0);
    Some(Patience {
        start_period: span(check.start_period, 0),
        interval: span(check.interval, 30),
        timeout: span(check.timeout, 30),
        retries: retries.unwrap_or(3),
    })
}

/// Variables by name with a fingerprint of their value: no value is kept.
pub(super) fn read_environment(lines: &[String]) -> BTreeMap<String, u64> {
    let pairs = lines.iter().map(|it| it.split_once('=').unwrap_or((it, "")));
    pairs.map(|(name, value)| (name.to_owned(), fingerprint(value))).collect()
}

fn read_ports(bindings: bollard::models::PortMap) -> BTreeSet<Port> {
    let mut ports = BTreeSet::new();
    for (of_container, published) in bindings {
        let (target, protocol) = of_container.split_once('/').unwrap_or((&of_container, "tcp"));
        for binding in published.unwrap_or_default() {
            ports.insert(Port {
                address: binding.host_ip.unwrap_or_default(),
                published: binding.host_port.and_then(|it| it.parse().ok()).unwrap_or_default(),
                target: target.parse().unwrap_or_default(),
                protocol: protocol.to_owned(),
            });
        }
    }
    ports
}

fn read_mount(mount: MountPoint) -> Mount {
    let kind = mount.typ.unwrap_or_default();
    let name = mount.name.unwrap_or_default();
    let hex = |it: &str| it.len() == 64 && it.bytes().all(|byte| byte.is_ascii_hexdigit());
    Mount {
        is_anonymous: kind == "volume" && hex(&name),
        holds_data: kind == "volume" || kind == "bind",
        source: if kind == "volume" { name } else { mount.source.unwrap_or_default() },
        target: mount.destination.unwrap_or_default(),
    }
}
