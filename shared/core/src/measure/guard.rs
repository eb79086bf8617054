//! What is found in an image after it went out: the gate looked once, and the world has moved on.

use std::collections::BTreeSet;

use crate::announcement::{Announcement, Ask, Kind};
use crate::configuration::EnvironmentConfiguration;
use crate::lane::Lane;
use crate::reason::{Code, Reason};
use crate::release::Release;
use crate::scan::{Finding, Scanned, State};
use crate::time::Timestamp;

/// Findings, and hosts, that a sentence names; the rest are counted.
const NAMED: usize = 5;

/// What could be rolled out instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Nothing newer was pushed.
    Nothing,
    /// A release that was pushed, of which no scan says that it is any better.
    Doubtful(Release),
    /// A release that was pushed, and whose scan found nothing that blocks.
    Clean(Release),
}

/// What is in the running release that would keep it from going out today, each vulnerability
/// once, the worst first. Findings of a scan that does not hold are not known.
#[must_use]
pub fn exposed(
    scans: &[Scanned],
    settings: &EnvironmentConfiguration,
    now: Timestamp,
) -> Vec<Finding> {
    let findings = scans.iter().filter_map(|it| match &it.state {
        State::Done(findings) => Some(findings),
        State::Pending(_) | State::Missing(_) | State::Unscanned(_) => None,
    });
    let accepted = |it: &Finding| settings.waivers.iter().any(|waiver| waiver.covers(&it.id, now));
    let blocks = |it: &&Finding| settings.gate.block.contains(&it.severity) && !accepted(it);
    let blocking: BTreeSet<Finding> = findings.flatten().filter(blocks).cloned().collect();
    let mut seen = BTreeSet::new();
    blocking.into_iter().filter(|it| seen.insert(it.id.clone())).collect()
}

/// What a person is told of vulnerabilities that were found in what runs.
#[must_use]
pub fn found(
    lane: &Lane,
    new: &[Finding],
    instead: &Instead,
    at: Timestamp,
) -> Option<Announcement> {
    let (current, worst) = (lane.current.as_ref()?, new.first()?);
    let reason = format!("the scan of {current} has found {}", named(new, ToString::to_string));
    let hosts: Vec<_> = lane
        .hosts
        .iter()
        .filter(|(_, record)| record.running.is(&current.digest))
        .map(|(host, _)| host)
        .collect();
    let on =
        if hosts.is_empty() { "no host".to_owned() } else { named(&hosts, ToString::to_string) };
    let what_now = match instead {
        Instead::Nothing => {
            "nothing newer was pushed: push an image without it, or add it to `waivers`".to_owned()
        }
        Instead::Doubtful(release) => {
            format!("{release} was pushed since, but no scan says that it is any better: see why")
        }
        Instead::Clean(release) => {
            format!("{release} was pushed since and has nothing that blocks: let it go out")
        }
    };
    let lane_id = &lane.id;
    Some(Announcement {
        number: 0,
        at,
        kind: Kind::VulnerabilityFound,
        rollout: None,
        digest: Some(current.digest.clone()),
        word: worst.id.clone(),
        text: format!(
            "{} in {}: {reason}. It runs on {on}. Esclusa left it running; {what_now}",
            lane_id.service, lane_id.environment
        ),
        reason: Some(Reason::new(Code::GATE_SCAN_BLOCKED, reason)),
        ask: Some(Ask::Why),
    })
}

/// `a, b and 3 more`.
fn named<T>(all: &[T], name: impl Fn(&T) -> String) -> String {
    let first: Vec<String> = all.iter().take(NAMED).map(name).collect();
    match all.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
