//! The hosts, as EC2 and Systems Manager know them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::clock::Moment;
use super::events::{Bus, Event};
use super::guard;
use super::runner::ScriptHost;

/// How many commands one agent works on at a time (the agent's `CommandWorkersLimit`).
const WORKERS: usize = 5;

/// The first agent that hands parameters over as environment variables.
pub(crate) const FIRST_ENV_VAR_AGENT: [u32; 4] = [3, 3, 2746, 0];

/// One host of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostEntry {
    /// For example `i-0a1b2c3d4e5f60718`.
    pub instance_id: String,
    /// The host's short name.
    pub name: String,
    /// Its address in its own network namespace, which load balancers reach it at.
    pub address: IpAddr,
    /// For example `eu-south-1a`.
    pub availability_zone: String,
    /// Its EC2 tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The role of its instance profile, by name.
    #[serde(default = "default_role")]
    pub role: String,
    /// The version of its agent.
    #[serde(default = "default_agent")]
    pub agent_version: String,
}

fn default_role() -> String {
    "esclusa-host".to_owned()
}

fn default_agent() -> String {
    "3.3.3050.0".to_owned()
}

/// Whether the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// It runs.
    Running,
    /// It was shut down and can come back.
    Stopped,
    /// It is gone for good.
    Terminated,
}

/// What the host's agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agent {
    /// It pings and takes commands.
    Listening,
    /// It pings, but takes no command and reports no result.
    Paused,
    /// It neither pings nor takes commands.
    Silent,
}

/// A host with its state.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) entry: HostEntry,
    pub(crate) power: Power,
    pub(crate) agent: Agent,
    pub(crate) registered_at: Moment,
    silent_since: Option<Moment>,
    workers: Arc<Semaphore>,
}

impl Machine {
    /// When the agent last pinged.
    pub(crate) fn last_ping(&self) -> Moment {
        self.silent_since.unwrap_or_else(Moment::now)
    }

    /// Whether the agent takes commands at this moment.
    pub(crate) fn listens(&self) -> bool {
        self.power == Power::Running && self.agent == Agent::Listening
    }

    /// Whether the agent is new enough for `interpolationType: ENV_VAR`.
    pub(crate) fn knows_env_vars(&self) -> bool {
        let version = self.entry.agent_version.split('.').map(|it| it.parse().unwrap_or(0));
        version.collect::<Vec<u32>>().as_slice() >= FIRST_ENV_VAR_AGENT.as_slice()
    }

    /// The host as the runner is told of it.
    pub(crate) fn script_host(&self) -> ScriptHost {
        ScriptHost {
            instance_id: self.entry.instance_id.clone(),
            name: self.entry.name.clone(),
            address: self.entry.address,
        }
    }
}

/// All hosts.
#[derive(Debug)]
pub(crate) struct Fleet {
    account: String,
    region: String,
    events: Bus,
    machines: Mutex<BTreeMap<String, Machine>>,
    ping_lag: Mutex<Duration>,
    changes: watch::Sender<u64>,
}

