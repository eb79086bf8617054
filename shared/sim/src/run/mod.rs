//! The program of a host at work: look, decide, take a step, write down, and look again.
//!
//! What it decides is `esclusa_core::host`; what it sees and changes is the [`Engine`]. An order
//! takes as long as the adversary says, and the program can be killed between any two steps.

mod answer;

use std::time::Duration;

use esclusa_core::host::{
    Admission, Journal, Order, Refusal, Report, Step, Turn, Wanted, admit, check_time,
    has_begun_once, next_activation_turn, next_prefetch_turn,
};
use esclusa_core::name::{HostId, LaneId};
use esclusa_core::observation::HostOrder;
use esclusa_core::order::{Answer, Fence, Verb};
use esclusa_core::reason::Reason;
use esclusa_core::release::Image;
use esclusa_core::time::Timestamp;

use crate::adversary::Adversary;
use crate::engine::{Engine, Registry, not_answering};
use crate::meddle::CUT_OFF;
use crate::world::{World, say};

/// The longest that a wait may be slept through while nothing can change.
const NAP: Duration = Duration::from_secs(5);

/// Turns that no order needs.
const TURNS: u32 = 3000;

/// An order on its host.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    order: Order,
    began: Timestamp,
    took: Duration,
    next_at: Timestamp,
    /// Whether it holds the service's lock on its host.
    is_locking: bool,
    /// How often the host had killed its program when this one began.
    kills: u64,
    turns: u32,
    course: Course,
}

/// What a run does next.
#[derive(Clone, Debug)]
enum Course {
    /// It looks, and decides; the last step failed for this.
    Decides(Option<Reason>),
    /// It takes this step, and writes this down.
    Takes(Step, Option<Box<Journal>>),
    /// It tells what runs.
    Inspects,
    /// It answers that it was refused.
    Refuses(Reason),
    /// It answers.
    Answers(Box<Answer>),
}

/// How far a run has come.
#[derive(Clone, Debug)]
pub(crate) enum RunState {
    /// It goes on.
    Runs,
    /// It has answered.
    Answered(Box<Answer>),
    /// It was killed.
    Killed,
}

/// An order as the program reads it from its parameters.
fn read_order(lane: &LaneId, order: &HostOrder, issued_at: Timestamp) -> Order {
    let seconds = |at: Timestamp| Timestamp::from_millis(at.as_secs().saturating_mul(1000));
    let image_bytes = match &order.image {
        Image::Release { bytes, .. } => *bytes,
        Image::Nothing | Image::Local(_) | Image::Snapshot { .. } => 0,
    };
    Order {
        verb: order.verb,
        lane: lane.clone(),
        project: lane.service.project(),
        repository: order.repository.clone(),
        wanted: order.image.to_string().parse().unwrap_or(Wanted::Nothing),
        image_bytes,
        fence: order.key.fence,
        issued_at: seconds(issued_at),
        not_after: seconds(order.not_after),
        on_failure: order.on_failure,
        mode: order.mode,
        deadline: order.settings.deadline,
        http: order.settings.http.clone(),
        compose: order.settings.compose,
        allowed: order.settings.compose_allow.iter().map(ToString::to_string).collect(),
    }
}

impl Run {
    /// When anybody can first hear of it: what it does before is caught up with by then.
    pub(crate) fn next_at(&self) -> Timestamp {
        self.next_at.max(self.ends_at())
    }

    /// When it began.
    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    /// When it can be done.
    fn ends_at(&self) -> Timestamp {
        self.began.after(self.took)
    }

    /// So many parts in 32 of the time that it has.
    fn share(&self, parts: u32) -> Duration {
        self.took.saturating_mul(parts).checked_div(32).unwrap_or_default()
    }

    /// How long a step takes: all of an order's steps together fit into the time that it has.
    fn cost(&self, step: &Step, engine: &Engine, now: Timestamp) -> Duration {
        match step {
            Step::Up { .. } => self.share(12),
            Step::Pull { .. } => self.share(16),
            Step::RemoveContainers(_) | Step::RunOnce { .. } => self.share(2),
            Step::RecreateContainer { .. }
            | Step::StartContainer(_)
            | Step::RestartContainer(_)
            | Step::Restart { .. } => self.share(1),
            Step::Wait(span) if span.is_zero() => Duration::ZERO,
            Step::Wait(span) => {
                let change = engine.next_change(now).map_or(NAP, |at| at.since(now));
                change.min(NAP).max(*span)
            }
            Step::TagImage { .. }
            | Step::ShipComposeFile { .. }
            | Step::TakeSnapshot(..)
            | Step::WritePin { .. }
            | Step::RestoreFiles { .. }
            | Step::Rename { .. }
            | Step::Probe { .. } => Duration::ZERO,
        }
    }
}

