//! The stage of demo and end-to-end tests: the environment, the example service on its hosts behind
//! a load balancer, and ways to see what is there.

mod error;
mod hosts;
mod queue;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::StageError;

use serde_json::{Value, json};

use crate::balancer::{Balance, balance};
use crate::environment::{Environment, Options, Service};
use crate::host::Limits;

/// The service of the story: its repository, and its directory below `examples`.
pub const SERVICE: &str = "tickets";

/// The base image of the example, from the machine's static busybox: no registry is needed.
const BASE: &str = "esclusa-demo/busybox";

/// The environment with the example service on it.
#[derive(Debug)]
pub struct Stage {
    /// The environment.
    pub environment: Environment,
    /// Where a user's browser would go.
    pub address: String,
    example: PathBuf,
    work: PathBuf,
    group: String,
}

impl Stage {
    /// Starts an environment in `directory`, with two production hosts behind a load balancer.
    ///
    /// # Errors
    ///
    /// Whatever could not be started or prepared.
    pub async fn set(root: &Path, directory: &Path) -> Result<Self, StageError> {
        let example = root.join("examples").join(SERVICE);
        let work = directory.with_extension("work");
        let files = work.join("host");
        copy(&example.join("docker-compose.yml"), &files.join("docker-compose.yml"))?;
        let service = Service::parse(&format!("{SERVICE}={}", files.display()))?;
        let options = Options {
            services: vec![service],
            progress: |line| eprintln!("   {line}"),
            ..Options::new(root, directory)
        };
        let environment = Environment::up(options).await?;
        let listen = free_port()?;
        let wanted = Balance {
            name: SERVICE.to_owned(),
            port: 8080,
            path: "/health".to_owned(),
            interval: Duration::from_secs(5),
            drain: Duration::from_secs(2),
            listen,
        };
        let hosts: Vec<String> = (environment.record().hosts.iter())
            .filter(|host| host.environment == "production")
            .map(|host| host.instance_id.clone())
            .collect();
        let group = balance(&environment, &wanted, &hosts).await?;
        let address = format!("http://127.0.0.1:{listen}/");
        let made = Self { environment, address, example, work, group };
        made.prepare_hosts()?;
        made.configure().await?;
        made.make_base()?;
        Ok(made)
    }

    /// What a team writes on its hosts once: where the registry is, and what the host is called.
    fn prepare_hosts(&self) -> Result<(), StageError> {
        let registry = self.environment.record().registry();
        for host in &self.environment.record().hosts {
            let lines = format!("REGISTRY={registry}\nHOST={}\n", host.name);
            let script = format!("cat >> /srv/{SERVICE}/.env");
            let opened = self.environment.host(&host.name)?;
            let limits = Limits::seconds(10);
            let done = opened.exec(&["sh", "-c", &script], &[], lines.as_bytes(), limits);
            let done = done.map_err(crate::environment::EnvironmentError::Host)?;
            if done.code != Some(0) {
                let output = String::from_utf8_lossy(&done.stderr).into_owned();
                return Err(StageError::Command {
                    what: format!("preparing {}", host.name),
                    output,
                });
            }
        }
        Ok(())
    }

    /// Stores the example's own configuration, with its bake shortened and the load balancer's
    /// group.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or Parameter Store refuses it.
    pub async fn configure(&self) -> Result<(), StageError> {
        let path = self.example.join("esclusa.toml");
        let text = read(&path)?.replace("for = \"5m\"", "for = \"2s\"");
        let group = format!("[environments.production]\ntarget_groups = [\"{}\"]", self.group);
        let text = text.replace("[environments.production]\n", &format!("{group}\n"));
        Ok(self.environment.configure(SERVICE, &text).await?)
    }

    fn make_base(&self) -> Result<(), StageError> {
        let context = self.work.join("base");
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
        let busybox = busybox.into_iter().find(|it| it.exists()).unwrap_or(Path::new("busybox"));
        copy(busybox, &context.join("busybox"))?;
        let text = "FROM scratch\nCOPY busybox /bin/busybox\n\
                    RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        write(&context.join("Dockerfile"), text)?;
        let docker = std::process::Command::new("docker")
            .args(["build", "--quiet", "--tag", BASE])
            .arg(&context)
            .output();
        let done = docker.map_err(|source| StageError::Io {
            doing: "run",
            path: "docker".to_owned(),
            source,
        })?;
        if done.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(StageError::Command { what: "docker build".to_owned(), output })
    }

