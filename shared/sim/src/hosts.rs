//! A host as the scripts make it behave: fenced, idempotent, honest.

use std::collections::BTreeMap;
use std::time::Duration;

use esclusa_core::name::HostId;
use esclusa_core::observation::HostOrder;
use esclusa_core::order::{Answer, ContainerHealth, Fence, OnHostFailure, PutBack, Verb};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Image, Running};
use esclusa_core::time::Timestamp;

use crate::world::{Behaviour, World};

/// A simulated host.
#[derive(Clone, Debug)]
pub(crate) struct SimHost {
    pub(crate) zone: String,
    pub(crate) alive: bool,
    /// The agent hears nothing until then.
    pub(crate) silent_until: Timestamp,
    pub(crate) running: Running,
    /// Containers are being replaced until then.
    pub(crate) changing_until: Timestamp,
    pub(crate) fence: Option<Fence>,
    /// The answer of the last finished activation, by its fence: a host keeps no more.
    pub(crate) answers: BTreeMap<Fence, Answer>,
}

impl SimHost {
    pub(crate) fn new(zone: &str, running: Running) -> Self {
        Self {
            zone: zone.to_owned(),
            alive: true,
            silent_until: Timestamp::default(),
            running,
            changing_until: Timestamp::default(),
            fence: None,
            answers: BTreeMap::new(),
        }
    }
}

impl World {
    fn behaviour(&self, running: &Running) -> Option<Behaviour> {
        match running {
            Running::Digest(digest) => self.images.get(digest).map(|(_, behaviour)| *behaviour),
            Running::Local(_) => Some(Behaviour::Good),
            Running::Nothing | Running::Mixed => None,
        }
    }

    /// Whether the containers of a host are well.
    pub(crate) fn is_well(&self, id: &HostId) -> bool {
        self.hosts.get(id).is_some_and(|host| {
            let well = matches!(
                self.behaviour(&host.running),
                Some(Behaviour::Good | Behaviour::FailsTarget)
            );
            host.alive && host.changing_until <= self.now && well
        })
    }

    /// Whether a host would pass the load balancer's check.
    pub(crate) fn passes(&self, id: &HostId) -> bool {
        let running = self.hosts.get(id).map(|host| &host.running);
        self.is_well(id)
            && running.is_some_and(|it| self.behaviour(it) != Some(Behaviour::FailsTarget))
    }

    fn health(&self, id: &HostId) -> ContainerHealth {
        match self.hosts.get(id).map(|host| &host.running) {
            Some(Running::Nothing) | None => ContainerHealth::Absent,
            Some(_) if self.is_well(id) => ContainerHealth::Healthy,
            Some(_) => ContainerHealth::Unhealthy,
        }
    }

    /// Carries an order out on one host, and returns its answer; `took` is how long it takes.
    pub(crate) fn carry_out(
        &mut self,
        id: &HostId,
        order: &HostOrder,
        refused: Option<&'static str>,
        took: Duration,
    ) -> Answer {
        if let Some(code) = refused {
            return self.answer(id, Reason::new(Code::read(code), code), PutBack::NotNeeded, took);
        }
        match order.verb {
            Verb::Inspect => self.answer(id, ok(), PutBack::NotNeeded, took),
            Verb::Prefetch => {
                let missing = matches!(&order.image, Image::Release { digest, .. }
                    if !self.images.contains_key(digest));
                let reason = if missing {
                    Reason::new(Code::RELEASE_NOT_IN_REGISTRY, "manifest unknown")
                } else {
                    ok()
                };
                self.answer(id, reason, PutBack::NotNeeded, took)
            }
            Verb::Activate => self.activate(id, order, took),
        }
    }

    /// Refuses what is late, and raises the fence.
    pub(crate) fn admit(&mut self, id: &HostId, order: &HostOrder) -> Option<&'static str> {
        let now = self.now;
        let host = self.hosts.get_mut(id)?;
        if order.verb == Verb::Inspect {
            return None;
        }
        if host.fence.is_some_and(|fence| fence > order.key.fence) {
            return Some("order.stale");
        }
        if now > order.not_after && !host.answers.contains_key(&order.key.fence) {
            return Some("order.expired");
        }
        host.fence = Some(order.key.fence);
        None
    }

    fn activate(&mut self, id: &HostId, order: &HostOrder, took: Duration) -> Answer {
        let done = self.hosts.get(id).and_then(|host| host.answers.get(&order.key.fence)).cloned();
        if let Some(answer) = done {
            return answer;
        }
        let activation = (id.clone(), order.key.fence.to_string());
        if !self.activations.insert(activation) {
            self.breaks(11, format!("{id} changed twice for the order {}", order.key.fence));
        }
        let before = self.hosts.get(id).map_or(Running::Nothing, |host| host.running.clone());
        let wanted = match &order.image {
            Image::Nothing => Running::Nothing,
            Image::Local(image) => Running::Local(image.clone()),
            Image::Release { digest, .. } => Running::Digest(digest.clone()),
        };
        let good = !matches!(self.behaviour(&wanted), Some(Behaviour::Unhealthy) | None)
            || wanted == Running::Nothing;
        let restores = !good && order.on_failure == OnHostFailure::Restore;
        let put_back = if restores { PutBack::Yes } else { PutBack::No };
        let running = if restores { before.clone() } else { wanted };
        self.say(format!("{id} runs {running} by {} (was {before})", order.key.fence));
        if let Some(host) = self.hosts.get_mut(id) {
            host.running = running;
        }
        let reason = if good {
            ok()
        } else {
            Reason::new(Code::HEALTH_CONTAINER, "the containers did not become healthy")
        };
        let mut answer = self.answer(id, reason, put_back, took);
        answer.before = before;
        if let Some(host) = self.hosts.get_mut(id) {
            host.answers = BTreeMap::from([(order.key.fence, answer.clone())]);
        }
        answer
    }

    fn answer(&self, id: &HostId, reason: Reason, put_back: PutBack, took: Duration) -> Answer {
        let host = self.hosts.get(id);
        let running = host.map_or(Running::Nothing, |host| host.running.clone());
        Answer {
            reason,
            fence: host.and_then(|host| host.fence),
            before: running.clone(),
            now: running,
            health: self.health(id),
            finished: true,
            put_back,
            warnings: Vec::new(),
            took,
        }
    }
}

fn ok() -> Reason {
    Reason::new(Code::OK, "ok")
}
