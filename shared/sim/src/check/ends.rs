//! What the end of a rollout must mean.

use std::time::Duration;

use esclusa_core::lane::Lane;
use esclusa_core::name::HostId;
use esclusa_core::reason::Code;
use esclusa_core::release::Running;
use esclusa_core::rollout::{Cause, End, Progress, Rollout};
use esclusa_core::time::Timestamp;

use crate::hosts::SimHost;
use crate::signals::FINDS_OUT;
use crate::world::{Behaviour, World, say};

/// How long the load balancer may have known what the look that ended a rollout did not see.
const SLACK: Duration = Duration::from_secs(90);

impl World {
    pub(super) fn check_end(&mut self, lane: &Lane, rollout: &Rollout) {
        let Some((end, reason)) = rollout.end() else {
            self.breaks(6, format!("rollout {} is over without an end", rollout.id));
            return;
        };
        say!(self, "rollout {} of {}: {end}: {reason}", rollout.id, rollout.candidate);
        if self.rollouts.get(&lane.id).is_some_and(|it| it.contains_key(&rollout.id)) {
            self.breaks(9, format!("rollout {} ended twice", rollout.id));
        }
        self.let_go_of_stopped(rollout);
        match end {
            End::Succeeded => self.check_succeeded(rollout),
            End::Restored | End::Aborted => self.check_restored(rollout),
            End::Stuck | End::Halted => {
                if lane.hold.is_none() && rollout.cause != Cause::Repair {
                    self.breaks(8, format!("a lane is not held though a rollout {end}"));
                }
            }
            End::Failed | End::Rejected | End::Superseded => self.check_untouched(rollout),
        }
        let of_image = ["health.", "alarm.", "hosts.up"];
        let of_image = of_image.iter().any(|it| reason.code.as_str().starts_with(it));
        let failed = of_image && matches!(end, End::Restored | End::Stuck | End::Halted);
        if !of_image
            && lane.quarantine.get(&rollout.candidate.digest).is_some_and(|it| it.reason == *reason)
        {
            self.breaks(5, format!("{} is quarantined for what lies in hosts", rollout.candidate));
        }
        if lane.quarantine.contains_key(&rollout.candidate.digest) {
            self.check_blamed(rollout);
        }
        let digest = &rollout.candidate.digest;
        let same = rollout.baseline.as_ref().is_some_and(|it| it.digest == *digest);
        if failed && !same && matches!(rollout.cause, Cause::Push | Cause::Deploy) {
            self.marks.quarantined.insert(digest.clone());
        }
        let latest = rollout.deadline.after(Duration::from_hours(3));
        if self.now > latest {
            self.breaks(6, format!("rollout {} ended long after its deadline", rollout.id));
        }
    }

    /// An image that always works is not to blame where nothing happened to any host but that its
    /// instance was terminated, or was stopped when the rollout turned back. One that runs again by
    /// then looks to the load balancer as any other host that fails.
    fn check_blamed(&mut self, rollout: &Rollout) {
        let digest = &rollout.candidate.digest;
        let works = self.images.get(digest).is_some_and(|(_, it)| *it == Behaviour::Good);
        let is_since = |at: Timestamp| at >= rollout.started;
        // Where nothing is put back, it ends as it turns back.
        let turned_at = self.marks.turned_at.get(&rollout.id).copied().unwrap_or(self.now);
        let was_taken = |id: &HostId| {
            self.hosts.get(id).is_none_or(|it| !it.alive || it.stopped_until >= turned_at)
        };
        let was_disturbed = |id: &HostId| {
            let [drifted, disturbed] = [&self.marks.drifted_at, &self.disturbed]
                .map(|times| times.get(id).is_some_and(|at| is_since(*at)));
            drifted || (disturbed && !was_taken(id))
        };
        let known = self.marks.blamed.contains(digest);
        let taken = rollout.hosts.keys().any(was_taken);
        let excused =
            rollout.hosts.keys().any(was_disturbed) || self.meddled || self.signals.is_some();
        if works && taken && !excused && !known {
            let text = format!("{} is quarantined for a host that was stopped", rollout.candidate);
            self.breaks(5, text);
        }
        self.marks.blamed.insert(digest.clone());
    }

    /// A host that served nothing before a rollout, and runs nothing after it, is owed nothing.
    fn let_go_of_stopped(&mut self, rollout: &Rollout) {
        let Some(before) = self.marks.served_at_start.get(&rollout.id) else { return };
        let stopped = |id: &&HostId| {
            let runs = self.hosts.get(*id).map(SimHost::running);
            !before.contains(*id) && runs == Some(Running::Nothing)
        };
        let stopped: Vec<HostId> = rollout.hosts.keys().filter(stopped).cloned().collect();
        self.marks.served.retain(|id| !stopped.contains(id));
    }

    fn check_succeeded(&mut self, rollout: &Rollout) {
        let live: Vec<HostId> = self.live().map(|(id, _)| id.clone()).collect();
        // What is done to a host after it was asked for the last time, nobody can have seen.
        let mut lines = rollout.history.iter().rev();
        let asked = lines.find(|line| line.phase == "verifying").map(|line| line.at);
        self.check_skipped(rollout);
        self.check_vanished(rollout);
        self.check_alarm(rollout);
        let mut verified: u32 = 0;
        for id in live {
            let Some(run) = rollout.hosts.get(&id) else {
                // A repair concerns no other host.
                if rollout.cause != Cause::Repair {
                    self.check_named(rollout, &id);
                }
                continue;
            };
            if matches!(run.progress, Progress::Skipped(_)) {
                self.check_named(rollout, &id);
                continue;
            }
            self.check_heard(rollout, &id);
            let drifted = self.marks.drifted_at.get(&id);
            let changed = [drifted.copied(), self.died_at(&id)].into_iter().flatten();
            if changed.max().is_some_and(|at| Some(at) >= asked) || self.is_disturbed(&id) {
                continue;
            }
            self.check_registered(7, &id);
            self.check_in_service(7, &id);
            verified = verified.saturating_add(1);
        }
        let died = self.live().any(|(id, _)| self.died_at(id).is_some());
        let changed = died || !self.marks.drifted_at.is_empty();
        if verified == 0 && self.disturbed.is_empty() && !changed {
            self.breaks(7, "succeeded with no verified host");
        }
    }

