//! Carrying a plan out: claim, look again, delete, forget; call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_core::release::Availability;
use esclusa_core::retention::{Doomed, Id, Image, Kind, PER_CALL, Plan, calls};

use super::ports::{Ports, Refused};
use super::task::Task;
use super::{Holding, Report, Run, Seen, Stop, look};
use crate::ports::Unavailable;

/// How often a claim is tried anew when a lane has moved on meanwhile.
const ATTEMPTS: u32 = 10;

impl<P: Ports> Holding<'_, P> {
    /// Deletes what the plan says, as far as cap and time allow.
    pub(super) async fn apply(
        &mut self,
        seen: &Seen,
        plan: &Plan,
        report: &mut Report,
    ) -> Result<(), Unavailable> {
        let force = self.run.mode == super::Mode::Force;
        let batches = plan.batches(&seen.policy, self.run.deleted, force);
        let mut deleting = Deleting {
            ports: self.ports,
            run: self.run,
            owner: &self.me.id,
            seen,
            lanes: seen.lanes.clone(),
            stay: BTreeSet::new(),
            gone: BTreeMap::new(),
        };
        for level in &batches.levels {
            deleting.see_what_is_gone(level, report).await?;
            let images = deleting.free(level);
            for ids in calls(images) {
                if self.ports.now() >= self.me.stops_at {
                    return self.hand_on(report).await;
                }
                deleting.call(&ids, report).await?;
            }
        }
        report.stop = match batches.cap {
            Some(cap) if batches.left > 0 => Stop::Cap { cap, left: batches.left },
            _ if !deleting.stay.is_empty() => Stop::Refused,
            Some(_) | None => Stop::Nothing,
        };
        Ok(())
    }

    /// Lets the next message go on, if this one got anywhere: else the next would not either, and
    /// so on without end. The daily round tries again.
    async fn hand_on(&self, report: &mut Report) -> Result<(), Unavailable> {
        if report.deleted <= self.run.deleted {
            let note = "the time was over before anything was deleted; the daily round tries again";
            report.notes.push(note.to_owned());
            report.stop = Stop::Refused;
            return Ok(());
        }
        report.stop = Stop::Time;
        let (deleted, bytes) = (report.deleted, report.bytes);
        let rest = Run { deleted, bytes, ..self.run.clone() };
        self.ports.send(&Task::GoOn(rest), Duration::ZERO).await
    }
}

/// Deleting under way.
struct Deleting<'a, P> {
    ports: &'a P,
    run: &'a Run,
    owner: &'a str,
    seen: &'a Seen,
    /// The lanes, as they were when nothing that goes was needed by any of them.
    lanes: Vec<Lane>,
    /// The places of images that were to go and stay.
    stay: BTreeSet<usize>,
    /// The places of images that are gone by this run, with the bytes that each counts for.
    gone: BTreeMap<usize, u64>,
}

