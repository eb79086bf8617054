//! Run Command as it is: delivery that may never come, execution that takes its time, answers
//! that are there only afterwards.

use std::time::Duration;

use esclusa_core::name::{HostId, LaneId};
use esclusa_core::observation::HostOrder;
use esclusa_core::order::{Answer, CommandId, DELIVERY, Heard, Invocation, Verb};
use esclusa_core::time::Timestamp;
use esclusa_shell::receive::Notice;

use crate::adversary::Adversary;
use crate::check::Look;
use crate::meddle::GIVEN_AGAIN;
use crate::run::{Run, RunState};
use crate::world::{World, say};

/// When SSM gives up an invocation whose host has died.
const LOST: Duration = Duration::from_mins(2);

/// Where one invocation stands.
#[derive(Clone, Debug)]
enum Stage {
    /// Not delivered; given up at `until`.
    Pending { tried_at: Timestamp, until: Timestamp },
    /// The program runs.
    Running(Box<Run>),
    /// Over.
    Over(Heard),
}

/// A command that is out.
#[derive(Clone, Debug)]
pub(crate) struct SimCommand {
    pub(crate) lane: LaneId,
    pub(crate) order: HostOrder,
    issued_at: Timestamp,
    stages: Vec<(HostId, Stage)>,
    /// What was true of each host whose answer can be read, when it was made.
    pub(crate) looks: Vec<(HostId, Look)>,
}

/// A command that an agent got a second time; nobody hears the answer.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    command: CommandId,
    host: HostId,
    stage: Stage,
}

impl World {
    /// Accepts a command, unless one of its hosts does not exist.
    pub(crate) fn accept(
        &mut self,
        lane: &LaneId,
        order: &HostOrder,
        issued_at: Timestamp,
        adversary: &mut Adversary,
    ) -> Option<CommandId> {
        let known = |id: &HostId| {
            self.hosts.get(id).is_some_and(|it| it.alive && it.refused_until <= self.now)
        };
        if !order.hosts.iter().all(known) {
            return None;
        }
        let id = CommandId(format!("command-{:04}", self.commands.len()));
        let until = self.now.after(DELIVERY);
        let mut stages = Vec::new();
        for host in &order.hosts {
            let tried_at = self.now.after(adversary.delivery());
            stages.push((host.clone(), Stage::Pending { tried_at, until }));
        }
        let (verb, fence, image) = (order.verb, order.key.fence, &order.image);
        say!(self, "{verb} {fence} {image} to {:?} as {}", order.hosts, id.0);
        let command = SimCommand {
            lane: lane.clone(),
            order: order.clone(),
            issued_at,
            stages,
            looks: Vec::new(),
        };
        self.commands.insert(id.clone(), command);
        self.open.push(id.clone());
        self.stir();
        Some(id)
    }

    /// What has become of a command.
    pub(crate) fn invocations(&self, id: &CommandId) -> Vec<Invocation> {
        let stages = self.commands.get(id).into_iter().flat_map(|command| &command.stages);
        stages
            .map(|(host, stage)| Invocation {
                host: host.clone(),
                heard: match stage {
                    Stage::Over(heard) => Some(heard.clone()),
                    Stage::Pending { .. } | Stage::Running(_) => None,
                },
            })
            .collect()
    }

    /// Carries out once more what an agent was given a second time.
    fn run_repeats(&mut self, adversary: &mut Adversary) {
        for mut repeat in std::mem::take(&mut self.repeats) {
            let Some(command) = self.commands.remove(&repeat.command) else { continue };
            let next = self.advance(&repeat.host, &mut repeat.stage, &command, adversary);
            self.commands.insert(repeat.command.clone(), command);
            repeat.stage = next.unwrap_or(repeat.stage);
            if !matches!(repeat.stage, Stage::Over(_)) {
                self.repeats.push(repeat);
            }
        }
    }

    /// Lets time pass for every command.
    pub(crate) fn run_commands(&mut self, adversary: &mut Adversary) {
        self.run_repeats(adversary);
        for id in std::mem::take(&mut self.open) {
            let Some(mut command) = self.commands.remove(&id) else { continue };
            let mut ended = false;
            let mut stages = std::mem::take(&mut command.stages);
            for (host, stage) in &mut stages {
                let next = self.advance(host, stage, &command, adversary);
                ended |= matches!(next, Some(Stage::Over(_)));
                let Some(mut next) = next else { continue };
                if let Stage::Over(Heard::Answered(answer)) = next {
                    let heard = self.deliver((&id, host), &command.order, answer, adversary);
                    if matches!(heard, Heard::Answered(_)) {
                        command.looks.extend(self.last_look(host).map(|it| (host.clone(), it)));
                    }
                    next = Stage::Over(heard);
                }
                *stage = next;
            }
            command.stages = stages;
            if ended {
                for delay in adversary.event_delay() {
                    self.enqueue(Notice::Command(command.lane.clone()), delay);
                }
            }
            if command.stages.iter().any(|(_, stage)| !matches!(stage, Stage::Over(_))) {
                self.open.push(id.clone());
            }
            self.commands.insert(id, command);
        }
    }

