//! One host brought to the lane's `current`.
//!
//! A host on which nothing runs takes nothing away when it changes: it gets the image beside
//! whatever rollout is active. One that runs something may serve: a rollout of its own repairs it
//! (`Cause::Repair`), so that it leaves service, changes, is verified and goes back as any other
//! host does, on the same budget. Neither heeds a hold, freeze, gate or quarantine: the host only
//! gets what every other one already runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Asked, HostRecord, Lane};
use crate::configuration::{Drift, EnvironmentConfiguration};
use crate::name::HostId;
use crate::observation::{Documents, HostSettings, Order};
use crate::order::{Heard, OnHostFailure, Orders, Verb};
use crate::reason::{Code, Reason};
use crate::release::{Image, Release, Running};
use crate::rollout::{Cause, End, HostRun, Phase, Progress, Rollout, sends};
use crate::time::Timestamp;

/// How long what a host said of its containers counts where no load balancer tells who serves.
const FRESH: Duration = Duration::from_mins(5);

/// A host on its way to `current`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The image that it is brought to.
    pub image: Image,
    /// The order that is out; nothing while the errand waits to be tried again.
    pub orders: Option<Orders>,
    /// The documents that its order pins.
    pub documents: Documents,
    /// What the host is told beside the image.
    pub settings: HostSettings,
    /// What the host ran when it had pulled the image, which it does before anything changes.
    pub found: Option<Running>,
    /// Whether what it ran then was well.
    pub found_well: bool,
    /// Whether the host has ever run something here: one that never did takes nothing away.
    pub has_served: bool,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again, or when the image was found to be pulled.
    pub retry_at: Timestamp,
    /// Why the last try failed.
    pub failure: Option<Reason>,
    /// What it was seen to run, once it runs the image; only its registration is missing then.
    pub runs: Option<Running>,
}

impl Errand {
    pub(super) fn doubt(&mut self) {
        if let Some(orders) = &mut self.orders {
            orders.doubt();
        }
    }

    pub(super) fn orders_mut(&mut self) -> Option<&mut Orders> {
        self.orders.as_mut()
    }

    pub(super) fn wanted(&self, repository: &str) -> Vec<Order> {
        let orders = self.orders.iter();
        orders.flat_map(|it| sends(it, repository, &self.documents, &self.settings)).collect()
    }

    /// Whether its host waits for its repair, and ran something well when it was asked of late.
    pub(crate) fn is_serving(&self, now: Timestamp) -> bool {
        let is_fresh = now.since(self.retry_at) < FRESH;
        self.awaits_repair() && self.found_well && is_fresh
    }

    /// When it is looked at next; never while it waits for a rollout to repair its host.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let next = self.orders.as_ref().map_or(self.retry_at, |orders| orders.watch.next);
        (!self.awaits_repair()).then_some(next)
    }

    /// Whether its host has the image and runs something else, so that a rollout has to change it.
    pub(crate) fn awaits_repair(&self) -> bool {
        let runs = self.found.as_ref().is_some_and(|it| *it != Running::Nothing);
        runs && self.orders.is_none() && self.runs.is_none()
    }

    /// Whether its host is being told something, or is only to be registered.
    pub(crate) fn is_under_way(&self) -> bool {
        self.orders.is_some() || self.runs.is_some()
    }

    /// Whether its host was told to change: what is said of its health may be old.
    pub(crate) fn is_changing(&self) -> bool {
        self.found.is_some() && self.orders.is_some()
    }

    /// Notes that the load balancer did not take the host: its instance does not run.
    pub(super) fn not_registered(&mut self, host: &HostId, now: Timestamp) {
        if self.runs.take().is_some() {
            let text = format!("{host} cannot be registered: its instance does not run");
            self.failed(Reason::new(Code::HOSTS_VANISHED, text), now);
        }
    }

    /// Notes a failed try: again after 5 minutes, doubling up to an hour.
    pub(super) fn failed(&mut self, reason: Reason, now: Timestamp) {
        let gap = Duration::from_mins(5).saturating_mul(1 << self.tries.min(4));
        self.tries = self.tries.saturating_add(1);
        self.found = None;
        self.retry_at = now.after(gap.min(Duration::from_hours(1)));
        self.failure = Some(reason);
        self.orders = None;
    }
}

impl Lane {
    /// Starts, follows and ends errands.
    pub(super) fn run_errands(&mut self, now: Timestamp) {
        self.start_errands(now);
        let hosts: Vec<HostId> = self.errands.keys().cloned().collect();
        for host in hosts {
            let Some(mut errand) = self.errands.remove(&host) else { continue };
            if !self.follow(&host, &mut errand, now) {
                self.errands.insert(host, errand);
            }
        }
    }

