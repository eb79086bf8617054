//! What each step does to a host of the tests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::definition::{Healthcheck, repository_of};
use super::super::project::{Command, Container, ContainerState as State, HealthWord, Image};
use super::super::snapshot::{Snapshot, SnapshotContainer};
use super::super::step::Step;
use super::machine::{Fate, Machine, failed, is_of};
use super::world::*;
use crate::order::Fence;
use crate::reason::{Code, Reason};
use crate::time::Timestamp;

impl Machine {
    /// Takes a step, or only its first half.
    pub(super) fn take(
        &mut self,
        step: &Step,
        half: bool,
    ) -> Result<Option<(String, String)>, Reason> {
        let name = format!("{step:?}");
        let name = name.split([' ', '(']).next().unwrap_or_default().to_owned();
        if !matches!(step, Step::Wait(_)) {
            self.taken.push(format!("{step:?}").chars().take(160).collect());
            self.pass(Duration::from_secs(1));
        }
        if let Some(reason) = self.failures.get(name.as_str()) {
            return Err(reason.clone());
        }
        match step {
            Step::TagImage { image, tag } => self.tag(image, tag)?,
            Step::Pull { reference, .. } => self.pull(reference)?,
            Step::ShipComposeFile { .. } => self.seen.has_next_file = true,
            Step::TakeSnapshot(fence, snapshot) => self.take_snapshot(*fence, snapshot),
            Step::WritePin { images, .. } => self.seen.pin = Some(images.clone()),
            Step::RestoreFiles { images, .. } => {
                self.seen.pin = Some(images.clone()).filter(|it| !it.is_empty());
            }
            Step::Up { services, recreates, keeps_existing, .. } => {
                let mut services: Vec<_> = services.iter().collect();
                services.sort_by_key(|(name, _)| self.depth(name));
                for (service, count) in services {
                    self.up(service, *count, *recreates, *keeps_existing, half)?;
                }
            }
            Step::RunOnce { service, name, image, .. } => {
                let fence = self.seen.kept.newest.as_ref().unwrap().fence;
                self.seen.kept.begun_once = Some(self.seen.kept.beginning_once(fence, service));
                self.run_once(service, name, image, half)?;
            }
            Step::Restart { services, .. } => {
                let concerned = |it: &&Container| services.iter().any(|name| is_of(it, name));
                let ids: Vec<String> =
                    self.seen.containers.iter().filter(concerned).map(|it| it.id.clone()).collect();
                ids.iter().try_for_each(|id| self.start(id))?;
            }
            Step::RemoveContainers(ids) => {
                let ids = if half { ids.get(..1).unwrap_or_default() } else { ids };
                self.seen.containers.retain(|it| !ids.contains(&it.id));
            }
            Step::Rename { id, name } => name.clone_into(&mut of(&mut self.seen, id).name),
            Step::StartContainer(id) | Step::RestartContainer(id) => self.start(id)?,
            Step::RecreateContainer { snapshot, container, replaced } => {
                return self.recreate(*snapshot, container, replaced).map(Some);
            }
            Step::Probe { .. } => {}
            Step::Wait(span) => self.pass(*span),
        }
        Ok(None)
    }

    fn pass(&mut self, span: Duration) {
        self.seen.now = self.seen.now.after(span);
        let now = self.seen.now;
        for container in &mut self.seen.containers {
            if container.state == State::Restarting {
                container.restarts = container.restarts.saturating_add(1);
                container.started_at = now;
            }
        }
    }

    fn tag(&mut self, image: &str, tag: &str) -> Result<(), Reason> {
        let found = self.find_image(image)?;
        self.seen.images.insert(tag.to_owned(), found);
        Ok(())
    }

    fn pull(&mut self, reference: &str) -> Result<(), Reason> {
        let letter = ('a'..='f').find(|it| by_digest(*it) == reference);
        let Some(letter) = letter else {
            return Err(Reason::new(Code::RELEASE_NOT_IN_REGISTRY, reference.to_owned()));
        };
        add_image(&mut self.seen, &image(letter), &[reference]);
        Ok(())
    }

    fn take_snapshot(&mut self, fence: Fence, snapshot: &Snapshot) {
        if snapshot.source == fence {
            let up = snapshot.containers.iter().filter(|it| it.was_up);
            let made = up.filter_map(|it| self.seen.container(&it.id)).cloned();
            self.remembered.insert(fence, made.map(|it| (it.id.clone(), it)).collect());
            self.seen.kept.remembered.insert(fence);
        }
        self.seen.kept.snapshots.insert(fence, snapshot.clone());
    }

    /// Leads a name with tag and digest to its image, as the engine does.
    fn find_image(&self, name: &str) -> Result<Image, Reason> {
        let by_digest = name.split_once('@').map(|(at, digest)| (repository_of(at), digest));
        let plain =
            by_digest.map_or_else(|| name.to_owned(), |(at, digest)| format!("{at}@{digest}"));
        let found = self.seen.images.get(&plain);
        found.cloned().ok_or_else(|| failed(&format!("No such image: {name}")))
    }

    /// Through how many services one shares what it shares: Compose makes them in this order.
    fn depth(&self, service: &str) -> usize {
        let definition = self.seen.known_definition();
        let with = definition.services.get(service).map(|it| it.shares_with.clone());
        let depths = with.into_iter().flatten().map(|it| self.depth(&it).saturating_add(1));
        depths.max().unwrap_or(0)
    }

