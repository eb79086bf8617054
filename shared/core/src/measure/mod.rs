//! What is counted and timed: from things that happened to numbers for CloudWatch.
//!
//! A fact has an identity, so that it is counted once however often it is told of. A gauge is read
//! off what is stored at a moment, and has none.

pub mod alarm;
mod build;
pub mod guard;
mod lane;
mod rollout;
pub mod usage;

#[cfg(test)]
mod tests;

use crate::configuration::Severity;
use crate::name::{Environment, LaneId, Service};
use crate::time::Timestamp;

pub use build::{Build, BuildError, Outcome};
pub use lane::{drifted, found, in_service, ready, vulnerabilities};
pub use rollout::of_rollout;

/// The unit of a metric, as CloudWatch calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `Bytes`.
    Bytes,
    /// `Count`.
    Count,
    /// `Percent`.
    Percent,
    /// `Seconds`.
    Seconds,
}

/// What a metric has a series of numbers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The stack.
    Stack,
    /// Each service.
    Service,
    /// Each environment of a service.
    Lane,
    /// Each severity in each environment of a service.
    Severity,
}

/// Declares the metrics with their units and scopes.
macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident in $unit:ident for each $scope:ident;)*) => {
        /// What is measured; its name is the metric's in CloudWatch. Stable: alarms and dashboards
        /// name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[$doc])* $name,)*
        }

        impl Metric {
            /// Every metric there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in CloudWatch.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The unit.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            /// What there is a series of numbers for.
            #[must_use]
            pub const fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)* }
            }
        }
    };
}

metrics! {
    /// What a pushed image takes in the registry, compressed.
    ImageSize in Bytes for each Service;
    /// Findings of a severity in the running release, each vulnerability once.
    Vulnerabilities in Count for each Severity;
    /// Whether the running release has a scan that still holds: 1 or 0.
    ScanCoverage in Count for each Lane;
    /// Images that a run of retention left.
    ImagesKept in Count for each Service;
    /// Images that a run of retention deleted.
    ImagesDeleted in Count for each Service;
    /// What those took, at most.
    BytesReclaimed in Bytes for each Service;
    /// A run of retention that stopped at a cap, and waits for a person: 1.
    RetentionStopped in Count for each Service;
    /// How long a build of the pipeline took.
    BuildDuration in Seconds for each Service;
    /// A build that succeeded: 1.
    BuildSucceeded in Count for each Service;
    /// A build that failed: 1.
    BuildFailed in Count for each Service;
    /// How long a rollout took, without the time that a person was waited for.
    RolloutDuration in Seconds for each Lane;
    /// How long a rollout waited for a person.
    HumanWait in Seconds for each Lane;
    /// How long a wave took that came to its end.
    WaveDuration in Seconds for each Lane;
    /// A rollout that succeeded: 1.
    RolloutsSucceeded in Count for each Lane;
    /// A rollout that failed before or without anything to go back to: 1.
    RolloutsFailed in Count for each Lane;
    /// A rollout that was put back: 1.
    RolloutsRestored in Count for each Lane;
    /// A rollout that could not be put back: 1.
    RolloutsStuck in Count for each Lane;
    /// A rollout that was left as it was when it failed: 1.
    RolloutsHalted in Count for each Lane;
    /// From the commit to the moment at which every host ran it.
    LeadTime in Seconds for each Lane;
    /// A change that had to be taken back, by itself or by hand: 1.
    ChangeFailed in Count for each Lane;
    /// From the failure, or a person's word, to the moment at which what ran before ran again.
    TimeToRestore in Seconds for each Lane;
    /// Vulnerabilities that were found in the running release since it went out.
    VulnerabilitiesFound in Count for each Lane;
    /// Hosts that serve: healthy behind the load balancer, or, without one, with containers that
    /// are well.
    HostsInService in Count for each Lane;
    /// Hosts that run something else than the lane does.
    HostsDrifted in Count for each Lane;
    /// Whether the release before can be pulled, and its secrets used: 1 or 0.
    RollbackReady in Count for each Lane;
    /// What a container takes of one processor.
    ContainerCpu in Percent for each Lane;
    /// What a container takes of the memory that it may have.
    ContainerMemory in Percent for each Lane;
    /// How often the engine has started containers again since the last look.
    ContainerRestarts in Count for each Lane;
    /// A sweep over all lanes that came to its end: 1.
    ReconcilerHeartbeat in Count for each Stack;
}

