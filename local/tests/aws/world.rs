//! One control plane with its registry, and AWS's clients for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use esclusa_local::aws::{
    ControlPlane, ControlPlaneConfig, Event, EventSink, HostEntry, HostRunner, RegistryAccess,
    ScriptHost, ScriptJob, ScriptOutcome, Timing,
};
use esclusa_local::places::{make_scratch_directory, runtime_directory, tested_checkout};
use esclusa_local::registry::Registry;
use tokio::time::{Instant, sleep, timeout};

pub(crate) const TOKEN: &str = "registry-token";
pub(crate) const ONE: &str = "i-0000000000000000a";
pub(crate) const TWO: &str = "i-0000000000000000b";

/// So long is one of AWS's seconds in these tests.
pub(crate) const SECOND: Duration = Duration::from_millis(40);

pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    pub(crate) events: Arc<Events>,
    pub(crate) registry_port: u16,
    registry: Option<Registry>,
    directory: PathBuf,
}

/// Keeps what would go to EventBridge.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl EventSink for Events {
    fn deliver(&self, event: Event) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.lock().unwrap().push(event);
        Box::pin(async {})
    }
}

impl Events {
    pub(crate) fn all(&self, detail_type: &str) -> Vec<Event> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|it| it.detail_type == detail_type).cloned().collect()
    }

    /// The first event whose member has this text, once it is there.
    pub(crate) async fn wait(&self, detail_type: &str, member: &str, text: &str) -> Event {
        let found = || {
            let mut all = self.all(detail_type).into_iter();
            all.find(|it| it.detail.get(member).is_some_and(|it| it == text))
        };
        eventually(&format!("{detail_type} with {member} = {text}"), async || found()).await
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Runs scripts on this machine.
struct Here;

impl HostRunner for Here {
    fn run(
        &self,
        _host: ScriptHost,
        job: ScriptJob,
    ) -> Pin<Box<dyn Future<Output = Result<ScriptOutcome, String>> + Send + '_>> {
        Box::pin(async move {
            let mut command = tokio::process::Command::new("bash");
            command.arg("-c").arg(String::from_utf8(job.script).unwrap()).env_clear();
            command.envs(job.environment).stdin(Stdio::null()).kill_on_drop(true);
            match timeout(job.timeout, command.output()).await {
                Ok(output) => {
                    let output = output.map_err(|e| e.to_string())?;
                    Ok(ScriptOutcome {
                        stdout: output.stdout,
                        stderr: output.stderr,
                        exit_code: output.status.code().unwrap_or(-1),
                        timed_out: false,
                    })
                }
                Err(_) => Ok(ScriptOutcome {
                    exit_code: 137,
                    timed_out: true,
                    ..ScriptOutcome::default()
                }),
            }
        })
    }
}

pub(crate) fn host(id: &str, name: &str, address: &str, tags: &[(&str, &str)]) -> HostEntry {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    HostEntry {
        instance_id: id.to_owned(),
        name: name.to_owned(),
        address: address.parse().unwrap(),
        availability_zone: "eu-south-1a".to_owned(),
        tags: tags.iter().map(own).collect::<BTreeMap<_, _>>(),
        role: "esclusa-host".to_owned(),
        agent_version: "3.3.3050.0".to_owned(),
    }
}

pub(crate) fn timing() -> Timing {
    Timing {
        second: SECOND,
        visible_after: Duration::from_millis(60),
        pick_up: Duration::from_millis(20),
        ping_lag: Duration::from_mins(5),
    }
}

pub(crate) fn free_port() -> u16 {
    esclusa_local::ports::free().unwrap()
}

fn config(directory: &std::path::Path, port: u16, events: &Arc<Events>) -> ControlPlaneConfig {
    ControlPlaneConfig {
        state_dir: directory.join("control"),
        runtime_dir: runtime_directory(directory),
        account: "123456789012".to_owned(),
        region: "eu-south-1".to_owned(),
        port: 0,
        registry: RegistryAccess {
            port,
            token: TOKEN.to_owned(),
            storage: directory.join("registry/storage"),
        },
        events: Arc::clone(events) as Arc<dyn EventSink>,
        runner: Arc::new(Here),
        hosts: vec![
            host(ONE, "one", "127.0.0.2", &[("esclusa:web", "production")]),
            host(TWO, "two", "127.0.0.3", &[("esclusa:web", "staging")]),
        ],
        host_environment: vec![("AWS_ENDPOINT_URL".to_owned(), "http://here".to_owned())],
        timing: timing(),
    }
}

