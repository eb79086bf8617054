//! What must hold once nothing goes wrong any more and nothing is left to do.

use std::collections::BTreeSet;

use esclusa_core::announcement::Kind;
use esclusa_core::lane::Lane;
use esclusa_core::rollout::{Cause, RolloutId};
use esclusa_core::time::Timestamp;

use crate::world::World;

impl World {
    /// Checks a world at rest.
    pub(crate) fn check_rest(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        for lane in lanes.values() {
            if let Some(rollout) = &lane.rollout {
                // What cannot be repaired is tried again each hour, and may be at this moment.
                if rollout.cause != Cause::Repair {
                    let phase = rollout.phase.word();
                    self.breaks(6, format!("rollout {} is still {phase}", rollout.id));
                }
                continue;
            }
            self.check_explained(lane);
            self.check_hosts(lane);
            self.check_rotated(lane);
            self.check_told(lane);
        }
        if lanes.is_empty() && !self.moves.is_empty() {
            self.breaks(10, "nothing is known of a service that was pushed");
        }
        self.lanes = lanes;
    }

    /// `current` is what the tag says, or there is a reason that a person can read.
    fn check_explained(&mut self, lane: &Lane) {
        let explained = lane.hold.is_some() || lane.blocker.is_some();
        let wanted = self.moves.last().map(|(_, digest)| digest.clone());
        let current = lane.current.as_ref().map(|release| release.digest.clone());
        if wanted != current && !explained {
            self.breaks(10, format!("the tag says {wanted:?}, the lane {current:?}, no reason"));
        }
    }

    /// Every host runs `current`, or is known not to.
    fn check_hosts(&mut self, lane: &Lane) {
        let Some(current) = lane.current.as_ref().map(|release| release.digest.clone()) else {
            return;
        };
        let live: Vec<_> = self.live().map(|(id, host)| (id.clone(), host.running())).collect();
        for (id, running) in live {
            let known = lane.drifted().any(|(host, seen)| *host == id && *seen == running);
            let failing = lane.errands.contains_key(&id);
            if !running.is(&current) && !known && !failing && !lane.halted {
                self.breaks(10, format!("at rest {id} runs {running} instead of {current}"));
            }
        }
    }

    /// Containers were started after their secret was rotated (they read it whenever they start),
    /// or a restart is known to be due.
    fn check_rotated(&mut self, lane: &Lane) {
        let rotated = self.signals.as_ref().and_then(|it| it.rotated_at);
        let (Some(rotated), Some(current)) = (rotated, &lane.current) else { return };
        // Nothing is known of what containers have that were adopted.
        let waits = lane.hold.is_some()
            || lane.rotation.is_some()
            || lane.successes.is_empty()
            || !lane.errands.is_empty();
        let old = |(_, host): &(&esclusa_core::name::HostId, &crate::hosts::SimHost)| {
            host.running().is(&current.digest)
                && host.engine.started_at() != Timestamp::default()
                && host.engine.started_at() < rotated
        };
        let old = self.live().find(old).map(|(id, _)| id.clone());
        if let (Some(id), false) = (old, waits) {
            self.breaks(21, format!("{id} has what its secret was before {rotated}"));
        }
    }

    /// Everything that happened was told.
    fn check_told(&mut self, lane: &Lane) {
        let published = self.published.get(&lane.id);
        let told = published.into_iter().flat_map(|it| it.values());
        let told: BTreeSet<RolloutId> = told
            .filter(|it| it.kind == Kind::RolloutEnded)
            .filter_map(|it| it.rollout.clone())
            .collect();
        let ended = self.rollouts.get(&lane.id).into_iter().flat_map(|it| it.keys());
        if let Some(untold) = ended.into_iter().find(|id| !told.contains(id)).cloned() {
            self.breaks(10, format!("nobody was told that rollout {untold} has ended"));
        }
        if !lane.outbox.is_empty() {
            self.breaks(10, format!("{} announcement(s) are not published", lane.outbox.len()));
        }
    }
}
