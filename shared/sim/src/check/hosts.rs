//! What may be done to hosts, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::configuration::{Configuration, TargetGroup};
use esclusa_core::lane::Lane;
use esclusa_core::name::HostId;
use esclusa_core::observation::HostOrder;
use esclusa_core::order::{Fence, Mode, Orders, Verb};
use esclusa_core::release::Image;
use esclusa_core::rollout::{Cause, Rollout};
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{Health, Target};

use crate::balancer::SimTarget;
use crate::hosts::{SKEW, SimHost};
use crate::story::lane;
use crate::world::World;

/// How long the load balancer may know something before Esclusa has looked.
const UNSEEN: Duration = Duration::from_secs(40);

/// How long containers may have failed before an order begins that was decided without knowing it:
/// a host is asked with others, of which one may not answer before its order has expired (after
/// four minutes), and what is decided then may begin for three.
const UNHEARD: Duration = Duration::from_mins(7);

impl World {
    /// Checks that a host begins only what the newest intent for it says, and in time.
    pub(crate) fn check_begin(&mut self, id: &HostId, order: &HostOrder) {
        if order.verb != Verb::Activate {
            return;
        }
        let clock = self.hosts.get(id).map_or(self.now, |host| host.clock(self.now));
        if clock > order.not_after.after(SKEW) {
            let text = format!("{id} begins {}, which expired", order.key.fence);
            self.breaks(2, text);
        }
        if !self.lanes.values().any(|lane| wants(lane, id, order)) {
            let text = format!("{id} begins {} which the ledger does not want", order.key.fence);
            self.breaks(2, text);
        }
        if order.mode == Mode::Once {
            return;
        }
        self.check_prepared(id, order);
        let running = self.hosts.get(id).map(SimHost::running);
        let changes =
            order.mode == Mode::Restart || running.is_some_and(|it| !order.image.is_run_by(&it));
        if changes {
            let decided_at = self.marks.decided_at.get(&order.key.fence).copied();
            self.check_requests(id, decided_at.unwrap_or(self.now));
        }
        if order.image != Image::Nothing && changes {
            self.check_floor(std::slice::from_ref(id));
            let of_rollout =
                |it: &&Rollout| it.orders().is_some_and(|orders| orders.fence == order.key.fence);
            if let Some(rollout) = self.active_rollout().filter(of_rollout).map(|it| it.id.clone())
            {
                // With a load balancer, a batch begins when it is taken out of service.
                if self.groups.is_empty() {
                    self.check_finished(Some(order.key.fence));
                }
                let began = self.marks.began.entry(rollout).or_default();
                began.insert(id.clone(), (order.key.fence, self.now));
            }
        }
    }

    /// Checks that no client is sent to a host whose containers are stopped now, while another
    /// would answer that did when this was decided: its target was deregistered, and has drained.
    fn check_requests(&mut self, id: &HostId, decided_at: Timestamp) {
        let is_asked = |it: &&SimTarget| {
            it.target.host == *id && matches!(it.health, Health::Healthy | Health::Draining)
        };
        let answers = |it: &SimTarget, group: &TargetGroup| {
            let other = it.target.host != *id && it.target.group == *group;
            let known = it.health == Health::Healthy && decided_at.since(it.since) > UNSEEN;
            other && known && self.is_well(&it.target.host)
        };
        // What someone has started there since the host was asked, nobody can know of.
        let drifted = self.marks.drifted_at.get(id);
        if drifted.is_some_and(|at| self.now.since(*at) <= UNHEARD) {
            return;
        }
        let mut asked = self.targets.iter().filter(is_asked);
        let failing = asked.find(|asked| {
            self.is_well(id) && self.targets.iter().any(|it| answers(it, &asked.target.group))
        });
        if let Some(target) = failing {
            let text = format!("{id} changes while its target is {:?}", target.health);
            self.breaks(23, text);
        }
    }

    pub(crate) fn check_deregister(&mut self, targets: &[Target]) {
        let active = self.active_rollout().map(|it| it.id.clone());
        self.marks.drained.extend(active);
        let hosts: Vec<HostId> = targets.iter().map(|target| target.host.clone()).collect();
        self.check_floor(&hosts);
        // A batch that has begun goes on, whatever happens to the others meanwhile.
        let gone = |target: &Target| {
            let mut targets = self.targets.iter().filter(|it| it.target == *target);
            targets.all(|it| it.health == Health::Draining)
        };
        let known = |host: &HostId| self.marks.registered.get(host).into_iter().flatten();
        if !hosts.iter().flat_map(known).any(gone) {
            self.check_finished(None);
        }
    }

    /// Notes the hosts that serve.
    pub(super) fn note_served(&mut self) {
        let serving = self.serving();
        self.marks.served.extend(serving);
    }

    /// The hosts that serve at this moment.
    pub(super) fn serving(&self) -> BTreeSet<HostId> {
        self.live().filter(|(id, _)| self.serves(id)).map(|(id, _)| id.clone()).collect()
    }

    /// The rollout that is active, if one is.
    pub(super) fn active_rollout(&self) -> Option<&Rollout> {
        self.lanes.values().find_map(|lane| lane.rollout.as_ref())
    }

