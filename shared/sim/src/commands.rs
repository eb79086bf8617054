//! Run Command as it is: delivery that may never come, execution that takes its time, answers
//! that are there only afterwards.

use std::time::Duration;

use esclusa_core::name::{HostId, LaneId};
use esclusa_core::observation::HostOrder;
use esclusa_core::order::{Answer, CommandId, DELIVERY, Heard, Invocation, Verb};
use esclusa_core::time::Timestamp;
use esclusa_shell::receive::Notice;

use crate::adversary::Adversary;
use crate::world::{World, say};

/// When SSM gives up an invocation whose host has died.
const LOST: Duration = Duration::from_mins(2);

/// Where one invocation stands.
#[derive(Clone, Debug)]
enum Stage {
    /// Not delivered; given up at `until`.
    Pending { tried_at: Timestamp, until: Timestamp },
    /// The script runs; it takes effect at `done_at`.
    Running { started_at: Timestamp, done_at: Timestamp, refused: Option<&'static str> },
    /// Over.
    Over(Heard),
}

/// A command that is out.
#[derive(Clone, Debug)]
pub(crate) struct SimCommand {
    pub(crate) lane: LaneId,
    pub(crate) order: HostOrder,
    stages: Vec<(HostId, Stage)>,
}

impl World {
    /// Accepts a command, unless one of its hosts does not exist.
    pub(crate) fn accept(
        &mut self,
        lane: &LaneId,
        order: &HostOrder,
        adversary: &mut Adversary,
    ) -> Option<CommandId> {
        let known = |id: &HostId| self.hosts.get(id).is_some_and(|host| host.alive);
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
        let command = SimCommand { lane: lane.clone(), order: order.clone(), stages };
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
                    Stage::Pending { .. } | Stage::Running { .. } => None,
                },
            })
            .collect()
    }

    /// Carries out once more what an agent was given a second time; nobody hears the answer.
    fn run_repeats(&mut self) {
        let now = self.now;
        let free = |id: &HostId, order: &HostOrder| {
            self.hosts.get(id).is_none_or(|host| host.free_at(order.verb) <= now)
        };
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.repeats)
            .into_iter()
            .partition(|(at, id, order)| *at <= now && free(id, order));
        self.repeats = later;
        for (_, id, order) in due {
            if self.hosts.get(&id).is_some_and(|host| host.alive) {
                let refused = self.admit(&id, &order);
                self.check_begin(&id, &order, refused);
                let _ = self.carry_out(&id, &order, refused, Duration::from_secs(1));
            }
        }
    }

    /// Lets time pass for every command.
    pub(crate) fn run_commands(&mut self, adversary: &mut Adversary) {
        self.run_repeats();
        for id in std::mem::take(&mut self.open) {
            let Some(mut command) = self.commands.remove(&id) else { continue };
            let mut ended = false;
            for (host, stage) in &mut command.stages {
                let next = self.advance(host, stage, &command.order, adversary);
                ended |= matches!(next, Some(Stage::Over(_)));
                if let Some(next) = next {
                    *stage = next;
                }
            }
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
        let verb = |it: &SimCommand| it.order.verb;
        let stages = open.flat_map(|it| it.stages.iter().map(move |stage| (verb(it), stage)));
        let next = |(verb, (id, stage)): (Verb, &(HostId, Stage))| {
            let host = self.hosts.get(id)?;
            match stage {
                Stage::Over(_) => None,
                Stage::Pending { tried_at, until } => {
                    let heard = (*tried_at).max(host.free_at(verb));
                    Some(if host.alive { heard.min(*until) } else { *until })
                }
                Stage::Running { started_at, .. } if !host.alive => Some(started_at.after(LOST)),
                Stage::Running { done_at, .. } => Some(*done_at),
            }
        };
        stages.filter_map(next).min()
    }

    fn advance(
        &mut self,
        id: &HostId,
        stage: &Stage,
        order: &HostOrder,
        adversary: &mut Adversary,
    ) -> Option<Stage> {
        let now = self.now;
        let host = self.hosts.get(id)?;
        match stage {
            Stage::Over(_) => None,
            Stage::Pending { until, .. } if now >= *until => Some(Stage::Over(Heard::Silent)),
            Stage::Pending { tried_at, .. } => {
                let free = host.free_at(order.verb) <= now;
                let listens = host.alive && free && *tried_at <= now;
                listens.then(|| self.begin(id, order, adversary))
            }
            Stage::Running { started_at, .. } if !host.alive => {
                let given_up = now.since(*started_at) >= LOST;
                given_up.then_some(Stage::Over(Heard::Unclear("terminated".to_owned())))
            }
            Stage::Running { done_at, .. } if now < *done_at => None,
            Stage::Running { started_at, done_at, refused } => {
                let took = done_at.since(*started_at);
                let answer = self.carry_out(id, order, *refused, took);
                Some(Stage::Over(self.deliver(id, answer, order, adversary)))
            }
        }
    }

    /// A script begins; an activation takes the containers down at once.
    fn begin(&mut self, id: &HostId, order: &HostOrder, adversary: &mut Adversary) -> Stage {
        let now = self.now;
        let done_at = now.after(adversary.execution(order.verb));
        let refused = self.admit(id, order);
        self.check_begin(id, order, refused);
        if let Some(host) = self.hosts.get_mut(id) {
            if order.verb != Verb::Inspect {
                host.locked_until = done_at;
            }
            let changes = order.verb == Verb::Activate
                && refused.is_none()
                && !host.answers.contains_key(&order.key.fence)
                && (order.recreate || !order.image.is_run_by(&host.running));
            if changes {
                host.changing_until = done_at;
            }
        }
        Stage::Running { started_at: now, done_at, refused }
    }

    /// An answer may be cut off; an activation may be delivered a second time.
    fn deliver(
        &mut self,
        id: &HostId,
        answer: Answer,
        order: &HostOrder,
        adversary: &mut Adversary,
    ) -> Heard {
        if let Some(delay) = adversary.repeats_delivery() {
            self.repeats.push((self.now.after(delay), id.clone(), order.clone()));
        }
        if adversary.garbles() {
            return Heard::Unclear("the answer was cut off".to_owned());
        }
        Heard::Answered(answer)
    }
}
