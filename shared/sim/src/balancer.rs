//! A load balancer: registration, draining, and health that lags behind the truth.

use std::time::Duration;

use esclusa_core::configuration::TargetGroup;
use esclusa_core::name::HostId;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{Health, SeenTarget, Target};

use crate::world::{World, say};

/// A target that is registered or draining.
#[derive(Clone, Debug)]
pub(crate) struct SimTarget {
    pub(crate) target: Target,
    pub(crate) health: Health,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
    /// Since when its checks say something else; nothing while they agree.
    doubted_since: Option<Timestamp>,
    drains_until: Option<Timestamp>,
}

impl World {
    /// Registers targets; one that is draining comes back.
    pub(crate) fn register(&mut self, targets: &[Target]) -> Vec<Target> {
        self.stir();
        let mut refused = Vec::new();
        for target in targets {
            let host = self.hosts.get(&target.host);
            if !host.is_some_and(|host| host.alive && host.off_until <= self.now) {
                say!(self, "{} does not run and is not registered", target.host);
                refused.push(target.clone());
                continue;
            }
            say!(self, "register {} on {}", target.host, target.port);
            let draining = |it: &SimTarget| it.target == *target && it.drains_until.is_some();
            self.targets.retain(|it| !draining(it));
            if self.targets.iter().any(|it| it.target == *target) {
                continue;
            }
            let unused = self.unused.as_ref() == Some(&target.group);
            self.targets.push(SimTarget {
                target: target.clone(),
                health: if unused { Health::Unused } else { Health::Initial },
                since: self.now,
                doubted_since: Some(self.now),
                drains_until: None,
            });
        }
        refused
    }

    /// Starts draining targets.
    pub(crate) fn deregister(&mut self, targets: &[Target]) {
        self.stir();
        let until = self.now.after(self.group.deregistration_delay);
        for target in targets {
            say!(self, "deregister {} from {}", target.host, target.port);
            for it in self.targets.iter_mut().filter(|it| it.target == *target) {
                it.health = Health::Draining;
                it.drains_until.get_or_insert(until);
            }
        }
    }

    /// The targets of a group as the load balancer describes them.
    pub(crate) fn described(&self, group: &TargetGroup) -> Vec<SeenTarget> {
        let targets = self.targets.iter().filter(|it| it.target.group == *group);
        targets
            .map(|it| SeenTarget {
                target: it.target.clone(),
                health: self.health_of(it),
                reason: String::new(),
            })
            .collect()
    }

    /// A registered target whose instance does not run is told apart at once.
    fn health_of(&self, it: &SimTarget) -> Health {
        let host = self.hosts.get(&it.target.host);
        let stopped = host.is_none_or(|host| !host.alive || host.stopped_until > self.now);
        if stopped && it.drains_until.is_none() { Health::Stopped } else { it.health }
    }

    /// How long a target's checks must say something else before its health changes: one passed
    /// check makes a new one healthy, two failed ones take a healthy one out, two passed ones bring
    /// it back.
    fn patience(&self, it: &SimTarget, passes: bool) -> Duration {
        let checks = if it.health == Health::Initial && passes { 1 } else { 2 };
        self.group.interval.saturating_mul(checks)
    }

    /// Lets time pass for every target.
    pub(crate) fn run_targets(&mut self) {
        let now = self.now;
        self.targets.retain(|it| it.drains_until.is_none_or(|until| now < until));
        let mut targets = std::mem::take(&mut self.targets);
        for it in &mut targets {
            let passes = self.passes(&it.target.host);
            let Some(other) = other(it.health, passes) else {
                it.doubted_since = None;
                continue;
            };
            let since = *it.doubted_since.get_or_insert(now);
            if now.since(since) >= self.patience(it, passes) {
                (it.health, it.since, it.doubted_since) = (other, now, None);
            }
        }
        self.targets = targets;
    }

    /// When a target's state changes next, as things are.
    pub(crate) fn next_target_change(&self) -> Option<Timestamp> {
        let next = |it: &SimTarget| {
            let passes = self.passes(&it.target.host);
            let doubted = other(it.health, passes)
                .map(|_| it.doubted_since.unwrap_or(self.now).after(self.patience(it, passes)));
            let turns = self.turns_at(&it.target.host);
            doubted.into_iter().chain(it.drains_until).chain(turns).min()
        };
        self.targets.iter().filter_map(next).min()
    }

    /// Whether a host takes traffic: by its targets where there are any, else by its containers.
    pub(crate) fn serves(&self, id: &HostId) -> bool {
        let healthy = |group: &TargetGroup| {
            self.targets.iter().any(|it| {
                it.target.group == *group && it.target.host == *id && it.health == Health::Healthy
            })
        };
        self.is_serving(id) && self.groups.iter().all(healthy)
    }

    /// Since when a host takes traffic, if it does: by the load balancer, else by its containers.
    pub(crate) fn in_since(&self, id: &HostId) -> Option<Timestamp> {
        let known = self.targets.iter().filter(|it| it.target.host == *id).map(|it| it.since).max();
        let started = self.hosts.get(id).map(|host| host.engine.started_at());
        known.or(started).filter(|_| self.serves(id))
    }

    /// Since when the load balancer has known that a host is out of service in some group.
    pub(crate) fn out_since(&self, id: &HostId) -> Option<Timestamp> {
        let mut targets = self.targets.iter().filter(|it| it.target.host == *id);
        targets.find(|it| it.health == Health::Unhealthy).map(|it| it.since)
    }
}

/// The health that checks which pass, or fail, lead to, if it is another one.
fn other(health: Health, passes: bool) -> Option<Health> {
    match (health, passes) {
        (Health::Initial | Health::Unhealthy, true) => Some(Health::Healthy),
        (Health::Initial | Health::Healthy, false) => Some(Health::Unhealthy),
        (Health::Healthy, true)
        | (Health::Unhealthy, false)
        | (Health::Draining | Health::Unused | Health::Stopped | Health::Unavailable, _) => None,
    }
}
