//! The invariants, checked against the truth at every effect that could break one.

use esclusa_core::lane::Lane;
use esclusa_core::name::HostId;
use esclusa_core::observation::HostOrder;
use esclusa_core::order::Verb;
use esclusa_core::release::{Image, Running};
use esclusa_core::rollout::{Cause, End, Progress, Rollout};
use esclusa_core::traffic::Target;

use crate::world::World;

impl World {
    /// Checks what a save says against the truth.
    pub(crate) fn check_save(&mut self, stored: Option<&Lane>, next: &Lane) {
        let before = stored.and_then(|lane| lane.rollout.as_ref());
        for rollout in next.rollout.iter().chain(&next.ended) {
            let known = before.filter(|it| it.id == rollout.id).map_or(0, |it| it.history.len());
            for line in rollout.history.iter().skip(known) {
                self.say(format!("  {}: {}", line.phase, line.text));
            }
        }
        if let Some(rollout) = &next.rollout {
            if before.is_some_and(|it| it.id != rollout.id) && next.ended.is_empty() {
                let text = format!("rollout {} began while another was active", rollout.id);
                self.breaks(1, text);
            }
            if before.is_none_or(|it| it.id != rollout.id) {
                self.check_start(next, rollout);
            }
        }
        for rollout in &next.ended {
            self.check_end(next, rollout);
        }
    }

    fn check_start(&mut self, lane: &Lane, rollout: &Rollout) {
        self.say(format!("rollout {} of {} starts", rollout.id, rollout.candidate));
        let digest = &rollout.candidate.digest;
        if rollout.cause != Cause::Push {
            return;
        }
        if lane.quarantine.contains_key(digest) {
            self.breaks(5, format!("{} is quarantined and rolled out", rollout.candidate));
        }
        // The look lies at most a few calls before the save.
        let slack = std::time::Duration::from_mins(1);
        let recent = |at: esclusa_core::time::Timestamp| self.now.since(at) <= slack;
        let newest = self.moves.last().is_some_and(|(_, pushed)| pushed == digest);
        let mut moves = self.moves.windows(2);
        let just_left = moves.any(|pair| match pair {
            [(_, pushed), (left_at, _)] => pushed == digest && recent(*left_at),
            _ => false,
        });
        if !newest && !just_left {
            self.breaks(12, format!("the tag does not point to {}", rollout.candidate));
        }
    }

    fn check_end(&mut self, lane: &Lane, rollout: &Rollout) {
        let Some((end, reason)) = rollout.end() else {
            self.breaks(6, format!("rollout {} is over without an end", rollout.id));
            return;
        };
        self.say(format!("rollout {} of {}: {end}: {reason}", rollout.id, rollout.candidate));
        if self.rollouts.get(&lane.id).is_some_and(|it| it.contains_key(&rollout.id)) {
            self.breaks(9, format!("rollout {} ended twice", rollout.id));
        }
        match end {
            End::Succeeded => self.check_succeeded(rollout),
            End::Restored | End::Aborted => self.check_restored(rollout),
            End::Stuck => {
                if lane.hold.is_none() {
                    self.breaks(8, "a stuck lane is not held");
                }
            }
            End::Failed | End::Halted => {}
        }
        let latest = rollout.deadline.after(std::time::Duration::from_hours(3));
        if self.now > latest {
            self.breaks(6, format!("rollout {} ended long after its deadline", rollout.id));
        }
    }

    fn check_succeeded(&mut self, rollout: &Rollout) {
        let live: Vec<HostId> = self.live().map(|(id, _)| id.clone()).collect();
        let mut verified: u32 = 0;
        for id in live {
            let Some(run) = rollout.hosts.get(&id) else { continue };
            if matches!(run.progress, Progress::Skipped(_)) || self.is_disturbed(&id) {
                continue;
            }
            let running = self.hosts.get(&id).map(|host| host.running.clone());
            if running != Some(Running::Digest(rollout.candidate.digest.clone())) {
                self.breaks(7, format!("succeeded, but {id} runs {running:?}"));
            } else if !self.serves(&id) {
                self.breaks(7, format!("succeeded, but {id} is not in service"));
            }
            verified = verified.saturating_add(1);
        }
        if verified == 0 && self.disturbed.is_empty() {
            self.breaks(7, "succeeded with no verified host");
        }
    }

