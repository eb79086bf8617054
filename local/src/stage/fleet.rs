//! The hosts of the stage: what they run, whether they are in service, and what befalls them.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;

use super::queue::refused;
use super::{SERVICE, Stage, StageError};
use crate::environment::{EnvironmentError, HostRecord};
use crate::host::Limits;

/// The running containers of a service on a host: which version, and how well.
const RUNNING: &str = "docker ps --quiet --filter status=running \
                       --filter label=com.docker.compose.project=SERVICE \
                       | xargs -r docker inspect --format \
                       '{{ index .Config.Labels \"org.opencontainers.image.version\" }} \
                       {{ .State.Health.Status }}'";

/// All containers of a host: which, and since when.
const CONTAINERS: &str = "docker ps --all --quiet --no-trunc | xargs -r docker inspect \
                          --format '{{ .Id }} {{ .State.StartedAt }}'";

/// Kills the first process of every running container, as the engine finds them.
const CRASH: &str = "docker ps --quiet | xargs -r docker inspect --format '{{ .State.Pid }}' \
                     | xargs -r kill -KILL";

impl Stage {
    /// What a team writes on a host once: where the registry is, and what the host is called.
    pub(super) fn prepare(&self, host: &HostRecord) -> Result<(), StageError> {
        let registry = self.environment.record().registry();
        let lines = format!("REGISTRY={registry}\nHOST={}\n", host.name);
        for service in &self.environment.record().services {
            self.on(&host.name, &format!("cat >> /srv/{}/.env", service.project), &lines)?;
        }
        Ok(())
    }

    /// Runs a script on a host, and returns what it printed.
    ///
    /// # Errors
    ///
    /// When the host does not run, or the script fails.
    pub fn on(&self, host: &str, script: &str, input: &str) -> Result<String, StageError> {
        let opened = self.environment.host(host)?;
        let limits = Limits::seconds(60);
        let done = opened.exec(&["sh", "-c", script], &[], input.as_bytes(), limits);
        let done = done.map_err(EnvironmentError::Host)?;
        if done.code == Some(0) {
            return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
        }
        let output = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(StageError::Command { what: format!("a script on {host}"), output })
    }

    /// What each production host's Docker says that it runs: the image's version, and its health.
    ///
    /// A host that is off runs nothing.
    ///
    /// # Errors
    ///
    /// When a host cannot be asked.
    pub fn running(&self) -> Result<BTreeMap<String, String>, StageError> {
        self.running_of(SERVICE, "production")
    }

    /// The same of another service, or environment.
    ///
    /// # Errors
    ///
    /// When a host cannot be asked.
    pub fn running_of(
        &self,
        service: &str,
        environment: &str,
    ) -> Result<BTreeMap<String, String>, StageError> {
        self.of_each(environment, &RUNNING.replace("SERVICE", service))
    }

    /// The containers on each host of an environment: their ids, and since when they run.
    ///
    /// # Errors
    ///
    /// When a host cannot be asked.
    pub fn containers(&self, environment: &str) -> Result<BTreeMap<String, String>, StageError> {
        self.of_each(environment, CONTAINERS)
    }

    /// What a script prints on each host of an environment that runs.
    ///
    /// # Errors
    ///
    /// As [`Stage::on`].
    pub fn of_each(
        &self,
        environment: &str,
        script: &str,
    ) -> Result<BTreeMap<String, String>, StageError> {
        let hosts = &self.environment.record().hosts;
        let mut all = BTreeMap::new();
        for host in hosts.iter().filter(|it| it.environment == environment) {
            let runs = self.environment.host(&host.name)?.is_running();
            let text = if runs { self.on(&host.name, script, "")? } else { String::new() };
            all.insert(host.name.clone(), text);
        }
        Ok(all)
    }

    /// How the load balancer finds each target, by the name of its host: `healthy`, `draining`, …
    ///
    /// # Errors
    ///
    /// When the load balancer does not answer.
    pub async fn targets(&self) -> Result<BTreeMap<String, String>, StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let ask = client.describe_target_health().target_group_arn(&self.group).send().await;
        let seen = ask.map_err(|error| refused("DescribeTargetHealth", &error))?;
        let hosts = &self.environment.record().hosts;
        let mut targets = BTreeMap::new();
        for target in seen.target_health_descriptions() {
            let id = target.target().and_then(TargetDescription::id).unwrap_or_default();
            let name = hosts.iter().find(|it| it.instance_id == id).map_or(id, |it| &it.name);
            let state = target.target_health().and_then(|it| it.state());
            let state = state.map_or("unknown", |it| it.as_str());
            targets.insert(name.to_owned(), state.to_owned());
        }
        Ok(targets)
    }

    /// Kills what runs in the containers of a host, as a fault in the program would; Docker starts
    /// them again.
    ///
    /// # Errors
    ///
    /// What the host refused.
    pub fn crash(&self, host: &str) -> Result<(), StageError> {
        self.on(host, CRASH, "").map(drop)
    }

    /// Starts the service on a host by hand, as a team did before it had Esclusa.
    ///
    /// # Errors
    ///
    /// What Docker on the host refused.
    pub async fn start_by_hand(&self, host: &str) -> Result<(), StageError> {
        let registry = self.environment.record().registry();
        let password = self.environment.registry_password().await?;
        let script = format!(
            "docker login --username AWS --password-stdin {registry} && \
             cd /srv/{SERVICE} && docker compose up --detach --quiet-pull"
        );
        self.on(host, &script, &password).map(drop)
    }

    /// Brings an older version up on a host by hand, past the pin.
    ///
    /// # Errors
    ///
    /// What Docker on the host refused.
    pub async fn run_by_hand(&self, host: &str, tag: &str) -> Result<(), StageError> {
        let registry = self.environment.record().registry();
        let password = self.environment.registry_password().await?;
        let script = format!(
            "docker login --username AWS --password-stdin {registry} && cd /srv/{SERVICE} && \
             docker pull --quiet {registry}/{SERVICE}:{tag} && \
             docker tag {registry}/{SERVICE}:{tag} {registry}/{SERVICE}:latest && \
             docker compose --file docker-compose.yml up --detach --pull never"
        );
        self.on(host, &script, &password).map(drop)
    }

    /// Terminates a host and launches another one for it, as an Auto Scaling group does: with the
    /// same tags, the same files, and registered with the load balancer.
    ///
    /// Returns the name of the new one.
    ///
    /// # Errors
    ///
    /// When a host cannot be made, or AWS refuses it.
    pub async fn replace(&mut self, host: &str) -> Result<String, StageError> {
        let old = self.environment.terminate(host).await?;
        let new = self.environment.make_host(&old).await?;
        self.prepare(&new)?;
        self.environment.launch(&new).await?;
        self.register(&new.name).await?;
        Ok(new.name)
    }
    /// Registers a host with the load balancer, as a person or an Auto Scaling group does.
    ///
    /// # Errors
    ///
    /// When there is no such host, or the load balancer refuses it.
    pub async fn register(&self, host: &str) -> Result<(), StageError> {
        let hosts = &self.environment.record().hosts;
        let id = hosts.iter().find(|it| it.name == host).map(|it| &it.instance_id);
        let target = TargetDescription::builder().set_id(id.cloned()).port(8080).build();
        let client = Client::new(&self.environment.sdk_config());
        let register = client.register_targets().target_group_arn(&self.group).targets(target);
        register.send().await.map(drop).map_err(|error| refused("RegisterTargets", &error))
    }
}