    /// Notes the hosts that a rollout has changed and that have served since.
    pub(super) fn note_finished(&mut self, rollout: &Rollout) {
        let candidate = &rollout.candidate.digest;
        let began = self.marks.began.get(&rollout.id).into_iter().flatten();
        let runs = |id: &HostId| self.hosts.get(id).is_some_and(|it| it.running().is(candidate));
        let served = began.filter(|(id, _)| runs(id) && self.serves(id));
        let served: Vec<_> = served.map(|(id, (fence, _))| (id.clone(), *fence)).collect();
        let finished = self.marks.finished.entry(rollout.id.clone()).or_default();
        let new = served.iter().filter(|(id, _)| !finished.contains_key(id));
        self.marks.just_finished.extend(new.map(|(id, _)| id.clone()));
        finished.extend(served);
    }

    /// Checks that no batch begins while a host that is finished is known to be out of service.
    fn check_finished(&mut self, batch: Option<Fence>) {
        let Some(rollout) = self.active_rollout().filter(|it| it.is_forward()).cloned() else {
            return;
        };
        self.check_asked(&rollout, batch);
        let finished = self.marks.finished.get(&rollout.id).into_iter().flatten();
        let alive = |id: &HostId| self.hosts.get(id).is_some_and(|host| host.alive);
        let mut before = finished.filter(|(id, fence)| Some(**fence) != batch && alive(id));
        let out = before.find(|(id, _)| {
            let out = self.out_since(id).is_some_and(|since| self.now.since(since) > UNSEEN);
            let dead = self.died_at(id).is_some_and(|at| self.now.since(at) > UNHEARD);
            (out || dead) && !self.is_disturbed(id) && !self.is_away(&rollout, id)
        });
        if let Some(id) = out.map(|(id, _)| id.clone()) {
            self.breaks(18, format!("a batch begins although {id}, which is finished, is out"));
        }
    }

    /// Whether a host's instance was stopped after a rollout had begun with it, and it does not
    /// serve: it is away for the rollout until it does.
    pub(super) fn is_away(&self, rollout: &Rollout, id: &HostId) -> bool {
        let began = self.marks.began.get(&rollout.id).and_then(|it| it.get(id));
        let was_stopped = began.zip(self.hosts.get(id));
        was_stopped.is_some_and(|((_, at), host)| host.stopped_until > *at) && !self.serves(id)
    }

    /// Checks that taking these hosts out of service leaves enough in it.
    fn check_floor(&mut self, leaving: &[HostId]) {
        self.note_served();
        let rollout = self.active_rollout();
        // Going back to nothing, or to what was not well, takes out of service what was not in it
        // when the rollout began; and a person's way back waits for nothing that was broken then.
        let back = rollout.filter(|it| !it.is_forward() || it.cause == Cause::Rollback);
        let began = back.and_then(|it| self.marks.served_at_start.get(&it.id));
        let counts = |id: &HostId| began.unwrap_or(&self.marks.served).contains(id);
        // One that was lost this moment was there when Esclusa looked.
        let lost = self
            .hosts
            .iter()
            .filter(|(id, host)| !host.alive && counts(id) && self.was_disturbed(id, UNSEEN));
        let lost = lost.count();
        let fleet = self.live().filter(|(id, _)| counts(id)).count().saturating_add(lost);
        let active = rollout.map(|it| it.settings.min_in_service.floor(fleet));
        // Without a load balancer nothing tells an errand who serves.
        let configured = || {
            if self.groups.is_empty() {
                return None;
            }
            let settings = Configuration::of(&self.sources, &lane()?).ok()?;
            Some(settings.min_in_service.floor(fleet))
        };
        let Some(floor) = active.or_else(configured) else { return };
        let known = |id: &HostId| self.in_since(id).is_some_and(|at| self.now.since(at) > UNSEEN);
        let drifted = |id: &HostId| {
            let at = self.marks.drifted_at.get(id);
            at.is_some_and(|at| self.now.since(*at) <= Duration::from_hours(1))
        };
        // Where somebody has stopped a part of it, the rest is no host in service.
        let is_whole = |id: &HostId| !drifted(id) || self.is_well(id);
        let serving = leaving.iter().any(|id| known(id) && counts(id) && is_whole(id));
        if fleet < 2 || !serving {
            return;
        }
        let left = self.live().filter(|(id, _)| !leaving.contains(id) && self.serves(id)).count();
        // What has failed since Esclusa looked is not its doing; nor is what others did to a host,
        // which may have failed without the load balancer's knowing.
        let fallen = |id: &HostId| {
            let out = self.out_since(id).is_some_and(|at| self.now.since(at) <= UNSEEN);
            let died = self.died_at(id).is_some_and(|at| self.now.since(at) <= UNHEARD);
            let taken = self.is_disturbed(id) || drifted(id);
            out || died || (taken && !self.serves(id))
        };
        let fallen = self.live().filter(|(id, _)| !leaving.contains(id) && fallen(id)).count();
        if left.saturating_add(fallen).saturating_add(lost) < floor {
            self.breaks(3, format!("{left} of {fleet} hosts in service, floor {floor}"));
        }
    }
}

/// Whether a lane has an order as its newest intent for a host.
fn wants(lane: &Lane, id: &HostId, order: &HostOrder) -> bool {
    let rollout = lane.rollout.as_ref().and_then(Rollout::orders);
    let errand = lane.errands.get(id).and_then(|it| it.orders.as_ref());
    let same = |orders: &Orders| {
        orders.fence == order.key.fence && orders.image_for(id) == Some(&order.image)
    };
    rollout.into_iter().chain(errand).any(same)
}