    /// Makes an errand for every host of the fleet that nothing is known of.
    fn start_errands(&mut self, now: Timestamp) {
        let Some(fleet) = self.facts.fleet.clone() else { return };
        let known = |host: &HostId| {
            let in_rollout = self.rollout.as_ref().is_some_and(|it| it.hosts.contains_key(host));
            in_rollout || self.hosts.contains_key(host)
        };
        let unknown: Vec<HostId> =
            fleet.hosts.iter().filter(|host| !known(host)).cloned().collect();
        self.send_on_errands(unknown, now);
    }

    /// Makes an errand for every host that drifted, where that is repaired; whether there is one.
    pub(super) fn start_repairs(&mut self, now: Timestamp) -> bool {
        let Some(fleet) = self.facts.fleet.clone() else { return false };
        let repairs = self.settings().is_some_and(|it| it.drift == Drift::Repair);
        if !repairs || self.halted {
            return false;
        }
        let drifted = self.drifted().map(|(host, _)| host);
        let drifted = drifted.filter(|host| fleet.hosts.contains(*host)).cloned().collect();
        self.send_on_errands(drifted, now)
    }

    fn send_on_errands(&mut self, hosts: Vec<HostId>, now: Timestamp) -> bool {
        if hosts.is_empty() {
            return false;
        }
        let (Some(current), Some(fleet), Some(settings)) =
            (&self.current, &self.facts.fleet, self.settings())
        else {
            return false;
        };
        let (image, documents) = (current.image(), fleet.documents.clone());
        let settings = HostSettings::of(settings);
        let mut sent = false;
        for host in hosts {
            if self.errands.contains_key(&host) {
                continue;
            }
            sent = true;
            let errand = Errand {
                image: image.clone(),
                orders: None,
                found: None,
                found_well: false,
                has_served: self.known().has_run(&host),
                documents: documents.clone(),
                settings: settings.clone(),
                tries: 0,
                retry_at: now,
                failure: None,
                runs: None,
            };
            self.errands.insert(host, errand);
        }
        sent
    }

    /// What is configured: by the rollout's snapshot, else by what was just read.
    pub(super) fn settings(&self) -> Option<&Arc<EnvironmentConfiguration>> {
        match (&self.rollout, &self.facts.configured) {
            (Some(rollout), _) => Some(&rollout.settings),
            (None, Some(Ok(settings))) => Some(settings),
            (None, Some(Err(_)) | None) => None,
        }
    }

    /// Moves one errand on; true once it is over.
    fn follow(&mut self, host: &HostId, errand: &mut Errand, now: Timestamp) -> bool {
        if let Some(running) = &errand.runs {
            let registered = !self.owed.contains_key(host);
            if registered {
                self.joined(host, running.clone(), now);
            }
            return registered;
        }
        if self.is_repairing(host) {
            return false;
        }
        let absent = self.facts.fleet.as_ref().is_some_and(|it| !it.hosts.contains(host));
        let is_old = self.current.as_ref().is_some_and(|it| it.image() != errand.image);
        let renews = self.settings().is_some_and(|it| !it.secrets.is_empty());
        let mut cx = self.context(now);
        let Some(orders) = &mut errand.orders else {
            if absent {
                return true;
            }
            if is_old || (now >= errand.retry_at && !errand.awaits_repair()) {
                return self.give_order(host, errand, now);
            }
            return false;
        };
        if !cx.listen(orders) {
            return false;
        }
        if orders.heard.get(host) == Some(&Heard::Gone) {
            return true;
        }
        if errand.found.is_none() {
            match orders.fetched(host) {
                Ok(found) => {
                    let runs = orders.runs_well(host).filter(|_| !renews).cloned();
                    (errand.found, errand.runs) = (Some(found), runs);
                    errand.has_served |=
                        errand.found.as_ref().is_some_and(|it| *it != Running::Nothing);
                    errand.found_well = orders.is_well(host);
                    (errand.orders, errand.retry_at) = (None, now);
                }
                Err(reason) => errand.failed(reason, now),
            }
            return self.follow(host, errand, now);
        }
        match orders.verdict(host).map(|answer| answer.now.clone()) {
            Ok(running) => {
                errand.orders = None;
                errand.runs = Some(running);
                self.follow(host, errand, now)
            }
            Err(reason) => {
                errand.failed(reason, now);
                false
            }
        }
    }

    /// Tells a host what is next on its errand: to pull the image, or to run it where nothing
    /// runs. Never the end of the errand.
    fn give_order(&mut self, host: &HostId, errand: &mut Errand, now: Timestamp) -> bool {
        // What runs may have moved on since the last try.
        if let Some(image) = self.current.as_ref().map(Release::image)
            && image != errand.image
        {
            (errand.image, errand.found) = (image, None);
        }
        let changes = errand.found.is_some();
        let verb = if changes { Verb::Activate } else { Verb::Prefetch };
        let told = [(host.clone(), errand.image.clone())];
        let fence = self.context(now).fence();
        errand.orders = Some(Orders::new(verb, fence, now, OnHostFailure::Leave, told));
        false
    }

