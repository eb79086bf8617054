//! What happens to an engine beside the program: people, reboots, restarts.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::host::{ContainerState, HealthWord};
use esclusa_core::release::Running;
use esclusa_core::time::Timestamp;

use super::project::{DATABASE, PROXY};
use super::{Engine, WARM_UP};

impl Engine {
    /// Someone makes the project run something, and nothing else.
    pub(crate) fn run_by_hand(&mut self, running: &Running, now: Timestamp) {
        let images = match running {
            Running::Nothing => Vec::new(),
            Running::Digest(digest) => vec![self.add_release(digest, None)],
            Running::Local(id) => vec![self.add_local(id)],
            Running::Mixed => ["a", "b"].into_iter().map(|it| self.add_odd(it)).collect(),
        };
        self.seen.containers.clear();
        self.decides_at.clear();
        if images.is_empty() {
            return;
        }
        let Ok(definition) = self.seen.definition.clone() else { return };
        let mut images = images.iter().cycle();
        let mut names: Vec<(&String, u32)> =
            definition.services.iter().map(|(name, it)| (name, it.replicas)).collect();
        names.sort_by_key(|(name, _)| name.as_str() == "side");
        for (name, replicas) in names {
            let least = if *running == Running::Mixed && name == "web" { 2 } else { 1 };
            for number in 1..=replicas.max(least) {
                let image = match name.as_str() {
                    "side" => PROXY.to_owned(),
                    "db" => DATABASE.to_owned(),
                    _ => images.next().cloned().unwrap_or_default(),
                };
                if matches!(name.as_str(), "side" | "db") {
                    self.add_other(&image);
                }
                if let Ok(id) = self.make(name, number, &image, now) {
                    self.run_since(&id, now);
                }
            }
        }
    }

    /// One of several images that a host may run at once.
    fn add_odd(&mut self, letter: &str) -> String {
        let digest: Option<Digest> = format!("sha256:{}", letter.repeat(64)).parse().ok();
        digest.map(|it| self.add_release(&it, None)).unwrap_or_default()
    }

    /// It has run for long enough to be well; a job has ended.
    fn run_since(&mut self, id: &str, now: Timestamp) {
        let service = self.seen.container(id).and_then(|it| it.service.clone()).unwrap_or_default();
        let is_job = self.ends_by_itself(&service);
        let Some(container) = self.seen.containers.iter_mut().find(|it| it.id == id) else {
            return;
        };
        container.started_at = now;
        container.state = if is_job { ContainerState::Exited(0) } else { ContainerState::Running };
        container.health = Some(HealthWord::Healthy);
    }

    /// The machine comes up at `back`: what ran runs again, what only memory held is gone.
    pub(crate) fn boot(&mut self, back: Timestamp) {
        self.seen.kept.remembered.clear();
        self.remembered.clear();
        self.come_back(back, WARM_UP);
    }

    /// The engine stops, and answers again at `back`.
    pub(crate) fn restart_engine(&mut self, back: Timestamp) {
        self.down_until = back;
        self.come_back(back, WARM_UP);
    }

    /// What runs is started again at `back`, and is ready after `warm_up`.
    pub(crate) fn come_back(&mut self, back: Timestamp, warm_up: Duration) {
        let lost = self.find_sharers_of_stopped();
        let mut up: Vec<usize> = Vec::new();
        for (index, container) in self.seen.containers.iter_mut().enumerate() {
            if container.is_one_off && container.state.is_up() {
                // Nothing starts it again.
                container.state = ContainerState::Exited(137);
            } else if lost.contains(&container.id) {
                // It cannot join the network of a container that does not run.
                container.state = ContainerState::Exited(128);
                container.health = Some(HealthWord::Unhealthy);
            } else if container.state.is_up() {
                container.started_at = back;
                up.push(index);
            }
        }
        for index in up {
            if let Some(container) = self.seen.containers.get_mut(index) {
                // What shares another's network is started after it.
                let later = u64::from(!container.shares_with.is_empty());
                container.started_at = back.after(Duration::from_millis(later));
                let decides_at = back.after(warm_up);
                self.decides_at.insert(container.id.clone(), decides_at);
            }
        }
    }

    /// Containers that run, and share the network of one that does not.
    fn find_sharers_of_stopped(&self) -> BTreeSet<String> {
        let is_up = |id: &String| self.seen.container(id).is_some_and(|it| it.state.is_up());
        let up = self.seen.containers.iter().filter(|it| it.state.is_up());
        let lost = up.filter(|it| it.shares_with.iter().any(|owner| !is_up(owner)));
        lost.map(|it| it.id.clone()).collect()
    }

    /// Someone stops a container; whether there was one.
    pub(crate) fn stop_one(&mut self, choice: usize) -> bool {
        let up: Vec<String> = self
            .seen
            .containers
            .iter()
            .filter(|it| it.state.is_up())
            .map(|it| it.id.clone())
            .collect();
        let chosen = up.get(choice.checked_rem(up.len()).unwrap_or(0)).cloned();
        chosen.inspect(|id| self.stop(id)).is_some()
    }

    /// Someone runs `docker system prune -af`: ended containers go, and images that none uses.
    pub(crate) fn prune_system(&mut self) {
        let ended = self.seen.containers.iter().filter(|it| !it.state.is_up());
        let ids: Vec<String> = ended.map(|it| it.id.clone()).collect();
        for id in ids {
            self.remove(&id);
        }
        self.prune_images();
    }
}
