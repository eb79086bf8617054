//! The invariants, checked against the truth at every effect that could break one. Their numbers
//! are those of ARCHITECTURE.md.

mod ends;
mod hosts;
mod looks;
mod once;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{HostId, LaneId};
use esclusa_core::order::Fence;
use esclusa_core::rollout::{Cause, Rollout, RolloutId};
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::Target;
use esclusa_shell::operate::Action;
use esclusa_shell::ports::Wanted;

use crate::hosts::SimHost;
use crate::simulation::TIMEOUT;
use crate::world::{World, say};
pub(crate) use looks::Look;

/// What the checker remembers of the truth.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Activations that were carried out, by host and fence.
    pub(crate) activations: BTreeSet<(HostId, String)>,
    /// What each host was registered as before Esclusa did anything.
    pub(crate) registered: BTreeMap<HostId, BTreeSet<Target>>,
    /// The rollouts that have taken a target out of service.
    pub(crate) drained: BTreeSet<RolloutId>,
    /// The hosts that each rollout has begun to change, by which order, and when.
    pub(crate) began: BTreeMap<RolloutId, BTreeMap<HostId, (Fence, Timestamp)>>,
    /// What was true of each host when it last gave an answer that could be read.
    heard: BTreeMap<HostId, Look>,
    /// Those of them that have run the candidate and served since.
    pub(crate) finished: BTreeMap<RolloutId, BTreeMap<HostId, Fence>>,
    /// Those that have just become so.
    pub(crate) just_finished: BTreeSet<HostId>,
    /// When each order was first saved.
    pub(crate) decided_at: BTreeMap<Fence, Timestamp>,
    /// When each rollout that turned back did so.
    turned_at: BTreeMap<RolloutId, Timestamp>,
    /// Where what runs once was run for a rollout, and whether it has ended well.
    pub(crate) once: BTreeMap<RolloutId, (HostId, bool)>,
    /// When the tag last moved, a person last asked for something, or the configuration or the
    /// fleet last changed: a reason to try again.
    pub(crate) news_at: Timestamp,
    /// The same without changes of the fleet, which are no reason once hosts were changed.
    pub(crate) told_at: Timestamp,
    /// Digests that failed here and were put back, unless a person has lifted that since.
    pub(crate) quarantined: BTreeSet<Digest>,
    /// Those for which somebody is to blame, or that are.
    blamed: BTreeSet<Digest>,
    /// When a person last asked to have such a one lifted.
    lifted_at: BTreeMap<Digest, Timestamp>,
    /// When a host was last changed behind Esclusa's back.
    pub(crate) drifted_at: BTreeMap<HostId, Timestamp>,
    /// Hosts that were seen to serve: one that never did takes nothing away.
    pub(crate) served: BTreeSet<HostId>,
    /// The hosts that served when each rollout began.
    pub(crate) served_at_start: BTreeMap<RolloutId, BTreeSet<HostId>>,
    /// When a person last asked for a rollout, whether or not that was taken up.
    asked_at: Timestamp,
    /// When a person last held the lane, unless it was released since.
    held_at: Option<Timestamp>,
}

impl Marks {
    /// Notes that a person asks for a rollout.
    pub(crate) fn hear_wish(&mut self, action: &Action, now: Timestamp) {
        if matches!(action, Action::Rollback | Action::Deploy { .. } | Action::Restart) {
            self.asked_at = now;
        }
        if let Action::Lift { version: Wanted::Digest(digest) } = action {
            self.quarantined.remove(digest);
            self.lifted_at.insert(digest.clone(), now);
        }
        // Before it is taken up, so that no hold counts that may have been released.
        if *action == Action::Release {
            self.held_at = None;
        }
    }

    /// Notes that a person's hold was taken up.
    pub(crate) fn hear_hold(&mut self, action: &Action, now: Timestamp) {
        if matches!(action, Action::Hold { .. }) {
            self.held_at = Some(now);
        }
    }