    fn up(
        &mut self,
        service: &str,
        count: Option<u32>,
        recreates: bool,
        keeps_existing: bool,
        half: bool,
    ) -> Result<(), Reason> {
        let defined = self.seen.known_definition().services.get(service).cloned();
        let Some(defined) = defined else { return Err(failed("no such service")) };
        let pinned = self.seen.pin.as_ref().and_then(|it| it.get(service)).cloned();
        let reference = pinned.unwrap_or(defined.image);
        let image = self.find_image(&reference)?;
        let count = count.unwrap_or(defined.replicas);
        for number in 1..=count {
            let own = |it: &&Container| is_of(it, service) && it.number == number;
            let there = self.seen.containers.iter().find(own).cloned();
            match there {
                Some(it) if keeps_existing => self.start(&it.id)?,
                Some(it) if !recreates && it.reference == reference && it.image == image.id => {
                    if !it.state.is_up() {
                        self.start(&it.id)?;
                    }
                }
                other => {
                    self.seen.containers.retain(|it| other.as_ref().is_none_or(|o| it.id != o.id));
                    let id = self.make(service, number, &reference, &image.id);
                    self.start(&id)?;
                }
            }
            if half {
                return Ok(());
            }
        }
        self.seen.containers.retain(|it| !is_of(it, service) || it.number <= count);
        Ok(())
    }

    fn run_once(
        &mut self,
        service: &str,
        name: &str,
        reference: &str,
        half: bool,
    ) -> Result<(), Reason> {
        if self.seen.containers.iter().any(|it| it.name == name) {
            return Err(failed(&format!("the name {name} is taken")));
        }
        let image = self.find_image(reference)?;
        let id = self.make(service, 1, reference, &image.id);
        let made = of(&mut self.seen, &id);
        (made.is_one_off, made.restarts_always) = (true, false);
        name.clone_into(&mut made.name);
        if half {
            return Ok(());
        }
        self.start(&id)?;
        if let Some(State::Exited(1)) = self.seen.container(&id).map(|it| it.state) {
            let lines = list(&["migrating 3 of 7", "", "relation \"users\" \u{1b}[31mis missing"]);
            self.seen.last_lines.insert(id, lines);
        }
        Ok(())
    }

    /// Makes a container as the files say.
    fn make(&mut self, service: &str, number: u32, reference: &str, image: &str) -> String {
        let defined = self.seen.known_definition().services[service].clone();
        let is_own = self.seen.images.get(image).is_some_and(|it| !it.digests.is_empty());
        let mut new = if is_own { own(service, number, 'a') } else { other(service) };
        (new.reference, new.image) = (reference.to_owned(), image.to_owned());
        new.digest = reference.split_once('@').and_then(|(_, it)| it.parse().ok());
        new.restarts_always = defined.restarts_always;
        if let Some(command) = defined.command {
            new.runs = Command { command, ..new.runs };
        }
        if defined.healthcheck == Healthcheck::Off {
            (new.patience, new.health) = (None, None);
        }
        let owners = defined.shares_with.iter();
        let owners = owners
            .filter_map(|owner| self.seen.containers.iter().find(|it| is_of(it, owner)))
            .map(|it| it.id.clone());
        new.shares_with = owners.collect();
        self.add(new)
    }

    fn add(&mut self, mut new: Container) -> String {
        self.made = self.made.saturating_add(1);
        new.id = format!("{}-new{}", new.name, self.made);
        (new.created_at, new.started_at) = (self.seen.now, Timestamp::default());
        (new.state, new.restarts) = (State::Created, 0);
        let id = new.id.clone();
        self.seen.containers.push(new);
        id
    }

    fn recreate(
        &mut self,
        snapshot: Fence,
        wanted: &SnapshotContainer,
        replaced: &BTreeMap<String, String>,
    ) -> Result<(String, String), Reason> {
        let made = self.remembered.get(&snapshot).and_then(|it| it.get(&wanted.id)).cloned();
        let Some(mut new) = made else { return Err(failed("how it was made is not known")) };
        if self.seen.containers.iter().any(|it| it.name == wanted.name) {
            return Err(failed(&format!("the name {} is taken", wanted.name)));
        }
        let id = |old: &String| replaced.get(old).unwrap_or(old).clone();
        new.shares_with = new.shares_with.iter().map(id).collect();
        let id = self.add(new);
        self.start(&id)?;
        Ok((wanted.id.clone(), id))
    }

    fn start(&mut self, id: &str) -> Result<(), Reason> {
        let found = self.seen.container(id).cloned();
        let Some(container) = found else { return Err(failed("no such container")) };
        if let Some(gone) =
            container.shares_with.iter().find(|it| self.seen.container(it).is_none())
        {
            return Err(failed(&format!("{} shares with {gone}, which is gone", container.name)));
        }
        let service = container.service.clone().unwrap_or_default();
        let fate = self.fates.get(&(container.image.clone(), service.clone())).copied();
        let definition = self.seen.known_definition();
        let is_job = definition.services.get(&service).is_some_and(|it| it.command.is_some());
        let checked = |word| container.patience.map(|_| word);
        let (state, health) = match fate {
            Some(Fate::Crashes) if container.restarts_always => {
                (State::Restarting, checked(HealthWord::Starting))
            }
            Some(Fate::Crashes) => (State::Exited(1), None),
            Some(Fate::Ends) => (State::Exited(0), None),
            Some(Fate::IsUnhealthy) => (State::Running, checked(HealthWord::Unhealthy)),
            Some(Fate::NeverReady) => (State::Running, checked(HealthWord::Starting)),
            None if is_job => (State::Exited(0), None),
            None => (State::Running, checked(HealthWord::Healthy)),
        };
        let now = self.seen.now;
        let container = of(&mut self.seen, id);
        (container.state, container.health, container.started_at) = (state, health, now);
        Ok(())
    }
}
