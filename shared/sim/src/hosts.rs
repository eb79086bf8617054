//! A host: its machine, its agent, and the engine on it.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::name::HostId;
use esclusa_core::order::{Answer, Fence, Verb};
use esclusa_core::release::Running;
use esclusa_core::time::Timestamp;
use esclusa_shell::receive::Notice;

use crate::check::Look;
use crate::engine::{Engine, FAILS_AFTER, Project, Registry};
use crate::story::{add_host, host};
use crate::world::{Behaviour, World};

/// The repository of every story.
pub(crate) const REPOSITORY: &str = "127.0.0.1:5000/acme/boletos";

/// How far a clock that is right may be off.
pub(crate) const SKEW: Duration = Duration::from_secs(2);

/// A simulated host.
#[derive(Clone, Debug)]
pub(crate) struct SimHost {
    pub(crate) zone: String,
    pub(crate) alive: bool,
    /// The agent hears nothing until then.
    pub(crate) silent_until: Timestamp,
    /// Systems Manager takes no command for it until then, although it lists it.
    pub(crate) refused_until: Timestamp,
    /// EC2 says until then that its instance is stopped.
    pub(crate) stopped_until: Timestamp,
    /// When Systems Manager stops listing it, until it is started again.
    pub(crate) unlisted_at: Timestamp,
    /// Until when Systems Manager leaves it out of its list, although it is well.
    pub(crate) hidden_until: Timestamp,
    /// How far its clock is ahead, in milliseconds (behind where negative), and until when.
    pub(crate) clock: (i64, Timestamp),
    /// The machine is off until then; its containers come back with it.
    pub(crate) off_until: Timestamp,
    /// How often the program was killed.
    pub(crate) kills: u64,
    /// The engine with its containers, and what the program wrote down.
    pub(crate) engine: Engine,
    /// Whether an order holds the service's lock; others wait for it.
    pub(crate) is_locked: bool,
    /// When the order that holds the lock goes on.
    pub(crate) locked_until: Timestamp,
    /// The answer of the last finished activation: a host keeps no more.
    pub(crate) answered: Option<(Fence, Answer)>,
    /// What was true of it when its program last made an answer.
    pub(crate) last_look: Option<Look>,
    /// Images that never become healthy on it, whatever they do elsewhere.
    pub(crate) ails: BTreeSet<Digest>,
}

/// How long Systems Manager lists an instance that was stopped.
const LISTED: Duration = Duration::from_mins(4);

impl SimHost {
    pub(crate) fn new(zone: &str, project: Project, running: &Running) -> Self {
        Self {
            zone: zone.to_owned(),
            alive: true,
            silent_until: Timestamp::default(),
            refused_until: Timestamp::default(),
            stopped_until: Timestamp::default(),
            unlisted_at: Timestamp::default(),
            hidden_until: Timestamp::default(),
            clock: (0, Timestamp::default()),
            off_until: Timestamp::default(),
            kills: 0,
            engine: Engine::new(REPOSITORY, project, running),
            is_locked: false,
            locked_until: Timestamp::default(),
            answered: None,
            last_look: None,
            ails: BTreeSet::new(),
        }
    }

    /// What its containers truly run.
    pub(crate) fn running(&self) -> Running {
        self.engine.running()
    }

    /// Whether it can begin an order.
    pub(crate) fn is_free(&self, verb: Verb, now: Timestamp) -> bool {
        let locked = verb != Verb::Inspect && self.is_locked;
        !locked && self.free_at(verb) <= now
    }

    /// When it can begin an order, as far as is known.
    pub(crate) fn free_at(&self, verb: Verb) -> Timestamp {
        let listens_at = self.silent_until.max(self.off_until);
        if verb != Verb::Inspect && self.is_locked {
            return listens_at.max(self.locked_until);
        }
        listens_at
    }

    /// The machine loses its power, and comes up at `back`: whatever runs on it is cut off.
    pub(crate) fn lose_power(&mut self, back: Timestamp) {
        self.off_until = back.max(self.off_until);
        self.kill_program();
        self.engine.boot(self.off_until);
    }

    /// The instance is stopped, and started again at `until`. Systems Manager lists it meanwhile.
    pub(crate) fn stop(&mut self, now: Timestamp, until: Timestamp) {
        self.unlisted_at = now.after(LISTED);
        self.silent_until = until;
        self.refused_until = until;
        self.stopped_until = until;
        self.lose_power(until);
    }

