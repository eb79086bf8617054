//! From what happened to numbers: read, mark, and only then hand over.
//!
//! A fact is marked in the ledger before its numbers go to CloudWatch, so that one that is told of
//! twice counts once. What is marked and not handed over, because the function died in between, is
//! lost: a point that is missing misleads less than one that is counted twice.

mod gauges;
mod guard;
pub mod ports;
mod report;
mod upkeep;
mod usage;

use std::collections::BTreeMap;
use std::time::Duration;

use esclusa_core::configuration::{Configuration, EnvironmentConfiguration};
use esclusa_core::lane::Lane;
use esclusa_core::measure::{self, Datum};
use esclusa_core::name::{LaneId, Service, Tag};
use esclusa_core::observation::Sources;
use esclusa_core::rollout::RolloutId;
use esclusa_core::time::Timestamp;

use futures_util::{StreamExt, stream};

use crate::ports::{Unavailable, Wanted};

pub use ports::Ports;
pub use report::{ReportError, Reported, report};

/// How long a fact is remembered: longer than any queue or bus tells of it.
const REMEMBERED: Duration = Duration::from_hours(15 * 24);

/// How often what asks the registry, or every alarm, is done.
const HOUR: Duration = Duration::from_hours(1);

/// Lanes that are looked at side by side: then a thousand take seconds, and AWS throttles nobody.
const AT_ONCE: usize = 16;

/// Rollouts among which one that has just ended is looked for.
const RECENT: usize = 20;

/// Something that happened, and is counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// An image was pushed, or tagged.
    Pushed(Service, Tag),
    /// A rollout ended.
    Ended(LaneId, RolloutId),
    /// A run of retention did something.
    Retained {
        /// On which repository.
        service: Service,
        /// Names the run.
        run: String,
        /// Images that it left.
        kept: u64,
        /// Images that it deleted.
        deleted: u64,
        /// What those took.
        bytes: u64,
        /// Whether it stopped at a cap.
        stopped: bool,
    },
    /// A sweep over all lanes came to its end; its name.
    Swept(String),
    /// A scan of an image of this service ended, or has found something.
    Scanned(Service),
    /// It is time to see what lanes are like; the name of the tick.
    Gauges(String),
    /// It is time to see what containers take; the name of the tick.
    Usage(String),
    /// It is time to see whether every service has its alarms.
    Upkeep,
}

/// What a fact came to.
#[derive(Debug, Default)]
pub struct Measured {
    /// Its numbers; none of one that has been counted before.
    pub data: Vec<Datum>,
    /// What could not be seen: the rest stands without it.
    pub trouble: Vec<Trouble>,
    /// What was seen that a person may want to know.
    pub notes: Vec<String>,
}

/// Something that could not be seen, of how many things ever.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A call failed: the next look makes it again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A host's answer counts for nothing.
    #[error("{0}: {1}")]
    Answer(esclusa_core::name::HostId, esclusa_core::measure::usage::UsageError),
}

impl Measured {
    fn of(data: Vec<Datum>) -> Self {
        Self { data, ..Self::default() }
    }

    fn add(&mut self, more: Self) {
        self.data.extend(more.data);
        self.trouble.extend(more.trouble);
        self.notes.extend(more.notes);
    }
}

/// What a fact comes to that has not been counted before.
///
/// # Errors
///
/// A call that failed and that all depends on. The fact should be told of again: it is not marked
/// yet.
pub async fn measure<P: Ports>(ports: &P, fact: &Fact) -> Result<Measured, Unavailable> {
    match fact {
        Fact::Pushed(service, tag) => pushed(ports, service, tag).await,
        Fact::Ended(lane, rollout) => ended(ports, lane, rollout).await,
        Fact::Retained { service, run, kept, deleted, bytes, stopped } => {
            let counts = (*kept, *deleted, *bytes);
            let data = measure::of_retention(service, counts, *stopped, ports.now());
            once(ports, &format!("retention#{service}#{run}"), Measured::of(data)).await
        }
        Fact::Swept(sweep) => {
            let beat = Measured::of(vec![measure::of_sweep(ports.now())]);
            once(ports, &format!("sweep#{sweep}"), beat).await
        }
        Fact::Scanned(service) => guard::scanned(ports, service).await,
        Fact::Gauges(tick) => gauges::read(ports, tick).await,
        Fact::Usage(tick) => usage::read(ports, tick).await,
        Fact::Upkeep => upkeep::keep(ports).await,
    }
}

