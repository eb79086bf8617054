//! The project as `docker compose config` resolves it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::fingerprint::fingerprint;
use esclusa_core::host::{
    Condition, Definition, Dependency, Files, Healthcheck, MountDefinition, NetworkDefinition,
    Patience, Port, RUN_LABEL, ServiceDefinition, VolumeDefinition, find_cause,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Compose, Failed};

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    name: String,
    #[serde(default)]
    services: BTreeMap<String, Service>,
    #[serde(default)]
    networks: Option<BTreeMap<String, Option<Network>>>,
    #[serde(default)]
    volumes: Option<BTreeMap<String, Option<Volume>>>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Service {
    image: Option<String>,
    profiles: Vec<String>,
    scale: Option<u32>,
    deploy: Option<Deploy>,
    depends_on: BTreeMap<String, DependsOn>,
    network_mode: Option<String>,
    pid: Option<String>,
    ipc: Option<String>,
    volumes_from: Vec<String>,
    command: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    environment: BTreeMap<String, Option<Value>>,
    ports: Vec<PublishedPort>,
    volumes: Vec<ServiceVolume>,
    secrets: Vec<Placed>,
    configs: Vec<Placed>,
    healthcheck: Option<Check>,
    restart: Option<String>,
    container_name: Option<String>,
    networks: BTreeMap<String, Value>,
    labels: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Deploy {
    replicas: Option<u32>,
}

#[derive(Deserialize)]
struct DependsOn {
    #[serde(default)]
    condition: String,
    #[serde(default)]
    restart: bool,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct PublishedPort {
    host_ip: String,
    published: Option<Value>,
    target: u16,
    protocol: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ServiceVolume {
    #[serde(rename = "type")]
    kind: String,
    source: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Placed {
    source: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Check {
    disable: bool,
    test: Option<Value>,
    interval: Option<String>,
    timeout: Option<String>,
    retries: Option<u32>,
    start_period: Option<String>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Network {
    name: String,
    external: bool,
    driver: Option<String>,
    driver_opts: BTreeMap<String, Value>,
    internal: bool,
    ipam: Option<Ipam>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Ipam {
    config: Vec<Pool>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Pool {
    subnet: Option<String>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Volume {
    name: String,
    external: bool,
    driver: Option<String>,
    driver_opts: BTreeMap<String, Value>,
}

impl Compose {
    /// Has Compose read its files.
    ///
    /// Services behind inactive profiles are read where Compose can read them: what is switched off
    /// and cannot be read is no reason against what is on.
    ///
    /// # Errors
    ///
    /// A sentence when Compose does not read the files.
    pub(crate) async fn read_definition(&self, files: &Files) -> Result<Definition, String> {
        let all = self.ask_with_files(&EVERYTHING, files).await;
        let complaint = match &all {
            Err(Failed::Ended(text)) => Some(find_cause(text)),
            Ok(_) | Err(Failed::Absent(_) | Failed::Late(_)) => None,
        };
        let all: Option<Project> = all.ok().and_then(|it| parse(&it.text).ok());
        if let Some(all) =
            all.as_ref().filter(|it| !it.services.values().any(|s| !s.profiles.is_empty()))
        {
            return Ok(convert(all, None));
        }
        let active = self.ask_for_active(files).await?;
        let active: Project = parse(&active)?;
        let names: BTreeSet<&String> = active.services.keys().collect();
        let hides_once = complaint.filter(|_| self.names_once(files));
        let definition = convert(all.as_ref().unwrap_or(&active), Some(&names));
        Ok(Definition { hides_once, ..definition })
    }

    /// Whether a file says that something runs once.
    fn names_once(&self, files: &Files) -> bool {
        let text = |it: &String| std::fs::read_to_string(self.directory.join(it));
        files.listed.iter().filter_map(|it| text(it).ok()).any(|it| it.contains(RUN_LABEL))
    }

    /// The files as Compose resolves them, with services behind profiles where it can read those.
    ///
    /// # Errors
    ///
    /// A sentence when Compose does not read the files.
    pub(super) async fn read_resolved(&self, files: &Files) -> Result<Value, String> {
        match self.ask_with_files(&EVERYTHING, files).await {
            Ok(all) => parse(&all.text),
            Err(_) => parse(&self.ask_for_active(files).await?),
        }
    }

    async fn ask_for_active(&self, files: &Files) -> Result<String, String> {
        let directory = self.directory.display();
        let asked = self.ask_with_files(&["config", "--format", "json"], files).await;
        asked.map(|it| it.text).map_err(|failed| match failed {
            Failed::Ended(text) => {
                format!("docker compose config fails in {directory}: {}", find_cause(&text))
            }
            other @ (Failed::Absent(_) | Failed::Late(_)) => {
                other.reason(crate::error::COMPOSE, "docker compose config").text
            }
        })
    }
}

/// Services behind inactive profiles too.
const EVERYTHING: [&str; 5] = ["--profile", "*", "config", "--format", "json"];

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("Compose's answer cannot be read: {error}."))
}

fn convert(project: &Project, active: Option<&BTreeSet<&String>>) -> Definition {
    let volumes = project.volumes.iter().flatten();
    let volumes: BTreeMap<String, VolumeDefinition> =
        volumes.map(|(key, it)| (key.clone(), convert_volume(it.as_ref()))).collect();
    let services = project.services.iter().map(|(name, it)| {
        let is_active = active.is_none_or(|names| names.contains(name));
        (name.clone(), convert_service(it, is_active, &volumes))
    });
    let networks = project.networks.iter().flatten();
    Definition {
        project: project.name.clone(),
        services: services.collect(),
        networks: networks.map(|(key, it)| (key.clone(), convert_network(it.as_ref()))).collect(),
        volumes,
        hides_once: None,
    }
}

fn convert_service(
    service: &Service,
    is_active: bool,
    volumes: &BTreeMap<String, VolumeDefinition>,
) -> ServiceDefinition {
    let given = service.deploy.as_ref().and_then(|it| it.replicas).or(service.scale);
    let modes = [&service.network_mode, &service.pid, &service.ipc].into_iter().flatten();
    let shared = modes.filter_map(|it| it.strip_prefix("service:"));
    let borrowed = service.volumes_from.iter().filter(|it| !it.starts_with("container:"));
    let borrowed = borrowed.filter_map(|it| it.split(':').next());
    let dependencies = service.depends_on.iter().map(|(name, it)| (name.clone(), it.convert()));
    let environment = service.environment.iter().filter_map(|(name, value)| {
        Some((name.clone(), fingerprint(&plain(&text_of(value.as_ref()?)))))
    });
    let list = |it: &Vec<String>| it.iter().map(|it| plain(it)).collect();
    ServiceDefinition {
        image: service.image.clone().unwrap_or_default(),
        is_active,
        replicas: given.unwrap_or(1),
        replicas_are_given: given.is_some(),
        dependencies: dependencies.collect(),
        shares_with: shared.chain(borrowed).map(str::to_owned).collect(),
        command: service.command.as_ref().map(list),
        entrypoint: service.entrypoint.as_ref().map(list),
        environment: environment.collect(),
        ports: service.ports.iter().map(PublishedPort::convert).collect(),
        mounts: convert_mounts(service, volumes),
        healthcheck: match &service.healthcheck {
            Some(check) if check.disable || is_none_test(check.test.as_ref()) => Healthcheck::Off,
            Some(check) if check.test.is_some() => Healthcheck::Own,
            Some(_) | None => Healthcheck::OfImage,
        },
        patience: service.healthcheck.as_ref().filter(|it| it.test.is_some()).map(Check::total),
        restarts_always: matches!(service.restart.as_deref(), Some("always" | "unless-stopped")),
        container_name: service.container_name.clone(),
        networks: service.networks.keys().cloned().collect(),
        run_label: service.labels.get(RUN_LABEL).map(text_of),
    }
}

impl Check {
    /// The engine's own defaults stand where the files say nothing.
    fn total(&self) -> Duration {
        let or = |text: &Option<String>, default: u64| {
            text.as_deref().map_or(Duration::from_secs(default), span)
        };
        let patience = Patience {
            start_period: or(&self.start_period, 0),
            interval: or(&self.interval, 30),
            timeout: or(&self.timeout, 30),
            retries: self.retries.unwrap_or(3),
        };
        patience.total()
    }
}

fn is_none_test(test: Option<&Value>) -> bool {
    test.and_then(|it| it.get(0)).and_then(Value::as_str) == Some("NONE")
}

impl DependsOn {
    fn convert(&self) -> Dependency {
        let condition = match self.condition.as_str() {
            "service_completed_successfully" => Condition::Completed,
            "service_healthy" => Condition::Healthy,
            _ => Condition::Started,
        };
        Dependency { condition, restarts: self.restart }
    }
}

impl PublishedPort {
    /// A range is given by the container's port alone.
    fn convert(&self) -> Port {
        let published = self.published.as_ref().map(text_of).unwrap_or_default();
        Port {
            address: self.host_ip.clone(),
            published: published.parse().unwrap_or(0),
            target: self.target,
            protocol: if self.protocol.is_empty() {
                "tcp".to_owned()
            } else {
                self.protocol.clone()
            },
        }
    }
}

fn convert_mounts(
    service: &Service,
    volumes: &BTreeMap<String, VolumeDefinition>,
) -> Vec<MountDefinition> {
    let mounts = service.volumes.iter().map(|it| {
        let named = volumes.get(&it.source).map_or(&it.source, |volume| &volume.name);
        let source = if it.kind == "volume" { named } else { &it.source };
        let source = (!source.is_empty()).then(|| source.clone());
        MountDefinition { target: trim(&it.target), source }
    });
    let placed = service.secrets.iter().chain(&service.configs).flat_map(|it| {
        let at = if it.target.is_empty() { &it.source } else { &it.target };
        let places = [at.clone(), format!("/run/secrets/{at}"), format!("/{at}")];
        places.map(|target| MountDefinition { target: trim(&target), source: None })
    });
    mounts.chain(placed).collect()
}

fn trim(path: &str) -> String {
    if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path.to_owned() }
}

fn convert_network(network: Option<&Network>) -> NetworkDefinition {
    let Some(network) = network else { return NetworkDefinition::default() };
    let pools = network.ipam.iter().flat_map(|it| &it.config);
    NetworkDefinition {
        name: network.name.clone(),
        is_external: network.external,
        driver: network.driver.clone(),
        options: network.driver_opts.iter().map(|(k, v)| (k.clone(), text_of(v))).collect(),
        is_internal: network.internal,
        subnets: pools.filter_map(|it| it.subnet.clone()).collect(),
    }
}

fn convert_volume(volume: Option<&Volume>) -> VolumeDefinition {
    let Some(volume) = volume else { return VolumeDefinition::default() };
    VolumeDefinition {
        name: volume.name.clone(),
        is_external: volume.external,
        driver: volume.driver.clone(),
        options: volume.driver_opts.iter().map(|(k, v)| (k.clone(), text_of(v))).collect(),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `config` writes each dollar sign twice, so that what it prints could be read again.
fn plain(text: &str) -> String {
    text.replace("$$", "$")
}

/// Reads a length of time such as `1m30s` or `500ms`.
fn span(text: &str) -> Duration {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|it: char| it.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => 0.0,
        };
        let seconds = number.parse::<f64>().unwrap_or(0.0) * scale;
        total = total.saturating_add(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        if letters == 0 && digits == 0 {
            break;
        }
        rest = next;
    }
    total
}
