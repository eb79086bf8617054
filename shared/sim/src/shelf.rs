//! The registry as retention meets it, with ECR's rules, and what the ledger remembers of images.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::lane::Need;
use esclusa_core::name::{HostId, LaneId, Service, Tag};
use esclusa_core::release::Availability;
use esclusa_core::retention::{Contents, Id, Image, Kind, Memory};
use esclusa_core::time::Timestamp;
use esclusa_shell::retain::ports::{Begun, Refused, Repository};
use esclusa_shell::retain::{Report, Task};

use crate::adversary::Adversary;
use crate::story::{lane, latest};
use crate::world::{Job, World, say};

/// What is told apart by the first digits of its digest: parts, attestations, signatures, branches.
const PART: u32 = 1;
const ATTESTATION: u32 = 2;
const SIGNATURE: u32 = 3;
const BRANCH: u32 = 4;
const LOOSE: u32 = 5;
const FOREIGN: u32 = 6;

/// How far the clock of a function may be ahead.
const AHEAD: Duration = Duration::from_secs(1);

/// What is stored of retention, and what is in the registry beside what `World::images` says.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// Every image there is, by digest.
    pub(crate) images: BTreeMap<Digest, SimImage>,
    /// What the ledger remembers of images.
    pub(crate) memories: BTreeMap<Digest, Memory>,
    /// What it remembers of the repository.
    pub(crate) repository: Repository,
    /// Who has its lease, and until when.
    lease: Option<(String, Timestamp)>,
    /// What is being deleted.
    pub(crate) claimed: BTreeSet<Digest>,
    /// Runs that were published, by name.
    pub(crate) told: BTreeMap<String, Report>,
    /// An image that someone is about to want: what the adversary does in between two calls.
    pub(crate) tempting: Option<Digest>,
}

/// An image in the registry.
#[derive(Clone, Debug)]
pub(crate) struct SimImage {
    tags: BTreeSet<Tag>,
    kind: Kind,
    parts: Vec<Digest>,
    subject: Option<Digest>,
    pushed_at: Timestamp,
    /// Another service's, which is none of Esclusa's business.
    foreign: bool,
}

/// The service that Esclusa knows nothing of.
fn foreign() -> Option<Service> {
    "other/app".parse().ok()
}

fn numbered(what: u32, number: usize) -> Option<Digest> {
    format!("sha256:{what:08x}{number:056x}").parse().ok()
}

impl World {
    fn put(&mut self, digest: &Digest, kind: Kind) -> &mut SimImage {
        let pushed_at = self.now;
        self.shelf.images.entry(digest.clone()).or_insert_with(|| SimImage {
            tags: BTreeSet::new(),
            kind,
            parts: Vec::new(),
            subject: None,
            pushed_at,
            foreign: false,
        })
    }

    /// A push as buildx makes it: the parts, the index that names them, and then a signature.
    pub(crate) fn shelve(&mut self, digest: &Digest, number: usize, version: &Tag) {
        let parts: Vec<Digest> =
            [PART, ATTESTATION].iter().filter_map(|it| numbered(*it, number)).collect();
        for part in &parts {
            self.put(part, Kind::Image);
        }
        let index = self.put(digest, Kind::Index);
        index.parts = parts;
        index.tags.insert(version.clone());
        if let Some(signature) = numbered(SIGNATURE, number) {
            self.put(&signature, Kind::Artifact).subject = Some(digest.clone());
        }
    }

    /// Images that no environment follows: of a branch, of a push that is under way, of others.
    pub(crate) fn litter(&mut self, number: usize) {
        let tag: Option<Tag> = format!("feature-{number}").parse().ok();
        for (what, tagged) in [(BRANCH, true), (LOOSE, false), (FOREIGN, false)] {
            let Some(digest) = numbered(what, number) else { continue };
            let image = self.put(&digest, Kind::Image);
            image.tags.extend(tag.clone().filter(|_| tagged));
            image.foreign = what == FOREIGN;
        }
    }

    /// Moves a tag on the shelf; false if there is no such image.
    pub(crate) fn reshelve(&mut self, tag: &Tag, digest: &Digest) -> bool {
        if !self.shelf.images.contains_key(digest) {
            return false;
        }
        for (image, it) in &mut self.shelf.images {
            if image == digest {
                it.tags.insert(tag.clone());
            } else {
                it.tags.remove(tag);
            }
        }
        true
    }

