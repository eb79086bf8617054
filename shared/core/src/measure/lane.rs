//! What is read off a lane at a moment.

use super::{Datum, Metric, Subject, whole};
use crate::configuration::Severity;
use crate::lane::Lane;
use crate::name::LaneId;
use crate::scan::{Counts, Scanned, State, counted};
use crate::time::Timestamp;

/// Severities that are told apart, so that the number of metrics is bounded: four a lane.
pub(super) const SEVERITIES: [Severity; 4] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

fn datum(lane: &Lane, metric: Metric, value: f64, at: Timestamp) -> Datum {
    Datum::new(metric, Subject::lane(&lane.id), value, at)
}

/// How many hosts run something else than the lane does, as of the last look.
#[must_use]
pub fn drifted(lane: &Lane, at: Timestamp) -> Datum {
    let hosts = u64::try_from(lane.drifted().count()).unwrap_or(u64::MAX);
    datum(lane, Metric::HostsDrifted, whole(hosts), at)
}

/// How many vulnerabilities were found since it went out.
#[must_use]
pub fn found(lane: &Lane, findings: usize, at: Timestamp) -> Datum {
    let value = whole(u64::try_from(findings).unwrap_or(u64::MAX));
    datum(lane, Metric::VulnerabilitiesFound, value, at)
}

/// How many hosts serve.
#[must_use]
pub fn in_service(lane: &LaneId, hosts: usize, at: Timestamp) -> Datum {
    let value = whole(u64::try_from(hosts).unwrap_or(u64::MAX));
    Datum::new(Metric::HostsInService, Subject::lane(lane), value, at)
}

/// Whether a rollback would succeed, as far as that can be told without one: `problem` is what
/// would keep it from it. Nothing where the lane has nothing to go back to.
#[must_use]
pub fn ready(lane: &Lane, problem: Option<&str>, at: Timestamp) -> Option<Datum> {
    lane.rollback_targets().next()?;
    Some(datum(lane, Metric::RollbackReady, f64::from(u8::from(problem.is_none())), at))
}

/// What the scans of the running release say: whether they still hold, and how much they found.
/// Findings are not counted where the scan does not hold: zero would look like clean.
#[must_use]
pub fn vulnerabilities(lane: &Lane, scans: &[Scanned], at: Timestamp) -> Vec<Datum> {
    let done = |it: &Scanned| matches!(it.state, State::Done(_));
    let covered = !scans.is_empty() && scans.iter().all(done);
    let mut data = vec![datum(lane, Metric::ScanCoverage, f64::from(u8::from(covered)), at)];
    if covered {
        let counts: Counts = counted(scans);
        data.extend(SEVERITIES.map(|severity| {
            let found = counts.get(&severity).copied().unwrap_or(0);
            let subject = Subject { severity: Some(severity), ..Subject::lane(&lane.id) };
            let value = whole(u64::try_from(found).unwrap_or(u64::MAX));
            Datum::new(Metric::Vulnerabilities, subject, value, at)
        }));
    }
    data
}
