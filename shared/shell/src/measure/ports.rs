//! What counting asks of the world.

use std::collections::BTreeSet;
use std::future::Future;

use esclusa_core::announcement::{Announcement, Ask};
use esclusa_core::configuration::TargetGroup;
use esclusa_core::digest::Digest;
use esclusa_core::measure::Datum;
use esclusa_core::measure::alarm::Alarm;
use esclusa_core::measure::usage::{Container, Restarts, UsageError};
use esclusa_core::name::{HostId, LaneId, Service};
use esclusa_core::order::CommandId;
use esclusa_core::time::Timestamp;

use crate::ports::{Clock, Configurations, Ledger, Registry, Secrets, Unavailable};

/// What is remembered of facts.
pub trait Facts {
    /// Marks a fact, to be forgotten after `until`; whether it was not marked before.
    fn mark(
        &self,
        identity: &str,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Whether a fact is marked.
    fn is_marked(&self, identity: &str) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Remembers when the commit of an image was made.
    fn note_commit(
        &self,
        service: &Service,
        digest: &Digest,
        committed: Timestamp,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// When the commit of an image was made, where that is known.
    fn committed(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> impl Future<Output = Result<Option<Timestamp>, Unavailable>> + Send;

    /// The vulnerabilities of an image that people were told of, as something that runs in a lane.
    fn told(
        &self,
        lane: &LaneId,
        digest: &Digest,
    ) -> impl Future<Output = Result<BTreeSet<String>, Unavailable>> + Send;

    /// Remembers them; the last word counts.
    fn note_told(
        &self,
        lane: &LaneId,
        digest: &Digest,
        told: &BTreeSet<String>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// What was asked of the hosts at the last look.
    fn last_look(&self) -> impl Future<Output = Result<LastLook, Unavailable>> + Send;

    /// Remembers it; the last word counts.
    fn note_look(&self, look: &LastLook) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The registry's repositories, beyond what a look at one image tells.
pub trait Repositories {
    /// Whether there is one of this name.
    fn exists(&self, service: &Service) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Why the registry would not hand out an image, with all that it names; nothing if it would.
    fn withheld(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send;

    /// Asks for a new scan of an image; why it was refused, if it was.
    fn scan_again(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send;
}

/// The load balancer, as far as it tells who serves.
pub trait Serving {
    /// How many hosts it finds healthy in a group.
    fn serving(
        &self,
        group: &TargetGroup,
    ) -> impl Future<Output = Result<usize, Unavailable>> + Send;
}

/// The hosts, as far as they tell what their containers take.
pub trait Meters {
    /// Asks all of them.
    fn ask(&self) -> impl Future<Output = Result<CommandId, Unavailable>> + Send;

    /// What they have answered by now.
    fn answers(
        &self,
        asked: &CommandId,
    ) -> impl Future<Output = Result<Answers, Unavailable>> + Send;
}

/// What hosts have answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// What each of those told that did, or why its answer counts for nothing.
    pub given: Vec<Answered>,
    /// Whether some may still answer.
    pub pending: bool,
}

/// What one host told of its containers.
pub type Answered = (HostId, Result<Vec<Container>, UsageError>);

/// What was asked of the hosts at the last look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastLook {
    /// The question that they are answering.
    pub asked: Option<CommandId>,
    /// When it was asked.
    pub at: Timestamp,
    /// What had been started again then.
    pub restarts: Restarts,
}

/// Whoever keeps numbers.
pub trait Metrics {
    /// Hands numbers over, in as few calls as it takes.
    fn put(&self, data: &[Datum]) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Whoever judges numbers.
pub trait Watches {
    /// Makes exactly these alarms of what services are there: those that are as they should be
    /// are left alone, and those of services that are gone are deleted.
    fn keep_alarms(
        &self,
        alarms: &[Alarm],
    ) -> impl Future<Output = Result<Kept, Unavailable>> + Send;
}

/// What was done to alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Made, or made anew.
    pub made: usize,
    /// Deleted.
    pub deleted: usize,
}

/// Those who are told what was found.
pub trait Herald {
    /// Tells them, once for each `id` as far as they tell ids apart.
    fn tell(
        &self,
        lane: &LaneId,
        id: &str,
        found: &Announcement,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The line that asks this of whoever answers people.
    fn line(&self, lane: &LaneId, ask: &Ask) -> String;
}

/// Everything that counting needs.
pub trait Ports:
    Ledger
    + Configurations
    + Registry
    + Secrets
    + Serving
    + Repositories
    + Facts
    + Meters
    + Metrics
    + Watches
    + Herald
    + Clock
    + Sync
{
}

impl<T> Ports for T where
    T: Ledger
        + Configurations
        + Registry
        + Secrets
        + Serving
        + Repositories
        + Facts
        + Meters
        + Metrics
        + Watches
        + Herald
        + Clock
        + Sync
{
}
