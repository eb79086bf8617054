//! The stage of demo and end-to-end tests: the environment, the example service on its hosts behind
//! a load balancer, and ways to see what is there.

mod error;
mod fleet;
mod hosts;
mod images;
mod indexes;
mod metrics;
mod notices;
mod queue;
mod retention;
mod runner;
mod scans;
mod signals;
mod traffic;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use crate::aws::Agent;
pub use error::StageError;
pub use images::Flaw;
pub use notices::Notices;
pub use retention::digest_of;
pub use runner::{Ran, Runner};
pub use traffic::{Client, Seen};

use serde_json::{Value, json};

use crate::balancer::{Balance, balance};
use crate::environment::{Environment, Options, Service, down};
use crate::places::make_private_directory;
use crate::ports;

/// The service of the story: its repository, and its directory below `examples`.
pub const SERVICE: &str = "tickets";

/// How long anything is waited for: only what never comes takes so long, however slow the machine.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// What a stage has.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Hosts of production and of staging.
    pub hosts: [u8; 2],
    /// A second service on the same hosts, which listens to nobody.
    pub second: Option<&'static str>,
}

impl Default for Cast {
    fn default() -> Self {
        Self { hosts: [2, 2], second: None }
    }
}

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
        Self::set_with(root, directory, Cast::default()).await
    }

    /// The same with other hosts, or a second service.
    ///
    /// # Errors
    ///
    /// As [`Stage::set`].
    pub async fn set_with(root: &Path, directory: &Path, cast: Cast) -> Result<Self, StageError> {
        let example = root.join("examples").join(SERVICE);
        let work = work_directory(directory);
        make_private_directory(&work).map_err(|source| StageError::Io {
            doing: "make",
            path: work.display().to_string(),
            source,
        })?;
        let files = work.join("host");
        copy(&example.join("docker-compose.yml"), &files.join("docker-compose.yml"))?;
        let mut services = vec![Service::parse(&format!("{SERVICE}={}", files.display()))?];
        if let Some(name) = cast.second {
            let files = write_second(&example, &work, name)?;
            services.push(Service::parse(&format!("{name}={}", files.display()))?);
        }
        let options = Options {
            services,
            hosts: cast.hosts,
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
        for host in &made.environment.record().hosts {
            made.prepare(host)?;
        }
        made.configure().await?;
        made.make_base()?;
        Ok(made)
    }

    /// Stops the environment in `directory` and removes everything that a stage keeps there, also
    /// after a crash or a failed start.
    ///
    /// # Errors
    ///
    /// When something is still there afterwards.
    pub fn remove(directory: &Path) -> Result<(), StageError> {
        let work = work_directory(directory);
        match std::fs::remove_dir_all(&work) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(StageError::Io { doing: "remove", path: work.display().to_string(), source })
            }
            _ => Ok(down(directory)?),
        }
    }

    /// Removes the images' contexts of the stage in `directory`, if that is possible.
    pub(crate) fn remove_work(directory: &Path) {
        let _kept_for_the_next = std::fs::remove_dir_all(work_directory(directory));
    }

    /// Stores the example's own configuration, with its bake shortened and the load balancer's
    /// group.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or Parameter Store refuses it.
    pub async fn configure(&self) -> Result<(), StageError> {
        self.configure_as(|text| text).await
    }

    /// The same, edited.
    ///
    /// # Errors
    ///
    /// As [`Stage::configure`].
    pub async fn configure_as(
        &self,
        edit: impl FnOnce(String) -> String,
    ) -> Result<(), StageError> {
        let path = self.example.join("esclusa.toml");
        let text = read(&path)?.replace("for = \"5m\"", "for = \"2s\"");
        let group = format!("[environments.production]\ntarget_groups = [\"{}\"]", self.group);
        let text = text.replace("[environments.production]\n", &format!("{group}\n"));
        let text = edit(text + "\n[environments.staging]\nbake = { for = \"2s\" }\n");
        Ok(self.environment.configure(SERVICE, &text).await?)
    }

    /// Asks `operator` for something about the production lane.
    ///
    /// # Errors
    ///
    /// When the function failed; a refusal is an answer.
    pub async fn ask(&self, action: &str) -> Result<Value, StageError> {
        self.ask_with(json!({ "action": action })).await
    }

    /// Asks `operator` this, about the production lane unless it names another one.
    ///
    /// # Errors
    ///
    /// When the function failed; a refusal is an answer.
    pub async fn ask_with(&self, members: Value) -> Result<Value, StageError> {
        let mut question = json!({
            "service": SERVICE,
            "environment": "production",
            "actor": "the demo",
            "reason": "the demo",
        });
        if let (Value::Object(question), Value::Object(members)) = (&mut question, members) {
            question.extend(members);
        }
        Ok(self.environment.invoke("operator", &question).await?)
    }

    /// Waits until an environment has had its first success.
    ///
    /// # Errors
    ///
    /// [`StageError::Late`] after ten minutes.
    pub async fn until_current(&self, environment: &str) -> Result<(), StageError> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let question = json!({ "action": "status", "environment": environment });
            let status = self.ask_with(question).await?;
            if status.pointer("/lane/current").is_some_and(|it| !it.is_null()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let what = format!("the first success in {environment}");
        Err(StageError::Late { what, seconds: PATIENCE.as_secs() })
    }

    /// The rollouts that have ended, newest first, as `operator` tells them. Repairs come by
    /// themselves after hosts were lost, so no number of them is expected.
    ///
    /// # Errors
    ///
    /// When `operator` failed.
    pub async fn history(&self) -> Result<Vec<Value>, StageError> {
        let answer = self.ask("history").await?;
        let rollouts = answer.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_repair = |it: &Value| it.get("cause").and_then(Value::as_str) == Some("repair");
        Ok(rollouts.into_iter().filter(|it| !is_repair(it)).collect())
    }

    /// The same, as `label end`.
    ///
    /// # Errors
    ///
    /// When `operator` failed.
    pub async fn ends(&self) -> Result<Vec<String>, StageError> {
        let rollouts = self.history().await?;
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
    /// [`StageError::Late`] after ten minutes.
    pub async fn until_ended(&self, count: usize) -> Result<Vec<String>, StageError> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let ends = self.ends().await?;
            if ends.len() >= count {
                return Ok(ends);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let what = format!("the end of rollout {count}");
        Err(StageError::Late { what, seconds: PATIENCE.as_secs() })
    }
}

/// The files of a second service: the example's, without its port.
fn write_second(example: &Path, work: &Path, name: &str) -> Result<PathBuf, StageError> {
    let files = work.join(name);
    let text = read(&example.join("docker-compose.yml"))?;
    let text = text.replace("/tickets:latest", &format!("/{name}:latest"));
    let lines: Vec<&str> = text.lines().filter(|it| !it.contains("ports:")).collect();
    write(&files.join("docker-compose.yml"), &lines.join("\n"))?;
    Ok(files)
}

/// Where a stage makes its images: beside the environment, which nothing else may be in.
fn work_directory(directory: &Path) -> PathBuf {
    directory.with_extension("work")
}

fn free_port() -> Result<u16, StageError> {
    let failed = |source| StageError::Io { doing: "find", path: "a free port".to_owned(), source };
    ports::free().map_err(failed)
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