/// What a number is about: the dimensions of its metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The service, where it is about one.
    pub service: Option<Service>,
    /// The environment, where it is about one.
    pub environment: Option<Environment>,
    /// The severity, where it is about one.
    pub severity: Option<Severity>,
}

impl Subject {
    /// A service, whatever its environments.
    #[must_use]
    pub fn service(service: &Service) -> Self {
        Self { service: Some(service.clone()), ..Self::default() }
    }

    /// A service in an environment.
    #[must_use]
    pub fn lane(lane: &LaneId) -> Self {
        let LaneId { service, environment } = lane.clone();
        Self { service: Some(service), environment: Some(environment), severity: None }
    }
}

/// What was measured, of one thing or of several at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Of how many things.
    pub count: f64,
    /// All of them together.
    pub sum: f64,
    /// The least of them.
    pub least: f64,
    /// The most of them.
    pub most: f64,
}

impl Value {
    /// Of one thing.
    #[must_use]
    pub const fn one(value: f64) -> Self {
        Self { count: 1.0, sum: value, least: value, most: value }
    }

    /// Of one thing more than those before.
    #[must_use]
    pub fn with(before: Option<Self>, value: f64) -> Self {
        before.map_or(Self::one(value), |before| Self {
            count: before.count + 1.0,
            sum: before.sum + value,
            least: before.least.min(value),
            most: before.most.max(value),
        })
    }

    /// Whether it is of one thing.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.count < 1.5
    }
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Of what.
    pub metric: Metric,
    /// About what.
    pub subject: Subject,
    /// In the metric's unit.
    pub value: Value,
    /// When that was so.
    pub at: Timestamp,
}

impl Datum {
    fn new(metric: Metric, subject: Subject, value: f64, at: Timestamp) -> Self {
        Self { metric, subject, value: Value::one(value), at }
    }
}

/// How many series of numbers there are at most: what CloudWatch bills as metrics.
#[must_use]
pub fn series(services: usize, lanes: usize) -> usize {
    let of = |metric: &Metric| match metric.scope() {
        Scope::Stack => 1,
        Scope::Service => services,
        Scope::Lane => lanes,
        Scope::Severity => lanes.saturating_mul(lane::SEVERITIES.len()),
    };
    Metric::ALL.iter().map(of).sum()
}

/// A count, or bytes, as CloudWatch takes it: exact up to 2^53.
pub(crate) fn whole(count: u64) -> f64 {
    // Numbers above 2^53 lose their last digits, which no metric shows.
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high).mul_add(4_294_967_296.0, f64::from(low))
}

/// What a run of retention did.
#[must_use]
pub fn of_retention(
    service: &Service,
    (kept, deleted, bytes): (u64, u64, u64),
    stopped: bool,
    at: Timestamp,
) -> Vec<Datum> {
    let datum = |metric, value| Datum::new(metric, Subject::service(service), whole(value), at);
    vec![
        datum(Metric::ImagesKept, kept),
        datum(Metric::ImagesDeleted, deleted),
        datum(Metric::BytesReclaimed, bytes),
        datum(Metric::RetentionStopped, u64::from(stopped)),
    ]
}

/// What a pushed image takes.
#[must_use]
pub fn of_image(service: &Service, bytes: u64, at: Timestamp) -> Datum {
    Datum::new(Metric::ImageSize, Subject::service(service), whole(bytes), at)
}

/// A sweep that came to its end.
#[must_use]
pub fn of_sweep(at: Timestamp) -> Datum {
    Datum::new(Metric::ReconcilerHeartbeat, Subject::default(), 1.0, at)
}