    /// The daily round, and someone who asks for a repository that is none of Esclusa's.
    pub(crate) fn look_through(&mut self) {
        if self.retains {
            self.enqueue_job(Job::Task(Task::All), Duration::ZERO);
            if let Some(service) = foreign() {
                self.enqueue_job(Job::Task(Task::One(service)), Duration::ZERO);
            }
        }
    }

    fn image(digest: &Digest, it: &SimImage) -> Image {
        Image {
            digest: digest.clone(),
            tags: it.tags.iter().map(|tag| tag.as_str().into()).collect(),
            kind: it.kind.clone(),
            bytes: 1000,
            pushed_at: it.pushed_at,
            pulled_at: None,
            subject: it.subject.clone(),
            availability: Availability::Active,
        }
    }

    /// Every image of a repository; and then, perhaps, someone comes to want an old one.
    pub(crate) fn listed(&mut self, service: &Service, adversary: &mut Adversary) -> Vec<Image> {
        let ours = lane().is_some_and(|lane| lane.service == *service);
        let images = self.shelf.images.iter().filter(|(_, it)| it.foreign != ours);
        let images: Vec<Image> = images.map(|(digest, it)| Self::image(digest, it)).collect();
        let releases = images.iter().filter(|image| self.images.contains_key(&image.digest));
        let releases: Vec<Digest> = releases.map(|image| image.digest.clone()).collect();
        if adversary.once_in(5) {
            self.shelf.tempting = adversary.pick(&releases).cloned();
        }
        images
    }

    pub(crate) fn contents_of(&self, digest: &Digest) -> Contents {
        match self.shelf.images.get(digest) {
            Some(index) => Contents::Children(index.parts.clone()),
            None => Contents::Unreadable("it is gone".to_owned()),
        }
    }

    /// These images as they are now; and then, perhaps, someone comes to want one of them.
    pub(crate) fn looked_at(
        &mut self,
        digests: &[Digest],
        adversary: &mut Adversary,
    ) -> Vec<Image> {
        let there = digests
            .iter()
            .filter_map(|digest| Some(Self::image(digest, self.shelf.images.get(digest)?)));
        let there: Vec<Image> = there.collect();
        // What bears no tag is deleted by its digest, on no condition: ECR has none.
        let tagged = there.iter().filter(|image| !image.tags.is_empty());
        let releases = tagged.filter(|image| self.images.contains_key(&image.digest));
        let releases: Vec<Digest> = releases.map(|image| image.digest.clone()).collect();
        if let Some(digest) = adversary.pick(&releases).cloned()
            && adversary.once_in(3)
        {
            if adversary.below(2) == 0 {
                say!(self, "someone moves the tag to {digest}, which is about to be deleted");
                crate::story::move_tag(self, adversary, digest);
            } else {
                self.shelf.tempting = Some(digest);
            }
        }
        there
    }

    /// Deletes as ECR does: an image goes with its last tag, and no part of an index before it.
    pub(crate) fn delete(&mut self, ids: &[Id]) -> Vec<(Id, Refused)> {
        let mut refused = Vec::new();
        for id in ids {
            if let Err(why) = self.delete_one(id) {
                refused.push((id.clone(), why));
            }
        }
        refused
    }

    fn delete_one(&mut self, id: &Id) -> Result<(), Refused> {
        let named = self.shelf.images.values().any(|it| it.parts.contains(&id.digest));
        let image = self.shelf.images.get_mut(&id.digest).ok_or(Refused::Gone)?;
        if named {
            self.breaks(13, format!("{} is part of an index that is there", id.digest.short()));
            return Err(Refused::Referenced);
        }
        if let Some(tag) = &id.tag {
            let tag = image.tags.iter().find(|it| it.as_str() == &**tag).cloned();
            image.tags.remove(&tag.ok_or(Refused::Moved)?);
            if !image.tags.is_empty() {
                return Ok(());
            }
        }
        self.check_deleted(&id.digest);
        self.shelf.images.remove(&id.digest);
        self.tags.retain(|_, digest| *digest != id.digest);
        if self.images.contains_key(&id.digest) {
            self.withdrawn.insert(id.digest.clone(), false);
        }
        say!(self, "{} is deleted", id.digest.short());
        Ok(())
    }

