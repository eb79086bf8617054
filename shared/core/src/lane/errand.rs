//! One host brought to the lane's `current`, outside any rollout: a join.
//!
//! It runs beside an active rollout and heeds no hold, freeze, gate or quarantine: the host only
//! gets what every other one already runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{HostRecord, Lane};
use crate::configuration::{Drift, EnvironmentConfiguration};
use crate::name::HostId;
use crate::observation::{Documents, HostSettings, Order};
use crate::order::{Heard, OnHostFailure, Orders, Verb};
use crate::reason::{Code, Reason};
use crate::release::{Image, Release, Running};
use crate::rollout::{Context, Phase, Rollout, sends};
use crate::time::Timestamp;
use crate::traffic::Health;

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
    /// Whether the host has the image: it is pulled before anything changes.
    pub fetched: bool,
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

    /// Whether its host is being told something, or is only to be registered.
    pub(crate) fn is_under_way(&self) -> bool {
        self.orders.is_some() || self.runs.is_some()
    }

    /// Whether its host was told to change: what is said of its health may be old.
    pub(crate) fn is_changing(&self) -> bool {
        self.fetched && self.orders.is_some()
    }

    /// Notes that the load balancer did not take the host: its instance does not run.
    pub(super) fn not_registered(&mut self, host: &HostId, now: Timestamp) {
        if self.runs.take().is_some() {
            let text = format!("{host} cannot be registered: its instance does not run");
            self.failed(Reason::new(Code::HOSTS_VANISHED, text), now);
        }
    }

    /// Notes a failed try: again after 5 minutes, doubling up to an hour.
    fn failed(&mut self, reason: Reason, now: Timestamp) {
        let gap = Duration::from_mins(5).saturating_mul(1 << self.tries.min(4));
        self.tries = self.tries.saturating_add(1);
        self.fetched = false;
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
            fleet.hosts.keys().filter(|host| !known(host)).cloned().collect();
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
        let drifted = drifted.filter(|host| fleet.hosts.contains_key(host)).cloned().collect();
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
                fetched: false,
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
        let absent = self.facts.fleet.as_ref().is_some_and(|it| !it.hosts.contains_key(host));
        let mut cx = self.context(now);
        let Some(orders) = &mut errand.orders else {
            if absent {
                return true;
            }
            if now >= errand.retry_at {
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
        if !errand.fetched {
            match orders.fetched(host) {
                Ok(()) => (errand.fetched, errand.orders, errand.retry_at) = (true, None, now),
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

    /// Tells a host what is next on its errand: to pull the image, or, where it can be spared, to
    /// change. Never the end of the errand.
    fn give_order(&mut self, host: &HostId, errand: &mut Errand, now: Timestamp) -> bool {
        // What runs may have moved on since the last try.
        if let Some(image) = self.current.as_ref().map(Release::image)
            && image != errand.image
        {
            (errand.image, errand.fetched) = (image, false);
        }
        let Some(settings) = self.settings().cloned() else { return false };
        let changing = self.errands.iter().filter(|(_, errand)| errand.is_changing());
        let changing = changing.map(|(host, _)| host);
        let changing = changing.chain(self.rollout.iter().flat_map(Rollout::changing));
        let changing: BTreeSet<HostId> = changing.cloned().collect();
        let mut cx = self.context(now);
        if errand.fetched {
            match can_spare(host, &changing, &settings, &mut cx) {
                Some(true) => {}
                Some(false) => {
                    let text = format!("{host} cannot be taken out of service: too few serve");
                    errand.failed(Reason::new(Code::HOSTS_FLOOR, text), now);
                    return false;
                }
                None => return false,
            }
        }
        let verb = if errand.fetched { Verb::Activate } else { Verb::Prefetch };
        let told = [(host.clone(), errand.image.clone())];
        let mut orders = Orders::new(verb, cx.fence(), now, OnHostFailure::Leave, told);
        // A host that a restart left out has the image, and what its secrets were before.
        orders.recreate = errand.fetched && !settings.secrets.is_empty();
        errand.orders = Some(orders);
        false
    }

    /// Records a host that runs `current`. If `current` has moved on meanwhile, nothing is known of
    /// the host, and the next look at the fleet sends it on its way again.
    fn joined(&mut self, host: &HostId, running: Running, now: Timestamp) {
        self.hosts.remove(host);
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

/// Whether a host may change now without the floor's being broken; nothing until that can be seen.
///
/// A host that takes no traffic can always be spared. Without target groups nothing tells, so no
/// more change at once than could be spared if all of them served, and one in any case.
fn can_spare(
    host: &HostId,
    changing: &BTreeSet<HostId>,
    settings: &EnvironmentConfiguration,
    cx: &mut Context<'_>,
) -> Option<bool> {
    let fleet = cx.fleet()?.hosts.len();
    let floor = settings.min_in_service.floor(fleet);
    if fleet < 2 {
        return Some(true);
    }
    if settings.target_groups.is_empty() {
        let headroom = fleet.saturating_sub(floor).max(1);
        return Some(changing.len() < headroom);
    }
    let targets = cx.targets(&settings.target_groups)?;
    Some(settings.target_groups.iter().all(|group| {
        let healthy = targets.iter().filter(|it| {
            it.target.group == *group
                && it.health == Health::Healthy
                && !changing.contains(&it.target.host)
        });
        let serving: BTreeSet<&HostId> = healthy.map(|it| &it.target.host).collect();
        !serving.contains(host) || serving.len() > floor
    }))
}
