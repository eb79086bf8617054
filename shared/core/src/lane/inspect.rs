//! Looking for drift: every hour the hosts of an idle lane are asked what they run.

use std::time::Duration;

use super::{Blocker, HostRecord, Lane};
use crate::name::HostId;
use crate::observation::{Documents, HostSettings, Order};
use crate::order::{ContainerHealth, Heard, OnHostFailure, Orders, Verb};
use crate::reason::Code;
use crate::release::{Image, Running};
use crate::rollout::sends;
use crate::time::Timestamp;

/// How often the hosts of an idle lane are asked what they run.
const EVERY: Duration = Duration::from_hours(1);

/// When they are asked again where one gave no answer, or none that can be read.
const AGAIN: Duration = Duration::from_mins(10);

/// How long a host that SSM does not list any more is remembered.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(14 * 24);

/// Every host is asked what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The questions.
    pub orders: Orders,
    /// The documents that they pin.
    pub documents: Documents,
    /// What the hosts are told beside.
    pub settings: HostSettings,
}

impl Inspection {
    pub(super) fn wanted(&self, repository: &str) -> Vec<Order> {
        sends(&self.orders, repository, &self.documents, &self.settings)
    }
}

impl Lane {
    /// The hosts that were last seen to run something else than `current`.
    pub fn drifted(&self) -> impl Iterator<Item = (&HostId, &Running)> {
        let current = self.current.as_ref().map(|release| &release.digest);
        self.hosts
            .iter()
            .filter(move |(_, it)| current.is_some_and(|digest| !it.running.is(digest)))
            .map(|(host, it)| (host, &it.running))
    }

    /// Starts, follows and ends an inspection of an idle lane; whether one has just ended.
    pub(super) fn inspect(&mut self, now: Timestamp) -> bool {
        self.forget_hosts(now);
        let Some(mut inspection) = self.inspection.take() else {
            self.start_inspection(now);
            return false;
        };
        let is_over = self.hear_inspection(&mut inspection.orders, now);
        if !is_over {
            self.inspection = Some(inspection);
        }
        is_over
    }

    fn start_inspection(&mut self, now: Timestamp) {
        let (Some(fleet), Some(settings)) = (&self.facts.fleet, self.settings()) else { return };
        let settings = HostSettings::of(settings);
        let idle = self.asked.is_none();
        let first = self.current.is_none();
        if (first && !self.kept_back_unseen()) || !idle || now.since(self.inspected_at) < EVERY {
            return;
        }
        let known = |host: &HostId| {
            (first || self.hosts.contains_key(host)) && !self.errands.contains_key(host)
        };
        let hosts = fleet.hosts.iter().filter(|host| known(host));
        let hosts: Vec<_> = hosts.map(|host| (host.clone(), Image::Nothing)).collect();
        if hosts.is_empty() {
            return;
        }
        let documents = fleet.documents.clone();
        self.inspected_at = now;
        let fence = self.context(now).fence();
        let orders = Orders::new(Verb::Inspect, fence, now, OnHostFailure::Leave, hosts);
        self.inspection = Some(Inspection { orders, documents, settings });
    }

    /// Makes way for a change: an inspection whose answers nobody waits for is due again.
    pub(super) fn drop_inspection(&mut self) {
        if self.inspection.take().is_some() {
            self.inspected_at = Timestamp::default();
        }
    }

    /// Whether a scan keeps a first release back that may be judged by images which no host runs:
    /// no host was ever asked for its platform.
    fn kept_back_unseen(&self) -> bool {
        let of_scans = [Code::GATE_SCAN_PENDING, Code::GATE_SCAN_BLOCKED, Code::GATE_SCAN_MISSING];
        let scan = |it: &Blocker| of_scans.contains(&it.reason.code);
        self.blocker.as_ref().is_some_and(scan) && self.platforms.values().any(Option::is_none)
    }

    fn hear_inspection(&mut self, orders: &mut Orders, now: Timestamp) -> bool {
        let mut cx = self.context(now);
        if !cx.listen(orders) {
            return false;
        }
        let unheard = |heard: &Heard| matches!(heard, Heard::Unclear(_) | Heard::Silent);
        if orders.heard.values().any(unheard) {
            self.inspected_at = now.before(EVERY.saturating_sub(AGAIN));
        }
        for (host, heard) in &orders.heard {
            // A silent host is as it was; the next rollout finds out whether it can be reached.
            if let (Heard::Answered(answer), Some(record)) = (heard, self.hosts.get_mut(host))
                && answer.is_ok()
            {
                let is_well = answer.health == ContainerHealth::Healthy;
                *record = HostRecord { running: answer.now.clone(), is_well, seen_at: orders.made };
            }
        }
        true
    }

    /// Lets go of hosts that have not been listed for a long time.
    fn forget_hosts(&mut self, now: Timestamp) {
        let Some(fleet) = &self.facts.fleet else { return };
        self.hosts.retain(|host, record| {
            fleet.hosts.contains(host) || now.since(record.seen_at) < FORGOTTEN_AFTER
        });
        let Self { hosts, lost, .. } = self;
        lost.retain(|host, last| {
            let there = fleet.hosts.contains(host) || now.since(last.since) < FORGOTTEN_AFTER;
            let asked = hosts.get(host).is_some_and(|record| record.seen_at > last.since);
            there && !asked
        });
    }
}
