//! What a script does to a world by hand, and sees of it: nothing here is left to chance.

use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::lane::{Blocker, Lane};
use esclusa_core::name::{HostId, LaneId, Tag};
use esclusa_core::release::{Availability, Release, Running};
use esclusa_core::request::RequestId;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::Health;
use esclusa_shell::operate::{Action, OperateError, operate, why};
use esclusa_shell::ports::Wanted;
use esclusa_shell::receive::Notice;

use crate::simulation::Simulation;
use crate::story::{add_host, lane};
use crate::world::{Job, World};

/// The target group of a balanced fleet.
const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-south-1:123456789012:targetgroup/web/0123456789abcdef";

/// How long an event takes.
const EVENT: Duration = Duration::from_secs(1);

/// Whether a host can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It exists, and its agent listens.
    There,
    /// It exists, and its agent hears nothing.
    Silent,
    /// It does not exist any more.
    Gone,
}

/// How a host truly is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostState {
    /// Which.
    pub id: HostId,
    /// Whether it can be reached.
    pub presence: Presence,
    /// What it runs.
    pub running: Running,
    /// Whether its containers are well.
    pub well: bool,
    /// Whether it takes traffic.
    pub serves: bool,
    /// What the load balancer says of it; nothing where it is not registered.
    pub target: Option<Health>,
}

impl World {
    /// Hosts that are placed from now on serve in a target group; its name in a configuration.
    pub fn balance(&mut self) -> &'static str {
        self.groups = GROUP.parse().into_iter().collect();
        GROUP
    }

    /// Adds the host with this number, as one that was there before anybody looked.
    pub fn place(&mut self, number: usize, running: &Running) {
        add_host(self, number, running);
    }

    /// What a host ran before anybody looked.
    pub fn begin_with(&mut self, id: &HostId, running: &Running) {
        self.stir();
        if let Some(host) = self.hosts.get_mut(id) {
            *host = crate::hosts::SimHost::new(&host.zone, self.project, running);
        }
    }

    /// Adds the host with this number, and lets whoever listens know.
    pub fn join(&mut self, number: usize) {
        self.launch(number);
    }

    /// Lets a tag point to an image, and takes it from the one that bore it.
    pub fn retag(&mut self, tag: &Tag, digest: &Digest, followed: bool) {
        for (it, (release, _)) in &mut self.images {
            release.tags.remove(tag);
            if it == digest {
                release.tags.insert(tag.clone());
            }
        }
        self.tags.insert(tag.clone(), digest.clone());
        if followed {
            self.moves.push((self.now, digest.clone()));
            self.marks.hear_news(self.now);
        }
    }

    /// An event says that an image was given a tag.
    pub fn tell_of(&mut self, tag: &Tag) {
        if let Some(LaneId { service, .. }) = lane() {
            self.enqueue(Notice::Pushed { service, tag: tag.clone() }, EVENT);
        }
    }

    /// Loses the events of pushes that nobody has received; how many there were.
    pub fn lose_events(&mut self) -> usize {
        let before = self.queue.len();
        self.queue.retain(|it| !matches!(it.job, Job::Notice(Notice::Pushed { .. })));
        before.saturating_sub(self.queue.len())
    }

    /// The registry hands an image out no more: it is archived, or deleted.
    pub fn withdraw(&mut self, digest: &Digest, archived: bool) {
        match self.images.get_mut(digest) {
            Some((Release { availability, .. }, _)) if archived => {
                *availability = Availability::Archived;
            }
            Some(_) | None => self.tags.retain(|_, it| it != digest),
        }
        self.withdrawn.insert(digest.clone(), archived);
    }

    /// An image never becomes healthy on this one host.
    pub fn spoil(&mut self, id: &HostId, digest: &Digest) {
        self.stir();
        if let Some(host) = self.hosts.get_mut(id) {
            host.ails.insert(digest.clone());
        }
    }

    /// A host loses every image that no container of it uses.
    pub fn prune(&mut self, id: &HostId) {
        self.stir();
        if let Some(host) = self.hosts.get_mut(id) {
            host.engine.prune_images();
        }
    }

    /// A host's agent hears nothing until then.
    pub fn silence(&mut self, id: &HostId, until: Timestamp) {
        self.stir();
        self.disturb(id, until);
        if let Some(host) = self.hosts.get_mut(id) {
            host.silent_until = until;
        }
    }

    /// A host's instance is stopped, and started again then. Whoever listens is not told yet.
    pub fn stop(&mut self, id: &HostId, until: Timestamp) {
        self.stir();
        self.disturb(id, until);
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(id) {
            host.stop(now, until);
        }
    }

    /// A host dies, and whoever listens is told.
    pub fn kill(&mut self, id: &HostId) {
        self.stir();
        self.terminate(id);
        self.enqueue(Notice::Hosts, EVENT);
    }

    /// Someone makes a host run something else.
    pub fn tamper(&mut self, id: &HostId, running: &Running) {
        self.stir();
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(id) {
            host.engine.run_by_hand(running, now);
            self.marks.drifted_at.insert(id.clone(), now);
        }
    }

    /// Stores the service's configuration.
    pub fn configure(&mut self, text: String) {
        self.marks.hear_news(self.now);
        self.sources.service = Some(text);
    }

    /// Keeps the ledger as it is now.
    pub fn back_up_ledger(&mut self) {
        self.backup = (self.lanes.clone(), self.rollouts.clone(), self.published.clone());
    }

    /// The ledger is again as it was when it was backed up. Lanes that began since are gone.
    pub fn restore_ledger(&mut self) {
        self.stir();
        (self.lanes, self.rollouts, self.published) = self.backup.clone();
        self.marks.hear_news(self.now);
    }

    /// A person has lifted a quarantine.
    fn lifted(&mut self, version: &Wanted) {
        let digest = match version {
            Wanted::Digest(digest) => Some(digest),
            Wanted::Tag(tag) => self.tags.get(tag),
        };
        if let Some(digest) = digest {
            self.marks.quarantined.remove(digest);
        }
    }

    /// How every host truly is, the dead ones as well.
    #[must_use]
    pub fn host_states(&self) -> Vec<HostState> {
        let target = |id: &HostId| {
            let found = self.targets.iter().find(|it| it.target.host == *id);
            found.map(|it| it.health)
        };
        let state = |(id, host): (&HostId, &crate::hosts::SimHost)| HostState {
            id: id.clone(),
            presence: match (host.alive, host.silent_until > self.now) {
                (false, _) => Presence::Gone,
                (true, true) => Presence::Silent,
                (true, false) => Presence::There,
            },
            running: host.running(),
            well: self.is_well(id),
            serves: self.serves(id),
            target: target(id),
        };
        self.hosts.iter().map(state).collect()
    }
}