/// The same, if it is counted for the first time.
async fn once<P: Ports>(
    ports: &P,
    identity: &str,
    measured: Measured,
) -> Result<Measured, Unavailable> {
    if measured.data.is_empty() {
        return Ok(measured);
    }
    let new = ports.mark(identity, ports.now().after(REMEMBERED)).await?;
    let data = if new { measured.data } else { Vec::new() };
    Ok(Measured { data, ..measured })
}

/// Whether something is done for the first time in the span of time that is under way. Marked as
/// done: what fails then waits for the next span.
async fn first_in<P: Ports>(ports: &P, span: Duration, what: &str) -> Result<bool, Unavailable> {
    let now = ports.now();
    ports.mark(&in_span(now, span, what), now.after(span.saturating_mul(2))).await
}

/// A name of what is done in the span of time that a moment is in.
fn in_span(at: Timestamp, span: Duration, what: &str) -> String {
    let number = at.as_secs().checked_div(span.as_secs()).unwrap_or(0);
    format!("{what}#{number}")
}

/// An image that has gone again by now is nothing to measure.
async fn pushed<P: Ports>(
    ports: &P,
    service: &Service,
    tag: &Tag,
) -> Result<Measured, Unavailable> {
    let Some(release) = ports.resolve(service, &Wanted::Tag(tag.clone())).await? else {
        return Ok(Measured::default());
    };
    let size = measure::of_image(service, release.bytes, ports.now());
    once(ports, &format!("image#{service}#{}", release.digest), Measured::of(vec![size])).await
}

async fn ended<P: Ports>(
    ports: &P,
    lane: &LaneId,
    id: &RolloutId,
) -> Result<Measured, Unavailable> {
    let rollouts = ports.rollouts(lane, RECENT).await?;
    let Some(rollout) = rollouts.iter().find(|it| it.id == *id) else {
        return Ok(Measured::default());
    };
    let committed = ports.committed(&lane.service, &rollout.candidate.digest).await?;
    let data = measure::of_rollout(lane, rollout, committed);
    once(ports, &format!("rollout#{lane}#{id}"), Measured::of(data)).await
}

/// What a look at each of these lanes comes to, in their order; nothing of one that has gone.
async fn each_lane<P: Ports, T, F>(
    ports: &P,
    lanes: impl IntoIterator<Item = LaneId>,
    look: impl Fn(Lane) -> F,
) -> Vec<Result<T, Unavailable>>
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let look = &look;
    let looks = lanes.into_iter().map(|id| async move {
        match ports.load(&id).await {
            Ok(Some(lane)) => Some(look(lane).await),
            Ok(None) => None,
            Err(failure) => Some(Err(failure)),
        }
    });
    let seen: Vec<Option<_>> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    seen.into_iter().flatten().collect()
}

/// What every service is configured to do.
struct Configured(BTreeMap<Service, Sources>);

impl Configured {
    async fn read<P: Ports>(ports: &P) -> Result<Self, Unavailable> {
        Ok(Self(ports.configured().await?.into_iter().collect()))
    }

    /// The same of one service.
    async fn read_one<P: Ports>(ports: &P, service: &Service) -> Result<Self, Unavailable> {
        let sources = ports.sources(service).await?;
        let own = sources.service.is_some().then(|| (service.clone(), sources));
        Ok(Self(own.into_iter().collect()))
    }

    /// Whether the service has a configuration of its own, readable or not.
    fn has(&self, service: &Service) -> bool {
        self.0.contains_key(service)
    }

    /// What a lane is configured to do; nothing where that cannot be read: the lane says why.
    fn of(&self, lane: &LaneId) -> Option<EnvironmentConfiguration> {
        Configuration::of(self.0.get(&lane.service)?, lane).ok()
    }
}
