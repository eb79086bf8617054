//! One pass over one lane: the whole order of effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use esclusa_core::alarm::{AlarmState, SeenAlarm};
use esclusa_core::configuration::AlarmName;
use esclusa_core::lane::{Lane, Lease, Step, WakeUp};
use esclusa_core::name::LaneId;
use esclusa_core::observation::{Cue, Event, Look, Order, Saw, Sent};
use esclusa_core::time::Timestamp;

use crate::invocation::Invocation;
use crate::ports::{Ports, SaveError, SendError, Unavailable, Wanted};

/// The longest delay of a queue's message (SQS's limit on `DelaySeconds`).
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// The shortest time between two passes that nothing from outside asked for.
const SHORTEST_DELAY: Duration = Duration::from_secs(1);

/// How soon a pass that met a failure is made again.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How soon a lane looks again that wants what retention is deleting: a call to delete takes less.
const AFTER_CLAIM: Duration = Duration::from_secs(15);

/// How often a pass is begun anew when another invocation saved first.
const ATTEMPTS: u32 = 3;

/// Why a lane is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Something happened that may bear on what it should run.
    Outside,
    /// The same, and a secret may have been rotated.
    Secrets,
    /// Something happened to what it has under way.
    Inside,
    /// A delayed message arrived; it counts only if it is the one that the lane awaits.
    WakeUp {
        /// Names the message.
        sequence: u64,
    },
}

impl Hint {
    /// What a lane is woken with that could not be driven now.
    fn again(self) -> Self {
        match self {
            Self::Secrets => Self::Secrets,
            Self::Outside | Self::Inside | Self::WakeUp { .. } => Self::Outside,
        }
    }
}

/// What a pass came to.
#[derive(Debug)]
pub enum Driven {
    /// Everything that could be done was done; the lane is as it was left.
    Rested(Box<Lane>),
    /// Another invocation acts on the lane until then, or retention on what it wants; the lane
    /// will be woken afterwards.
    Busy(Timestamp),
    /// An older wake-up than the one that the lane awaits.
    Stale,
    /// A call failed while a rollout was active; the lane will be woken to try again.
    Postponed(Unavailable),
}

/// Why a pass was not finished. The notice should be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A look or an effect failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The lane was not saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The lane was taken over while it was being driven; nothing more was done.
    #[error("lane `{0}` was taken over by another invocation")]
    TakenOver(LaneId),
}

/// Drives a lane until it waits for something.
///
/// Safe to repeat after any failure, with any hint: nothing is done before it is saved, and what
/// was saved but not done is looked for, and done, by the next pass.
///
/// # Errors
///
/// Stops at the first failure, with everything up to it saved.
pub async fn drive<P: Ports>(
    ports: &P,
    id: &LaneId,
    hint: Hint,
    me: &Invocation,
) -> Result<Driven, DriveError> {
    let mut attempt = 1;
    loop {
        match pass(ports, id, hint, me).await {
            Err(DriveError::Save(SaveError::Conflict { .. })) if attempt < ATTEMPTS => {
                attempt = attempt.saturating_add(1);
            }
            Err(DriveError::Save(SaveError::Claimed { .. })) => {
                ports.wake(id, hint.again(), AFTER_CLAIM).await?;
                return Ok(Driven::Busy(ports.now().after(AFTER_CLAIM)));
            }
            driven => return driven,
        }
    }
}

