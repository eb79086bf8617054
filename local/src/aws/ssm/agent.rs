//! The life of one invocation: delivered to the host's agent, run there, and reported.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::Ssm;
use super::command::{Command, Invocation, State};
use super::content::Content;
use super::outcome::Plugin;
use super::parameters::{Script, Values, scripts};
use crate::aws::clock::Moment;
use crate::aws::events::Event;
use crate::aws::fleet::{Gone, Machine};
use crate::aws::guard;
use crate::aws::runner::ScriptJob;
use crate::host::PATH;

/// What a host's agent is to do.
#[derive(Debug, Clone)]
struct Task {
    command: String,
    host: String,
    /// The total time of the command, delivery and execution together, is over.
    end: Instant,
    cancelled: watch::Receiver<bool>,
}

impl Ssm {
    /// Brings one invocation to its end.
    pub(super) async fn attend(
        self: Arc<Self>,
        command: String,
        host: String,
        content: Arc<Content>,
        values: Values,
    ) {
        let Some((delivery, total, mut cancelled)) = self.limits(&command) else { return };
        let deadline = Instant::now().checked_add(delivery);
        let end = Instant::now().checked_add(total);
        let (Some(deadline), Some(end)) = (deadline, end) else { return };
        sleep(self.settings.timing.pick_up).await;
        let delivered = tokio::select! {
            // A cancelled command must not be delivered in the same instant.
            biased;
            _ = cancelled.wait_for(|it| *it) => Err(State::CANCELLED),
            slot = self.reach(&host) => slot.map_err(|Gone| State::UNDELIVERABLE),
            () = sleep_until(deadline) => Err(State::DELIVERY_TIMED_OUT),
        };
        let task = Task { command, host, end, cancelled };
        match delivered {
            Ok(worker) => {
                self.work(&task, &content, &values).await;
                drop(worker);
            }
            Err(state) => self.finish(&task, state, Vec::new()),
        }
    }

    /// Waits for a host's agent; one that counts as lost is not waited for.
    async fn reach(&self, host: &str) -> Result<OwnedSemaphorePermit, Gone> {
        let machine = self.fleet.machine(host).ok_or(Gone)?;
        if self.fleet.ping_status(&machine) == "ConnectionLost" {
            return Err(Gone);
        }
        self.fleet.pick_up(host).await
    }

    fn limits(&self, id: &str) -> Option<(Duration, Duration, watch::Receiver<bool>)> {
        let commands = guard(&self.commands);
        let command = commands.iter().find(|it| it.id == id)?;
        let total = command.expires_at.since(command.requested_at);
        Some((self.seconds(command.timeout_seconds), total, command.cancelled.subscribe()))
    }

    /// Runs the steps and reports; a host that falls silent meanwhile reports when it is back,
    /// and one that is switched off never does.
    async fn work(&self, task: &Task, content: &Content, values: &Values) {
        let Some(machine) = self.fleet.machine(&task.host) else { return };
        let scripts = scripts(content, values, machine.knows_env_vars());
        self.change(task, |invocation| {
            invocation.state = State::IN_PROGRESS;
            invocation.started_at = Some(Moment::now());
            invocation.plugins = scripts.iter().map(|it| Plugin::waiting(&it.name)).collect();
        });
        let mut cancelled = task.cancelled.clone();
        let reported = async {
            let plugins = tokio::select! {
                plugins = self.run(task, &machine, &scripts) => plugins,
                () = self.fleet.down(&task.host) => std::future::pending().await,
            };
            // A terminated host never reports: only the total timeout ends its invocation.
            if self.fleet.listening(&task.host).await == Err(Gone) {
                std::future::pending::<()>().await;
            }
            plugins
        };
        tokio::select! {
            plugins = reported => self.finish(task, overall(&plugins), plugins),
            _ = cancelled.wait_for(|it| *it) => self.finish(task, State::CANCELLED, Vec::new()),
            () = sleep_until(task.end) => {
                self.finish(task, State::EXECUTION_TIMED_OUT, Vec::new());
            }
        }
    }