    /// Notes what is a reason to try again, whatever was tried.
    pub(crate) fn hear_news(&mut self, now: Timestamp) {
        (self.news_at, self.told_at) = (now, now);
    }
}

impl World {
    /// Checks what a save says against the truth.
    pub(crate) fn check_save(&mut self, stored: Option<&Lane>, next: &Lane) {
        self.note_served();
        let before = stored.and_then(|lane| lane.rollout.as_ref());
        if self.told {
            self.tell(stored, next);
        }
        if let Some(rollout) = &next.rollout {
            if before.is_some_and(|it| it.id != rollout.id) && next.ended.is_empty() {
                let text = format!("rollout {} began while another was active", rollout.id);
                self.breaks(1, text);
            }
            if before.is_none_or(|it| it.id != rollout.id) {
                self.check_start(stored, next, rollout);
            }
            self.check_baselines(before, rollout);
            if let Some(orders) = rollout.orders() {
                self.marks.decided_at.entry(orders.fence).or_insert(self.now);
            }
            self.note_finished(rollout);
            if !rollout.is_forward() {
                self.marks.turned_at.entry(rollout.id.clone()).or_insert(self.now);
            }
        }
        if let Some(rollout) = before {
            self.check_not_forgotten(rollout, next);
        }
        for rollout in &next.ended {
            self.check_end(next, rollout);
        }
    }

    /// A rollout that has touched a host goes on, or ends; before that, its lane may be adopted.
    fn check_not_forgotten(&mut self, rollout: &Rollout, next: &Lane) {
        let touched =
            self.marks.began.contains_key(&rollout.id) || self.marks.drained.contains(&rollout.id);
        let mut known = next.rollout.iter().chain(&next.ended);
        if touched && !known.any(|it| it.id == rollout.id) {
            self.breaks(10, format!("rollout {} is forgotten without an end", rollout.id));
        }
    }

    fn tell(&mut self, stored: Option<&Lane>, next: &Lane) {
        let before = stored.and_then(|lane| lane.rollout.as_ref());
        for rollout in next.rollout.iter().chain(&next.ended) {
            let known = before.filter(|it| it.id == rollout.id).map_or(0, |it| it.history.len());
            for line in rollout.history.iter().skip(known) {
                say!(self, "  {}: {}", line.phase, line.text);
            }
        }
        if stored.map(|it| &it.blocker) != Some(&next.blocker)
            && let Some(blocker) = &next.blocker
        {
            say!(self, "  waits: {}", blocker.reason);
        }
    }

    /// What a host that is told to change goes back to is what it runs.
    fn check_baselines(&mut self, before: Option<&Rollout>, rollout: &Rollout) {
        let told = |id: &HostId| {
            let before = before.filter(|it| it.id == rollout.id);
            before.and_then(|it| it.hosts.get(id)).is_some_and(|run| run.told)
        };
        let new = rollout.hosts.iter().filter(|(id, run)| run.told && !told(id));
        let mut wrong = Vec::new();
        for (id, run) in new {
            let host = self.hosts.get(id).filter(|host| host.alive);
            let truth = host.map(SimHost::running);
            let ours = !self.is_disturbed(id) && !self.marks.drifted_at.contains_key(id);
            if ours && truth.as_ref().is_some_and(|running| *running != run.baseline) {
                wrong.push(format!("{id} would go back to {}, and runs {truth:?}", run.baseline));
            }
        }
        for text in wrong {
            self.breaks(8, text);
        }
    }

