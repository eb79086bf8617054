//! The long-lived server of an environment: the control plane, and every socket inside the hosts.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::error::{EnvironmentError, chain, io_at};
use super::forward::{forward, listen_in};
use super::record::{HostRecord, Record};
use super::roles;
use super::services::HOST_ROLE;
use crate::aws::{
    ControlPlane, ControlPlaneConfig, Credentials, CredentialsSource, EventBridge, HostAgents,
    HostEntry, HostRunner, PlaneError, RegistryAccess, Timing,
};
use crate::host::Host;
use crate::places::runtime_directory;
use crate::registry::Registry;

const METADATA: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);

/// Runs the server of the environment in `state` until it is told to end.
///
/// On SIGHUP it takes up the hosts that have been added to the record.
///
/// # Errors
///
/// What could not be started.
pub async fn serve(state: &Path) -> Result<(), EnvironmentError> {
    let record = Arc::new(read(state)?);
    let agents = Arc::new(HostAgents::default());
    let plane = start_plane(state, &record, &agents).await?;
    let keys: Arc<dyn CredentialsSource> = Arc::new(HostKeys { record: Arc::clone(&record) });
    for host in &record.hosts {
        open_sockets(state, &record, host, &plane, &keys)?;
    }
    let failed = || io_at("wait for", Path::new("a signal"));
    let mut added = signal(SignalKind::hangup()).map_err(failed())?;
    let mut ended = signal(SignalKind::terminate()).map_err(failed())?;
    let ready = ready(state);
    std::fs::write(&ready, "").map_err(io_at("write", &ready))?;
    let mut known: BTreeSet<String> =
        record.hosts.iter().map(|host| host.instance_id.clone()).collect();
    loop {
        tokio::select! {
            _ = ended.recv() => return Ok(()),
            _ = added.recv() => {}
        }
        for host in read(state)?.hosts.iter().filter(|it| known.insert(it.instance_id.clone())) {
            let opened = Host::open(state, host.number).map_err(EnvironmentError::Host)?;
            agents.insert(&host.instance_id, opened);
            open_sockets(state, &record, host, &plane, &keys)?;
            plane.add_host(entry(host));
        }
    }
}

fn read(state: &Path) -> Result<Record, EnvironmentError> {
    let not_up = || EnvironmentError::NotUp { state: state.to_owned() };
    Record::read(state)?.ok_or_else(not_up)
}

/// Whether the server of `state` has opened all its sockets.
pub(super) fn is_ready(state: &Path) -> bool {
    ready(state).exists()
}

/// Its HTTP server answers before the hosts' sockets are open, hence this file.
fn ready(state: &Path) -> PathBuf {
    state.join("control/ready")
}

/// Starts the registry, which pushes to it notify the server of.
///
/// # Errors
///
/// When it does not start, or its token cannot be written down.
pub(super) fn start_registry(state: &Path, record: &Record) -> Result<(), EnvironmentError> {
    let token = Uuid::new_v4().simple().to_string();
    let path = token_path(state);
    std::fs::write(&path, &token).map_err(io_at("write", &path))?;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, private).map_err(io_at("protect", &path))?;
    let notified = format!("{}/_esclusa/registry", record.control());
    let registry = Registry::of(state);
    registry
        .start(record.registry_port, &token, Some(&notified))
        .map_err(EnvironmentError::Registry)
}

/// Where the registry's password is, for the server that hands it out.
fn token_path(state: &Path) -> PathBuf {
    state.join("control/token")
}

async fn start_plane(
    state: &Path,
    record: &Record,
    agents: &Arc<HostAgents>,
) -> Result<ControlPlane, EnvironmentError> {
    let path = token_path(state);
    let token = std::fs::read_to_string(&path).map_err(io_at("read", &path))?;
    for host in &record.hosts {
        let opened = Host::open(state, host.number).map_err(EnvironmentError::Host)?;
        agents.insert(&host.instance_id, opened);
    }
    let config = ControlPlaneConfig {
        state_dir: state.join("control"),
        runtime_dir: runtime_directory(state),
        account: record.account.clone(),
        region: record.region.clone(),
        port: record.control_port,
        registry: RegistryAccess {
            port: record.registry_port,
            token,
            storage: state.join("registry/storage"),
        },
        events: Arc::new(EventBridge::new(&record.aws(), &record.region)),
        runner: Arc::clone(agents) as Arc<dyn HostRunner>,
        hosts: record.hosts.iter().map(entry).collect(),
        host_environment: vec![("AWS_ENDPOINT_URL".to_owned(), record.aws())],
        timing: Timing::default(),
    };
    ControlPlane::start(config).await.map_err(|error| plane_error(&error))
}

fn entry(host: &HostRecord) -> HostEntry {
    HostEntry {
        instance_id: host.instance_id.clone(),
        name: host.name.clone(),
        address: host.address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        availability_zone: host.availability_zone.clone(),
        tags: host.tags.clone(),
        role: HOST_ROLE.to_owned(),
        agent_version: "3.3.3050.0".to_owned(),
    }
}

/// The registry, AWS and the metadata service as the host sees them.
fn open_sockets(
    state: &Path,
    record: &Record,
    host: &HostRecord,
    plane: &ControlPlane,
    keys: &Arc<dyn CredentialsSource>,
) -> Result<(), EnvironmentError> {
    let opened = Host::open(state, host.number).map_err(EnvironmentError::Host)?;
    let namespace = opened.network_namespace();
    let failed = || io_at("listen in", &namespace);
    for port in [record.registry_port, record.aws_port] {
        forward(&namespace, port).map_err(failed())?;
    }
    let listener = listen_in(&namespace, METADATA).map_err(failed())?;
    let listener = TcpListener::from_std(listener).map_err(failed())?;
    let routes = plane.imds(&host.instance_id, Arc::clone(keys));
    let name = host.name.clone();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, name, "the metadata service stopped");
        }
    });
    Ok(())
}

/// Gives a host the keys of its role, as EC2 does: by assuming it.
struct HostKeys {
    record: Arc<Record>,
}

impl CredentialsSource for HostKeys {
    fn credentials(
        &self,
        instance_id: &str,
        role: &str,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, String>> + Send + '_>> {
        let arn = format!("arn:aws:iam::{}:role/{role}", self.record.account);
        let session = instance_id.to_owned();
        Box::pin(async move {
            let keys = roles::keys(&self.record, &arn, &session).await;
            keys.map_err(|error| error.to_string())
        })
    }
}

fn plane_error(error: &PlaneError) -> EnvironmentError {
    EnvironmentError::Refused { what: "starting the server".to_owned(), answer: chain(error) }
}