impl World {
    /// A control plane with two hosts and no registry.
    pub(crate) async fn bare(name: &str) -> Self {
        Self::with_timing(name, timing()).await
    }

    /// The same, with its own idea of how long things take.
    pub(crate) async fn with_timing(name: &str, timing: Timing) -> Self {
        let directory = make_scratch_directory(&tested_checkout(), name).unwrap();
        let (events, port) = (Arc::default(), free_port());
        let config = ControlPlaneConfig { timing, ..config(&directory, port, &events) };
        let plane = ControlPlane::start(config).await.unwrap();
        Self { plane, events, registry_port: port, registry: None, directory }
    }

    /// A control plane with two hosts and a registry.
    pub(crate) async fn with_registry(name: &str) -> Self {
        let mut world = Self::bare(name).await;
        world.start_registry().await;
        world
    }

    async fn start_registry(&mut self) {
        let (registry, port) = (Registry::of(&self.directory), self.registry_port);
        let (own, url) = (registry.clone(), self.plane.notification_url());
        let started = tokio::task::spawn_blocking(move || own.start(port, TOKEN, Some(&url)));
        started.await.unwrap().unwrap();
        self.registry = Some(registry);
    }

    /// Ends the control plane and starts another over the same state and registry.
    pub(crate) async fn restart(mut self) -> Self {
        let (directory, port) = (self.directory.clone(), self.registry_port);
        let registry = self.registry.take();
        drop(self);
        let events = Arc::default();
        let plane = ControlPlane::start(config(&directory, port, &events)).await.unwrap();
        let mut world = Self { plane, events, registry_port: port, registry: None, directory };
        if registry.is_some() {
            world.start_registry().await;
            world.plane.sync_registry().await.unwrap();
        }
        world
    }

    /// The path of a file that scripts and the test share.
    pub(crate) fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.plane.address())
    }

    pub(crate) fn ecr(&self) -> aws_sdk_ecr::Client {
        use aws_sdk_ecr::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
        let config = aws_sdk_ecr::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-south-1"))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(self.endpoint());
        aws_sdk_ecr::Client::from_conf(config.build())
    }

    pub(crate) fn ssm(&self) -> aws_sdk_ssm::Client {
        use aws_sdk_ssm::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
        let config = aws_sdk_ssm::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-south-1"))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(self.endpoint());
        aws_sdk_ssm::Client::from_conf(config.build())
    }

    pub(crate) fn elb(&self) -> aws_sdk_elasticloadbalancingv2::Client {
        use aws_sdk_elasticloadbalancingv2::config::{
            BehaviorVersion, Credentials, Region, retry::RetryConfig,
        };
        let config = aws_sdk_elasticloadbalancingv2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-south-1"))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(self.endpoint());
        aws_sdk_elasticloadbalancingv2::Client::from_conf(config.build())
    }

    /// Asks the admin side; panics unless it agrees.
    pub(crate) async fn admin(
        &self,
        method: &str,
        path: &str,
        body: serde_json::Value,
    ) -> serde_json::Value {
        let url = format!("{}/_esclusa{path}", self.endpoint());
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(registry) = &self.registry {
            // Failing here would hide why the test failed.
            let _stopped = registry.stop();
        }
        let _absent = std::fs::remove_dir_all(runtime_directory(&self.directory));
    }
}

/// The exception's name and message of a refused call.
#[macro_export]
macro_rules! refusal {
    ($result:expr) => {{
        let error = $result.expect_err("a refusal");
        let error = error.into_service_error();
        let code = error.meta().code().unwrap_or_default().to_owned();
        let message = error.meta().message().unwrap_or_default().to_owned();
        (code, message)
    }};
}
