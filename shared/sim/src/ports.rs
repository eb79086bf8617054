//! The ports as one invocation sees them: each call waits for its turn, and for its fate.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use esclusa_core::alarm::SeenAlarm;
use esclusa_core::announcement::Announcement;
use esclusa_core::configuration::{AlarmName, SecretName, TargetGroup};
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::observation::{Fleet, HostOrder, PartKey, Sources};
use esclusa_core::order::{CommandId, Invocation, Verb};
use esclusa_core::release::Release;
use esclusa_core::rollout::Rollout;
use esclusa_core::scan::Scanned;
use esclusa_core::secret::SecretState;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{SeenGroup, SeenTarget, Target};
use esclusa_shell::drive::Hint;
use esclusa_shell::ports::{
    Alarms, Announcer, Clock, Configurations, Hosts, Ledger, Queue, Registry, SaveError, Secrets,
    SendError, Traffic, Unavailable, Wanted,
};
use esclusa_shell::receive::Notice;

use crate::adversary::{Adversary, Fate};
use crate::story::lane;
use crate::world::{Late, World, say};

/// What invocations share: the world, and who makes it go wrong.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) adversary: Adversary,
    /// The fate of the call that is about to be made.
    pub(crate) fate: Fate,
    /// Whether the invocation that is being polled has just died.
    pub(crate) crashed: bool,
}

/// One invocation's view of the world.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) shared: Arc<Mutex<Shared>>,
    /// The invocation's name.
    pub(crate) name: String,
    /// How far its clock is off, in milliseconds; 1000 is not at all.
    pub(crate) skew: u64,
}

/// Waits until the scheduler gives the turn.
#[derive(Default)]
struct Turn {
    given: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.given {
            return Poll::Ready(());
        }
        self.given = true;
        Poll::Pending
    }
}

impl Caller {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that only reads, or whose effect nobody minds losing.
    pub(crate) async fn call<T>(
        &self,
        doing: &str,
        effect: impl FnOnce(&mut World, &mut Adversary) -> T,
    ) -> Result<T, Unavailable> {
        self.change(doing, || None, effect).await
    }

    /// A call whose effect, as `late` tells it, may land after its caller has given up.
    pub(crate) async fn change<T>(
        &self,
        doing: &str,
        late: impl FnOnce() -> Option<Late>,
        effect: impl FnOnce(&mut World, &mut Adversary) -> T,
    ) -> Result<T, Unavailable> {
        Turn::default().await;
        let fate = self.lock().fate;
        let failed =
            || Unavailable { doing: doing.to_owned(), source: "the adversary's work".into() };
        let crash = || self.lock().crashed = true;
        match fate {
            Fate::Fails => Err(failed()),
            Fate::CrashesBefore => {
                crash();
                std::future::pending().await
            }
            Fate::Works | Fate::Stalls(_) => Ok(self.apply(effect)),
            Fate::LosesAnswer => {
                self.apply(effect);
                Err(failed())
            }
            Fate::LandsLate(span) => {
                if let Some(late) = late() {
                    self.apply(|world, adversary| world.postpone(late, span, adversary));
                }
                Err(failed())
            }
            Fate::CrashesAfter => {
                self.apply(effect);
                crash();
                std::future::pending().await
            }
        }
    }

    fn apply<T>(&self, effect: impl FnOnce(&mut World, &mut Adversary) -> T) -> T {
        let mut shared = self.lock();
        let Shared { world, adversary, .. } = &mut *shared;
        effect(world, adversary)
    }
}

impl World {
    fn postpone(&mut self, late: Late, span: Duration, adversary: &mut Adversary) {
        let more =
            if matches!(late, Late::Send(..)) { adversary.lateness() } else { Duration::ZERO };
        let at = self.now.after(span).after(more);
        say!(self, "a call lands late, at {at}");
        self.late.push((at, late));
        self.stir();
    }
}

impl Ledger for Caller {
    async fn load(&self, lane: &LaneId) -> Result<Option<Lane>, Unavailable> {
        self.call("load", |world, _| world.lanes.get(lane).cloned()).await
    }

