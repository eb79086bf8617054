//! From scans to a verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Counts, Finding, Scanned, State};
use crate::configuration::{Gate, Scan, Severity, Waiver, WhenMissing};
use crate::reason::{Code, Reason};
use crate::time::Timestamp;

/// Findings that a sentence names; the rest are counted.
const NAMED: usize = 3;

/// What the scans of a release come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that blocks was found.
    Clean(Counts),
    /// Nothing but findings that someone accepted would block: these.
    Waived(Counts, BTreeSet<String>),
    /// These block.
    Blocked(Counts, Vec<Finding>),
    /// There are more of them than in the release that runs: severity, there, here.
    Worse(Counts, Severity, usize, usize),
    /// Not yet; what is waited for.
    Pending(String),
    /// It will not be known; why.
    Missing(String),
    /// Nothing scans it; why.
    Unscanned(String),
    /// It has no image that a host could run.
    Unsuited,
}

/// What a release is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// What blocks.
    pub gate: &'a Gate,
    /// What was accepted.
    pub waivers: &'a [Waiver],
    /// What the running release had when it went out; nothing where that is not known.
    pub running: Option<&'a Counts>,
    /// Which waivers still hold.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Judges a release by all of its images: the one that is known least decides, then the one
    /// that is worst.
    #[must_use]
    pub fn judge(&self, scans: &[Scanned]) -> Verdict {
        let mut unscanned = None;
        let mut pending = None;
        let mut found = BTreeSet::new();
        for scan in scans {
            let of = |why: &str| match scan.platform.as_str() {
                "" => format!("{}: {why}", scan.digest.short()),
                platform => format!("{platform} ({}): {why}", scan.digest.short()),
            };
            match &scan.state {
                State::Done(findings) => found.extend(findings.iter().cloned()),
                State::Missing(why) => return Verdict::Missing(of(why)),
                State::Pending(why) => pending = pending.or_else(|| Some(of(why))),
                State::Unscanned(why) => unscanned = unscanned.or_else(|| Some(of(why))),
            }
        }
        if let Some(why) = pending {
            return Verdict::Pending(why);
        }
        if let Some(why) = unscanned {
            return Verdict::Unscanned(why);
        }
        if scans.is_empty() {
            return Verdict::Unsuited;
        }
        self.of_findings(found)
    }

    fn of_findings(&self, found: BTreeSet<Finding>) -> Verdict {
        let accepted =
            |it: &Finding| self.waivers.iter().any(|waiver| waiver.covers(&it.id, self.now));
        let (accepted, counting): (Vec<_>, Vec<_>) = found.into_iter().partition(accepted);
        let counts = counts(&counting);
        let blocks = |it: &&Finding| self.gate.block.contains(&it.severity);
        let blocking: Vec<Finding> = counting.iter().filter(blocks).cloned().collect();
        if !blocking.is_empty() {
            return Verdict::Blocked(counts, blocking);
        }
        let of = |counts: &Counts, severity| counts.get(&severity).copied().unwrap_or(0);
        if let Some(running) = self.running {
            for severity in self.gate.not_worse_than_running.iter().copied() {
                let (there, here) = (of(running, severity), of(&counts, severity));
                if here > there {
                    return Verdict::Worse(counts, severity, there, here);
                }
            }
        }
        let waived: BTreeSet<String> =
            accepted.iter().filter(blocks).map(|it| it.id.clone()).collect();
        if waived.is_empty() { Verdict::Clean(counts) } else { Verdict::Waived(counts, waived) }
    }
}

/// What scans that are done found, waived or not; nothing of those that are not.
#[must_use]
pub fn counted(scans: &[Scanned]) -> Counts {
    let done = scans.iter().filter_map(|scan| match &scan.state {
        State::Done(findings) => Some(findings),
        State::Missing(_) | State::Pending(_) | State::Unscanned(_) => None,
    });
    counts(&done.flatten().cloned().collect::<Vec<_>>())
}

/// Each vulnerability once, in the severity that is worst for it.
fn counts(findings: &[Finding]) -> Counts {
    let mut worst: BTreeMap<&str, Severity> = BTreeMap::new();
    for finding in findings {
        let known = worst.entry(finding.id.as_str()).or_insert(finding.severity);
        *known = finding.severity.min(*known);
    }
    let mut counts = Counts::new();
    for severity in worst.into_values() {
        let count = counts.entry(severity).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

impl Verdict {
    /// What was counted; nothing where nothing is known.
    #[must_use]
    pub fn counts(&self) -> Option<&Counts> {
        match self {
            Self::Clean(counts)
            | Self::Waived(counts, _)
            | Self::Blocked(counts, _)
            | Self::Worse(counts, ..) => Some(counts),
            Self::Pending(_) | Self::Missing(_) | Self::Unscanned(_) | Self::Unsuited => None,
        }
    }

    /// What a person can do about a refusal.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Clean(_) | Self::Waived(..) | Self::Pending(_) => "wait for it",
            Self::Blocked(..) => "push an image without it, or add it to `waivers`",
            Self::Worse(..) => "push an image with fewer of them",
            Self::Missing(_) => "have it scanned again with `aws ecr start-image-scan`",
            Self::Unscanned(_) => "switch scan on push on for the repository, and push it again",
            Self::Unsuited => "push an image for a platform that its hosts have",
        }
    }

    /// Why the release may not go out, if it may not. What is pending is not refused: it is waited
    /// for, and then it is missing.
    #[must_use]
    pub fn refusal(&self, gate: &Gate) -> Option<Reason> {
        let code = match self {
            Self::Clean(_) | Self::Waived(..) | Self::Pending(_) => return None,
            Self::Blocked(..) | Self::Worse(..) => Code::GATE_SCAN_BLOCKED,
            Self::Missing(_) if gate.when_missing == WhenMissing::Allow => return None,
            Self::Unscanned(_) if gate.require_scan == Scan::Optional => return None,
            Self::Missing(_) | Self::Unscanned(_) | Self::Unsuited => Code::GATE_SCAN_MISSING,
        };
        Some(Reason::new(code, self.to_string()))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean(counts) if counts.is_empty() => f.write_str("its scan found nothing"),
            Self::Clean(counts) => {
                write!(f, "its scan found nothing that blocks: {}", listed(counts))
            }
            Self::Waived(counts, ids) => {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                write!(f, "its scan found nothing that blocks and is not waived: ")?;
                write!(f, "{} waived; {}", ids.join(", "), listed(counts))
            }
            Self::Blocked(_, findings) => {
                let named: Vec<String> =
                    findings.iter().take(NAMED).map(ToString::to_string).collect();
                write!(f, "its scan found {}", named.join("; "))?;
                match findings.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more that block"),
                }
            }
            Self::Worse(_, severity, there, here) => write!(
                f,
                "its scan found {here} {severity} finding(s), and the running release has {there}"
            ),
            Self::Pending(why) => write!(f, "its scan is not done: {why}"),
            Self::Missing(why) => write!(f, "its scan says nothing: {why}"),
            Self::Unscanned(why) => write!(f, "it is not scanned: {why}"),
            Self::Unsuited => f.write_str("it names no image that its hosts could run"),
        }
    }
}

/// `2 HIGH, 1 LOW`.
fn listed(counts: &Counts) -> String {
    if counts.is_empty() {
        return "nothing else".to_owned();
    }
    let each = counts.iter().map(|(severity, count)| format!("{count} {severity}"));
    each.collect::<Vec<_>>().join(", ")
}