    /// Whether the active rollout repairs this host.
    fn is_repairing(&self, host: &HostId) -> bool {
        let repair = self.rollout.as_ref().filter(|it| it.cause == Cause::Repair);
        repair.is_some_and(|it| it.hosts.contains_key(host))
    }

    /// The hosts that a rollout is to repair now: one that failed before is tried by itself, so
    /// that it keeps no other from being repaired.
    pub(super) fn to_repair(&self) -> BTreeSet<HostId> {
        let ready = self.errands.iter().filter(|(_, errand)| errand.awaits_repair());
        let (first, again): (Vec<_>, Vec<_>) = ready.partition(|(_, errand)| errand.tries == 0);
        let hosts = if first.is_empty() { again.into_iter().take(1).collect() } else { first };
        hosts.into_iter().map(|(host, _)| host.clone()).collect()
    }

    /// Starts a rollout of the hosts that are to be repaired; whether it did.
    pub(super) fn start_repair(&mut self, now: Timestamp) -> bool {
        let idle = self.asked.is_none() && self.inspection.is_none() && !self.halted;
        let idle = idle && self.due.is_empty();
        let (Some(release), Some(sources), Some(Ok(settings)), Some(fleet)) = (
            self.current.clone().filter(|_| idle && !self.to_repair().is_empty()),
            self.facts.sources.clone(),
            self.facts.configured.clone(),
            self.facts.fleet.clone(),
        ) else {
            return false;
        };
        let unseen = settings.target_groups.is_empty() && now.since(self.inspected_at) >= FRESH;
        let known =
            |host: &HostId| self.hosts.contains_key(host) && !self.errands.contains_key(host);
        if unseen && fleet.hosts.iter().any(known) {
            // Nothing else tells how the others are, which serve while this one does not.
            self.inspected_at = Timestamp::default();
            return false;
        }
        let (cause, actor) = (Cause::Repair, String::new());
        let asked = Asked { release, cause, actor, overriding: None, at: now };
        self.start(asked, sources, settings, &fleet, now)
    }

    /// Ends a repair that has changed nothing yet where a person has asked for something.
    pub(super) fn make_way(&self, repair: &mut Rollout, now: Timestamp) {
        let Some(asked) = self.asked.as_ref().filter(|_| repair.end().is_none()) else { return };
        if repair.hosts.values().any(HostRun::was_touched) {
            return;
        }
        let text = format!("the repair makes way for the {} to {}", asked.cause, asked.release);
        repair.finish(End::Superseded, Reason::new(Code::RELEASE_SUPERSEDED, text), now);
    }

    /// Takes the consequences of a repair's end: what could not be repaired is tried again later.
    pub(super) fn end_repair(
        &mut self,
        rollout: &Rollout,
        end: End,
        reason: &Reason,
        now: Timestamp,
    ) {
        if end == End::Superseded {
            return;
        }
        for (host, run) in &rollout.hosts {
            let left_out = match &run.progress {
                Progress::Skipped(why) if !run.is_vanished() => Some(why),
                Progress::Skipped(_) => None,
                Progress::Waiting
                | Progress::Touched
                | Progress::Done
                | Progress::Failed(_)
                | Progress::Restored
                | Progress::Lost(_) => Some(reason).filter(|_| end != End::Succeeded),
            };
            let Some(why) = left_out else {
                self.errands.remove(host);
                continue;
            };
            if let Some(errand) = self.errands.get_mut(host) {
                errand.failed(why.clone(), now);
            }
        }
    }

    /// Records a host that runs `current`. If `current` has moved on meanwhile, nothing is known of
    /// the host, and the next look at the fleet sends it on its way again.
    fn joined(&mut self, host: &HostId, running: Running, now: Timestamp) {
        self.hosts.remove(host);
        if self.current.as_ref().is_some_and(|release| running.is(&release.digest)) {
            self.hosts.insert(host.clone(), HostRecord { running, is_well: true, seen_at: now });
        }
    }

    /// Lets hosts that have joined since a rollout began change with its last wave.
    pub(super) fn admit_joined(&self, rollout: &mut Rollout, now: Timestamp) {
        let open = matches!(rollout.phase, Phase::Choosing { .. } | Phase::Verifying(_));
        let Some(fleet) = &self.facts.fleet else { return };
        if !rollout.is_forward() || !open || rollout.cause == Cause::Repair {
            return;
        }
        for id in &fleet.hosts {
            let ready = self.current.is_none() || self.hosts.contains_key(id);
            if ready && !rollout.hosts.contains_key(id) && !self.errands.contains_key(id) {
                rollout.hosts.insert(id.clone(), self.met(id));
                rollout.note(now, format!("{id} has joined, and changes last"));
            }
        }
    }
}
