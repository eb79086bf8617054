//! What retention asks of the world, beside the ledger of lanes and the configurations.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::retention::{Contents, Id, Image, Memory, Rule};
use esclusa_core::time::Timestamp;

use super::{Report, Task};
use crate::ports::{Clock, Configurations, Ledger, Unavailable};

/// Why an id that was to be deleted was not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such image, or none with that tag: it is gone already.
    #[error("it is gone already")]
    Gone,
    /// The tag points to another image by now.
    #[error("its tag was moved meanwhile")]
    Moved,
    /// An index names it.
    #[error("an index names it that was pushed meanwhile")]
    Referenced,
    /// Another reason; the registry's code and words.
    #[error("ECR refused: {0}")]
    Other(String),
}

/// The images of a repository.
pub trait Shelf {
    /// Every image, archived ones too; nothing if there is no such repository.
    fn images(
        &self,
        service: &Service,
    ) -> impl Future<Output = Result<Option<Vec<Image>>, Unavailable>> + Send;

    /// What each of these indexes names.
    fn contents(
        &self,
        service: &Service,
        indexes: &[Digest],
    ) -> impl Future<Output = Result<BTreeMap<Digest, Contents>, Unavailable>> + Send;

    /// These images as they are now, at most [`PER_CALL`](esclusa_core::retention::PER_CALL) of
    /// them; those that are gone are left out.
    fn again(
        &self,
        service: &Service,
        digests: &[Digest],
    ) -> impl Future<Output = Result<Vec<Image>, Unavailable>> + Send;

    /// Deletes, and answers which ids were not deleted. Repeating it changes nothing.
    fn delete(
        &self,
        service: &Service,
        ids: &[Id],
    ) -> impl Future<Output = Result<Vec<(Id, Refused)>, Unavailable>> + Send;

    /// Which of these are there still, at most [`PER_CALL`](esclusa_core::retention::PER_CALL) of
    /// them. The answer to a deletion does not say: an image whose planned tags are off stays if it
    /// was given another one that moment.
    fn survivors(
        &self,
        service: &Service,
        digests: &[Digest],
    ) -> impl Future<Output = Result<BTreeSet<Digest>, Unavailable>> + Send;

    /// The rules of the repository's own lifecycle policy; none if it has none.
    fn lifecycle(
        &self,
        service: &Service,
    ) -> impl Future<Output = Result<Vec<Rule>, Unavailable>> + Send;
}

/// What is stored of a repository's retention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// Whether a person has applied a plan: later runs delete by themselves.
    pub applies: bool,
    /// When the run that a push has asked for is due.
    pub due_at: Option<Timestamp>,
    /// The last run, until it has been published.
    pub untold: Option<Report>,
}

/// Whether a run may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is the only one, with what is stored.
    Alone(Repository),
    /// Another one is under way, at the latest until then.
    Busy(Timestamp),
}

/// What is stored of images.
pub trait Memories {
    /// What is stored of a repository's retention.
    fn repository(
        &self,
        service: &Service,
    ) -> impl Future<Output = Result<Repository, Unavailable>> + Send;

    /// Stores when the next run is due.
    fn set_due(
        &self,
        service: &Service,
        due_at: Timestamp,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Takes the repository's lease, for `owner` and until `until`.
    fn begin(
        &self,
        service: &Service,
        owner: &str,
        until: Timestamp,
    ) -> impl Future<Output = Result<Begun, Unavailable>> + Send;

    /// Stores what is known of a repository's retention, but for when a run is due, on condition
    /// that `owner` has the lease still.
    fn store(
        &self,
        service: &Service,
        owner: &str,
        repository: &Repository,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The same, and gives up the lease and the claim.
    fn finish(
        &self,
        service: &Service,
        owner: &str,
        repository: &Repository,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// What is stored of the images of a repository.
    fn memories(
        &self,
        service: &Service,
    ) -> impl Future<Output = Result<BTreeMap<Digest, Memory>, Unavailable>> + Send;

    /// Stores what these images bring: what is absent in a memory stays as it is stored.
    fn remember(
        &self,
        service: &Service,
        memories: &BTreeMap<Digest, Memory>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Forgets images that are gone.
    fn forget(
        &self,
        service: &Service,
        digests: &BTreeSet<Digest>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Claims images to delete them, in the place of those that were claimed before, on condition
    /// that `owner` has the lease still and that each lane is at this revision. No lane comes to
    /// want a claimed image until the lease is given up, or over. False if the condition does not
    /// hold: nothing was claimed.
    fn claim(
        &self,
        service: &Service,
        owner: &str,
        digests: &BTreeSet<Digest>,
        lanes: &BTreeMap<LaneId, u64>,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// The lanes of a service.
    fn lanes_of(
        &self,
        service: &Service,
    ) -> impl Future<Output = Result<Vec<LaneId>, Unavailable>> + Send;
}

/// The queue of retention's tasks.
pub trait Tasks {
    /// Sends a task, which is received after `delay`, at most 15 minutes.
    fn send(
        &self,
        task: &Task,
        delay: Duration,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Those who listen to what retention does.
pub trait Listeners {
    /// Publishes a run; false if it was not taken.
    fn tell(&self, report: &Report) -> impl Future<Output = bool> + Send;
}

/// Everything that retention needs.
pub trait Ports:
    Ledger + Configurations + Shelf + Memories + Tasks + Listeners + Clock + Sync
{
}

impl<T> Ports for T where
    T: Ledger + Configurations + Shelf + Memories + Tasks + Listeners + Clock + Sync
{
}
