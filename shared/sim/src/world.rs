//! The truth: everything that exists outside the functions.

use std::collections::BTreeMap;
use std::time::Duration;

use esclusa_core::announcement::Announcement;
use esclusa_core::configuration::TargetGroup;
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{HostId, LaneId, Tag};
use esclusa_core::observation::{HostOrder, Sources};
use esclusa_core::order::CommandId;
use esclusa_core::release::Release;
use esclusa_core::retention::Id;
use esclusa_core::rollout::{Rollout, RolloutId};
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{GroupSettings, Target};
use esclusa_shell::receive::Notice;
use esclusa_shell::retain::Task;

use crate::balancer::SimTarget;
use crate::check::Marks;
use crate::commands::{Repeat, SimCommand};
use crate::engine::Project;
use crate::hosts::SimHost;
use crate::scaling::ScalingGroup;
use crate::scan::SimScan;
use crate::shelf::Shelf;
use crate::signals::Signals;

/// Notes something for the reader of a transcript; formats nothing when there is none.
macro_rules! say {
    ($world:expr, $($text:tt)*) => {
        if $world.told {
            let text = format!($($text)*);
            $world.note(&text);
        }
    };
}
pub(crate) use say;

/// How an image behaves once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It becomes healthy.
    Good,
    /// It becomes healthy, and says that what ran before must not run after it.
    OneWay,
    /// Its containers never become healthy.
    Unhealthy,
    /// Its containers are healthy, but the load balancer's check fails.
    FailsTarget,
    /// The load balancer's check passes for a while, and then fails.
    FailsLater,
    /// Its containers are healthy for a while, and then fail.
    DiesLater,
    /// It cannot be pulled.
    Missing,
    /// It cannot be put back: never healthy, and labelled as going one way.
    UnhealthyOneWay,
}

impl Behaviour {
    /// Whether a job of it ends with an error.
    pub(crate) fn fails_job(self) -> bool {
        self == Self::UnhealthyOneWay
    }

    pub(crate) fn one_way(self) -> bool {
        matches!(self, Self::OneWay | Self::UnhealthyOneWay)
    }

    pub(crate) fn starts(self) -> bool {
        !matches!(self, Self::Unhealthy | Self::UnhealthyOneWay | Self::Missing)
    }
}

/// What a message is about, and so which function receives it.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Lanes.
    Notice(Notice),
    /// Images.
    Task(Task),
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) job: Job,
    pub(crate) visible_at: Timestamp,
    pub(crate) received: u32,
}

/// A call whose caller has given up on it, or died, and that takes effect all the same.
#[derive(Clone, Debug)]
pub(crate) enum Late {
    Save(Box<Lane>),
    Send(LaneId, Box<HostOrder>, Timestamp),
    Deregister(Vec<Target>),
    Register(Vec<Target>),
    Delete(Vec<Id>),
}

/// Lanes, ended rollouts and announcements, as they once were.
type Backup = (
    BTreeMap<LaneId, Lane>,
    BTreeMap<LaneId, BTreeMap<RolloutId, Rollout>>,
    BTreeMap<LaneId, BTreeMap<u64, Announcement>>,
);

