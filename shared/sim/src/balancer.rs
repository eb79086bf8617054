//! A load balancer: registration, draining, and health that lags behind the truth.

use std::time::Duration;

use esclusa_core::configuration::TargetGroup;
use esclusa_core::name::HostId;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{Health, SeenTarget, Target};

use crate::world::World;

/// A target that is registered or draining.
#[derive(Clone, Debug)]
pub(crate) struct SimTarget {
    pub(crate) target: Target,
    pub(crate) health: Health,
    /// Since when it is in this state, or would be in another one.
    since: Timestamp,
    drains_until: Option<Timestamp>,
}

impl World {
    /// Registers targets; one that is draining comes back.
    pub(crate) fn register(&mut self, targets: &[Target]) {
        for target in targets {
            self.say(format!("register {}", target.host));
            let draining = |it: &SimTarget| it.target == *target && it.drains_until.is_some();
            self.targets.retain(|it| !draining(it));
            if !self.targets.iter().any(|it| it.target == *target) {
                let (target, health, since) = (target.clone(), Health::Initial, self.now);
                self.targets.push(SimTarget { target, health, since, drains_until: None });
            }
        }
    }

    /// Starts draining targets.
    pub(crate) fn deregister(&mut self, targets: &[Target]) {
        let until = self.now.after(self.group.deregistration_delay);
        for target in targets {
            self.say(format!("deregister {}", target.host));
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
                health: it.health,
                reason: String::new(),
            })
            .collect()
    }

    /// Lets time pass for every target: one passed check makes a new one healthy, two failed ones
    /// take a healthy one out, two passed ones bring it back.
    pub(crate) fn run_targets(&mut self) {
        let now = self.now;
        self.targets.retain(|it| it.drains_until.is_none_or(|until| now < until));
        let mut targets = std::mem::take(&mut self.targets);
        for it in &mut targets {
            let passes = self.passes(&it.target.host);
            let steady = matches!(
                (it.health, passes),
                (Health::Healthy, true) | (Health::Unhealthy, false) | (Health::Draining, _)
            );
            if steady {
                it.since = now;
                continue;
            }
            let checks = if it.health == Health::Initial && passes { 1 } else { 2 };
            let span: Duration = self.group.interval.saturating_mul(checks);
            if now.since(it.since) >= span {
                it.health = if passes { Health::Healthy } else { Health::Unhealthy };
                it.since = now;
            }
        }
        self.targets = targets;
    }

    /// Whether a target's state is not what its host deserves.
    pub(crate) fn targets_change(&self) -> bool {
        self.targets.iter().any(|it| {
            let passes = self.passes(&it.target.host);
            !matches!((it.health, passes), (Health::Healthy, true) | (Health::Unhealthy, false))
        })
    }

    /// Whether a host takes traffic: by its target where there are any, else by its containers.
    pub(crate) fn serves(&self, id: &HostId) -> bool {
        if self.targets.is_empty() && !self.balanced() {
            return self.is_well(id);
        }
        let healthy = |it: &&SimTarget| it.target.host == *id && it.health == Health::Healthy;
        self.targets.iter().any(|it| healthy(&it)) && self.is_well(id)
    }

    /// Whether the service is behind a load balancer.
    pub(crate) fn balanced(&self) -> bool {
        self.sources.service.as_ref().is_some_and(|text| text.contains("target_groups"))
    }
}