impl<P: Ports> Deleting<'_, P> {
    /// Sees whether what must be gone before a level is gone: what bore tags may have been given
    /// another one in the moment before it was deleted.
    async fn see_what_is_gone(
        &mut self,
        level: &[Doomed],
        report: &mut Report,
    ) -> Result<(), Unavailable> {
        let before: BTreeSet<usize> = level.iter().flat_map(|it| it.after.clone()).collect();
        let images = self.seen.inventory.images();
        let tagged = before.difference(&self.stay).filter_map(|place| images.get(*place));
        let tagged: Vec<Digest> = tagged
            .filter(|image| !image.tags.is_empty())
            .map(|image| image.digest.clone())
            .collect();
        for some in tagged.chunks(PER_CALL) {
            for survivor in self.ports.survivors(&self.run.service, some).await? {
                let Some(place) = self.seen.inventory.find(&survivor) else { continue };
                self.stay.insert(place);
                if let Some(bytes) = self.gone.remove(&place) {
                    report.deleted = report.deleted.saturating_sub(1);
                    report.bytes = report.bytes.saturating_sub(bytes);
                }
            }
        }
        Ok(())
    }

    /// The images of a level of which nothing stays that must go before.
    fn free(&mut self, level: &[Doomed]) -> Vec<&Image> {
        let mut free = Vec::new();
        for doomed in level {
            if doomed.after.iter().any(|place| self.stay.contains(place)) {
                self.stay.insert(doomed.place);
            } else {
                free.extend(self.seen.inventory.images().get(doomed.place));
            }
        }
        free
    }

    /// One call to delete, and all that it takes.
    async fn call(&mut self, ids: &[Id], report: &mut Report) -> Result<(), Unavailable> {
        let service = &self.run.service;
        let digests: BTreeSet<Digest> = ids.iter().map(|id| id.digest.clone()).collect();
        let claimed = self.claim(digests).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let asked: Vec<Digest> = claimed.iter().cloned().collect();
        let there = self.ports.again(service, &asked).await?;
        let listed: BTreeSet<&Digest> = there.iter().map(|image| &image.digest).collect();
        let mut gone: BTreeSet<Digest> =
            claimed.iter().filter(|digest| !listed.contains(digest)).cloned().collect();
        let going = self.unchanged(&there);
        let ids: Vec<Id> = ids.iter().filter(|id| is_there(&going, id)).cloned().collect();
        if !ids.is_empty() {
            let refused = self.ports.delete(service, &ids).await?;
            gone.extend(self.deleted(&going, &ids, &refused, report));
        }
        self.ports.forget(service, &gone).await
    }

    /// Claims those images that no lane needs, which it may have come to do meanwhile.
    async fn claim(
        &mut self,
        mut digests: BTreeSet<Digest>,
    ) -> Result<BTreeSet<Digest>, Unavailable> {
        for _ in 0..ATTEMPTS {
            let now = self.ports.now();
            for lane in &self.lanes {
                let needs = lane.needs(now);
                let needed =
                    |digest: &Digest| needs.unknown.is_some() || needs.digests.contains_key(digest);
                for digest in digests.iter().filter(|it| needed(it)) {
                    self.stay.extend(self.seen.inventory.find(digest));
                }
                digests.retain(|digest| !needed(digest));
            }
            if digests.is_empty() {
                return Ok(digests);
            }
            let lanes = self.revisions();
            if self.ports.claim(&self.run.service, self.owner, &digests, &lanes).await? {
                return Ok(digests);
            }
            self.lanes = look::lanes(self.ports, &self.run.service).await?;
        }
        // A lane that moves on faster than it can be read: the next run finds it at rest.
        self.stay.extend(digests.iter().filter_map(|digest| self.seen.inventory.find(digest)));
        Ok(BTreeSet::new())
    }

    /// The revision of each lane that there is, and 0 of those that there could be.
    fn revisions(&self) -> BTreeMap<LaneId, u64> {
        let configured = self.seen.inventory.lineages.iter().map(|lineage| {
            let (service, environment) = (&self.run.service, &lineage.environment);
            LaneId { service: service.clone(), environment: environment.clone() }
        });
        let stored = self.lanes.iter().map(|lane| (lane.id.clone(), lane.revision));
        configured.map(|lane| (lane, 0)).chain(stored).collect()
    }

    /// Those that bear none but tags that the plan knew of: a new one says that someone wants it,
    /// and one that has lost all of them was replaced this moment. What was archived meanwhile is
    /// left alone.
    fn unchanged<'a>(&mut self, there: &'a [Image]) -> BTreeMap<&'a Digest, &'a Image> {
        let mut same = BTreeMap::new();
        for image in there {
            let Some(place) = self.seen.inventory.find(&image.digest) else { continue };
            let planned = self.seen.inventory.images().get(place).map(|it| it.tags.as_slice());
            let planned = planned.unwrap_or_default();
            let known = image.tags.iter().all(|tag| planned.contains(tag));
            let active = image.availability == Availability::Active;
            if active && known && image.tags.is_empty() == planned.is_empty() {
                same.insert(&image.digest, image);
            } else {
                self.stay.insert(place);
            }
        }
        same
    }

    /// The images that are gone by a call that took off their last tags; what it refused stays.
    fn deleted(
        &mut self,
        going: &BTreeMap<&Digest, &Image>,
        ids: &[Id],
        refused: &[(Id, Refused)],
        report: &mut Report,
    ) -> BTreeSet<Digest> {
        let mut gone = BTreeSet::new();
        for (digest, image) in going {
            let Some(place) = self.seen.inventory.find(digest) else { continue };
            let of = |id: &Id| id.digest == **digest;
            let mut failed = refused.iter().filter(|(id, why)| of(id) && *why != Refused::Gone);
            if let Some((_, why)) = failed.next() {
                self.stay.insert(place);
                report.notes.push(format!("{} was not deleted: {why}", digest.short()));
                continue;
            }
            let taken = ids.iter().filter(|id| of(id)).count();
            if taken >= image.tags.len().max(1) {
                let bytes = if image.kind == Kind::Index { 0 } else { image.bytes };
                gone.insert((*digest).clone());
                self.gone.insert(place, bytes);
                report.deleted = report.deleted.saturating_add(1);
                report.bytes = report.bytes.saturating_add(bytes);
            }
        }
        gone
    }
}

/// Whether an id names what is there now.
fn is_there(going: &BTreeMap<&Digest, &Image>, id: &Id) -> bool {
    let Some(image) = going.get(&id.digest) else { return false };
    id.tag.as_ref().is_none_or(|tag| image.tags.contains(tag))
}