    /// A host that the rollout did not concern, or left out, is named.
    fn check_named(&mut self, rollout: &Rollout, id: &HostId) {
        let named = rollout.end().is_some_and(|(_, reason)| reason.text.contains(id.as_str()));
        let listed = self.hosts.get(id).is_some_and(|host| host.is_listed(self.now));
        if !named && listed && !self.is_disturbed(id) {
            self.breaks(7, format!("succeeded, and says nothing of {id}"));
        }
    }

    /// What makes a watched alarm red is put back, unless a person let it go on while the alarm did
    /// not say.
    fn check_alarm(&mut self, rollout: &Rollout) {
        let let_go = rollout.history.iter().any(|line| line.text.contains("lets it go on"));
        let watched = !rollout.watched_alarms().is_empty() && !let_go;
        // What was started anew, by whomever, quiets the alarm until it finds out again.
        let finds_out = |(_, host): (&HostId, &SimHost)| {
            let ran = self.now.since(host.engine.started_at());
            host.running().is(&rollout.candidate.digest) && ran > FINDS_OUT.saturating_mul(2)
        };
        let is_red = self.is_alarming(&rollout.candidate.digest) && self.live().any(finds_out);
        if watched && is_red {
            self.breaks(20, "succeeded, although the alarm that it watches is red");
        }
    }

    /// A host that vanishes after it began to change, and before it has settled, has failed.
    fn check_skipped(&mut self, rollout: &Rollout) {
        let began = self.marks.began.get(&rollout.id).into_iter().flatten();
        let mut changing = began.map(|(id, _)| id);
        let settled = |id: &HostId| {
            let mut lines = rollout.history.iter().map(|line| line.text.as_str());
            lines.any(|text| text.contains(id.as_str()) && text.contains("runs the candidate"))
        };
        let out = |id: &&HostId| {
            let run = rollout.hosts.get(*id);
            run.is_some_and(|run| matches!(run.progress, Progress::Skipped(_))) && !settled(id)
        };
        if let Some(id) = changing.find(out).cloned() {
            self.breaks(7, format!("succeeded, but {id} was left out while it changed"));
        }
    }

    /// What is left out because it does not exist any more does not exist.
    fn check_vanished(&mut self, rollout: &Rollout) {
        // What Systems Manager does not list, nobody can tell from what is gone.
        let is_on = |it: &SimHost| it.stopped_until.max(it.hidden_until).after(SLACK) < self.now;
        let is_there = |id: &HostId| {
            let is_on = self.hosts.get(id).is_some_and(|it| it.alive && is_on(it));
            is_on && self.serves(id)
        };
        let mut hosts = rollout.hosts.iter();
        let vanished = hosts.find(|(id, run)| {
            let left_out =
                matches!(&run.progress, Progress::Skipped(it) if it.code == Code::HOSTS_VANISHED);
            left_out && is_there(id)
        });
        if let Some((id, _)) = vanished {
            self.breaks(7, format!("succeeded, but {id} was left out, and is there"));
        }
    }

    fn check_restored(&mut self, rollout: &Rollout) {
        for (id, run) in &rollout.hosts {
            if run.progress.is_touched() {
                self.breaks(8, format!("restored, but {id} is still {:?}", run.progress));
            }
            // Each host is verified when it has been put back; what someone does to it afterwards
            // is found by the next inspection.
            let drifted = self.marks.drifted_at.get(id).is_some_and(|at| *at >= rollout.started);
            let back = run.progress == Progress::Restored && !drifted && !self.is_disturbed(id);
            let Some(host) = self.hosts.get(id).filter(|host| host.alive && back) else { continue };
            let running = host.running();
            if run.baseline != Running::Mixed && running != run.baseline {
                self.breaks(8, format!("restored, but {id} runs {running} for {}", run.baseline));
                continue;
            }
            self.check_registered(8, id);
            if run.baseline != Running::Nothing {
                self.check_in_service(8, id);
            }
        }
    }

    fn check_untouched(&mut self, rollout: &Rollout) {
        for (id, run) in &rollout.hosts {
            if run.progress.is_touched() {
                self.breaks(8, format!("ended, but {id} is still {:?}", run.progress));
            }
        }
    }

    /// A finished host is registered exactly as it was before it was first drained.
    fn check_registered(&mut self, invariant: u8, id: &HostId) {
        let registered = self.marks.registered.get(id).cloned().unwrap_or_default();
        for target in registered {
            if !self.targets.iter().any(|it| it.target == target) {
                let text = format!("{id} is not registered on {} any more", target.port);
                self.breaks(invariant, text);
            }
        }
    }

    /// A finished host is in service, or has fallen out of it so lately that nobody knew. What it
    /// ran before may have failed again of its own accord.
    fn check_in_service(&mut self, invariant: u8, id: &HostId) {
        let known = |since| invariant == 7 && self.now.since(since) > SLACK;
        let known_out = self.out_since(id).is_some_and(known);
        let never_in = self
            .targets
            .iter()
            .any(|it| it.target.host == *id && it.health == esclusa_core::traffic::Health::Initial);
        if self.unused.is_none() && (known_out || never_in) {
            self.breaks(invariant, format!("{id} is finished, but not in service"));
        }
    }
}
