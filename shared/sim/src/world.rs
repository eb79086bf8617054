//! The truth: everything that exists outside the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{HostId, LaneId, Tag};
use esclusa_core::observation::{HostOrder, Sources};
use esclusa_core::order::CommandId;
use esclusa_core::release::Release;
use esclusa_core::rollout::{Rollout, RolloutId};
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::GroupSettings;
use esclusa_shell::receive::Notice;

use crate::balancer::SimTarget;
use crate::commands::SimCommand;
use crate::hosts::SimHost;

/// How an image behaves once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It becomes healthy.
    Good,
    /// Its containers never become healthy.
    Unhealthy,
    /// Its containers are healthy, but the load balancer's check fails.
    FailsTarget,
}

/// A message in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) notice: Notice,
    pub(crate) visible_at: Timestamp,
    pub(crate) received: u32,
}

/// Everything that exists outside the functions.
#[derive(Debug)]
pub struct World {
    /// The only clock.
    pub now: Timestamp,
    /// The stored lanes.
    pub lanes: BTreeMap<LaneId, Lane>,
    /// The ended rollouts, by lane.
    pub rollouts: BTreeMap<LaneId, BTreeMap<RolloutId, Rollout>>,
    /// The stored configuration texts of the one service.
    pub sources: Sources,
    /// What each tag points to.
    pub tags: BTreeMap<Tag, Digest>,
    /// Every image.
    pub images: BTreeMap<Digest, (Release, Behaviour)>,
    /// What the followed tag pointed to, and since when.
    pub moves: Vec<(Timestamp, Digest)>,
    pub(crate) hosts: BTreeMap<HostId, SimHost>,
    pub(crate) targets: Vec<SimTarget>,
    pub(crate) group: GroupSettings,
    pub(crate) commands: BTreeMap<CommandId, SimCommand>,
    /// Orders that an agent gets a second time, and when.
    pub(crate) repeats: Vec<(Timestamp, HostId, HostOrder)>,
    pub(crate) queue: Vec<Message>,
    /// What the adversary did to hosts, and when: what follows from it is not our doing.
    pub(crate) disturbed: BTreeMap<HostId, Timestamp>,
    /// Activations that were carried out, by host and fence.
    pub(crate) activations: BTreeSet<(HostId, String)>,
    /// Broken invariants, in the order in which they were seen.
    pub broken: Vec<String>,
    /// What happened, for the reader of a failing seed.
    pub transcript: Vec<String>,
}

impl World {
    /// An empty world, in which a target group drains for `drain`.
    #[must_use]
    pub fn new(drain: Duration) -> Self {
        Self {
            now: Timestamp::from_millis(1_800_000_000_000),
            lanes: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            sources: Sources::default(),
            tags: BTreeMap::new(),
            images: BTreeMap::new(),
            moves: Vec::new(),
            hosts: BTreeMap::new(),
            targets: Vec::new(),
            group: GroupSettings {
                deregistration_delay: drain,
                interval: Duration::from_secs(5),
                unhealthy_threshold: 2,
                healthy_threshold: 2,
            },
            commands: BTreeMap::new(),
            repeats: Vec::new(),
            queue: Vec::new(),
            disturbed: BTreeMap::new(),
            activations: BTreeSet::new(),
            broken: Vec::new(),
            transcript: Vec::new(),
        }
    }

    /// Notes something for the transcript.
    pub fn say(&mut self, text: impl AsRef<str>) {
        self.transcript.push(format!("{} {}", self.now, text.as_ref()));
    }

    /// Reports a broken invariant.
    pub fn breaks(&mut self, number: u8, text: impl AsRef<str>) {
        let text = format!("invariant {number}: {}", text.as_ref());
        self.say(format!("BROKEN {text}"));
        self.broken.push(text);
    }

    /// Puts a notice into the queue, visible after `delay`.
    pub(crate) fn enqueue(&mut self, notice: Notice, delay: Duration) {
        let visible_at = self.now.after(delay);
        self.queue.push(Message { notice, visible_at, received: 0 });
    }

    /// Whether the adversary did something to a host, or took it away, within the last minutes:
    /// what Esclusa saw of it before may be true no more, through no fault of Esclusa's.
    pub(crate) fn is_disturbed(&self, host: &HostId) -> bool {
        let span = Duration::from_mins(5);
        self.disturbed.get(host).is_some_and(|at| self.now.since(*at) <= span)
    }

    /// Whether no lane has anything under way.
    pub(crate) fn rests(&self) -> bool {
        self.lanes.values().all(|lane| {
            let waits = lane.blocker.as_ref().is_some_and(|it| it.lifts_at.is_some());
            lane.rollout.is_none() && lane.asked.is_none() && lane.errands.is_empty() && !waits
        })
    }

    /// The hosts that exist.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&HostId, &SimHost)> {
        self.hosts.iter().filter(|(_, host)| host.alive)
    }
}