impl Simulation {
    /// A person asks for something, and waits for the answer; nothing if none came.
    pub fn request(
        &mut self,
        lane: &LaneId,
        actor: &str,
        action: &Action,
    ) -> Option<Result<Lane, OperateError>> {
        self.with(|world, _| {
            world.marks.hear_news(world.now);
            world.marks.hear_wish(action, world.now);
        });
        let caller = self.caller();
        let asked = (RequestId(caller.name.clone()), actor.to_owned());
        let answer = self.finish(operate(&caller, lane, asked, action));
        if let Some(Ok(_)) = &answer {
            self.with(|world, _| world.marks.hear_hold(action, world.now));
        }
        if let (Action::Lift { version }, Some(Ok(_))) = (action, &answer) {
            self.with(|world, _| world.lifted(version));
        }
        answer
    }

    /// A person asks why a version, or what the tag says, is not rolled out.
    pub fn why(
        &mut self,
        lane: &Lane,
        version: Option<&Wanted>,
    ) -> Option<Result<Vec<Blocker>, OperateError>> {
        let caller = self.caller();
        let answer = self.finish(why(&caller, lane, version))?;
        Some(answer.map(|(_, blockers)| blockers))
    }

    /// Lets time pass until nothing is left to do, at most for eight hours, and checks what must
    /// hold then. Where hosts were changed behind Esclusa's back, until they have been inspected.
    pub fn rest(&mut self) {
        let drifted = self.with(|world, _| !world.marks.drifted_at.is_empty());
        for round in 0..24 {
            let rested = self.with(|world, _| world.rests());
            let until = self.with(|world, _| world.now.after(Duration::from_mins(20)));
            self.run_until(until);
            let enough = !drifted || round >= 8;
            if enough && rested && self.with(|world, _| world.rests()) {
                break;
            }
        }
        self.with(|world, _| {
            if world.broken.is_empty() {
                world.check_rest();
            }
        });
    }
}