/// The host is terminated or was never known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Fleet {
    /// A fleet without hosts.
    pub(crate) fn new(account: &str, region: &str, events: Bus, ping_lag: Duration) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            events,
            machines: Mutex::default(),
            ping_lag: Mutex::new(ping_lag),
            changes: watch::Sender::new(0),
        }
    }

    /// Adds a host that was just launched, or replaces what is known of it.
    pub(crate) fn add(&self, entry: HostEntry) {
        let id = entry.instance_id.clone();
        let machine = Machine {
            entry,
            power: Power::Running,
            agent: Agent::Listening,
            registered_at: Moment::now(),
            silent_since: None,
            workers: Arc::new(Semaphore::new(WORKERS)),
        };
        guard(&self.machines).insert(id.clone(), machine);
        self.changed();
        self.emit_state(&id, "running");
        self.emit_registration(&id);
    }

    /// The host, unless nothing is known of it.
    pub(crate) fn machine(&self, id: &str) -> Option<Machine> {
        guard(&self.machines).get(id).cloned()
    }

    /// All hosts, by instance id.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        guard(&self.machines).values().cloned().collect()
    }

    /// Changes a host in place; false if nothing is known of it.
    fn change(&self, id: &str, change: impl FnOnce(&mut Machine)) -> bool {
        let known = guard(&self.machines).get_mut(id).map(change).is_some();
        self.changed();
        known
    }

    /// Replaces a host's tags; false if nothing is known of it.
    pub(crate) fn set_tags(&self, id: &str, tags: BTreeMap<String, String>) -> bool {
        self.change(id, |machine| machine.entry.tags = tags)
    }

    /// Sets what a host's agent does; false if nothing is known of it.
    pub(crate) fn set_agent(&self, id: &str, agent: Agent) -> bool {
        self.change(id, |machine| {
            machine.agent = agent;
            machine.mark_silence();
        })
    }

    /// Starts, stops or terminates a host; false if nothing is known of it.
    pub(crate) fn set_power(&self, id: &str, power: Power) -> bool {
        let known = self.change(id, |machine| {
            machine.power = power;
            machine.mark_silence();
        });
        let states: &[&str] = match power {
            Power::Running => &["pending", "running"],
            Power::Stopped => &["stopping", "stopped"],
            Power::Terminated => &["shutting-down", "terminated"],
        };
        for state in states.iter().filter(|_| known) {
            self.emit_state(id, state);
        }
        if known && power == Power::Running {
            self.emit_registration(id);
        }
        known
    }

    /// How long after an agent's last ping its host counts as lost.
    pub(crate) fn set_ping_lag(&self, lag: Duration) {
        *guard(&self.ping_lag) = lag;
    }

    /// `Online` or `ConnectionLost`, as late as AWS knows it.
    pub(crate) fn ping_status(&self, machine: &Machine) -> &'static str {
        let lag = *guard(&self.ping_lag);
        let lost = Moment::now().since(machine.last_ping()) > lag;
        if lost { "ConnectionLost" } else { "Online" }
    }

    /// Waits until the host's agent takes one more command.
    pub(crate) async fn pick_up(&self, id: &str) -> Result<OwnedSemaphorePermit, Gone> {
        loop {
            self.listening(id).await?;
            let workers = self.machine(id).ok_or(Gone)?.workers;
            let permit = workers.acquire_owned().await.map_err(|_| Gone)?;
            if self.machine(id).is_some_and(|it| it.listens()) {
                return Ok(permit);
            }
        }
    }

    /// Waits until the host's agent listens.
    pub(crate) async fn listening(&self, id: &str) -> Result<(), Gone> {
        self.until(id, Machine::listens).await
    }

    /// Waits until the host does not run.
    pub(crate) async fn down(&self, id: &str) {
        // Gone is down too.
        let _gone = self.until(id, |machine| machine.power != Power::Running).await;
    }

    async fn until(&self, id: &str, holds: impl Fn(&Machine) -> bool) -> Result<(), Gone> {
        let mut changes = self.changes.subscribe();
        loop {
            let machine = self.machine(id).ok_or(Gone)?;
            if holds(&machine) {
                return Ok(());
            }
            if machine.power == Power::Terminated {
                return Err(Gone);
            }
            changes.changed().await.map_err(|_| Gone)?;
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// The ARN of an instance of this account.
    pub(crate) fn arn(&self, id: &str) -> String {
        format!("arn:aws:ec2:{}:{}:instance/{id}", self.region, self.account)
    }

    fn emit_state(&self, id: &str, state: &str) {
        let detail = json!({ "instance-id": id, "state": state });
        let kind = "EC2 Instance State-change Notification";
        self.events.emit(Event::at_once("aws.ec2", kind, vec![self.arn(id)], detail));
    }

    /// AWS publishes no sample of this one; the members are those of its schema's siblings.
    fn emit_registration(&self, id: &str) {
        let detail = json!({ "instance-id": id, "resource-type": "EC2Instance" });
        let kind = "SSM Managed Instance Registration";
        self.events.emit(Event::at_once("aws.ssm", kind, vec![self.arn(id)], detail));
    }
}

impl Machine {
    fn mark_silence(&mut self) {
        let pings = self.power == Power::Running && self.agent != Agent::Silent;
        self.silent_since = if pings { None } else { self.silent_since.or(Some(Moment::now())) };
    }
}