    /// Builds a version of the example and pushes it under `tags`, in that order.
    ///
    /// # Errors
    ///
    /// What Docker or the registry refused.
    pub async fn push(&self, version: &str, tags: &[&str]) -> Result<(), StageError> {
        let context = self.work.join(version);
        if !context.exists() {
            copy(&self.example.join("site/health"), &context.join("site/health"))?;
            self.write_dockerfile(version)?;
        }
        Ok(self.environment.push(&context, SERVICE, tags).await?)
    }

    /// Builds a version whose health page is missing, and pushes it.
    ///
    /// # Errors
    ///
    /// What Docker or the registry refused.
    pub async fn push_broken(&self, version: &str, tags: &[&str]) -> Result<(), StageError> {
        let site = self.work.join(version).join("site");
        write(&site.join("welcome"), "no health page here\n")?;
        self.write_dockerfile(version)?;
        Ok(self.environment.push(&self.work.join(version), SERVICE, tags).await?)
    }

    /// The example's Dockerfile as this version, on the base that was made here.
    fn write_dockerfile(&self, version: &str) -> Result<(), StageError> {
        let text = read(&self.example.join("Dockerfile"))?
            .replace("FROM busybox:stable", &format!("FROM {BASE}"))
            .replace("ARG VERSION=dev", &format!("ARG VERSION={version}"));
        write(&self.work.join(version).join("Dockerfile"), &text)
    }

    /// Asks `operator` for something about the production lane.
    ///
    /// # Errors
    ///
    /// When the function failed; a refusal is an answer.
    pub async fn ask(&self, action: &str) -> Result<Value, StageError> {
        let question = json!({
            "action": action,
            "service": SERVICE,
            "environment": "production",
            "actor": "the demo",
            "reason": "the demo",
        });
        Ok(self.environment.invoke("operator", &question).await?)
    }

    /// The rollouts that have ended, newest first, as `label end`.
    ///
    /// # Errors
    ///
    /// When `operator` failed.
    pub async fn ends(&self) -> Result<Vec<String>, StageError> {
        let answer = self.ask("history").await?;
        let rollouts = answer.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
        let line = |it: &Value| {
            let text = |pointer: &str| it.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
            format!("{} {}", text("/candidate/label"), text("/end"))
        };
        Ok(rollouts.iter().map(line).collect())
    }

    /// Waits until so many rollouts have ended.
    ///
    /// # Errors
    ///
    /// [`StageError::Late`] after three minutes.
    pub async fn until_ended(&self, count: usize) -> Result<Vec<String>, StageError> {
        let patience = Duration::from_mins(3);
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let ends = self.ends().await?;
            if ends.len() >= count {
                return Ok(ends);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let what = format!("the end of rollout {count}");
        Err(StageError::Late { what, seconds: patience.as_secs() })
    }

    /// What each production host's Docker says that it runs: the image's version, and its health.
    ///
    /// # Errors
    ///
    /// When a host cannot be asked.
    pub fn running(&self) -> Result<BTreeMap<String, String>, StageError> {
        let script = "docker ps --quiet --filter status=running | xargs -r docker inspect --format \
                      '{{ index .Config.Labels \"org.opencontainers.image.version\" }} \
                      {{ .State.Health.Status }}'";
        let mut running = BTreeMap::new();
        for host in &self.environment.record().hosts {
            if host.environment == "production" {
                let opened = self.environment.host(&host.name)?;
                let done = opened.exec(&["sh", "-c", script], &[], b"", Limits::seconds(20));
                let done = done.map_err(crate::environment::EnvironmentError::Host)?;
                let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
                running.insert(host.name.clone(), text);
            }
        }
        Ok(running)
    }
}

fn free_port() -> Result<u16, StageError> {
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr());
    let failed = |source| StageError::Io { doing: "find", path: "a free port".to_owned(), source };
    bound.map(|address| address.port()).map_err(failed)
}

fn read(path: &Path) -> Result<String, StageError> {
    let failed =
        |source| StageError::Io { doing: "read", path: path.display().to_string(), source };
    std::fs::read_to_string(path).map_err(failed)
}

fn write(path: &Path, text: &str) -> Result<(), StageError> {
    let failed =
        |source| StageError::Io { doing: "write", path: path.display().to_string(), source };
    std::fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    std::fs::write(path, text).map_err(failed)
}

fn copy(from: &Path, to: &Path) -> Result<(), StageError> {
    let failed =
        |source| StageError::Io { doing: "copy", path: from.display().to_string(), source };
    std::fs::create_dir_all(to.parent().unwrap_or(to)).map_err(failed)?;
    std::fs::copy(from, to).map(drop).map_err(failed)
}