    fn check_restored(&mut self, rollout: &Rollout) {
        for (id, run) in &rollout.hosts {
            let host = self.hosts.get(id).filter(|host| host.alive);
            let Some(running) = host.map(|host| host.running.clone()) else { continue };
            let back = matches!(run.progress, Progress::Restored);
            let mixed = run.baseline == Running::Mixed;
            if back && !mixed && running != run.baseline && !self.is_disturbed(id) {
                self.breaks(8, format!("restored, but {id} runs {running} for {}", run.baseline));
            }
            if run.progress.is_touched() {
                self.breaks(8, format!("restored, but {id} is still {:?}", run.progress));
            }
        }
    }

    /// Checks that a host begins only what the newest intent for it says.
    pub(crate) fn check_begin(&mut self, id: &HostId, order: &HostOrder) {
        let accepted = self.hosts.get(id).is_some_and(|host| {
            host.fence.is_none_or(|fence| fence <= order.key.fence)
                && !host.answers.contains_key(&order.key.fence)
                && self.now <= order.not_after
        });
        if order.verb != Verb::Activate || !accepted {
            return;
        }
        let known = self.lanes.values().any(|lane| {
            let rollout = lane.rollout.as_ref().and_then(Rollout::orders);
            let errand = lane.errands.get(id).and_then(|it| it.orders.as_ref());
            let mut orders = rollout.into_iter().chain(errand);
            orders.any(|orders| {
                orders.fence == order.key.fence && orders.image_for(id) == Some(&order.image)
            })
        });
        if !known {
            let text = format!("{id} begins {} which the ledger does not want", order.key.fence);
            self.breaks(2, text);
        }
        if order.image != Image::Nothing {
            self.check_floor(std::slice::from_ref(id));
        }
    }

    pub(crate) fn check_deregister(&mut self, targets: &[Target]) {
        let hosts: Vec<HostId> = targets.iter().map(|target| target.host.clone()).collect();
        self.check_floor(&hosts);
    }

    /// Checks that taking these hosts out of service leaves enough in it.
    fn check_floor(&mut self, leaving: &[HostId]) {
        let fleet = self.live().count();
        let rollout = self.lanes.values().find_map(|lane| lane.rollout.as_ref());
        let Some(floor) = rollout.map(|it| it.settings.min_in_service.floor(it.live().count()))
        else {
            return;
        };
        let disturbed = self.hosts.keys().any(|id| self.is_disturbed(id));
        // Going back to nothing takes out of service what was never in it before.
        let to_nothing = |id: &HostId| {
            let run = rollout.and_then(|it| it.hosts.get(id).filter(|_| !it.is_forward()));
            run.is_some_and(|run| run.baseline == Running::Nothing)
        };
        let serving = leaving.iter().any(|id| self.serves(id) && !to_nothing(id));
        if fleet < 2 || disturbed || !serving {
            return;
        }
        let left = self.live().filter(|(id, _)| !leaving.contains(id) && self.serves(id)).count();
        if left < floor {
            self.breaks(3, format!("{left} of {fleet} hosts in service, floor {floor}"));
        }
    }

    /// Checks a world in which nothing goes wrong any more and nothing is left to do.
    pub(crate) fn check_rest(&mut self) {
        for lane in self.lanes.clone().into_values() {
            if let Some(rollout) = &lane.rollout {
                let phase = rollout.phase.word();
                self.breaks(6, format!("rollout {} is still {phase}", rollout.id));
                continue;
            }
            self.check_explained(&lane);
        }
    }

    /// At rest every host runs `current`, and `current` is what the tag says, or there is a
    /// reason that a person can read.
    fn check_explained(&mut self, lane: &Lane) {
        let explained = lane.hold.is_some() || lane.blocker.is_some();
        let wanted = self.moves.last().map(|(_, digest)| digest.clone());
        let current = lane.current.as_ref().map(|release| release.digest.clone());
        if wanted != current && !explained {
            self.breaks(10, format!("the tag says {wanted:?}, the lane {current:?}, no reason"));
        }
        if lane.hold.is_some() || lane.last_attempt.is_some() {
            return;
        }
        let live: Vec<_> =
            self.live().map(|(id, host)| (id.clone(), host.running.clone())).collect();
        for (id, running) in live {
            let is_current = current.as_ref().is_none_or(|digest| running.is(digest));
            if !is_current && !self.disturbed.contains_key(&id) {
                self.breaks(10, format!("at rest {id} runs {running} instead of {current:?}"));
            }
        }
    }
}
