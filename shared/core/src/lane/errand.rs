//! One host brought to the lane's `current`, outside any rollout: a join.
//!
//! It runs beside an active rollout and heeds no hold, freeze, gate or quarantine: the host only
//! gets what every other one already runs.

use std::time::Duration;

use super::{HostRecord, Lane};
use crate::configuration::Configuration;
use crate::name::HostId;
use crate::observation::{Documents, HostSettings, Order};
use crate::order::{Heard, OnHostFailure, Orders, Verb};
use crate::reason::Reason;
use crate::release::{Image, Running};
use crate::rollout::{Context, Phase, Rollout, sends};
use crate::time::Timestamp;

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
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again.
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

    pub(super) fn wake_at(&self) -> Timestamp {
        self.orders.as_ref().map_or(self.retry_at, |orders| orders.watch.next)
    }

    /// Notes a failed try: again after 5 minutes, doubling up to an hour.
    fn failed(&mut self, reason: Reason, now: Timestamp) {
        let gap = Duration::from_mins(5).saturating_mul(1 << self.tries.min(4));
        self.tries = self.tries.saturating_add(1);
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
        let (Some(current), Some(fleet)) = (self.current.clone(), self.facts.fleet.clone()) else {
            return;
        };
        let Some(settings) = self.host_settings() else { return };
        for host in fleet.hosts.into_keys() {
            let in_rollout = self.rollout.as_ref().is_some_and(|it| it.hosts.contains_key(&host));
            if in_rollout || self.hosts.contains_key(&host) || self.errands.contains_key(&host) {
                continue;
            }
            let errand = Errand {
                image: current.image(),
                orders: None,
                documents: fleet.documents.clone(),
                settings: settings.clone(),
                tries: 0,
                retry_at: now,
                failure: None,
                runs: None,
            };
            self.errands.insert(host, errand);
        }
    }

    /// What hosts are told: by the rollout's snapshot, else by the configuration just read.
    fn host_settings(&self) -> Option<HostSettings> {
        if let Some(rollout) = &self.rollout {
            return Some(HostSettings::of(&rollout.settings));
        }
        let sources = self.facts.sources.as_ref()?;
        let (service, defaults) = (sources.service.as_deref(), sources.defaults.as_deref());
        let read = Configuration::read(service, defaults).ok()?;
        read.environments.get(&self.id.environment).map(HostSettings::of)
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
        let absent = self.facts.fleet.as_ref().is_some_and(|it| !it.hosts.contains_key(host));
        let mut cx = Context {
            now,
            facts: &self.facts,
            due: &mut self.due,
            epoch: self.epoch,
            generation: &mut self.generation,
        };
        let Some(orders) = &mut errand.orders else {
            if absent {
                return true;
            }
            if now >= errand.retry_at {
                let told = [(host.clone(), errand.image.clone())];
                let (fence, leave) = (cx.fence(), OnHostFailure::Leave);
                errand.orders = Some(Orders::new(Verb::Activate, fence, now, leave, told));
            }
            return false;
        };
        if !cx.listen(orders) {
            return false;
        }
        if orders.heard.get(host) == Some(&Heard::Gone) {
            return true;
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

    /// Records a host that runs `current`. If `current` has moved on meanwhile, the host stays
    /// unknown, and the next look at the fleet sends it on its way again.
    fn joined(&mut self, host: &HostId, running: Running, now: Timestamp) {
        if self.current.as_ref().is_some_and(|release| running.is(&release.digest)) {
            self.hosts.insert(host.clone(), HostRecord { running, seen_at: now });
        }
    }

    /// Lets hosts that have joined since a rollout began change with its last wave.
    pub(super) fn admit_joined(&self, rollout: &mut Rollout, now: Timestamp) {
        let open = matches!(rollout.phase, Phase::Choosing { .. } | Phase::Verifying(_));
        let Some(fleet) = &self.facts.fleet else { return };
        if !rollout.is_forward() || !open {
            return;
        }
        for (id, host) in &fleet.hosts {
            let ready = self.current.is_none() || self.hosts.contains_key(id);
            if ready && !rollout.hosts.contains_key(id) && !self.errands.contains_key(id) {
                rollout.hosts.insert(id.clone(), self.met(host));
                rollout.note(now, format!("{id} has joined, and changes last"));
            }
        }
    }
}
