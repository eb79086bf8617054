//! One step of the program, taken on the engine.

use std::collections::BTreeMap;

use esclusa_core::host::{Snapshot, SnapshotContainer, Step};
use esclusa_core::order::Fence;
use esclusa_core::reason::{Code, Reason};
use esclusa_core::time::Timestamp;

use super::container::failed;
use super::images::full;
use super::project::JOB;
use super::{Engine, Registry};

/// So many snapshots stay.
const SNAPSHOTS: usize = 3;

/// The old and the new id of a container that a step has made again.
pub(crate) type Made = Option<(String, String)>;

impl Engine {
    /// Takes a step.
    ///
    /// # Errors
    ///
    /// Why it could not be taken.
    pub(crate) fn apply(
        &mut self,
        step: &Step,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<Made, Reason> {
        if self.down_until > now && !matches!(step, Step::Wait(_)) {
            return Err(not_answering());
        }
        match step {
            Step::TagImage { image, tag } => self.tag(image, tag)?,
            Step::Pull { reference, .. } => self.pull(reference, now, registry)?,
            Step::ShipComposeFile { .. } => self.seen.has_next_file = true,
            Step::TakeSnapshot(fence, snapshot) => self.take_snapshot(*fence, snapshot, now)?,
            Step::WritePin { images, .. } | Step::RestoreFiles { images, .. } => {
                self.check_room(now)?;
                self.seen.pin = Some(images.clone()).filter(|it| !it.is_empty());
            }
            Step::Up { .. } => self.up(step, now, registry)?,
            Step::RunOnce { service, name, image, .. } => {
                self.note_once(service, now)?;
                self.run_once(service, name, image, now, registry)?;
            }
            Step::Restart { services, .. } => {
                for name in services {
                    let ids: Vec<String> =
                        self.containers_of(name).map(|it| it.id.clone()).collect();
                    ids.iter().try_for_each(|id| self.start(id, now, registry))?;
                }
            }
            Step::RemoveContainers(ids) => ids.iter().for_each(|id| self.remove(id)),
            Step::Rename { id, name } => {
                if let Some(container) = self.seen.containers.iter_mut().find(|it| it.id == *id) {
                    name.clone_into(&mut container.name);
                }
            }
            Step::StartContainer(id) | Step::RestartContainer(id) => {
                self.note_job(id);
                self.start(id, now, registry)?;
            }
            Step::RecreateContainer { snapshot, container, replaced } => {
                return self.recreate(*snapshot, container, replaced, now, registry).map(Some);
            }
            Step::Probe { .. } | Step::Wait(_) => {}
        }
        Ok(None)
    }

    /// Whether something can be written down.
    ///
    /// # Errors
    ///
    /// `hosts.disk`.
    pub(crate) fn check_room(&self, now: Timestamp) -> Result<(), Reason> {
        if self.full_until > now { Err(full()) } else { Ok(()) }
    }

    fn note_job(&mut self, id: &str) {
        let service = self.seen.container(id).and_then(|it| it.service.as_deref());
        if service == Some(JOB) {
            self.jobs_run_again = self.jobs_run_again.saturating_add(1);
        }
    }

    fn take_snapshot(
        &mut self,
        fence: Fence,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<(), Reason> {
        self.check_room(now)?;
        if snapshot.source == fence {
            let known = |id: &String| snapshot.containers.iter().any(|it| it.id == *id);
            let containers = self.seen.containers.iter().filter(|it| known(&it.id));
            self.remembered.insert(fence, containers.cloned().collect());
            self.seen.kept.remembered.insert(fence);
        }
        let kept = &mut self.seen.kept;
        kept.snapshots.insert(fence, snapshot.clone());
        while kept.snapshots.len() > SNAPSHOTS {
            if let Some((oldest, _)) = kept.snapshots.pop_first() {
                kept.remembered.remove(&oldest);
                self.remembered.remove(&oldest);
            }
        }
        Ok(())
    }

    /// Makes a container again as it was, from what was remembered of it.
    fn recreate(
        &mut self,
        fence: Fence,
        wanted: &SnapshotContainer,
        replaced: &BTreeMap<String, String>,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<(String, String), Reason> {
        let remembered = self.remembered.get(&fence);
        let old = remembered.and_then(|all| all.iter().find(|it| it.id == wanted.id)).cloned();
        let Some(old) = old else {
            return Err(failed(format!("{} is not known any more", wanted.name)));
        };
        let named = [&old.image, &wanted.keep_tag];
        let Some(image) = named.into_iter().find(|it| self.seen.images.contains_key(*it)) else {
            return Err(failed(format!("No such image: {}", wanted.reference)));
        };
        let id = self.make(&wanted.service, wanted.number, &image.clone(), now)?;
        let new = |it: &String| replaced.get(it).unwrap_or(it).clone();
        if let Some(container) = self.seen.containers.iter_mut().find(|it| it.id == id) {
            container.reference = old.reference;
            container.shares_with = old.shares_with.iter().map(new).collect();
        }
        self.note_job(&id);
        self.start(&id, now, registry)?;
        Ok((wanted.id.clone(), id))
    }

    /// Notes the new ids of containers that were made again on the way back.
    pub(crate) fn replace_in_snapshot(
        &mut self,
        fence: Fence,
        replaced: &BTreeMap<String, String>,
    ) {
        let Some(snapshot) = self.seen.kept.snapshots.get_mut(&fence) else { return };
        *snapshot = snapshot.with_replaced(replaced);
        let source = snapshot.source;
        let new = |id: &String| replaced.get(id).unwrap_or(id).clone();
        for container in self.remembered.get_mut(&source).into_iter().flatten() {
            container.id = new(&container.id);
            container.shares_with = container.shares_with.iter().map(new).collect();
        }
    }
}

/// Why an engine says nothing.
pub(crate) fn not_answering() -> Reason {
    Reason::new(Code::read("hosts.docker"), "The engine of this host does not answer.")
}
