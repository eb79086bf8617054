//! The alarms that every service gets.
//!
//! A metric that only comes when something happens is fine while it does not come. One that comes
//! at every look keeps the alarm as it is while it does not: that looking has stopped is the
//! heartbeat's alarm, which is the stack's.

use std::fmt;
use std::time::Duration;

use super::{Metric, Subject};
use crate::announcement::Ask;
use crate::configuration::{EnvironmentConfiguration, Scan};
use crate::lane::Lane;
use crate::name::Service;

/// What CloudWatch makes of the numbers of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// All of them together.
    Sum,
    /// The least of them.
    Minimum,
}

/// What an alarm looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formula {
    /// One metric.
    One(Metric, Statistic),
    /// The sums of several, together.
    Together(&'static [Metric]),
    /// How many percent the first is of both; a hundred where there are fewer than three of them.
    Share(Metric, Metric),
}

/// When an alarm goes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// From so many on.
    From(u32),
    /// Below so many.
    Below(u32),
}

/// What is made of a period without numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// All is well.
    Fine,
    /// The alarm stays as it is.
    Ignored,
}

/// An alarm, as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Names it among the alarms of what it is about.
    pub kind: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// What it means and what to do, for the person who gets it.
    pub text: String,
    /// What it looks at.
    pub formula: Formula,
    /// Over how long each.
    pub period: Duration,
    /// How many periods in a row must be bad.
    pub periods: u32,
    /// When one is.
    pub limit: Limit,
    /// What an empty one is.
    pub missing: Missing,
}

const TICK: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);

/// What makes an alarm, beside what it is about.
struct Rule {
    kind: &'static str,
    text: &'static str,
    formula: Formula,
    over: (u32, Duration),
    limit: Limit,
    missing: Missing,
}

impl Rule {
    fn of(self, subject: Subject, asks: &str) -> Alarm {
        let Self { kind, text, formula, over: (periods, period), limit, missing } = self;
        let about = &subject;
        let text = format!("{about}: {text}.{asks}");
        Alarm { kind, subject, text, formula, period, periods, limit, missing }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.service, &self.environment) {
            (Some(service), Some(environment)) => write!(f, "{service} in {environment}"),
            (Some(service), None) => write!(f, "{service}"),
            (None, _) => f.write_str("all services"),
        }
    }
}

/// The alarms of a service, whatever its environments.
#[must_use]
pub fn of_service(service: &Service) -> Vec<Alarm> {
    let rules = [
        Rule {
            kind: "RetentionStopped",
            text: "retention would delete more images than it may in one run, and deleted none. \
                   Look at the plan, then have it applied with `force`",
            formula: Formula::One(Metric::RetentionStopped, Statistic::Sum),
            over: (1, HOUR),
            limit: Limit::From(1),
            missing: Missing::Fine,
        },
        Rule {
            kind: "BuildsFailing",
            text: "fewer than half of the builds of the last six hours succeeded. See the runs of \
                   its workflow",
            formula: Formula::Share(Metric::BuildSucceeded, Metric::BuildFailed),
            over: (1, Duration::from_hours(6)),
            limit: Limit::Below(50),
            missing: Missing::Fine,
        },
    ];
    rules.map(|it| it.of(Subject::service(service), "")).into()
}

/// The alarms of a lane. Its operator is asked with what `asking` says.
#[must_use]
pub fn of_lane(
    lane: &Lane,
    settings: Option<&EnvironmentConfiguration>,
    asking: impl Fn(&Ask) -> String,
) -> Vec<Alarm> {
    let asks = format!(" Next: {}", asking(&Ask::Status));
    let rules = outcomes().into_iter().chain(gauges());
    let rules = rules.filter(|it| it.kind != COVERAGE || is_covered(lane, settings));
    rules.map(|it| it.of(Subject::lane(&lane.id), &asks)).collect()
}

const COVERAGE: &str = "ScanCoverageLost";

/// Whether a scan that no longer holds is news: its absence was not accepted from the start.
fn is_covered(lane: &Lane, settings: Option<&EnvironmentConfiguration>) -> bool {
    let required = settings.is_some_and(|it| it.gate.require_scan == Scan::Required);
    let scanned = lane.successes.first().is_some_and(|it| it.scanned.is_some());
    lane.current.is_some() && (required || scanned)
}

/// What happened.
fn outcomes() -> [Rule; 3] {
    [
        Rule {
            kind: "RolloutFailed",
            text: "a rollout failed, was put back, is stuck or was halted. The message of its end \
                   says why",
            formula: Formula::Together(&[
                Metric::RolloutsFailed,
                Metric::RolloutsRestored,
                Metric::RolloutsStuck,
                Metric::RolloutsHalted,
            ]),
            over: (1, TICK),
            limit: Limit::From(1),
            missing: Missing::Fine,
        },
        Rule {
            kind: "VulnerabilityFound",
            text: "a vulnerability that would block a rollout was found in what runs. The message \
                   of it says which, where, and whether a release without it is there",
            formula: Formula::One(Metric::VulnerabilitiesFound, Statistic::Sum),
            over: (1, HOUR),
            limit: Limit::From(1),
            missing: Missing::Fine,
        },
        Rule {
            kind: "ContainersRestarting",
            text: "containers were started again by the engine, at least three times in a quarter \
                   of an hour. See their logs, or go back to the release before",
            formula: Formula::One(Metric::ContainerRestarts, Statistic::Sum),
            over: (1, Duration::from_mins(15)),
            limit: Limit::From(3),
            missing: Missing::Fine,
        },
    ]
}

/// What is so at every look.
fn gauges() -> [Rule; 4] {
    let ignored = |kind, text, metric, periods, period, limit| Rule {
        kind,
        text,
        formula: Formula::One(metric, Statistic::Minimum),
        over: (periods, period),
        limit,
        missing: Missing::Ignored,
    };
    [
        ignored(
            "NoHostInService",
            "no host has been in service for ten minutes: the service is down",
            Metric::HostsInService,
            2,
            TICK,
            Limit::Below(1),
        ),
        ignored(
            "HostsDrifted",
            "a host has run something else than the others for half an hour. The status says \
             which; a restart brings it back",
            Metric::HostsDrifted,
            6,
            TICK,
            Limit::From(1),
        ),
        ignored(
            COVERAGE,
            "no valid scan says what is in the running release: vulnerabilities that are found \
             from now on are not seen. Esclusa asks for a new scan once a day where ECR scans; \
             where Inspector does, see whether it still watches the image",
            Metric::ScanCoverage,
            2,
            HOUR,
            Limit::Below(1),
        ),
        ignored(
            "RollbackNotReady",
            "a rollback would fail: the release before cannot be pulled, or a secret that it \
             needs cannot be used. The log of the function `metrics` says which",
            Metric::RollbackReady,
            2,
            HOUR,
            Limit::Below(1),
        ),
    ]
}
