//! An Auto Scaling group whose health checks are the load balancer's: it replaces what is
//! unhealthy, in whatever phase a rollout is.

use std::time::Duration;

use esclusa_core::name::HostId;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::Health;

use crate::meddle::REPLACED;
use crate::world::{World, say};

/// How long a target is unhealthy before its instance is replaced.
const PATIENCE: Duration = Duration::from_mins(1);

/// Hosts that a group launches in one history, at most: an image that fails everywhere would have
/// them replaced for ever.
const LAUNCHES: usize = 4;

/// The number of the first host that a group launches.
const FIRST: usize = 100;

/// The group of a lane's hosts.
#[derive(Debug, Default)]
pub(crate) struct ScalingGroup {
    launched: usize,
}

impl World {
    /// Replaces each host that its load balancer has called unhealthy for long enough.
    pub(crate) fn run_scaling(&mut self) {
        while let Some(id) = self.next_replaced().filter(|(at, _)| *at <= self.now) {
            self.replace(&id.1);
        }
    }

    /// When a host is replaced next, as things are.
    pub(crate) fn next_replacement(&self) -> Option<Timestamp> {
        self.next_replaced().map(|(at, _)| at)
    }

    fn next_replaced(&self) -> Option<(Timestamp, HostId)> {
        self.scaling.as_ref().filter(|it| it.launched < LAUNCHES)?;
        let unhealthy = self.targets.iter().filter(|it| it.health == Health::Unhealthy);
        let due = unhealthy.map(|it| (it.since.after(PATIENCE), it.target.host.clone()));
        due.min()
    }

    fn replace(&mut self, id: &HostId) {
        let Some(group) = &mut self.scaling else { return };
        let number = FIRST.saturating_add(group.launched);
        group.launched = group.launched.saturating_add(1);
        say!(self, "{id} is unhealthy, and its group replaces it by host {number}");
        self.count(REPLACED);
        self.terminate(id);
        self.launch(number);
    }
}
