//! A host as the scripts make it behave: fenced, idempotent, honest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::name::HostId;
use esclusa_core::observation::HostOrder;
use esclusa_core::order::{Answer, ContainerHealth, Fence, OnHostFailure, PutBack, Verb};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Image, Running};
use esclusa_core::time::Timestamp;

use crate::world::{Behaviour, World, say};

/// How long an image that fails later passes the load balancer's check.
const FAILS_AFTER: Duration = Duration::from_secs(45);

/// How far a host's clock may be off.
pub(crate) const SKEW: Duration = Duration::from_secs(2);

/// A simulated host.
#[derive(Clone, Debug)]
pub(crate) struct SimHost {
    pub(crate) zone: String,
    pub(crate) alive: bool,
    /// The agent hears nothing until then.
    pub(crate) silent_until: Timestamp,
    /// The machine is off until then; its containers come back with it.
    pub(crate) off_until: Timestamp,
    pub(crate) running: Running,
    /// Containers are being replaced until then.
    pub(crate) changing_until: Timestamp,
    /// An order holds the service's lock until then; others wait for it.
    pub(crate) locked_until: Timestamp,
    /// Since when it runs what it runs.
    pub(crate) runs_since: Timestamp,
    pub(crate) fence: Option<Fence>,
    /// The answer of the last finished activation, by its fence: a host keeps no more.
    pub(crate) answers: BTreeMap<Fence, Answer>,
    /// What ran before each activation, and whether it was well.
    pub(crate) snapshots: BTreeMap<Fence, (Running, bool)>,
    /// The images that it has pulled.
    pub(crate) has: BTreeSet<Digest>,
    /// Images that never become healthy on it, whatever they do elsewhere.
    pub(crate) ails: BTreeSet<Digest>,
}

impl SimHost {
    pub(crate) fn new(zone: &str, running: Running) -> Self {
        let has = match &running {
            Running::Digest(digest) => BTreeSet::from([digest.clone()]),
            Running::Nothing | Running::Local(_) | Running::Mixed => BTreeSet::new(),
        };
        Self {
            zone: zone.to_owned(),
            alive: true,
            silent_until: Timestamp::default(),
            off_until: Timestamp::default(),
            running,
            changing_until: Timestamp::default(),
            locked_until: Timestamp::default(),
            runs_since: Timestamp::default(),
            fence: None,
            answers: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            has,
            ails: BTreeSet::new(),
        }
    }
}

