//! What the shell asks of the world. Each port has two implementations: AWS, and the simulator.
//!
//! Every call has a deadline that ends well before a lease does, so that a call that stalls cannot
//! take effect after another invocation has taken over. No port retries what is not safe to
//! repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::future::Future;
use std::time::Duration;

use esclusa_core::alarm::SeenAlarm;
use esclusa_core::announcement::Announcement;
use esclusa_core::configuration::{AlarmName, SecretName, TargetGroup};
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{LaneId, Service, Tag};
use esclusa_core::observation::{Fleet, HostOrder, PartKey, Sources};
use esclusa_core::order::{CommandId, Invocation, Verb};
use esclusa_core::release::Release;
use esclusa_core::rollout::Rollout;
use esclusa_core::scan::Scanned;
use esclusa_core::secret::SecretState;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{SeenGroup, SeenTarget, Target};

use crate::drive::Hint;

/// The cause of a failure, as the adapter met it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A call that failed and changed nothing that anyone relies on: the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct Unavailable {
    /// What was attempted, naming the thing: `read the lane …`.
    pub doing: String,
    /// Why it failed.
    pub source: BoxError,
}

/// Why a lane was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another invocation saved first. Nothing was done: load again and step again.
    #[error("lane `{lane}` moved on while revision {revision} was being worked out")]
    Conflict {
        /// Which lane.
        lane: LaneId,
        /// The revision that was to be written.
        revision: u64,
    },
    /// Retention is deleting what the lane has come to need. Nothing was saved: look again once
    /// that is over, and see whether it is gone.
    #[error("retention is deleting an image that lane `{lane}` has come to need")]
    Claimed {
        /// Which lane.
        lane: LaneId,
    },
    /// The ledger did not answer, or answered that it cannot now. It may have saved all the same.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a call to hosts is not out.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// SSM refuses the whole call because one of its hosts does not exist: send it to fewer.
    #[error("SSM does not know one of the hosts of {0:?}")]
    NoSuchHost(PartKey),
    /// It failed, or its answer was lost: it may be out all the same.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What is stored of lanes and rollouts.
pub trait Ledger {
    /// The lane as last saved, read with strong consistency; nothing if it never was.
    fn load(&self, lane: &LaneId)
    -> impl Future<Output = Result<Option<Lane>, Unavailable>> + Send;

    /// Saves a lane, on condition that the stored one has the revision before this one's, and that
    /// retention has claimed nothing of what the lane has come to want. Its ended rollouts, and
    /// that its environment wants those images now, are written with it, in one transaction.
    fn save(&self, lane: &Lane) -> impl Future<Output = Result<(), SaveError>> + Send;

    /// The revision that is stored now; 0 if there is none.
    fn revision(&self, lane: &LaneId) -> impl Future<Output = Result<u64, Unavailable>> + Send;

    /// Every lane there is.
    fn lanes(&self) -> impl Future<Output = Result<Vec<LaneId>, Unavailable>> + Send;

    /// The lane's ended rollouts, newest first, at most `limit`.
    fn rollouts(
        &self,
        lane: &LaneId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Rollout>, Unavailable>> + Send;
}

/// What is stored of configurations.
pub trait Configurations {
    /// The texts that configure a service.
    fn sources(
        &self,
        service: &Service,
    ) -> impl Future<Output = Result<Sources, Unavailable>> + Send;

    /// The texts of every service that has one of its own.
    fn configured(
        &self,
    ) -> impl Future<Output = Result<Vec<(Service, Sources)>, Unavailable>> + Send;
}

/// Where services' configurations are stored.
pub trait ConfigurationStore {
    /// Stores a service's own text in the place of the one before.
    fn store(
        &self,
        service: &Service,
        text: &str,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Which image is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The one that bears this tag.
    Tag(Tag),
    /// This one.
    Digest(Digest),
}

/// The registry's images.
pub trait Registry {
    /// What the registry says of an image now; nothing if it has none such.
    fn resolve(
        &self,
        service: &Service,
        wanted: &Wanted,
    ) -> impl Future<Output = Result<Option<Release>, Unavailable>> + Send;

