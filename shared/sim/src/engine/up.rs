//! `docker compose up`, as far as a project of the simulator needs it.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::host::{ContainerState, Step};
use esclusa_core::reason::Reason;
use esclusa_core::time::Timestamp;

use super::container::failed;
use super::project::JOB;
use super::{Engine, Registry};

impl Engine {
    /// The image that a service is to run: by the pin, else by the files.
    fn image_of(&self, service: &str) -> String {
        let pinned = self.seen.pin.as_ref().and_then(|it| it.get(service)).cloned();
        pinned.or_else(|| self.service(service).map(|it| it.image)).unwrap_or_default()
    }

    /// The containers that an `up` puts others in the place of.
    fn find_outdated(&self, step: &Step) -> Vec<String> {
        let Step::Up { services, recreates, keeps_existing, .. } = step else { return Vec::new() };
        let mut outdated = Vec::new();
        for (name, scale) in services {
            let image = self.image_of(name);
            let wanted = self.count(name, *scale);
            for container in self.containers_of(name).filter(|_| !keeps_existing) {
                let differs = container.reference != image || *recreates;
                if differs || container.number > wanted || !self.shares_rightly(&container.id) {
                    outdated.push(container.id.clone());
                }
            }
        }
        outdated
    }

    /// Whether the containers whose network a container uses are still there.
    fn shares_rightly(&self, id: &str) -> bool {
        let container = self.seen.container(id);
        container.is_none_or(|it| it.shares_with.iter().all(|on| self.seen.container(on).is_some()))
    }

    fn count(&self, service: &str, scale: Option<u32>) -> u32 {
        scale.or_else(|| self.service(service).map(|it| it.replicas)).unwrap_or(1)
    }

    /// The first half: what is replaced is stopped.
    pub(crate) fn begin_up(&mut self, step: &Step) {
        for id in self.find_outdated(step) {
            self.stop(&id);
        }
    }

    /// An `up` that is cut off has removed what it replaces, and started nothing.
    pub(crate) fn cut_up_off(&mut self, step: &Step, now: Timestamp) {
        let outdated = self.find_outdated(step);
        if let Some(id) = outdated.first() {
            let container = self.seen.container(id).cloned();
            self.remove(id);
            if let Some((name, number)) = container.and_then(|it| Some((it.service?, it.number))) {
                let image = self.image_of(&name);
                let _no_image = self.make(&name, number, &image, now);
            }
        }
    }

    /// The whole of it: jobs before what waits for them, and nothing starts once one has failed.
    pub(super) fn up(
        &mut self,
        step: &Step,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<(), Reason> {
        let Step::Up { services, .. } = step else { return Ok(()) };
        self.fetch_images(services, now, registry)?;
        for id in self.find_outdated(step) {
            self.remove(&id);
        }
        for (name, scale) in services {
            let image = self.image_of(name);
            let there: BTreeSet<u32> = self.containers_of(name).map(|it| it.number).collect();
            for number in (1..=self.count(name, *scale)).filter(|it| !there.contains(it)) {
                self.make(name, number, &image, now)?;
            }
        }
        self.start_all(services, now, registry)
    }

    /// What is pinned is never pulled.
    fn fetch_images(
        &mut self,
        services: &BTreeMap<String, Option<u32>>,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<(), Reason> {
        for name in services.keys() {
            let image = self.image_of(name);
            let is_pinned = self.seen.pin.as_ref().is_some_and(|it| it.contains_key(name));
            if self.find_image(&image).is_some() {
                continue;
            }
            if is_pinned {
                return Err(failed(format!("No such image: {image}")));
            }
            self.pull(&image, now, registry)?;
        }
        Ok(())
    }

    fn start_all(
        &mut self,
        services: &BTreeMap<String, Option<u32>>,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<(), Reason> {
        let mut names: Vec<&String> = services.keys().collect();
        names.sort_by_key(|it| (it.as_str() != JOB, it.as_str() == "side"));
        for name in names {
            let idle = self.containers_of(name).filter(|it| !it.state.is_up());
            let ids: Vec<String> = idle.map(|it| it.id.clone()).collect();
            for id in ids {
                self.start(&id, now, registry)?;
                let ended = self.seen.container(&id).map(|it| it.state);
                if name == JOB && ended != Some(ContainerState::Exited(0)) {
                    return Err(failed("service \"migrate\" didn't complete successfully: exit 1"));
                }
            }
        }
        Ok(())
    }
}