impl SimHost {
    /// When it can begin an order.
    pub(crate) fn free_at(&self, verb: Verb) -> Timestamp {
        match verb {
            Verb::Inspect => self.silent_until,
            Verb::Prefetch | Verb::Activate => self.silent_until.max(self.locked_until),
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

    /// Whether a host's containers become healthy with this.
    pub(crate) fn starts(&self, host: &SimHost, running: &Running) -> bool {
        let ails = host.ails.iter().any(|digest| running.is(digest));
        !ails && self.behaviour(running).is_some_and(Behaviour::starts)
    }

    /// Whether a host has an image, or can pull it.
    fn can_have(&self, id: &HostId, image: &Image) -> bool {
        let host = self.hosts.get(id);
        let before = |fence| host.and_then(|host| host.snapshots.get(fence));
        let digest = match image {
            Image::Release { digest, .. } => digest,
            Image::Snapshot { before: fence, .. } => match before(fence) {
                Some((Running::Digest(digest), _)) => digest,
                _ => return true,
            },
            Image::Nothing | Image::Local(_) => return true,
        };
        let has = self.hosts.get(id).is_some_and(|host| host.has.contains(digest));
        let missing =
            self.images.get(digest).is_none_or(|(_, behaviour)| *behaviour == Behaviour::Missing);
        has || !(missing || self.withdrawn.contains_key(digest))
    }

    /// Whether the containers of a host are well.
    pub(crate) fn is_well(&self, id: &HostId) -> bool {
        self.hosts.get(id).is_some_and(|host| self.is_up(host) && self.starts(host, &host.running))
    }

    fn is_up(&self, host: &SimHost) -> bool {
        host.alive && host.off_until <= self.now && host.changing_until <= self.now
    }

    /// Whether a host would pass the load balancer's check.
    pub(crate) fn passes(&self, id: &HostId) -> bool {
        self.hosts.get(id).is_some_and(|host| {
            let well = self.is_up(host) && self.starts(host, &host.running);
            well && match self.behaviour(&host.running) {
                Some(Behaviour::FailsTarget) => false,
                Some(Behaviour::FailsLater) => host.runs_since.after(FAILS_AFTER) > self.now,
                _ => true,
            }
        })
    }

    /// When a host that passes the load balancer's check stops doing so.
    pub(crate) fn fails_at(&self, id: &HostId) -> Option<Timestamp> {
        let host = self.hosts.get(id)?;
        let later = self.behaviour(&host.running) == Some(Behaviour::FailsLater);
        let at = host.runs_since.after(FAILS_AFTER);
        (later && at > self.now).then_some(at)
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
                let behaviour = match &order.image {
                    Image::Release { digest, .. } => self.images.get(digest).map(|it| it.1),
                    Image::Nothing | Image::Local(_) | Image::Snapshot { .. } => {
                        Some(Behaviour::Good)
                    }
                };
                let reason = if self.can_have(id, &order.image) {
                    self.pulled(id, &order.image);
                    ok()
                } else {
                    missing()
                };
                let mut answer = self.answer(id, reason, PutBack::NotNeeded, took);
                answer.one_way = behaviour.is_some_and(Behaviour::one_way);
                answer
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
        if now > order.not_after.after(SKEW) && !host.answers.contains_key(&order.key.fence) {
            return Some("order.expired");
        }
        host.fence = Some(order.key.fence);
        None
    }

    fn pulled(&mut self, id: &HostId, image: &Image) {
        if let (Some(host), Image::Release { digest, .. }) = (self.hosts.get_mut(id), image) {
            host.has.insert(digest.clone());
        }
    }

    fn activate(&mut self, id: &HostId, order: &HostOrder, took: Duration) -> Answer {
        let done = self.hosts.get(id).and_then(|host| host.answers.get(&order.key.fence)).cloned();
        if let Some(answer) = done {
            return answer;
        }
        // Where the image cannot be had, what runs is left alone.
        let withdrawn = |digest: &Digest| self.withdrawn.contains_key(digest);
        let gone = matches!(&order.image, Image::Release { digest, .. } if withdrawn(digest))
            || matches!(&order.image, Image::Snapshot { .. });
        if gone && !self.can_have(id, &order.image) {
            let answer = self.answer(id, missing(), PutBack::NotNeeded, took);
            return self.keep(id, order, answer);
        }
        self.pulled(id, &order.image);
        let activation = (id.clone(), order.key.fence.to_string());
        if !self.marks.activations.insert(activation) {
            self.breaks(11, format!("{id} changed twice for the order {}", order.key.fence));
        }
        let before = self.hosts.get(id).map_or(Running::Nothing, |host| host.running.clone());
        let (wanted, was_well) = self.wanted(id, order, &before);
        let good = wanted == Running::Nothing
            || !was_well
            || self.hosts.get(id).is_some_and(|it| self.starts(it, &wanted));
        let restores = !good && order.on_failure == OnHostFailure::Restore;
        let put_back = if restores { PutBack::Yes } else { PutBack::No };
        let running = if restores { before.clone() } else { wanted };
        say!(self, "{id} runs {running} by {} (was {before})", order.key.fence);
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(id) {
            host.running = running;
            host.runs_since = now;
        }
        let reason = if good {
            ok()
        } else {
            Reason::new(Code::HEALTH_CONTAINER, "the containers did not become healthy")
        };
        let mut answer = self.answer(id, reason, put_back, took);
        answer.before = before;
        self.keep(id, order, answer)
    }

    /// What an order has a host run, and whether that was well before; what ran before another
    /// order is
    /// what it found, and nothing changes where that order never began.
    fn wanted(&mut self, id: &HostId, order: &HostOrder, before: &Running) -> (Running, bool) {
        let is_well = self.is_well(id);
        let Some(host) = self.hosts.get_mut(id) else { return (Running::Nothing, true) };
        if let Image::Snapshot { before: fence, .. } = &order.image {
            return host.snapshots.get(fence).cloned().unwrap_or((before.clone(), is_well));
        }
        host.snapshots.entry(order.key.fence).or_insert((before.clone(), is_well));
        let wanted = match &order.image {
            Image::Release { digest, .. } => Running::Digest(digest.clone()),
            Image::Local(image) => Running::Local(image.clone()),
            Image::Nothing | Image::Snapshot { .. } => Running::Nothing,
        };
        (wanted, true)
    }

    /// Keeps an order's last word, which is given again whenever the order comes again.
    fn keep(&mut self, id: &HostId, order: &HostOrder, answer: Answer) -> Answer {
        if let Some(host) = self.hosts.get_mut(id) {
            host.answers = BTreeMap::from([(order.key.fence, answer.clone())]);
        }
        answer
    }

    fn answer(&self, id: &HostId, reason: Reason, put_back: PutBack, took: Duration) -> Answer {
        let host = self.hosts.get(id);
        let running = host.map_or(Running::Nothing, |host| host.running.clone());
        Answer {
            one_way: false,
            platform: "linux/amd64".parse().ok(),
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

fn missing() -> Reason {
    Reason::new(Code::RELEASE_NOT_IN_REGISTRY, "manifest unknown")
}

fn ok() -> Reason {
    Reason::new(Code::OK, "ok")
}