    /// What the scans of all images say that a release may run as: of itself, or of those that it
    /// names for a platform.
    fn scans(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> impl Future<Output = Result<Vec<Scanned>, Unavailable>> + Send;
}

/// The secrets of services.
pub trait Secrets {
    /// How a secret stands, by its description. Its value is never read.
    fn secret(
        &self,
        name: &SecretName,
    ) -> impl Future<Output = Result<SecretState, Unavailable>> + Send;
}

/// The alarms of services.
pub trait Alarms {
    /// What alarms say, every one that is asked about.
    fn alarms(
        &self,
        names: &BTreeSet<AlarmName>,
    ) -> impl Future<Output = Result<BTreeMap<AlarmName, SeenAlarm>, Unavailable>> + Send;
}

/// The hosts.
pub trait Hosts {
    /// The hosts of a lane, and the documents to talk to them with.
    fn fleet(&self, lane: &LaneId) -> impl Future<Output = Result<Fleet, Unavailable>> + Send;

    /// Sends one call. Never repeated by the adapter: hosts would be told twice.
    fn send(
        &self,
        lane: &LaneId,
        order: &HostOrder,
    ) -> impl Future<Output = Result<CommandId, SendError>> + Send;

    /// Looks for a call that may have been sent since `since`.
    fn find(
        &self,
        lane: &LaneId,
        key: PartKey,
        verb: Verb,
        since: Timestamp,
    ) -> impl Future<Output = Result<Option<CommandId>, Unavailable>> + Send;

    /// What has become of a command, on each of its hosts.
    fn invocations(
        &self,
        command: &CommandId,
    ) -> impl Future<Output = Result<Vec<Invocation>, Unavailable>> + Send;
}

/// The load balancer.
pub trait Traffic {
    /// A group, and its settings.
    fn group(
        &self,
        group: &TargetGroup,
    ) -> impl Future<Output = Result<SeenGroup, Unavailable>> + Send;

    /// The targets of a group that are registered or draining.
    fn targets(
        &self,
        group: &TargetGroup,
    ) -> impl Future<Output = Result<Vec<SeenTarget>, Unavailable>> + Send;

    /// Takes targets out of service. Repeating it changes nothing.
    fn deregister(
        &self,
        group: &TargetGroup,
        targets: &[Target],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Puts targets into service; those that the load balancer does not take, for their instances
    /// do not run. Repeating it changes nothing.
    fn register(
        &self,
        group: &TargetGroup,
        targets: &[Target],
    ) -> impl Future<Output = Result<Vec<Target>, Unavailable>> + Send;
}

/// The queue of notices.
pub trait Queue {
    /// Wakes a lane after `delay`, at most 15 minutes, with this hint.
    fn wake(
        &self,
        lane: &LaneId,
        hint: Hint,
        delay: Duration,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Those who listen to what happens to lanes.
pub trait Announcer {
    /// Publishes announcements of a lane; the numbers of those that were taken. Never fails as a
    /// whole: what was not taken is published again by a later pass.
    fn publish(
        &self,
        lane: &LaneId,
        announcements: &[Announcement],
    ) -> impl Future<Output = BTreeSet<u64>> + Send;

    /// Tells that a sweep has woken so many lanes. Never fails: the next one tells too.
    fn swept(&self, lanes: usize) -> impl Future<Output = ()> + Send;
}

/// The time of the function.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Everything that driving a lane needs.
pub trait Ports:
    Ledger
    + Configurations
    + Registry
    + Secrets
    + Alarms
    + Hosts
    + Traffic
    + Queue
    + Announcer
    + Clock
    + Sync
{
}

impl<T> Ports for T where
    T: Ledger
        + Configurations
        + Registry
        + Secrets
        + Alarms
        + Hosts
        + Traffic
        + Queue
        + Announcer
        + Clock
        + Sync
{
}
