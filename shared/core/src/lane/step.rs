//! One event at a time: record it first, then decide in one place.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decide::circumstances;
use super::{Attempt, HostRecord, Lane, LastKnown, SUCCESSES, Success};
use crate::configuration::Configuration;
use crate::digest::Digest;
use crate::name::HostId;
use crate::observation::{Cue, Event, Look, PartKey, Saw, Sent};
use crate::order::{Orders, PartState};
use crate::reason::{Code, Reason};
use crate::release::Running;
use crate::rollout::{Cause, End, Facts, HostRun, Progress, Rollout};
use crate::time::Timestamp;
use crate::traffic::Target;

/// More transitions than any pass needs.
const TRANSITIONS: usize = 10_000;

/// What an event did to a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a step that is not saved has not happened"]
pub enum Step {
    /// Go on with this.
    Advance(Box<Lane>),
    /// A duplicate, or about something that is over. Nothing changed.
    Ignore,
}

impl Lane {
    /// Applies one event.
    ///
    /// Never fails: an event that cannot matter any more is [`Step::Ignore`], so a queue may
    /// deliver hints late, twice and in any order.
    pub fn step(&self, event: &Event, now: Timestamp) -> Step {
        let mut next = self.clone();
        match event {
            Event::Woke(cue) => next.wake(*cue, now),
            Event::Saw(saw) => next.see(saw, now),
            Event::Sent(sent) => next.sent(sent, now),
        }
        next.settle(now);
        if next == *self {
            return Step::Ignore;
        }
        next.announce_since(self, now);
        next.promote_since(self);
        Step::Advance(Box::new(next))
    }

    /// Begins a pass: nothing that was seen in an earlier one counts, and calls that an earlier
    /// one saved may have been made.
    fn wake(&mut self, cue: Cue, now: Timestamp) {
        self.facts = Facts { woke_at: now, ..Facts::default() };
        self.due.clear();
        if cue == Cue::Secrets {
            // Looked at as soon as nothing else is under way, whenever that is.
            self.secrets_at = Timestamp::default();
        }
        if let (Cue::Outside | Cue::Secrets, Some(rollout)) = (cue, &self.rollout) {
            self.due.extend([Look::Tag(rollout.settings.tag.clone()), Look::Fleet]);
        }
        if let Some(orders) = self.rollout.as_mut().and_then(Rollout::orders_mut) {
            orders.doubt();
        }
        for errand in self.errands.values_mut() {
            errand.doubt();
        }
        if let Some(inspection) = &mut self.inspection {
            inspection.orders.doubt();
        }
    }

    fn see(&mut self, saw: &Saw, now: Timestamp) {
        let facts = &mut self.facts;
        match saw.clone() {
            Saw::Configuration(sources) => {
                self.due.remove(&Look::Configuration);
                facts.configured = Some(Configuration::of(&sources, &self.id).map(Arc::new));
                facts.sources = Some(sources);
            }
            Saw::Tag(tag, release) => {
                self.due.remove(&Look::Tag(tag.clone()));
                if let Some(release) = &release {
                    self.repository = Some(release.repository.clone());
                }
                facts.tags.insert(tag, release);
            }
            Saw::Scan(digest, scans) => {
                self.due.remove(&Look::Scan(digest.clone()));
                facts.scans.insert(digest, scans);
            }
            Saw::Secret(name, state) => {
                self.due.remove(&Look::Secret(name.clone()));
                facts.secrets.insert(name, state);
            }
            Saw::Alarms(alarms) => {
                self.due.retain(|look| !matches!(look, Look::Alarms(_)));
                facts.alarms.extend(alarms);
            }
            Saw::Fleet(fleet) => {
                self.due.remove(&Look::Fleet);
                let told =
                    |host: &HostId| (host.clone(), self.platforms.get(host).copied().flatten());
                self.platforms = fleet.hosts.iter().map(told).collect();
                facts.fleet = Some(fleet);
            }
            Saw::Settings(group, seen) => {
                self.due.remove(&Look::Settings(group.clone()));
                facts.groups.insert(group, seen);
            }
            Saw::Targets(group, targets) => {
                self.due.remove(&Look::Targets(group.clone()));
                facts.targets.insert(group, targets);
            }
            Saw::Command(command, invocations) => {
                self.due.remove(&Look::Command(command.clone()));
                facts.commands.insert(command, invocations);
            }
            Saw::Lost(key, found) => {
                self.due.retain(|look| !matches!(look, Look::Lost(it, ..) if *it == key));
                if let Some(orders) = self.orders_of(key) {
                    match found {
                        Some(command) => orders.found(key.number, command, now),
                        None => orders.resend(key.number),
                    }
                }
            }
        }
    }

