//! One event at a time: record it first, then decide in one place.

use super::{Attempt, HostRecord, Lane, SUCCESSES, Success};
use crate::observation::{Event, Look, PartKey, Saw, Sent};
use crate::order::{Orders, PartState};
use crate::reason::{Code, Reason};
use crate::release::Running;
use crate::rollout::{Cause, Context, End, Facts, Progress, Rollout};
use crate::time::Timestamp;

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
            Event::Woke => next.wake(now),
            Event::Saw(saw) => next.see(saw, now),
            Event::Sent(sent) => next.sent(sent, now),
            Event::Asked(request) => match next.ask(request, now) {
                Ok(()) => {}
                Err(_) => return Step::Ignore,
            },
        }
        next.settle(now);
        if next == *self { Step::Ignore } else { Step::Advance(Box::new(next)) }
    }

    /// Begins a pass: nothing that was seen in an earlier one counts, and calls that an earlier
    /// one saved may have been made.
    fn wake(&mut self, now: Timestamp) {
        self.facts = Facts { woke_at: now, ..Facts::default() };
        self.due.clear();
        if let Some(orders) = self.rollout.as_mut().and_then(Rollout::orders_mut) {
            orders.doubt();
        }
        for errand in self.errands.values_mut() {
            errand.doubt();
        }
    }

    fn see(&mut self, saw: &Saw, now: Timestamp) {
        let facts = &mut self.facts;
        match saw.clone() {
            Saw::Configuration(sources) => {
                self.due.remove(&Look::Configuration);
                facts.sources = Some(sources);
            }
            Saw::Tag(tag, release) => {
                self.due.remove(&Look::Tag(tag.clone()));
                if let Some(release) = &release {
                    self.repository = Some(release.repository.clone());
                }
                facts.tags.insert(tag, release);
            }
            Saw::Fleet(fleet) => {
                self.due.remove(&Look::Fleet);
                facts.fleet = Some(fleet);
            }
            Saw::Settings(group, settings) => {
                self.due.remove(&Look::Settings(group.clone()));
                facts.settings.insert(group, settings);
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
                        Some(command) => orders.found(key.number, command),
                        None => orders.resend(key.number, now),
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
            Sent::Registered(group, targets) => {
                self.facts.targets.remove(group);
                for target in targets {
                    self.owed.entry(target.host.clone()).or_default().remove(target);
                }
                self.owed.retain(|_, targets| !targets.is_empty());
                if let Some(rollout) = &mut self.rollout {
                    rollout.registered(group, targets, now);
                }
            }
        }
    }

    fn orders_of(&mut self, key: PartKey) -> Option<&mut Orders> {
        let rollout = self.rollout.as_mut().and_then(Rollout::orders_mut);
        let errands = self.errands.values_mut().filter_map(super::Errand::orders_mut);
        rollout.into_iter().chain(errands).find(|orders| orders.fence == key.fence)
    }

    /// Every transition is made here, and nowhere else, until there is none left to make or a
    /// look is needed first.
    fn settle(&mut self, now: Timestamp) {
        loop {
            self.run_errands(now);
            let Some(mut rollout) = self.rollout.take() else {
                if self.decide(now) {
                    continue;
                }
                return;
            };
            self.admit_joined(&mut rollout, now);
            let mut cx = Context {
                now,
                facts: &self.facts,
                due: &mut self.due,
                epoch: self.epoch,
                generation: &mut self.generation,
            };
            let moved = rollout.advance(&mut cx);
            if self.adopts(&rollout) {
                self.adopt(&rollout, now);
                continue;
            }
            match rollout.end().map(|(end, reason)| (end, reason.clone())) {
                Some((end, reason)) => self.conclude(rollout, end, reason, now),
                None => self.rollout = Some(rollout),
            }
            if !moved {
                return;
            }
        }
    }

    /// Takes the consequences of an end.
    fn conclude(&mut self, rollout: Rollout, end: End, reason: Reason, now: Timestamp) {
        self.remember_hosts(&rollout, now);
        match end {
            End::Succeeded => {
                let release = rollout.candidate.clone();
                self.current = Some(release.clone());
                self.successes.insert(0, Success { release, at: now });
                self.successes.truncate(SUCCESSES);
                self.last_attempt = None;
                self.adopted = true;
            }
            End::Restored | End::Stuck | End::Halted => self.quarantine(&rollout, &reason, now),
            End::Failed | End::Aborted => {}
        }
        if matches!(end, End::Stuck | End::Halted) {
            self.hold_for(&reason, now);
        }
        if end != End::Succeeded {
            self.remember_attempt(&rollout, end, reason, now);
        }
        self.ended.push(rollout);
    }

    fn quarantine(&mut self, rollout: &Rollout, reason: &Reason, now: Timestamp) {
        let digest = &rollout.candidate.digest;
        let is_baseline = rollout.baseline.as_ref().is_some_and(|it| it.digest == *digest);
        // What failed on its way back to an older release of its own accord is a person's matter.
        if !is_baseline && rollout.cause == Cause::Push {
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
        let with = super::decide::circumstances(&rollout.sources, rollout.hosts.keys());
        let again = self.last_attempt.as_ref().filter(|it| it.digest == digest && it.with == with);
        let tries = again.map_or(0, |it| it.tries).saturating_add(1);
        self.last_attempt = Some(Attempt { digest, end, reason, with, at: now, tries });
    }

    /// Keeps what each host was last verified to run.
    fn remember_hosts(&mut self, rollout: &Rollout, now: Timestamp) {
        let candidate = Running::Digest(rollout.candidate.digest.clone());
        for (host, run) in &rollout.hosts {
            if let Progress::Lost(_) = run.progress {
                // Nothing is known of it any more: an errand brings it back to `current`.
                self.hosts.remove(host);
                self.owed.insert(host.clone(), run.targets.clone());
            }
            let running = match &run.progress {
                Progress::Done => candidate.clone(),
                Progress::Restored => run.baseline.clone(),
                Progress::Waiting
                | Progress::Touched
                | Progress::Failed(_)
                | Progress::Lost(_)
                | Progress::Skipped(_) => continue,
            };
            self.hosts.insert(host.clone(), HostRecord { running, seen_at: now });
        }
    }
}