async fn pass<P: Ports>(
    ports: &P,
    id: &LaneId,
    hint: Hint,
    me: &Invocation,
) -> Result<Driven, DriveError> {
    let now = ports.now();
    let stored = ports.load(id).await?;
    let lane = stored.clone().unwrap_or_else(|| Lane::new(id.clone(), 1));
    if let Some(lease) = lane.lease.as_ref().filter(|it| it.owner != me.id && it.until > now) {
        let until = lease.until;
        ports.wake(id, hint.again(), until.since(now).saturating_add(SHORTEST_DELAY)).await?;
        return Ok(Driven::Busy(until));
    }
    if let Hint::WakeUp { sequence } = hint
        && lane.armed.is_none_or(|awaited| awaited.sequence != sequence)
    {
        return Ok(Driven::Stale);
    }
    let mut pass = Pass { ports, me, lane, stored };
    pass.step(&Event::Woke(match hint {
        Hint::Outside => Cue::Outside,
        Hint::Secrets => Cue::Secrets,
        Hint::Inside | Hint::WakeUp { .. } => Cue::Inside,
    }));
    match pass.run().await {
        Ok(()) => Ok(Driven::Rested(Box::new(pass.rest(None).await?))),
        Err(DriveError::Unavailable(failure)) if pass.lane.rollout.is_some() => {
            pass.rest(Some(AFTER_FAILURE)).await?;
            Ok(Driven::Postponed(failure))
        }
        Err(error) => Err(error),
    }
}

/// A pass under way: the lane as it is in memory, and as it is stored.
struct Pass<'a, P> {
    ports: &'a P,
    me: &'a Invocation,
    lane: Lane,
    stored: Option<Lane>,
}