    fn sent(&mut self, sent: &Sent, now: Timestamp) {
        match sent {
            Sent::Command(key, command) => {
                let part = self.orders_of(*key).and_then(|orders| orders.part_mut(key.number));
                if let Some(part) = part {
                    part.state = PartState::Sent { command: command.clone(), at: now };
                }
            }
            Sent::Refused(key) => {
                // Whether the host is gone is for a look to say that was taken after this.
                self.facts.fleet = None;
                if let Some(orders) = self.orders_of(*key) {
                    orders.refuse(key.number);
                }
            }
            Sent::Deregistered(group) => {
                self.facts.targets.remove(group);
                if let Some(rollout) = &mut self.rollout {
                    rollout.deregistered(group, now);
                }
            }
            Sent::Registered { group, targets, refused } => {
                self.facts.targets.remove(group);
                for target in targets {
                    self.owed.entry(target.host.clone()).or_default().remove(target);
                }
                self.owed.retain(|_, targets| !targets.is_empty());
                for target in refused {
                    self.owed.entry(target.host.clone()).or_default().insert(target.clone());
                    if let Some(errand) = self.errands.get_mut(&target.host) {
                        errand.not_registered(&target.host, now);
                    }
                }
                if let Some(rollout) = &mut self.rollout {
                    let all: Vec<Target> = targets.iter().chain(refused).cloned().collect();
                    rollout.registered(group, &all, now);
                }
            }
        }
    }

    fn orders_of(&mut self, key: PartKey) -> Option<&mut Orders> {
        let rollout = self.rollout.as_mut().and_then(Rollout::orders_mut);
        let errands = self.errands.values_mut().filter_map(super::Errand::orders_mut);
        let inspection = self.inspection.as_mut().map(|it| &mut it.orders);
        let mut all = rollout.into_iter().chain(errands).chain(inspection);
        all.find(|orders| orders.fence == key.fence)
    }

    /// Makes every transition that the facts allow, until a look is needed first. What never ended
    /// would never be saved.
    fn settle(&mut self, now: Timestamp) {
        for _ in 0..TRANSITIONS {
            if !self.make_transition(now) {
                return;
            }
        }
        debug_assert!(false, "{} makes transitions without end", self.id);
    }

    /// Every transition is made here, and nowhere else; whether another one may follow.
    fn make_transition(&mut self, now: Timestamp) -> bool {
        self.run_errands(now);
        if self.awaits_errands() {
            return false;
        }
        let Some(mut rollout) = self.rollout.take() else {
            if self.decide(now) {
                self.drop_inspection();
                return true;
            }
            return self.start_repairs(now) || self.start_repair(now) || self.inspect(now);
        };
        if rollout.cause == Cause::Repair {
            self.make_way(&mut rollout, now);
        } else {
            self.queue_next(&rollout, now);
        }
        self.admit_joined(&mut rollout, now);
        let over = rollout.end().is_some();
        let moved = rollout.advance(&mut self.context(now)) || over;
        if self.adopts(&rollout) {
            self.adopt(&rollout, now);
            return true;
        }
        match rollout.end().map(|(end, reason)| (end, reason.clone())) {
            Some((end, reason)) => self.conclude(rollout, end, reason, now),
            None => self.rollout = Some(rollout),
        }
        moved
    }

    /// Whether a host that changes beside the rollout may have answered: who serves is known once
    /// that was looked at.
    fn awaits_errands(&self) -> bool {
        let heard = |look: &Look| matches!(look, Look::Command(_) | Look::Lost(..));
        let changes = self.errands.values().any(super::Errand::is_changing);
        self.rollout.is_some() && changes && self.due.iter().any(heard)
    }

    /// Takes the consequences of an end.
    pub(super) fn conclude(&mut self, rollout: Rollout, end: End, reason: Reason, now: Timestamp) {
        self.remember_hosts(&rollout, now);
        if rollout.cause == Cause::Repair {
            self.end_repair(&rollout, end, &reason, now);
            self.ended.push(rollout);
            return;
        }
        match end {
            End::Succeeded => {
                let (release, scanned) = (rollout.candidate.clone(), rollout.scanned.clone());
                self.current = Some(release.clone());
                // What was adopted is what the first release can be rolled back to.
                if let (true, Some(release)) = (self.successes.is_empty(), &rollout.baseline) {
                    let (release, at) = (release.clone(), rollout.started);
                    self.successes.push(Success { release, at, scanned: None });
                }
                self.successes.insert(0, Success { release, at: now, scanned });
                self.successes.truncate(SUCCESSES);
                // New containers of the same say nothing about another release.
                self.last_attempt.take_if(|_| rollout.cause != Cause::Restart);
                self.adopted = true;
                self.halted = false;
                self.inspected_at = now;
                self.forget_unreached(&rollout, now);
            }
            End::Restored | End::Stuck | End::Halted => self.quarantine(&rollout, &reason, now),
            End::Rejected | End::Failed | End::Aborted | End::Superseded => {}
        }
        self.rotation_after(&rollout, end, now);
        self.halted |= end == End::Halted;
        // What hosts run from now on is Esclusa's doing, however this ended.
        self.adopted |= rollout.hosts.values().any(HostRun::was_touched);
        if matches!(end, End::Stuck | End::Halted) {
            self.hold_for(&reason, now);
        }
        // A restart is no attempt at another release: it has its own patience.
        if end != End::Succeeded && rollout.cause != Cause::Restart {
            self.remember_attempt(&rollout, end, reason, now);
        }
        self.ended.push(rollout);
    }