    async fn save(&self, lane: &Lane) -> Result<(), SaveError> {
        let afterwards = || Some(Late::Save(Box::new(lane.clone())));
        let saved = self.change("save", afterwards, |world, _| world.save(lane)).await?;
        let (lane, revision) = (lane.id.clone(), lane.revision);
        match saved {
            Saved::Yes => Ok(()),
            Saved::Conflict => Err(SaveError::Conflict { lane, revision }),
            Saved::Claimed => Err(SaveError::Claimed { lane }),
        }
    }

    async fn revision(&self, lane: &LaneId) -> Result<u64, Unavailable> {
        let revision = |world: &mut World, _: &mut Adversary| {
            world.lanes.get(lane).map_or(0, |lane| lane.revision)
        };
        self.call("read the revision", revision).await
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, Unavailable> {
        self.call("list", |world, _| world.lanes.keys().cloned().collect()).await
    }

    async fn rollouts(&self, lane: &LaneId, limit: usize) -> Result<Vec<Rollout>, Unavailable> {
        let newest = |world: &mut World, _: &mut Adversary| {
            let rollouts = world.rollouts.get(lane).into_iter().flat_map(|it| it.values().rev());
            rollouts.take(limit).cloned().collect()
        };
        self.call("list rollouts", newest).await
    }
}

/// What became of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    Yes,
    Conflict,
    Claimed,
}

impl World {
    /// A conditional write, which checks what it writes against the truth.
    pub(crate) fn save(&mut self, lane: &Lane) -> Saved {
        let revision = self.lanes.get(&lane.id).map_or(0, |lane| lane.revision);
        if revision.saturating_add(1) != lane.revision {
            return Saved::Conflict;
        }
        if self.is_claimed(&lane.newly_needed()) {
            return Saved::Claimed;
        }
        self.promote(&lane.id, &lane.promoted);
        let stored = self.lanes.remove(&lane.id);
        let mut next = lane.clone().at_rest();
        self.check_save(stored.as_ref(), lane);
        next.saved();
        for rollout in &lane.ended {
            let rollouts = self.rollouts.entry(lane.id.clone()).or_default();
            rollouts.insert(rollout.id.clone(), rollout.clone());
        }
        self.lanes.insert(lane.id.clone(), next);
        Saved::Yes
    }
}

impl Configurations for Caller {
    async fn sources(&self, service: &Service) -> Result<Sources, Unavailable> {
        let ours = lane().is_some_and(|lane| lane.service == *service);
        self.call("read the configuration", |world, _| {
            let Sources { service, defaults } = world.sources.clone();
            Sources { service: service.filter(|_| ours), defaults }
        })
        .await
    }

    async fn configured(&self) -> Result<Vec<(Service, Sources)>, Unavailable> {
        // Once the lane is known, its list says nothing new, and its other environment is idle.
        let list = |world: &mut World, _: &mut Adversary| {
            let known = |lane: &LaneId| world.lanes.contains_key(lane);
            let unknown = lane().filter(|lane| world.signals.is_some() || !known(lane));
            unknown.map(|lane| (lane.service, world.sources.clone())).into_iter().collect()
        };
        self.call("list the configurations", list).await
    }
}

impl Registry for Caller {
    async fn resolve(&self, _: &Service, wanted: &Wanted) -> Result<Option<Release>, Unavailable> {
        let find = |world: &mut World, _: &mut Adversary| {
            let digest = match wanted {
                Wanted::Tag(tag) => world.tags.get(tag)?,
                Wanted::Digest(digest) => digest,
            };
            let deleted = world.withdrawn.get(digest) == Some(&false);
            let found = world.images.get(digest).filter(|_| !deleted);
            found.map(|(release, _)| release.clone())
        };
        self.call("resolve", find).await
    }

    async fn scans(&self, _: &Service, digest: &Digest) -> Result<Vec<Scanned>, Unavailable> {
        let scanned = |world: &mut World, _: &mut Adversary| world.scanned(digest);
        // Where nothing is scanned, the world goes on as if nobody had asked.
        if self.lock().world.scanning.is_none() {
            return Ok(self.apply(scanned));
        }
        self.call("read the scan", scanned).await
    }
}

impl Secrets for Caller {
    async fn secret(&self, _: &SecretName) -> Result<SecretState, Unavailable> {
        self.call("describe the secret", |world, _| world.secret()).await
    }
}

impl Alarms for Caller {
    async fn alarms(
        &self,
        names: &BTreeSet<AlarmName>,
    ) -> Result<BTreeMap<AlarmName, SeenAlarm>, Unavailable> {
        self.call("describe the alarms", |world, _| world.alarms(names)).await
    }
}

