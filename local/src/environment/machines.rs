//! What befalls hosts: power cuts, agents that fall silent, and new hosts for old ones.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::{Value, json};

use super::error::EnvironmentError;
use super::faults::send;
use super::record::HostRecord;
use super::{Environment, login, parts, services, up};
use crate::aws::{Agent, Power};
use crate::host::{Host, HostOptions};

/// How long our own server may take to open a new host's sockets.
const LAUNCH: Duration = Duration::from_mins(1);

impl Environment {
    /// Cuts the power of a host: everything in it ends at once, and AWS calls it stopped.
    ///
    /// # Errors
    ///
    /// When there is no such host, or something of it is still alive.
    pub async fn cut_power(&self, name: &str) -> Result<(), EnvironmentError> {
        self.set_power(name, Power::Stopped).await?;
        let host = self.host(name)?;
        up::blocking(move || host.kill().map_err(EnvironmentError::Host)).await
    }

    /// Switches a host on again; its engine starts what ran when it went off.
    ///
    /// # Errors
    ///
    /// When there is no such host, or it does not start.
    pub async fn switch_on(&self, name: &str) -> Result<(), EnvironmentError> {
        let host = self.host(name)?;
        up::blocking(move || host.start().map_err(EnvironmentError::Host)).await?;
        self.set_power(name, Power::Running).await
    }

    /// Ends a host for good, and forgets it.
    ///
    /// # Errors
    ///
    /// When there is no such host, or something of it is still alive.
    pub async fn terminate(&mut self, name: &str) -> Result<HostRecord, EnvironmentError> {
        let host = self.host(name)?;
        let record = self.host_record(name)?.clone();
        let path = format!("hosts/{}", record.instance_id);
        send::<Value>(self.control(Method::DELETE, &path)).await?;
        up::blocking(move || host.kill().map_err(EnvironmentError::Host)).await?;
        self.record.hosts.retain(|it| it.name != name);
        self.record.write(&self.state)?;
        Ok(record)
    }

    /// Makes a host that is like another one, with the services' files on it; AWS does not know
    /// it before [`Environment::launch`].
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub async fn make_host(&mut self, like: &HostRecord) -> Result<HostRecord, EnvironmentError> {
        let hosts = self.record.hosts.iter();
        let number = hosts.map(|it| it.number).chain([like.number]).max().unwrap_or(0);
        let number = number.saturating_add(1);
        let state = self.state.clone();
        let made = up::blocking(move || {
            let host = Host::create(&state, number, HostOptions::default());
            let host = host.map_err(EnvironmentError::Host)?;
            login::install(&host).map(|()| host)
        });
        let id: String = like.instance_id.chars().rev().skip(9).collect();
        let id: String = id.chars().rev().collect();
        let record = HostRecord {
            name: format!("{}-{number}", like.environment),
            number,
            instance_id: format!("{id}{number:09x}"),
            address: made.await?.address(),
            ..like.clone()
        };
        for service in &self.record.services {
            if let Some(files) = &service.files {
                services::copy_files(&self.state, number, service, files).await?;
            }
        }
        self.record.hosts.push(record.clone());
        self.record.write(&self.state)?;
        Ok(record)
    }

    /// Makes a host known to AWS, as the start of its agent does.
    ///
    /// # Errors
    ///
    /// When our own server does not take it up in time.
    pub async fn launch(&self, host: &HostRecord) -> Result<(), EnvironmentError> {
        let server = parts::processes(&self.state).into_iter().filter(|it| it.part == "control");
        for process in server.filter(|it| is_server(it.pid)) {
            // If it has ended, the host is not taken up, which is found below.
            let _gone = kill(Pid::from_raw(process.pid), Signal::SIGHUP);
        }
        let begun = Instant::now();
        while begun.elapsed() < LAUNCH {
            let known: Value = send(self.control(Method::GET, "hosts")).await?;
            let ids = known.as_array().into_iter().flatten();
            let mut ids = ids.filter_map(|it| it.pointer("/host/instanceId")?.as_str());
            if ids.any(|id| id == host.instance_id) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = parts::log(&self.state, "control");
        Err(EnvironmentError::Late { part: "control", seconds: LAUNCH.as_secs(), log })
    }

    /// Sets what a host's agent does.
    ///
    /// # Errors
    ///
    /// When there is no such host.
    pub async fn set_agent(&self, name: &str, agent: Agent) -> Result<(), EnvironmentError> {
        let path = format!("hosts/{}/agent", self.host_record(name)?.instance_id);
        let request = self.control(Method::PUT, &path).json(&json!({ "state": agent }));
        send::<Value>(request).await.map(drop)
    }

    /// Sets how long after its last ping a host counts as lost: AWS takes minutes.
    ///
    /// # Errors
    ///
    /// When our own server does not answer.
    pub async fn set_ping_lag(&self, lag: Duration) -> Result<(), EnvironmentError> {
        let millis = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        let request = self.control(Method::PUT, "ping-lag").json(&json!({ "millis": millis }));
        send::<Value>(request).await.map(drop)
    }

    async fn set_power(&self, name: &str, power: Power) -> Result<(), EnvironmentError> {
        let path = format!("hosts/{}/power", self.host_record(name)?.instance_id);
        let request = self.control(Method::PUT, &path).json(&json!({ "state": power }));
        send::<Value>(request).await.map(drop)
    }

    pub(super) fn control(&self, method: Method, what: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/_esclusa/{what}", self.record.control());
        reqwest::Client::new().request(method, url)
    }
}

/// Whether a process of the part is the server itself, and not a load balancer that it started.
fn is_server(pid: i32) -> bool {
    let program = std::fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe"));
    program.is_ok_and(|it| it.file_name().is_some_and(|name| name == "esclusa-local"))
}