    /// Keeps a release that failed from being tried again, where the reason lies in it.
    fn quarantine(&mut self, rollout: &Rollout, reason: &Reason, now: Timestamp) {
        let digest = &rollout.candidate.digest;
        let is_baseline = rollout.baseline.as_ref().is_some_and(|it| it.digest == *digest);
        // What failed on its way back to an older release of its own accord is a person's matter.
        if reason.code.is_of_image()
            && !is_baseline
            && matches!(rollout.cause, Cause::Push | Cause::Deploy)
        {
            let reason = reason.clone();
            self.quarantine.insert(digest.clone(), super::Quarantine { reason, since: now });
        }
    }

    fn hold_for(&mut self, reason: &Reason, now: Timestamp) {
        if self.hold.is_none() {
            let reason = Reason::new(Code::LANE_HELD, reason.text.clone());
            self.hold = Some(super::Hold { reason, actor: None, since: now });
        }
    }

    fn remember_attempt(&mut self, rollout: &Rollout, end: End, reason: Reason, now: Timestamp) {
        let digest = rollout.candidate.digest.clone();
        let with = circumstances(&rollout.sources, rollout.fleet, end, &reason.code);
        let again = self.last_attempt.as_ref().filter(|it| it.digest == digest && it.with == with);
        let tries = again.map_or(0, |it| it.tries).saturating_add(1);
        self.last_attempt = Some(Attempt { digest, end, reason, with, at: now, tries });
    }

    /// Remembers where a host is to be registered again.
    fn owe(&mut self, host: &HostId, run: &HostRun) {
        if !run.targets.is_empty() {
            self.owed.insert(host.clone(), run.targets.clone());
        }
    }

    /// Keeps in mind what a host that was given up may still run, and nothing else of it.
    fn lose(&mut self, host: &HostId, run: &HostRun, candidate: &Digest, now: Timestamp) {
        let before = self.lost.remove(host).map(|it| it.digests).unwrap_or_default();
        let told = run.told.then(|| candidate.clone());
        let digest = |running: &Running| match running {
            Running::Digest(digest) => Some(digest.clone()),
            Running::Nothing | Running::Local(_) | Running::Mixed => None,
        };
        let last = self.hosts.remove(host).and_then(|record| digest(&record.running));
        let ran = digest(&run.baseline);
        let digests: BTreeSet<Digest> =
            before.into_iter().chain(told).chain(last).chain(ran).collect();
        if !digests.is_empty() {
            self.lost.insert(host.clone(), LastKnown { digests, since: now });
        }
    }

    /// Lets go of hosts that a success did not concern, because they were not listed: once they are
    /// back, they are brought to what the others run, as new ones are.
    fn forget_unreached(&mut self, rollout: &Rollout, now: Timestamp) {
        let unreached = self.hosts.keys().filter(|host| !rollout.hosts.contains_key(*host));
        for host in unreached.cloned().collect::<Vec<_>>() {
            self.lose(&host, &HostRun::unknown(), &rollout.candidate.digest, now);
        }
    }

    /// Keeps what each host was last verified to run.
    fn remember_hosts(&mut self, rollout: &Rollout, now: Timestamp) {
        let candidate = Running::Digest(rollout.candidate.digest.clone());
        for (host, run) in &rollout.hosts {
            // One that was being brought to `current` when this began: that goes on.
            let is_unknown = self.current.is_some() && !self.hosts.contains_key(host);
            let (running, is_well) = match &run.progress {
                Progress::Done => (candidate.clone(), true),
                Progress::Restored | Progress::Waiting if is_unknown => {
                    self.lose(host, run, &rollout.candidate.digest, now);
                    continue;
                }
                // Not registered again: an errand brings it to `current`, and back into service.
                Progress::Restored if self.owed.contains_key(host) => {
                    self.lose(host, run, &rollout.candidate.digest, now);
                    continue;
                }
                Progress::Restored => (run.baseline.clone(), run.healthy),
                // Nothing is known of it any more: an errand brings it to `current`.
                Progress::Lost(_) | Progress::Skipped(_) => {
                    self.owe(host, run);
                    self.lose(host, run, &rollout.candidate.digest, now);
                    continue;
                }
                // Left as it is; whatever changes it next puts it back into service.
                // Until it is asked, it may run what it ran before as well.
                Progress::Touched | Progress::Failed(_) => {
                    self.owe(host, run);
                    self.lose(host, run, &rollout.candidate.digest, now);
                    (candidate.clone(), false)
                }
                // What it was seen to run before it was to change.
                Progress::Waiting if run.answered_at > Timestamp::default() => {
                    (run.baseline.clone(), run.healthy)
                }
                Progress::Waiting => continue,
            };
            self.hosts.insert(host.clone(), HostRecord { running, is_well, seen_at: now });
        }
    }
}
