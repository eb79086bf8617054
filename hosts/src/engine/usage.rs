//! What containers take.

use std::collections::BTreeMap;

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use esclusa_core::host::{Container, ContainerState, HealthWord};
use esclusa_core::name::LaneId;
use esclusa_core::reason::Reason;
use futures_util::StreamExt as _;
use futures_util::future::join_all;

use super::Engine;

impl Engine {
    /// A line for each running container of these lanes: service, environment, container, percent
    /// of a processor, percent of its memory, restarts, health. `-` where there are no numbers yet.
    ///
    /// # Errors
    ///
    /// `hosts.docker`.
    pub(crate) async fn usage(&self, lanes: &[(String, LaneId)]) -> Result<Vec<String>, Reason> {
        let by_project: BTreeMap<&String, &LaneId> = lanes.iter().map(|(a, b)| (a, b)).collect();
        let own = |it: &Container| {
            let known = it.project.as_ref().is_some_and(|it| by_project.contains_key(it));
            known && !it.is_one_off
        };
        let seen = self.containers(own).await?;
        let up: Vec<&Container> = seen.iter().filter(|it| own(it) && it.state.is_up()).collect();
        let asked = up.iter().map(|it| self.stats_of(&it.id));
        let stats = join_all(asked).await;
        let told = up.iter().zip(stats).filter_map(|(container, stats)| {
            let lane = by_project.get(container.project.as_ref()?)?;
            let id: String = container.id.chars().take(12).collect();
            let (cpu, memory) = stats.as_ref().map_or((None, None), |it| (cpu(it), memory(it)));
            let percent = |it: Option<f64>| it.map_or("-".to_owned(), |it| format!("{it:.2}%"));
            Some(format!(
                "{} {} {id} {} {} {} {}",
                lane.service,
                lane.environment,
                percent(cpu),
                percent(memory),
                container.restarts,
                health(container)
            ))
        });
        Ok(told.collect())
    }

    async fn stats_of(&self, id: &str) -> Option<ContainerStatsResponse> {
        let options = StatsOptionsBuilder::new().stream(false).build();
        let mut stats = std::pin::pin!(self.docker.stats(id, Some(options)));
        stats.next().await?.ok()
    }
}

fn health(container: &Container) -> &'static str {
    match (container.state, container.health) {
        (ContainerState::Restarting, _) => "restarting",
        (_, Some(HealthWord::Starting)) => "starting",
        (_, Some(HealthWord::Healthy)) => "healthy",
        (_, Some(HealthWord::Unhealthy)) => "unhealthy",
        (_, None) => "none",
    }
}

/// As `docker stats` counts: of one processor, so a container on two can take 200.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a float has")]
fn cpu(stats: &ContainerStatsResponse) -> Option<f64> {
    let (new, old) = (stats.cpu_stats.as_ref()?, stats.precpu_stats.as_ref()?);
    let used = |it: &bollard::models::ContainerCpuStats| it.cpu_usage.as_ref()?.total_usage;
    let own = used(new)?.checked_sub(used(old)?)?;
    let all = new.system_cpu_usage?.checked_sub(old.system_cpu_usage?)?;
    if all == 0 {
        return None;
    }
    let processors = f64::from(new.online_cpus.unwrap_or(1));
    Some(own as f64 / all as f64 * processors * 100.0)
}

/// Without the page cache that the kernel gives back when it must.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a float has")]
fn memory(stats: &ContainerStatsResponse) -> Option<f64> {
    let memory = stats.memory_stats.as_ref()?;
    let (used, limit) = (memory.usage?, memory.limit.filter(|it| *it > 0)?);
    let details = memory.stats.as_ref();
    let cache = details.and_then(|it| it.get("inactive_file").or(it.get("total_inactive_file")));
    let used = used.saturating_sub(cache.copied().unwrap_or(0));
    Some(used as f64 / limit as f64 * 100.0)
}
