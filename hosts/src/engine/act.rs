//! Changing containers.

use std::time::Duration;

use bollard::query_parameters::{
    InspectContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, RestartContainerOptions, StartContainerOptions,
    StopContainerOptions,
};
use esclusa_core::reason::Reason;
use futures_util::StreamExt as _;
use futures_util::future::join_all;

use super::{Engine, is_absent, refused};

/// Containers stop within their own grace period; no sane one is longer.
const STOP: Duration = Duration::from_mins(15);

impl Engine {
    /// Stops containers, each within its own grace period, and removes them.
    ///
    /// # Errors
    ///
    /// What the engine says of the first that stays.
    pub(crate) async fn remove(&self, ids: &[String]) -> Result<(), Reason> {
        let docker = self.patient(STOP);
        let stopping = ids.iter().map(|id| docker.stop_container(id, None::<StopContainerOptions>));
        for (id, stopped) in ids.iter().zip(join_all(stopping).await) {
            match stopped {
                Err(error) if !is_absent(&error) => {
                    return Err(refused(&format!("stop the container {id}"), &error));
                }
                _ => {}
            }
        }
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        for id in ids {
            match docker.remove_container(id, Some(options.clone())).await {
                Err(error) if !is_absent(&error) => {
                    return Err(refused(&format!("remove the container {id}"), &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives a container another name.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(crate) async fn rename(&self, id: &str, name: &str) -> Result<(), Reason> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        let renamed = self.docker.rename_container(id, options).await;
        renamed.map_err(|it| refused(&format!("rename a container to {name}"), &it))
    }

    /// Starts a container.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(crate) async fn start(&self, id: &str) -> Result<(), Reason> {
        let started = self.docker.start_container(id, None::<StartContainerOptions>).await;
        started.map_err(|it| refused(&format!("start the container {id}"), &it))
    }

    /// Restarts a container within its own grace period.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(crate) async fn restart(&self, id: &str) -> Result<(), Reason> {
        let docker = self.patient(STOP);
        let restarted = docker.restart_container(id, None::<RestartContainerOptions>).await;
        restarted.map_err(|it| refused(&format!("restart the container {id}"), &it))
    }

    /// The values of a container's variables; nothing where they cannot be read.
    pub(crate) async fn values_of_variables(&self, id: &str) -> Option<Vec<String>> {
        let seen = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
        let variables = seen.ok()?.config?.env.unwrap_or_default();
        let values = variables.iter().filter_map(|it| it.split_once('='));
        Some(values.map(|(_, value)| value.to_owned()).collect())
    }

    /// The last lines that a container wrote, shortened.
    pub(crate) async fn last_lines(&self, name: &str, count: usize) -> Vec<String> {
        let lines = self.whole_last_lines(name, count).await;
        lines.iter().map(|it| it.chars().take(300).collect()).collect()
    }

    /// The same, whole.
    pub(crate) async fn whole_last_lines(&self, name: &str, count: usize) -> Vec<String> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string());
        let mut lines = std::pin::pin!(self.docker.logs(name, Some(options.build())));
        let mut read = Vec::new();
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => read.push(line.to_string().trim_end().to_owned()),
                Err(_) => return vec!["(not readable)".to_owned()],
            }
        }
        read
    }
}