    /// When an invocation goes on next.
    pub(crate) fn next_step(&self) -> Option<Timestamp> {
        let open = self.open.iter().filter_map(|id| self.commands.get(id));
        let stages = open.flat_map(|it| it.stages.iter().map(move |stage| (it.order.verb, stage)));
        let repeats = self.repeats.iter().filter_map(|it| {
            let verb = self.commands.get(&it.command)?.order.verb;
            self.next_of(verb, &it.host, &it.stage)
        });
        let next = stages.filter_map(|(verb, (id, stage))| self.next_of(verb, id, stage));
        next.chain(repeats).min()
    }

    fn next_of(&self, verb: Verb, id: &HostId, stage: &Stage) -> Option<Timestamp> {
        let host = self.hosts.get(id)?;
        match stage {
            Stage::Over(_) => None,
            Stage::Pending { tried_at, until } => {
                let heard = (*tried_at).max(host.free_at(verb));
                Some(if host.alive { heard.min(*until) } else { *until })
            }
            Stage::Running(run) if !host.alive => Some(run.began().after(LOST)),
            Stage::Running(run) => Some(run.next_at()),
        }
    }

    fn advance(
        &mut self,
        id: &HostId,
        stage: &mut Stage,
        command: &SimCommand,
        adversary: &mut Adversary,
    ) -> Option<Stage> {
        let now = self.now;
        let host = self.hosts.get(id)?;
        match stage {
            Stage::Over(_) => None,
            Stage::Pending { until, .. } if now >= *until => Some(Stage::Over(Heard::Silent)),
            Stage::Pending { tried_at, .. } => {
                let free = host.is_free(command.order.verb, now);
                let listens = host.alive && free && *tried_at <= now;
                if !listens {
                    return None;
                }
                let took = adversary.execution(command.order.verb);
                let run = self.begin(id, command, took)?;
                let mut begun = Stage::Running(Box::new(run));
                let next = self.advance(id, &mut begun, command, adversary);
                Some(next.unwrap_or(begun))
            }
            Stage::Running(run) if !host.alive => {
                let given_up = now.since(run.began()) >= LOST;
                given_up.then_some(Stage::Over(Heard::Unclear("terminated".to_owned())))
            }
            Stage::Running(run) => match self.continue_run(id, run, adversary) {
                RunState::Runs => None,
                RunState::Answered(mut answer) => {
                    answer.took = now.since(run.began());
                    Some(Stage::Over(Heard::Answered(*answer)))
                }
                RunState::Killed => Some(self.cut_off(id, adversary)),
            },
        }
    }

    /// What becomes of an invocation whose program was killed: the agent takes it up again, or
    /// tells that there was no answer.
    fn cut_off(&mut self, id: &HostId, adversary: &mut Adversary) -> Stage {
        let back = self.hosts.get(id).map_or(self.now, |host| host.off_until.max(self.now));
        if adversary.takes_up_again() {
            self.count(GIVEN_AGAIN);
            let tried_at = back.after(Duration::from_secs(3));
            return Stage::Pending { tried_at, until: tried_at.after(DELIVERY) };
        }
        Stage::Over(Heard::Unclear("the program was killed".to_owned()))
    }

    /// The program begins.
    fn begin(&mut self, id: &HostId, command: &SimCommand, took: Duration) -> Option<Run> {
        let SimCommand { lane, order, issued_at, .. } = command;
        let (run, begins) = self.begin_run(id, lane, order, (*issued_at, took))?;
        if begins {
            self.check_begin(id, order);
        }
        Some(run)
    }

    /// Whether a host gives the same answer when a command comes again: it remembers no refusal.
    fn is_remembered(&self, order: &HostOrder, host: &HostId) -> bool {
        let answered = self.hosts.get(host).and_then(|it| it.answered.as_ref());
        let known = answered.is_some_and(|(fence, _)| *fence == order.key.fence);
        order.verb != Verb::Activate || known
    }

    /// An answer may be cut off; an activation may be delivered a second time.
    fn deliver(
        &mut self,
        (command, host): (&CommandId, &HostId),
        order: &HostOrder,
        answer: Answer,
        adversary: &mut Adversary,
    ) -> Heard {
        let repeats = adversary.repeats_delivery();
        if let Some(delay) = repeats.filter(|_| self.is_remembered(order, host)) {
            let tried_at = self.now.after(delay);
            let until = tried_at.after(DELIVERY);
            let stage = Stage::Pending { tried_at, until };
            let repeat = Repeat { command: command.clone(), host: host.clone(), stage };
            self.repeats.push(repeat);
        }
        if adversary.garbles() {
            return Heard::Unclear("the answer was cut off".to_owned());
        }
        Heard::Answered(answer)
    }
}