impl World {
    /// The program begins with an order; whether it carries the order out.
    pub(crate) fn begin_run(
        &mut self,
        id: &HostId,
        lane: &LaneId,
        order: &HostOrder,
        (issued_at, took): (Timestamp, Duration),
    ) -> Option<(Run, bool)> {
        let now = self.now;
        let order = read_order(lane, order, issued_at);
        let host = self.hosts.get_mut(id)?;
        let clock = host.clock(now);
        let is_begun = has_begun_once(&order, host.engine.kept());
        let refused = check_time(&order, clock).err().filter(|_| !is_begun);
        let is_locking = order.verb != Verb::Inspect && refused.is_none();
        let (course, begins) = match (order.verb, refused) {
            (_, Some(Refusal(reason))) => (Course::Refuses(reason), false),
            (Verb::Inspect, None) => (Course::Inspects, false),
            (Verb::Prefetch | Verb::Activate, None) => {
                host.is_locked = true;
                match admit(&order, host.engine.kept(), clock) {
                    Admission::Refused(refusal) => (Course::Refuses(refusal.0), false),
                    Admission::Repeated(_) => (repeat(host.answered.as_ref(), &order), false),
                    Admission::CarriedOn => {
                        host.engine.watch_anew(now);
                        (Course::Decides(None), true)
                    }
                    Admission::Begun => match host.engine.check_room(now) {
                        Ok(()) => {
                            host.engine.write_newest(&order);
                            (Course::Decides(None), !is_begun)
                        }
                        Err(full) => (Course::Refuses(full), false),
                    },
                }
            }
        };
        let at_once = matches!(course, Course::Decides(_));
        let next_at = if at_once { now } else { now.after(took) };
        if is_locking {
            host.locked_until = next_at;
        }
        let kills = host.kills;
        Some((
            Run { order, began: now, took, next_at, is_locking, kills, turns: 0, course },
            begins,
        ))
    }

    /// Lets a run catch up with the clock: each of its turns is taken at its own time.
    pub(crate) fn continue_run(
        &mut self,
        id: &HostId,
        run: &mut Run,
        adversary: &mut Adversary,
    ) -> RunState {
        let now = self.now;
        let state = self.catch_up(id, run, now, adversary);
        self.now = now;
        state
    }

    fn catch_up(
        &mut self,
        id: &HostId,
        run: &mut Run,
        until: Timestamp,
        adversary: &mut Adversary,
    ) -> RunState {
        loop {
            let Some(host) = self.hosts.get_mut(id) else { return RunState::Killed };
            if host.kills != run.kills {
                return RunState::Killed;
            }
            if run.next_at > until {
                if run.is_locking {
                    host.locked_until = run.next_at.max(run.ends_at());
                }
                return RunState::Runs;
            }
            self.now = run.next_at;
            if let Course::Answers(answer) = &run.course {
                host.is_locked &= !run.is_locking;
                return RunState::Answered(answer.clone());
            }
            if self.is_killed(id, run, adversary) {
                return RunState::Killed;
            }
            self.take_turn(id, run);
        }
    }

    /// The adversary may kill the program before each of its turns.
    fn is_killed(&mut self, id: &HostId, run: &Run, adversary: &mut Adversary) -> bool {
        let works = matches!(run.course, Course::Decides(_) | Course::Takes(..));
        if !works || !adversary.kills_program() {
            return false;
        }
        say!(self, "the program on {id} is killed: {:?}", run.course);
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(id) {
            if let Course::Takes(step, _) = &run.course {
                host.engine.cut_up_off(step, now);
                host.engine.cut_run_off(step, now);
            }
            host.kill_program();
        }
        self.count(CUT_OFF);
        true
    }