    fn check_start(&mut self, stored: Option<&Lane>, lane: &Lane, rollout: &Rollout) {
        say!(self, "rollout {} of {} starts: {}", rollout.id, rollout.candidate, rollout.cause);
        let serving = self.serving();
        self.marks.served_at_start.insert(rollout.id.clone(), serving);
        let digest = &rollout.candidate.digest;
        let chosen = matches!(rollout.cause, Cause::Push | Cause::Deploy);
        // A lift that is under way counts for what fails meanwhile.
        let lifted = self.marks.lifted_at.get(digest);
        let lifts = lifted.is_some_and(|at| self.now.since(*at) <= TIMEOUT);
        if chosen && !lifts && self.marks.quarantined.contains(digest) {
            self.breaks(5, format!("{} is quarantined and rolled out", rollout.candidate));
        }
        if chosen && rollout.overriding.is_none() && !self.passes_scan(digest) {
            self.breaks(4, format!("{} goes out although its scan says no", rollout.candidate));
        }
        let gone = self.signals.as_ref().map(|it| it.deleted_until);
        let gone = gone.is_some_and(|until| self.now < until && until != Timestamp::default());
        if chosen && rollout.overriding.is_none() && gone && !self.was_signalled() {
            self.breaks(4, format!("{} goes out although its secret is gone", rollout.candidate));
        }
        if rollout.actor.is_some() {
            self.check_wanted(rollout);
        }
        if rollout.cause != Cause::Push {
            return;
        }
        self.check_newest(rollout);
        let last = stored.and_then(|lane| lane.last_attempt.as_ref());
        if let Some(last) = last.filter(|it| it.digest == *digest) {
            let early =
                last.retry_at().is_none_or(|at| self.now.after(Duration::from_secs(3)) < at);
            let tried = self.rollouts.get(&lane.id).into_iter().flat_map(|it| it.values());
            let tried = tried.chain(&lane.ended).filter(|it| it.candidate.digest == *digest);
            let tried = tried.max_by_key(|it| it.started);
            let began = tried.map(|it| it.started).unwrap_or_default();
            // Clocks differ by a second or two.
            let known = self.marks.news_at.after(Duration::from_secs(3)) < began;
            // A call that stalled may have begun it with what was so before the news.
            let with = |it: &Rollout| (it.sources.clone(), it.fleet);
            let new = tried.is_some_and(|it| with(it) != with(rollout));
            let touched = tried.filter(|it| it.hosts.values().any(|run| run.told));
            let ended = touched.and_then(|it| it.history.last()).map(|line| line.at);
            let soon = |at: Timestamp| self.now.since(at) < Duration::from_secs(290);
            let same = tried.is_some_and(|it| it.sources == rollout.sources);
            let told = self.marks.told_at.after(Duration::from_secs(3)) < began;
            if ended.is_some_and(soon) && told && same {
                let text = format!("{} is tried again at once", rollout.candidate);
                self.breaks(19, text);
            }
            if early && known && !new {
                let text = format!("{} is tried again without a reason", rollout.candidate);
                self.breaks(19, text);
            }
        }
    }

    /// What a person asked for begins soon, or not at all, and not under a hold that came later.
    fn check_wanted(&mut self, rollout: &Rollout) {
        let Marks { asked_at, held_at, .. } = self.marks;
        // A call that stalled may have begun it a while ago.
        if self.now.since(asked_at) > Duration::from_mins(62) {
            self.breaks(22, format!("{} begins long after it was asked for", rollout.candidate));
        }
        let later = |at: Timestamp| {
            at.since(asked_at) > Duration::from_secs(5)
                && self.now.since(at) > Duration::from_mins(2)
        };
        if held_at.is_some_and(later) {
            self.breaks(22, format!("{} begins although a person held it", rollout.candidate));
        }
    }

    /// What is rolled out is what the tag said at the look, at most a few calls before the save.
    fn check_newest(&mut self, rollout: &Rollout) {
        let digest = &rollout.candidate.digest;
        let recent = |at: Timestamp| self.now.since(at) <= Duration::from_mins(1);
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

    /// Checks that only the owner of a lane's lease acts on it, and on nothing but what is saved.
    pub(crate) fn check_owner(&mut self, caller: &str, lane: &LaneId) {
        let lease = self.lanes.get(lane).and_then(|lane| lane.lease.clone());
        // A lease is not given up before its end but by its owner; clocks differ by a second.
        if lease.as_ref().is_none_or(|lease| lease.owner != caller) {
            self.breaks(17, format!("{caller} acts under the lease {lease:?}"));
        }
    }
}