    async fn run(&self, task: &Task, machine: &Machine, scripts: &[Script]) -> Vec<Plugin> {
        let mut plugins = Vec::new();
        for (number, script) in scripts.iter().enumerate() {
            self.amend(task, |invocation| {
                invocation.plugins.get_mut(number).into_iter().for_each(Plugin::begin);
            });
            let from = Moment::now();
            let job = self.job(task, script);
            let result = self.runner.run(machine.script_host(), job).await;
            plugins.push(Plugin::ended(&script.name, from, result));
        }
        plugins
    }

    fn job(&self, task: &Task, script: &Script) -> ScriptJob {
        let settings = &self.settings;
        let mut environment = vec![
            ("HOME".to_owned(), "/root".to_owned()),
            ("PATH".to_owned(), PATH.to_owned()),
            ("AWS_SSM_INSTANCE_ID".to_owned(), task.host.clone()),
            ("AWS_SSM_REGION_NAME".to_owned(), settings.region.clone()),
        ];
        environment.extend(settings.host_environment.iter().cloned());
        environment.extend(script.variables.iter().cloned());
        ScriptJob {
            command_id: task.command.clone(),
            script: script.text.clone().into_bytes(),
            environment,
            timeout: script.timeout,
            directory: script.directory.clone(),
        }
    }

    fn finish(&self, task: &Task, state: State, plugins: Vec<Plugin>) {
        self.change(task, |invocation| {
            invocation.state = state;
            invocation.ended_at = Some(Moment::now());
            if !plugins.is_empty() {
                invocation.plugins = plugins;
            }
            for plugin in invocation.plugins.iter_mut().filter(|it| !it.state.is_final()) {
                plugin.cut(state);
            }
        });
    }

    /// Changes an invocation and tells EventBridge what changed, the command's own state included.
    fn change(&self, task: &Task, change: impl FnOnce(&mut Invocation)) {
        let Some((before, command)) = self.amend(task, change) else { return };
        if let Some(invocation) = command.invocations.get(&task.host) {
            self.events.emit(self.invocation_event(&command, &task.host, invocation.state));
        }
        let after = command.state();
        if after != before {
            self.events.emit(self.command_event(&command, after));
        }
    }

    /// Changes an invocation; returns the command's state before and the command after it.
    fn amend(&self, task: &Task, change: impl FnOnce(&mut Invocation)) -> Option<(State, Command)> {
        let mut commands = guard(&self.commands);
        let command = commands.iter_mut().find(|it| it.id == task.command)?;
        let before = command.state();
        change(command.invocations.get_mut(&task.host)?);
        Some((before, command.clone()))
    }

    fn invocation_event(&self, command: &Command, host: &str, state: State) -> Event {
        let detail = json!({
            "command-id": command.id, "document-name": command.document_name,
            "instance-id": host, "requested-date-time": command.requested_at.iso_millis(),
            "status": state.status,
        });
        let kind = "EC2 Command Invocation Status-change Notification";
        Event::at_once("aws.ssm", kind, vec![self.fleet.arn(host)], detail)
    }

    fn command_event(&self, command: &Command, state: State) -> Event {
        let detail = json!({
            "command-id": command.id, "document-name": command.document_name,
            "expire-after": command.expires_at.iso_millis(), "parameters": command.parameters,
            "requested-date-time": command.requested_at.iso_millis(), "status": state.status,
        });
        let hosts = command.invocations.keys().map(|id| self.fleet.arn(id)).collect();
        Event::at_once("aws.ssm", "EC2 Command Status-change Notification", hosts, detail)
    }
}

/// The state of a document whose steps ended so: the worst of them.
fn overall(plugins: &[Plugin]) -> State {
    let has = |state| plugins.iter().any(|it| it.state == state);
    if has(State::FAILED) {
        State::FAILED
    } else if has(State::EXECUTION_TIMED_OUT) {
        State::EXECUTION_TIMED_OUT
    } else {
        State::SUCCESS
    }
}