impl Hosts for Caller {
    async fn fleet(&self, id: &LaneId) -> Result<Fleet, Unavailable> {
        let list = |world: &mut World, _: &mut Adversary| {
            if lane().as_ref() != Some(id) {
                return Fleet::default();
            }
            let listed = world.live().filter(|(_, host)| host.is_listed(world.now));
            Fleet { hosts: listed.map(|(id, _)| id.clone()).collect(), ..Fleet::default() }
        };
        self.call("list hosts", list).await
    }

    async fn send(&self, lane: &LaneId, order: &HostOrder) -> Result<CommandId, SendError> {
        let issued_at = self.now();
        let afterwards = || Some(Late::Send(lane.clone(), Box::new(order.clone()), issued_at));
        let accept = |world: &mut World, adversary: &mut Adversary| {
            world.check_owner(&self.name, lane);
            world.accept(lane, order, issued_at, adversary)
        };
        self.change("send", afterwards, accept).await?.ok_or(SendError::NoSuchHost(order.key))
    }

    async fn find(
        &self,
        lane: &LaneId,
        key: PartKey,
        _: Verb,
        _: Timestamp,
    ) -> Result<Option<CommandId>, Unavailable> {
        let find = |world: &mut World, _: &mut Adversary| {
            let mut commands = world.commands.iter();
            let found = commands.find(|(_, it)| it.lane == *lane && it.order.key == key);
            found.map(|(id, _)| id.clone())
        };
        self.call("find a command", find).await
    }

    async fn invocations(&self, command: &CommandId) -> Result<Vec<Invocation>, Unavailable> {
        let found = self.call("list invocations", |world, _| world.invocations(command)).await?;
        self.apply(|world, _| world.note_heard(command));
        Ok(found)
    }
}

impl Traffic for Caller {
    async fn group(&self, _: &TargetGroup) -> Result<SeenGroup, Unavailable> {
        self.call("describe the group", |world, _| SeenGroup::OfInstances(world.group)).await
    }

    async fn targets(&self, group: &TargetGroup) -> Result<Vec<SeenTarget>, Unavailable> {
        self.call("describe targets", |world, _| world.described(group)).await
    }

    async fn deregister(&self, _: &TargetGroup, targets: &[Target]) -> Result<(), Unavailable> {
        let afterwards = || Some(Late::Deregister(targets.to_vec()));
        let effect = |world: &mut World, _: &mut Adversary| {
            if let Some(lane) = lane() {
                world.check_owner(&self.name, &lane);
            }
            world.check_deregister(targets);
            world.deregister(targets);
        };
        self.change("deregister", afterwards, effect).await
    }

    async fn register(
        &self,
        _: &TargetGroup,
        targets: &[Target],
    ) -> Result<Vec<Target>, Unavailable> {
        let afterwards = || Some(Late::Register(targets.to_vec()));
        let effect = |world: &mut World, _: &mut Adversary| {
            if let Some(lane) = lane() {
                world.check_owner(&self.name, &lane);
            }
            world.register(targets)
        };
        self.change("register", afterwards, effect).await
    }
}

impl Queue for Caller {
    async fn wake(&self, lane: &LaneId, hint: Hint, delay: Duration) -> Result<(), Unavailable> {
        let notice = Notice::Wake { lane: lane.clone(), hint };
        self.call("wake", |world, _| world.enqueue(notice, delay)).await
    }
}

impl Announcer for Caller {
    async fn publish(&self, lane: &LaneId, announcements: &[Announcement]) -> BTreeSet<u64> {
        let publish = |world: &mut World, _: &mut Adversary| {
            let published = world.published.entry(lane.clone()).or_default();
            for it in announcements {
                published.insert(it.number, it.clone());
            }
        };
        match self.call("publish", publish).await {
            Ok(()) => announcements.iter().map(|it| it.number).collect(),
            Err(_) => BTreeSet::new(),
        }
    }

    /// Nothing comes of it for lanes.
    async fn swept(&self, _: usize) {}
}

impl Clock for Caller {
    fn now(&self) -> Timestamp {
        let true_time = self.lock().world.now.as_millis();
        Timestamp::from_millis(true_time.saturating_add(self.skew).saturating_sub(1000))
    }
}
