//! What runs once for a release: on one host, before any is changed, and never again.

use esclusa_core::host::Order;
use esclusa_core::name::HostId;
use esclusa_core::observation::HostOrder;
use esclusa_core::order::Fence;
use esclusa_core::rollout::{Cause, Rollout};

use crate::world::{World, say};

impl World {
    /// Checks, when a container that runs once is started, that this is its only time and place.
    pub(crate) fn check_once(&mut self, id: &HostId, order: &Order) {
        let Some(rollout) = self.rollout_of(order.fence).cloned() else {
            self.breaks(24, format!("{id} runs something once by {} for nobody", order.fence));
            return;
        };
        let brings = matches!(rollout.cause, Cause::Push | Cause::Deploy) && rollout.is_forward();
        let began = self.marks.began.get(&rollout.id).is_some_and(|it| !it.is_empty());
        if !brings || began {
            let text = format!("{id} runs something once for a rollout that {}", rollout.cause);
            self.breaks(24, text);
        }
        match self.marks.once.insert(rollout.id.clone(), (id.clone(), false)) {
            Some((_, true)) => self.breaks(24, format!("{id} runs again what had ended well")),
            Some((other, false)) if other != *id => {
                self.breaks(24, format!("{id} runs what {other} had begun to run once"));
            }
            Some(_) | None => {}
        }
    }

    /// Checks that no container of what runs once was ever started again.
    pub(crate) fn check_started_once(&mut self, id: &HostId) {
        let twice = self.hosts.get(id).map_or(0, |host| host.engine.started_twice);
        if twice > 0 {
            self.breaks(24, format!("{id} started again what runs once"));
        }
    }

    /// Notes how what ran once has ended, by its container.
    pub(crate) fn note_once(&mut self, id: &HostId, order: &Order) {
        let is_well = self.hosts.get(id).is_some_and(|host| host.engine.has_run_once(order));
        say!(self, "{id} ran once by {}: {is_well}", order.fence);
        let Some(rollout) = self.rollout_of(order.fence).map(|it| it.id.clone()) else { return };
        self.marks.once.insert(rollout, (id.clone(), is_well));
    }

    /// Checks that no host gets a new release before what it needs has run.
    pub(super) fn check_prepared(&mut self, id: &HostId, order: &HostOrder) {
        let Some(rollout) = self.rollout_of(order.key.fence) else { return };
        let is_new = rollout.is_forward() && matches!(rollout.cause, Cause::Push | Cause::Deploy);
        let has_run = self.marks.once.get(&rollout.id).is_some_and(|(_, is_well)| *is_well);
        if self.project.has_once && is_new && !has_run {
            let text = format!("{id} gets {} before what runs once has ended", rollout.candidate);
            self.breaks(24, text);
        }
    }

    fn rollout_of(&self, fence: Fence) -> Option<&Rollout> {
        let rollout = self.active_rollout()?;
        let orders = rollout.orders().filter(|it| it.fence == fence);
        orders.map(|_| rollout)
    }
}