/// Everything that exists outside the functions.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each switches one thing on")]
pub struct World {
    /// The only clock.
    pub now: Timestamp,
    /// The stored lanes.
    pub lanes: BTreeMap<LaneId, Lane>,
    /// What the ledger held when it was backed up.
    pub(crate) backup: Backup,
    /// The ended rollouts, by lane.
    pub rollouts: BTreeMap<LaneId, BTreeMap<RolloutId, Rollout>>,
    /// The stored configuration texts of the one service.
    pub sources: Sources,
    /// What each tag points to.
    pub tags: BTreeMap<Tag, Digest>,
    /// Every image.
    pub images: BTreeMap<Digest, (Release, Behaviour)>,
    /// Images that the registry hands out no more; whether they are only archived.
    pub(crate) withdrawn: BTreeMap<Digest, bool>,
    /// How images are scanned: not at all, or each next one in another way, beginning with this.
    pub(crate) scanning: Option<usize>,
    /// Whether no scan is done before a person says so.
    pub(crate) scans_wait: bool,
    /// The scans of those that are.
    pub(crate) scans: BTreeMap<Digest, SimScan>,
    /// The alarm and the secret; nothing where a story has none.
    pub(crate) signals: Option<Signals>,
    /// Whether people and faults meddle with the engines of its hosts.
    pub(crate) meddled: bool,
    /// Whether retention is at work.
    pub(crate) retains: bool,
    /// The registry as retention meets it; empty where a story has none.
    pub(crate) shelf: Shelf,
    /// What the followed tag pointed to, and since when.
    pub moves: Vec<(Timestamp, Digest)>,
    pub(crate) hosts: BTreeMap<HostId, SimHost>,
    pub(crate) targets: Vec<SimTarget>,
    /// The groups that hosts serve in.
    pub(crate) groups: Vec<TargetGroup>,
    /// One of them that no listener serves.
    pub(crate) unused: Option<TargetGroup>,
    pub(crate) group: GroupSettings,
    /// Whether an Auto Scaling group replaces unhealthy hosts.
    pub(crate) scaling: Option<ScalingGroup>,
    pub(crate) commands: BTreeMap<CommandId, SimCommand>,
    /// Commands that are not over.
    pub(crate) open: Vec<CommandId>,
    /// Orders that an agent got a second time.
    pub(crate) repeats: Vec<Repeat>,
    /// The Compose project of hosts that are added.
    pub(crate) project: Project,
    /// How often each situation was played.
    pub situations: BTreeMap<&'static str, u64>,
    /// Calls that land although nobody waits for them any more.
    pub(crate) late: Vec<(Timestamp, Late)>,
    pub(crate) queue: Vec<Message>,
    /// Nothing happens to hosts and targets before, unless someone stirs.
    pub(crate) quiet_until: Timestamp,
    /// What the adversary did to hosts, and when: what follows from it is not our doing.
    pub(crate) disturbed: BTreeMap<HostId, Timestamp>,
    pub(crate) marks: Marks,
    /// What was published, by number: the same number published again is the same.
    pub published: BTreeMap<LaneId, BTreeMap<u64, Announcement>>,
    /// Broken invariants, in the order in which they were seen.
    pub broken: Vec<String>,
    /// Whether a transcript is kept.
    pub told: bool,
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
            backup: Backup::default(),
            rollouts: BTreeMap::new(),
            sources: Sources::default(),
            tags: BTreeMap::new(),
            images: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            scanning: None,
            scans_wait: false,
            scans: BTreeMap::new(),
            signals: None,
            meddled: false,
            retains: false,
            shelf: Shelf::default(),
            moves: Vec::new(),
            hosts: BTreeMap::new(),
            targets: Vec::new(),
            groups: Vec::new(),
            unused: None,
            scaling: None,
            group: GroupSettings {
                deregistration_delay: drain,
                interval: Duration::from_secs(5),
                unhealthy_threshold: 2,
                healthy_threshold: 2,
            },
            commands: BTreeMap::new(),
            open: Vec::new(),
            repeats: Vec::new(),
            project: Project::default(),
            situations: BTreeMap::new(),
            late: Vec::new(),
            queue: Vec::new(),
            quiet_until: Timestamp::default(),
            disturbed: BTreeMap::new(),
            marks: Marks::default(),
            published: BTreeMap::new(),
            broken: Vec::new(),
            told: false,
            transcript: Vec::new(),
        }
    }

    /// Adds a line to the transcript.
    pub(crate) fn note(&mut self, text: &str) {
        self.transcript.push(format!("{} {text}", self.now));
    }

    /// Reports a broken invariant.
    pub fn breaks(&mut self, number: u8, text: impl AsRef<str>) {
        let text = format!("invariant {number}: {}", text.as_ref());
        say!(self, "BROKEN {text}");
        self.broken.push(text);
    }

    /// Counts a situation that was played.
    pub(crate) fn count(&mut self, situation: &'static str) {
        let played = self.situations.entry(situation).or_default();
        *played = played.saturating_add(1);
    }

    /// Puts a notice into the queue, visible after `delay`.
    pub(crate) fn enqueue(&mut self, notice: Notice, delay: Duration) {
        self.enqueue_job(Job::Notice(notice), delay);
    }

    /// The same, for whatever it is about.
    pub(crate) fn enqueue_job(&mut self, job: Job, delay: Duration) {
        let visible_at = self.now.after(delay);
        self.queue.push(Message { job, visible_at, received: 0 });
    }

    /// Notes that the adversary does something to a host.
    pub(crate) fn disturb(&mut self, host: &HostId, until: Timestamp) {
        let known = self.disturbed.entry(host.clone()).or_default();
        *known = until.max(*known);
    }

    /// Whether the adversary did something to a host, or took it away, within the last minutes:
    /// what Esclusa saw of it before may be true no more, through no fault of Esclusa's.
    pub(crate) fn is_disturbed(&self, host: &HostId) -> bool {
        self.was_disturbed(host, Duration::from_mins(5))
    }

    /// The same, within the last `span`.
    pub(crate) fn was_disturbed(&self, host: &HostId, span: Duration) -> bool {
        self.disturbed.get(host).is_some_and(|at| self.now.since(*at) <= span)
    }

    /// Whether no lane has anything under way.
    pub(crate) fn rests(&self) -> bool {
        self.lanes.values().all(|lane| {
            let waits = lane.blocker.as_ref().is_some_and(|it| it.lifts_at.is_some());
            let idle = lane.errands.is_empty() && lane.inspection.is_none();
            lane.rollout.is_none() && lane.asked.is_none() && idle && !waits
        })
    }

    /// The hosts that exist.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&HostId, &SimHost)> {
        self.hosts.iter().filter(|(_, host)| host.alive)
    }

    /// How many hosts each call to hosts was for, in the order of the calls.
    #[must_use]
    pub fn calls_to_hosts(&self) -> Vec<usize> {
        self.commands.values().map(|command| command.order.hosts.len()).collect()
    }

    /// Lets everything that is due happen.
    pub(crate) fn run(&mut self, adversary: &mut crate::Adversary) {
        if self.now < self.quiet_until {
            return;
        }
        self.run_late(adversary);
        self.run_commands(adversary);
        self.run_targets();
        self.run_scaling();
        let next = self.next_event().unwrap_or_else(|| self.now.after(Duration::from_mins(1)));
        self.quiet_until = next;
    }

    /// Says that something may happen sooner than it looked.
    pub(crate) fn stir(&mut self) {
        self.quiet_until = Timestamp::default();
    }

    /// When something outside the functions happens next.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        let messages = self.queue.iter().map(|it| it.visible_at);
        messages.chain(self.next_event()).min()
    }

    fn next_event(&self) -> Option<Timestamp> {
        let late = self.late.iter().map(|(at, _)| *at);
        let targets = self.next_target_change();
        let replacement = self.next_replacement();
        late.chain(targets).chain(replacement).chain(self.next_step()).min()
    }

    fn run_late(&mut self, adversary: &mut crate::Adversary) {
        let now = self.now;
        while let Some(index) = self.late.iter().position(|(at, _)| *at <= now) {
            match self.late.swap_remove(index).1 {
                Late::Save(lane) => {
                    self.save(&lane);
                }
                Late::Send(lane, order, issued_at) => {
                    self.accept(&lane, &order, issued_at, adversary);
                }
                Late::Deregister(targets) => self.deregister(&targets),
                Late::Register(targets) => {
                    self.register(&targets);
                }
                Late::Delete(ids) => {
                    self.delete(&ids);
                }
            }
        }
    }
}
