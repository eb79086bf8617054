//! A lane: the life of one service in one environment, as one value.
//!
//! The shell drives it in one fixed order:
//!
//! 1. load the lane;
//! 2. [`Lane::step`] with [`Event::Woke`](crate::observation::Event::Woke) and the current time;
//! 3. while [`Lane::looks`] is not empty, make each look and step with what was seen;
//! 4. save it, on condition that its revision is still the loaded one, under a lease;
//! 5. only then carry out [`Lane::orders`], and step with what became of each; then again from 3;
//! 6. arm a wake-up at [`Lane::wake_at`], and give up the lease.
//!
//! A crash after 4 loses nothing, because orders are read off the saved lane rather than held in
//! memory. A crash in the middle of 5 leaves calls that may have been made: the next pass looks
//! for them before it makes them again, and hosts refuse what they have already done.

mod announce;
mod ask;
mod asked;
mod decide;
mod errand;
mod inspect;
mod needs;
mod next;
mod parts;
mod report;
mod scan_gate;
mod secrets;
mod step;

use std::collections::{BTreeMap, BTreeSet};

pub use errand::Errand;
pub use inspect::Inspection;
pub use needs::{Need, Needs};
pub use parts::{
    Asked, Attempt, Hold, HostRecord, LastKnown, Lease, Pin, Quarantine, Success, Vetting, WakeUp,
};
pub use report::{Blocker, Evidence};
pub use secrets::{Rotation, SeenSecrets};
pub use step::Step;

use crate::announcement::Announcement;
use crate::configuration::SecretName;
use crate::digest::Digest;
use crate::name::{HostId, LaneId};
use crate::observation::{Look, Order};
use crate::reason::Code;
use crate::release::Release;
use crate::request::RequestId;
use crate::rollout::{Context, Facts, Known, Rollout};
use crate::scan::Platform;
use crate::time::Timestamp;
use crate::traffic::Target;

/// Successful releases that a lane remembers, and therefore can go back to.
pub const SUCCESSES: usize = 10;

/// Requests whose ids a lane remembers, to do each once.
const REQUESTS: usize = 32;

/// Images that people may pin in one lane: the ledger's items are bounded.
const PINS: usize = 50;

/// The life of one service in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Which.
    pub id: LaneId,
    /// Counts saves; a save is conditional on it.
    pub revision: u64,
    /// Grows when the ledger is restored from a backup, so that hosts refuse what was forgotten.
    pub epoch: u64,
    /// Counts intents.
    pub generation: u64,
    /// Who acts.
    pub lease: Option<Lease>,
    /// The wake-up that is under way.
    pub armed: Option<WakeUp>,
    /// Where hosts pull from, once the registry has said so.
    pub repository: Option<String>,
    /// What every host runs, since the last success.
    pub current: Option<Release>,
    /// The last successes, newest first.
    pub successes: Vec<Success>,
    /// What the environment's tag resolved to at the last look.
    pub desired: Option<Release>,
    /// Why the desired release is not rolled out, as of the last look.
    pub blocker: Option<Blocker>,
    /// The scan that the desired release waits for, or has waited for in vain.
    pub vetting: Option<Vetting>,
    /// The versions of secrets that the containers have, as far as that is known.
    pub secrets: BTreeMap<SecretName, String>,
    /// When secrets were last looked at.
    pub secrets_at: Timestamp,
    /// Secrets that were rotated since the containers were made.
    pub rotation: Option<Rotation>,
    /// The rollout that is under way.
    pub rollout: Option<Rollout>,
    /// The newer release that waits for the rollout to end.
    pub next: Option<Release>,
    /// The rollout that a person asked for.
    pub asked: Option<Asked>,
    /// The last rollout that did not succeed.
    pub last_attempt: Option<Attempt>,
    /// Why no rollout starts.
    pub hold: Option<Hold>,
    /// Whether containers that ran before Esclusa knew the lane have been taken over.
    pub adopted: bool,
    /// Whether a failed rollout was left as it was, by policy: what its hosts run is a person's
    /// matter until a rollout succeeds, or the lane is released.
    pub halted: bool,
    /// Digests that are not rolled out again.
    pub quarantine: BTreeMap<Digest, Quarantine>,
    /// Images that a person wants kept, whatever retention would do.
    pub pins: BTreeMap<Digest, Pin>,
    /// What is known of each host.
    pub hosts: BTreeMap<HostId, HostRecord>,
    /// The hosts as of the last look at them, and the platform of each that has told it.
    pub platforms: BTreeMap<HostId, Option<Platform>>,
    /// What hosts may still run that a rollout gave up: nothing else is known of them.
    pub lost: BTreeMap<HostId, LastKnown>,
    /// What hosts were registered as that a rollout took out of service and could not verify
    /// afterwards: registered again once they are seen to run what they should.
    pub owed: BTreeMap<HostId, BTreeSet<Target>>,
    /// Hosts that are brought to `current` outside any rollout.
    pub errands: BTreeMap<HostId, Errand>,
    /// The hosts are being asked what they run.
    pub inspection: Option<Inspection>,
    /// When they were last asked, all of them.
    pub inspected_at: Timestamp,
    /// Counts announcements.
    pub announced: u64,
    /// Announcements that may not have been published yet, oldest first.
    pub outbox: Vec<Announcement>,
    /// Requests that were taken up, newest last.
    pub requests: Vec<RequestId>,
    /// Rollouts that ended in this pass, to be written with the next save.
    pub ended: Vec<Rollout>,
    /// What this lane has come to want in this pass: written with the next save, as versions of
    /// this environment, unless retention is deleting one of them.
    pub promoted: BTreeSet<Digest>,
    /// What a person has pinned in this pass: not saved if retention is deleting it.
    pub pinned: BTreeSet<Digest>,
    facts: Facts,
    due: BTreeSet<Look>,
}

