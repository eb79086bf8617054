//! The control plane as its owner holds it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::calls::Calls;
use super::ecr::{Ecr, RegistryAccess};
use super::elb::Elb;
use super::events::{Bus, EventSink};
use super::fleet::{Agent, Fleet, HostEntry, Power};
use super::imds::{CredentialsSource, imds};
use super::runner::HostRunner;
use super::ssm::Ssm;
use super::{Settings, Timing, server};
use crate::places::make_private_directory;

/// Everything that the control plane needs to start.
pub struct ControlPlaneConfig {
    /// Where state, logs and HAProxy's configurations go.
    pub state_dir: PathBuf,
    /// Where HAProxy's sockets go: a short path, for a socket's holds 107 bytes.
    pub runtime_dir: PathBuf,
    /// The account's number.
    pub account: String,
    /// The region.
    pub region: String,
    /// The port to listen on, on the loopback; 0 chooses a free one.
    pub port: u16,
    /// The registry behind ECR. It may start later than the control plane.
    pub registry: RegistryAccess,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// How agents run scripts.
    pub runner: Arc<dyn HostRunner>,
    /// The hosts that are there from the start.
    pub hosts: Vec<HostEntry>,
    /// What scripts find in their environment besides the agent's own variables.
    pub host_environment: Vec<(String, String)>,
    /// How long things take.
    pub timing: Timing,
}

impl fmt::Debug for ControlPlaneConfig {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.debug_struct("ControlPlaneConfig")
            .field("state_dir", &self.state_dir)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Why the control plane does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaneError {
    /// The state directory cannot be used, or holds state of another version. Remove it.
    #[error("cannot use the state directory `{path}`")]
    State {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The port is taken. Choose another, or stop what listens there.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The registry does not answer, or not as one. Start it first.
    #[error("cannot read the registry: {why}")]
    Registry {
        /// What it answered.
        why: String,
    },
}

/// All services of one server.
pub(crate) struct Services {
    pub(crate) settings: Settings,
    pub(crate) calls: Calls,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) ecr: Arc<Ecr>,
    pub(crate) ssm: Arc<Ssm>,
    pub(crate) elb: Arc<Elb>,
}

/// A running control plane. Dropping it stops the server and its HAProxy processes.
pub struct ControlPlane {
    services: Arc<Services>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.debug_struct("ControlPlane").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// Starts listening, with the state that the state directory holds.
    ///
    /// HAProxy processes that a killed server of the same state directory left are ended first.
    ///
    /// # Errors
    ///
    /// The state directory or the port cannot be used.
    pub async fn start(mut config: ControlPlaneConfig) -> Result<Self, PlaneError> {
        let path = config.state_dir.clone();
        let state = |source| PlaneError::State { path: path.clone(), source };
        std::fs::create_dir_all(&config.state_dir).map_err(state)?;
        config.state_dir = config.state_dir.canonicalize().map_err(state)?;
        let sockets = config.runtime_dir.clone();
        let runtime = |source| PlaneError::State { path: sockets.clone(), source };
        make_private_directory(&config.runtime_dir).map_err(runtime)?;
        let port = config.port;
        let listen = |source| PlaneError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let services = Arc::new(open(config).map_err(state)?);
        services.elb.resume().await;
        let router = server::router(Arc::clone(&services));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the control plane stopped");
            }
        });
        Ok(Self { services, address, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that the registry is to post its notifications to.
    #[must_use]
    pub fn notification_url(&self) -> String {
        format!("http://{}/_esclusa/registry", self.address)
    }

    /// Makes ECR's images agree with what the registry holds. Call it once the registry runs.
    ///
    /// # Errors
    ///
    /// The registry does not answer as one.
    pub async fn sync_registry(&self) -> Result<(), PlaneError> {
        self.services.ecr.sync().await.map_err(|why| PlaneError::Registry { why })
    }

    /// Adds a host that was just launched: it registers with Systems Manager and is announced.
    pub fn add_host(&self, entry: HostEntry) {
        self.services.fleet.add(entry);
    }

    /// Starts, stops or terminates a host; false if there is none of that id.
    #[must_use]
    pub fn set_power(&self, instance_id: &str, power: Power) -> bool {
        self.services.fleet.set_power(instance_id, power)
    }

    /// Sets what a host's agent does; false if there is none of that id.
    #[must_use]
    pub fn set_agent(&self, instance_id: &str, agent: Agent) -> bool {
        self.services.fleet.set_agent(instance_id, agent)
    }

    /// The process ids of the HAProxy processes that run at the moment.
    #[must_use]
    pub fn balancer_processes(&self) -> Vec<u32> {
        self.services.elb.processes()
    }

    /// The instance metadata service of one host, to be served at its `169.254.169.254:80`.
    pub fn imds(&self, instance_id: &str, credentials: Arc<dyn CredentialsSource>) -> Router {
        imds(Arc::clone(&self.services), instance_id.to_owned(), credentials)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.server.abort();
        self.services.ecr.save_gathered();
        self.services.elb.stop();
    }
}

fn open(config: ControlPlaneConfig) -> std::io::Result<Services> {
    let settings = Settings {
        account: config.account,
        region: config.region,
        state_dir: config.state_dir,
        runtime_dir: config.runtime_dir,
        timing: config.timing,
        host_environment: config.host_environment,
    };
    let events = Bus::start(config.events);
    let lag = settings.timing.ping_lag;
    let fleet = Fleet::new(&settings.account, &settings.region, events.clone(), lag);
    let fleet = Arc::new(fleet);
    for host in config.hosts {
        fleet.add(host);
    }
    let ecr = Ecr::open(settings.clone(), events.clone(), config.registry)?;
    let ssm = Ssm::open(settings.clone(), Arc::clone(&fleet), events, config.runner)?;
    let elb = Elb::open(settings.clone(), Arc::clone(&fleet))?;
    let calls = Calls::open(&settings.state_dir)?;
    let (ecr, ssm, elb) = (Arc::new(ecr), Arc::new(ssm), Arc::new(elb));
    Ok(Services { settings, calls, fleet, ecr, ssm, elb })
}