impl<P: Ports> Pass<'_, P> {
    fn step(&mut self, event: &Event) {
        if let Step::Advance(next) = self.lane.step(event, self.ports.now()) {
            self.lane = *next;
        }
    }

    /// Looks, saves, acts; and again, until there is nothing to look at and nothing to do.
    async fn run(&mut self) -> Result<(), DriveError> {
        loop {
            while let Some(look) = self.lane.looks().first().cloned() {
                let saw = self.look(look).await?;
                self.step(&Event::Saw(saw));
            }
            let orders = self.lane.orders();
            let stops = self.ports.now() >= self.me.stops_at;
            // Of a lane that is not worth keeping, nothing is told either.
            let tells = !self.lane.outbox.is_empty() && !self.lane.is_blank();
            if tells || !(orders.is_empty() || stops) {
                self.save_as(Some(self.lease())).await?;
            }
            if tells {
                self.publish().await;
            }
            if orders.is_empty() || stops {
                return Ok(());
            }
            for order in orders {
                if self.ports.now() >= self.me.stops_at {
                    return Ok(());
                }
                let sent = self.act(&order).await?;
                self.step(&Event::Sent(sent));
                self.save_as(Some(self.lease())).await?;
            }
        }
    }

    /// Publishes what the outbox holds, which is saved by now. What is not taken stays there for
    /// the next pass: nothing waits for those who listen.
    async fn publish(&mut self) {
        let taken = self.ports.publish(&self.lane.id, &self.lane.outbox).await;
        self.lane.published(&taken);
    }

    async fn look(&self, look: Look) -> Result<Saw, Unavailable> {
        let (ports, lane) = (self.ports, &self.lane.id);
        Ok(match look {
            Look::Configuration => {
                Saw::Configuration(Arc::new(ports.sources(&lane.service).await?))
            }
            Look::Tag(tag) => {
                let release = ports.resolve(&lane.service, &Wanted::Tag(tag.clone())).await?;
                Saw::Tag(tag, release)
            }
            Look::Scan(digest) => {
                let scans = ports.scans(&lane.service, &digest).await?;
                Saw::Scan(digest, Arc::new(scans))
            }
            Look::Secret(name) => {
                let state = ports.secret(&name).await?;
                Saw::Secret(name, state)
            }
            Look::Alarms(names) => Saw::Alarms(self.alarms(&names).await),
            Look::Fleet => Saw::Fleet(Arc::new(ports.fleet(lane).await?)),
            Look::Settings(group) => {
                let seen = ports.group(&group).await?;
                Saw::Settings(group, seen)
            }
            Look::Targets(group) => {
                let targets = ports.targets(&group).await?;
                Saw::Targets(group, targets)
            }
            Look::Command(command) => {
                let invocations = ports.invocations(&command).await?;
                Saw::Command(command, invocations)
            }
            Look::Lost(key, verb, since) => {
                Saw::Lost(key, ports.find(lane, key, verb, since).await?)
            }
        })
    }

    /// What alarms say. That none can be read is something that is said of each: a rollout that
    /// watches them must not wait for them without an end.
    async fn alarms(&self, names: &BTreeSet<AlarmName>) -> BTreeMap<AlarmName, SeenAlarm> {
        match self.ports.alarms(names).await {
            Ok(seen) => seen,
            Err(failure) => {
                let unknown = SeenAlarm::of(AlarmState::Unknown(failure.source.to_string()));
                names.iter().map(|name| (name.clone(), unknown.clone())).collect()
            }
        }
    }

    async fn act(&self, order: &Order) -> Result<Sent, DriveError> {
        match order {
            Order::Send(order) => match self.ports.send(&self.lane.id, order).await {
                Ok(command) => Ok(Sent::Command(order.key, command)),
                Err(SendError::NoSuchHost(key)) => Ok(Sent::Refused(key)),
                Err(SendError::Unavailable(failure)) => Err(failure.into()),
            },
            Order::Deregister(group, targets) => {
                // Taking capacity away is the one effect that nothing downstream can refuse.
                if self.ports.revision(&self.lane.id).await? != self.lane.revision {
                    return Err(DriveError::TakenOver(self.lane.id.clone()));
                }
                self.ports.deregister(group, targets).await?;
                Ok(Sent::Deregistered(group.clone()))
            }
            Order::Register(group, targets) => {
                let refused = self.ports.register(group, targets).await?;
                let taken = targets.iter().filter(|target| !refused.contains(target));
                let (group, targets) = (group.clone(), taken.cloned().collect());
                Ok(Sent::Registered { group, targets, refused })
            }
        }
    }

    fn lease(&self) -> Lease {
        Lease { owner: self.me.id.clone(), until: self.me.ends_at }
    }

    /// Saves the lane under a lease, or without one.
    async fn save_as(&mut self, lease: Option<Lease>) -> Result<(), SaveError> {
        self.lane.lease = lease;
        self.lane.revision = self.lane.revision.saturating_add(1);
        if let Err(error) = self.ports.save(&self.lane).await {
            self.lane.revision = self.lane.revision.saturating_sub(1);
            return Err(error);
        }
        self.lane.saved();
        self.stored = Some(self.lane.clone().at_rest());
        Ok(())
    }

    /// Arms the wake-up, gives up the lease, and saves if anything is different.
    ///
    /// The message goes out before the save: should the save fail, the notice that brought us
    /// here is delivered again, and the message finds a lane that awaits another one.
    async fn rest(mut self, within: Option<Duration>) -> Result<Lane, DriveError> {
        let now = self.ports.now();
        let blank = self.lane.is_blank();
        let untold = (!blank && !self.lane.outbox.is_empty()).then_some(AFTER_FAILURE);
        let soon = within.or(untold).map(|delay| now.after(delay));
        if let Some(at) = self.lane.wake_at(now).into_iter().chain(soon).min() {
            self.arm(now, at).await?;
        }
        self.lane = self.lane.at_rest();
        self.lane.lease = None;
        if !blank && self.stored.as_ref() != Some(&self.lane) {
            self.save_as(None).await?;
        }
        Ok(self.lane)
    }

    /// Sends a wake-up, unless one is under way that comes no later.
    async fn arm(&mut self, now: Timestamp, at: Timestamp) -> Result<(), Unavailable> {
        if self.lane.armed.is_some_and(|armed| armed.at > now && armed.at <= at) {
            return Ok(());
        }
        let sequence = self.lane.armed.map_or(1, |armed| armed.sequence.saturating_add(1));
        let delay = at.since(now).clamp(SHORTEST_DELAY, LONGEST_DELAY);
        self.ports.wake(&self.lane.id, Hint::WakeUp { sequence }, delay).await?;
        self.lane.armed = Some(WakeUp { sequence, at: now.after(delay) });
        Ok(())
    }
}