    fn take_turn(&mut self, id: &HostId, run: &mut Run) {
        run.turns = run.turns.saturating_add(1);
        if run.turns > TURNS {
            self.breaks(6, format!("{id} never ends {}: {:?}", run.order.fence, run.course));
            run.course = Course::Refuses(not_answering());
        }
        match std::mem::replace(&mut run.course, Course::Inspects) {
            Course::Decides(failure) => self.decide(id, run, failure),
            Course::Takes(step, then) => self.take_step(id, run, &step, then),
            Course::Inspects => self.inspect_host(id, run),
            Course::Refuses(reason) => {
                let report = Report::refused(Refusal(reason), Vec::new());
                self.answer_with(id, run, &report);
            }
            Course::Answers(answer) => run.course = Course::Answers(answer),
        }
    }

    /// Shows a host's engine to something that decides by it.
    fn look<T>(
        &mut self,
        id: &HostId,
        see: impl FnOnce(&mut Engine, Registry<'_>) -> T,
    ) -> Option<T> {
        let now = self.now;
        let host = self.hosts.get_mut(id)?;
        let registry =
            Registry { images: &self.images, withdrawn: &self.withdrawn, ails: &host.ails };
        host.engine.observe(now, registry);
        Some(see(&mut host.engine, registry))
    }

    fn decide(&mut self, id: &HostId, run: &mut Run, failure: Option<Reason>) {
        let now = self.now;
        let order = &run.order;
        let turn = self.look(id, |engine, _| {
            let failure = if engine.down_until > now { Some(not_answering()) } else { failure };
            match order.verb {
                Verb::Activate => next_activation_turn(order, engine.seen(), failure.as_ref()),
                Verb::Prefetch | Verb::Inspect => {
                    next_prefetch_turn(order, engine.seen(), failure.as_ref())
                }
            }
        });
        match turn {
            Some(Turn::Act(step, then)) => {
                let took = self.look(id, |engine, _| {
                    engine.begin_up(&step);
                    run.cost(&step, engine, now)
                });
                run.next_at = now.after(took.unwrap_or_default());
                run.course = Course::Takes(step, then);
            }
            Some(Turn::End(report)) => self.end(id, run, &report),
            None => {}
        }
    }

    fn take_step(&mut self, id: &HostId, run: &mut Run, step: &Step, then: Option<Box<Journal>>) {
        if changes_containers(step) {
            self.check_repeated(id, run);
        }
        if matches!(step, Step::RunOnce { .. }) {
            self.check_once(id, &run.order);
        }
        let now = self.now;
        let pace = run.share(4);
        let taken = self.look(id, |engine, registry| {
            engine.set_warm_up(Some(pace));
            let made = engine.apply(step, now, registry);
            engine.set_warm_up(None);
            let made = match made {
                Ok(made) => made,
                Err(reason) => return Ok(Some(reason)),
            };
            let kept = engine.kept();
            let journal = match then {
                Some(journal) => Some(journal.watched_from(now)),
                None => kept.journal.clone().filter(|_| made.is_some()),
            };
            let Some(mut journal) = journal else { return Ok(None) };
            journal.replaced.extend(made);
            // What cannot be written down ends the order, wherever it is.
            engine.check_room(now)?;
            engine.kept_mut().journal = Some(journal);
            Ok(None)
        });
        self.check_started_once(id);
        match taken {
            Some(Ok(failure)) => run.course = Course::Decides(failure),
            Some(Err(reason)) => run.course = Course::Refuses(reason),
            None => {}
        }
    }

    /// A command that was carried out changes nothing when it comes again.
    fn check_repeated(&mut self, id: &HostId, run: &Run) {
        let activation = (id.clone(), run.order.fence.to_string());
        if run.order.verb == Verb::Activate && self.marks.activations.contains(&activation) {
            self.breaks(11, format!("{id} changed twice for the order {}", run.order.fence));
        }
    }
}

/// What was answered the first time.
fn repeat(answered: Option<&(Fence, Answer)>, order: &Order) -> Course {
    match answered.filter(|(fence, _)| *fence == order.fence) {
        Some((_, answer)) => Course::Answers(Box::new(answer.clone())),
        None => Course::Refuses(not_answering()),
    }
}

fn changes_containers(step: &Step) -> bool {
    matches!(
        step,
        Step::Up { .. }
            | Step::Restart { .. }
            | Step::RunOnce { .. }
            | Step::RemoveContainers(_)
            | Step::StartContainer(_)
            | Step::RestartContainer(_)
            | Step::RecreateContainer { .. }
    )
}