impl Lane {
    /// A lane that nothing is known of.
    #[must_use]
    pub fn new(id: LaneId, epoch: u64) -> Self {
        Self {
            id,
            revision: 0,
            epoch,
            generation: 0,
            lease: None,
            armed: None,
            repository: None,
            current: None,
            successes: Vec::new(),
            desired: None,
            blocker: None,
            vetting: None,
            secrets: BTreeMap::new(),
            secrets_at: Timestamp::default(),
            rotation: None,
            rollout: None,
            next: None,
            asked: None,
            last_attempt: None,
            hold: None,
            adopted: false,
            halted: false,
            quarantine: BTreeMap::new(),
            pins: BTreeMap::new(),
            hosts: BTreeMap::new(),
            platforms: BTreeMap::new(),
            lost: BTreeMap::new(),
            owed: BTreeMap::new(),
            errands: BTreeMap::new(),
            inspection: None,
            inspected_at: Timestamp::default(),
            announced: 0,
            outbox: Vec::new(),
            requests: Vec::new(),
            ended: Vec::new(),
            promoted: BTreeSet::new(),
            pinned: BTreeSet::new(),
            facts: Facts::default(),
            due: BTreeSet::new(),
        }
    }

    /// The reads that the next decision waits for.
    #[must_use]
    pub fn looks(&self) -> &BTreeSet<Look> {
        &self.due
    }

    /// The changes that are to be made, once the lane is saved.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        let repository = self.repository.as_deref().unwrap_or_default();
        let rollout = self.rollout.iter().flat_map(|rollout| rollout.wanted(repository));
        let errands = self.errands.iter().flat_map(|(host, errand)| {
            let owed = self.owed.get(host).filter(|_| errand.runs.is_some());
            errand.wanted(repository).into_iter().chain(owed.map(registrations).unwrap_or_default())
        });
        let inspection = self.inspection.iter().flat_map(|it| it.wanted(repository));
        rollout.chain(errands).chain(inspection).collect()
    }

    /// Takes these announcements as published.
    pub fn published(&mut self, numbers: &BTreeSet<u64>) {
        self.outbox.retain(|it| !numbers.contains(&it.number));
    }

    fn known(&self) -> Known<'_> {
        Known { hosts: &self.hosts, lost: &self.lost, owed: &self.owed }
    }

    /// What a transition may know and use.
    fn context(&mut self, now: Timestamp) -> Context<'_> {
        Context {
            known: Known { hosts: &self.hosts, lost: &self.lost, owed: &self.owed },
            errands: &self.errands,
            now,
            facts: &self.facts,
            due: &mut self.due,
            epoch: self.epoch,
            generation: &mut self.generation,
            platforms: &mut self.platforms,
        }
    }

    /// When the lane wants to look again if nothing happens before.
    #[must_use]
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let rollout = self.rollout.as_ref().and_then(|rollout| rollout.wake_at(now));
        let errands = self.errands.values().filter_map(Errand::wake_at).min();
        let inspection = self.inspection.as_ref().map(|it| it.orders.watch.next);
        let idle = self.blocker.as_ref().and_then(|blocker| blocker.lifts_at);
        let gates = self.vets_at().into_iter().chain(self.restarts_at(now));
        let gates = gates.chain(self.asked.as_ref().map(Asked::until));
        let idle = idle.into_iter().chain(gates).filter(|_| self.rollout.is_none()).min();
        rollout.into_iter().chain(errands).chain(inspection).chain(idle).min()
    }

    /// Whether nothing is known here that is worth keeping: neither hosts nor a configuration.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let configured = self.facts.sources.as_ref().is_some_and(|it| it.service.is_some());
        let homeless = |it: &Blocker| it.reason.code == Code::HOSTS_NONE;
        self.revision == 0
            && !configured
            && self.rollout.is_none()
            && self.ended.is_empty()
            && self.requests.is_empty()
            && self.blocker.as_ref().is_none_or(homeless)
    }

    /// Forgets what was written, once it is saved.
    pub fn saved(&mut self) {
        self.ended.clear();
        self.promoted.clear();
        self.pinned.clear();
    }

    /// What this lane has come to need in this pass, and retention must not be deleting.
    #[must_use]
    pub fn newly_needed(&self) -> BTreeSet<Digest> {
        self.promoted.union(&self.pinned).cloned().collect()
    }

    /// Forgets what was seen in this pass, which is never stored.
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        self.facts = Facts::default();
        self.due.clear();
        self
    }

    /// The release that a rollback without a version goes to: the newest success that is neither
    /// what runs nor quarantined, and those after it, should that one be gone.
    pub fn rollback_targets(&self) -> impl Iterator<Item = &Release> {
        let running = self.current.as_ref().map(|release| &release.digest);
        let mut seen = BTreeSet::new();
        self.successes.iter().map(|success| &success.release).filter(move |release| {
            running != Some(&release.digest)
                && !self.quarantine.contains_key(&release.digest)
                && seen.insert(&release.digest)
        })
    }
}

/// One registration per group.
fn registrations(targets: &BTreeSet<Target>) -> Vec<Order> {
    let mut groups: BTreeMap<_, Vec<Target>> = BTreeMap::new();
    for target in targets {
        groups.entry(target.group.clone()).or_default().push(target.clone());
    }
    groups.into_iter().map(|(group, targets)| Order::Register(group, targets)).collect()
}