    /// Checks an image that goes against the truth.
    fn check_deleted(&mut self, digest: &Digest) {
        let mut wrong = Vec::new();
        let Some(image) = self.shelf.images.get(digest) else { return };
        if image.foreign {
            wrong.push("it is another service's".to_owned());
        }
        if latest().is_some_and(|tag| image.tags.contains(&tag)) {
            wrong.push("the tag that is followed points to it".to_owned());
        }
        // What a person makes a host run while its image is being deleted is seen too late.
        let drifted = |host: &HostId| self.marks.drifted_at.contains_key(host);
        let by_hand = |need: &Need| matches!(need, Need::Runs(host) if drifted(host));
        for lane in self.lanes.values() {
            let needs = lane.needs(self.now.after(AHEAD));
            if let Some(need) = needs.digests.get(digest).filter(|need| !by_hand(need)) {
                wrong.push(format!("{need}"));
            }
        }
        for (id, host) in self.live() {
            let known = !self.marks.drifted_at.contains_key(id);
            if known && host.running().is(digest) {
                wrong.push(format!("{id} runs it"));
            }
        }
        if image.subject.as_ref().is_some_and(|it| self.shelf.images.contains_key(it)) {
            wrong.push("what it refers to is there".to_owned());
        }
        let age = self.now.after(AHEAD).since(image.pushed_at);
        let young = age < GRACE;
        let loose =
            numbered(LOOSE, 0).is_some_and(|it| digest.as_str().get(..15) == it.as_str().get(..15));
        if young && loose {
            wrong.push("it may be part of a push that is under way".to_owned());
        }
        let versions = self.images.keys().filter(|it| self.shelf.images.contains_key(*it)).count();
        if self.images.contains_key(digest) && versions <= VERSIONS {
            wrong.push(format!("only {versions} versions are left"));
        }
        for text in wrong {
            self.breaks(13, format!("{} is deleted, and {text}", digest.short()));
        }
    }

    pub(crate) fn begin_retention(&mut self, owner: &str, until: Timestamp) -> Begun {
        match &self.shelf.lease {
            Some((other, end)) if other != owner && *end >= self.now => Begun::Busy(*end),
            Some(_) | None => {
                self.shelf.lease = Some((owner.to_owned(), until));
                Begun::Alone(self.shelf.repository.clone())
            }
        }
    }

    /// Stores what is known of the repository; false if another has its lease.
    pub(crate) fn store_retention(&mut self, owner: &str, it: &Repository, last: bool) -> bool {
        if self.shelf.lease.as_ref().is_none_or(|(other, _)| other != owner) {
            return false;
        }
        let due_at = self.shelf.repository.due_at;
        self.shelf.repository = Repository { due_at, ..it.clone() };
        if last {
            self.shelf.lease = None;
            self.shelf.claimed.clear();
        }
        true
    }

    pub(crate) fn claim(
        &mut self,
        owner: &str,
        digests: &BTreeSet<Digest>,
        lanes: &BTreeMap<LaneId, u64>,
    ) -> bool {
        let lease = self.shelf.lease.as_ref();
        let mine = lease.is_some_and(|(other, until)| other == owner && *until > self.now);
        let same = |(id, revision): (&LaneId, &u64)| {
            self.lanes.get(id).map_or(0, |lane| lane.revision) == *revision
        };
        if !mine || !lanes.iter().all(same) {
            return false;
        }
        let now = self.now.after(AHEAD);
        let needs: Vec<_> = self.lanes.values().map(|lane| lane.needs(now)).collect();
        let mut needed = digests.iter().filter_map(|digest| {
            let need = needs.iter().find_map(|it| it.digests.get(digest));
            Some(format!("{} is claimed, although {}", digest.short(), need?))
        });
        if let Some(text) = needed.next() {
            self.breaks(13, text);
        }
        self.shelf.claimed.clone_from(digests);
        true
    }

    /// Whether retention is deleting one of these.
    pub(crate) fn is_claimed(&self, digests: &BTreeSet<Digest>) -> bool {
        let held = self.shelf.lease.as_ref().is_some_and(|(_, until)| *until >= self.now);
        held && !self.shelf.claimed.is_disjoint(digests)
    }

    /// Notes that the lane's environment has come to want these.
    pub(crate) fn promote(&mut self, lane: &LaneId, digests: &BTreeSet<Digest>) {
        for digest in digests {
            let memory = self.shelf.memories.entry(digest.clone()).or_default();
            memory.promoted.insert(lane.environment.clone(), self.now);
        }
    }
}

/// What the configuration of a story with retention says.
pub(crate) const VERSIONS: usize = 2;
pub(crate) const GRACE: Duration = Duration::from_hours(1);

/// The part of the configuration that retention reads.
pub(crate) fn text() -> String {
    format!(
        "[retention]\nversions = {VERSIONS}\nunmapped = \"1h\"\nuntagged_grace = \"1h\"\n\
         max_deletions = 100\napply_from_start = true\n"
    )
}