    /// Whether Systems Manager lists it.
    pub(crate) fn is_listed(&self, now: Timestamp) -> bool {
        let stopped = self.stopped_until > now && now >= self.unlisted_at;
        self.alive && !stopped && self.hidden_until <= now
    }

    /// Whether the machine runs.
    fn is_on(&self, now: Timestamp) -> bool {
        self.alive && self.off_until <= now
    }

    /// What its own clock says.
    pub(crate) fn clock(&self, now: Timestamp) -> Timestamp {
        let (ahead, until) = self.clock;
        let ahead = if now < until { ahead } else { 0 };
        Timestamp::from_millis(now.as_millis().saturating_add_signed(ahead))
    }

    /// Kills the program, wherever it is.
    pub(crate) fn kill_program(&mut self) {
        self.kills = self.kills.saturating_add(1);
        self.is_locked = false;
    }
}

impl World {
    /// A host exists from now on that runs nothing, and whoever listens is told.
    pub(crate) fn launch(&mut self, number: usize) {
        add_host(self, number, &Running::Nothing);
        self.marks.news_at = self.now;
        if let Some(id) = host(number) {
            self.disturb(&id, self.now);
        }
        self.enqueue(Notice::Hosts, Duration::from_secs(1));
    }

    /// A host exists no more.
    pub(crate) fn terminate(&mut self, id: &HostId) {
        self.disturb(id, self.now);
        self.marks.news_at = self.now;
        if let Some(host) = self.hosts.get_mut(id) {
            host.alive = false;
        }
        self.targets.retain(|it| it.target.host != *id);
    }

    pub(crate) fn registry<'a>(&'a self, host: &'a SimHost) -> Registry<'a> {
        Registry { images: &self.images, withdrawn: &self.withdrawn, ails: &host.ails }
    }

    fn behaviour(&self, running: &Running) -> Option<Behaviour> {
        match running {
            Running::Digest(digest) => self.images.get(digest).map(|(_, behaviour)| *behaviour),
            Running::Local(_) => Some(Behaviour::Good),
            Running::Nothing | Running::Mixed => None,
        }
    }

    /// Whether the containers of a host are well.
    pub(crate) fn is_well(&self, id: &HostId) -> bool {
        let host = self.hosts.get(id).filter(|host| host.is_on(self.now));
        host.is_some_and(|host| host.engine.is_well(self.now, self.registry(host)))
    }

    /// Whether every service of a host has a container that works, whatever number it should have.
    pub(crate) fn is_serving(&self, id: &HostId) -> bool {
        let host = self.hosts.get(id).filter(|host| host.is_on(self.now));
        host.is_some_and(|host| host.engine.is_serving(self.now, self.registry(host)))
    }

    /// Whether everything of the project is well, the sidecar and the database too.
    pub(crate) fn is_whole(&self, id: &HostId) -> bool {
        let host = self.hosts.get(id);
        host.is_some_and(|host| host.engine.is_whole(self.now, self.registry(host)))
    }

    /// Whether a host would pass the load balancer's check.
    pub(crate) fn passes(&self, id: &HostId) -> bool {
        self.is_well(id)
            && self.hosts.get(id).is_some_and(|host| match self.behaviour(&host.running()) {
                Some(Behaviour::FailsTarget) => false,
                Some(Behaviour::FailsLater) => {
                    host.engine.started_at().after(FAILS_AFTER) > self.now
                }
                _ => true,
            })
    }

    /// When the containers of a host failed by themselves that had been well, if they did.
    pub(crate) fn died_at(&self, id: &HostId) -> Option<Timestamp> {
        let host = self.hosts.get(id)?;
        let dies = self.behaviour(&host.running()) == Some(Behaviour::DiesLater);
        let at = host.engine.started_at().after(FAILS_AFTER);
        (dies && at <= self.now).then_some(at)
    }

    /// When a host next passes the load balancer's check, or stops doing so, as things are.
    pub(crate) fn turns_at(&self, id: &HostId) -> Option<Timestamp> {
        let host = self.hosts.get(id)?;
        let later = matches!(
            self.behaviour(&host.running()),
            Some(Behaviour::FailsLater | Behaviour::DiesLater)
        );
        let fails_at = later.then(|| host.engine.started_at().after(FAILS_AFTER));
        let up_at = [host.off_until, host.engine.down_until];
        let known = fails_at.into_iter().chain(up_at).filter(|at| *at > self.now);
        known.chain(host.engine.next_change(self.now)).min()
    }
}
