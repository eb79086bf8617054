use std::collections::BTreeSet;

use super::told;
use crate::configuration::Severity;
use crate::lane::{HostRecord, Lane, Success};
use crate::measure::{drifted, ready, vulnerabilities};
use crate::release::{Availability, Release, Running};
use crate::scan::{Finding, Scanned, State};
use crate::time::Timestamp;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(super) fn release(number: u32) -> Release {
    Release {
        digest: format!("sha256:{number:064x}").parse().unwrap(),
        repository: "registry/tickets".to_owned(),
        tags: BTreeSet::new(),
        label: format!("v1.{number}").parse().unwrap(),
        bytes: 1,
        pushed_at: NOW,
        availability: Availability::Active,
    }
}

pub(super) fn lane() -> Lane {
    let mut lane = Lane::new("tickets#production".parse().unwrap(), 1);
    lane.current = Some(release(2));
    lane.successes =
        [2, 1].map(|it| Success { release: release(it), at: NOW, scanned: None }).into();
    lane
}

#[test]
fn hosts_that_drifted_are_counted() {
    let mut lane = lane();
    assert_eq!(told(&[drifted(&lane, NOW)]), ["HostsDrifted 0"]);
    for (number, runs) in [(1, 2), (2, 1), (3, 9)] {
        let running = Running::Digest(release(runs).digest);
        let host = format!("i-{number:08x}").parse().unwrap();
        lane.hosts.insert(host, HostRecord { running, is_well: true, seen_at: NOW });
    }
    assert_eq!(told(&[drifted(&lane, NOW)]), ["HostsDrifted 2"]);
}

#[test]
fn a_rollback_is_ready_when_nothing_would_keep_it_back() {
    for (problem, expected) in [
        (None, "RollbackReady 1"),
        (Some("v1.1 is archived, and cannot be pulled"), "RollbackReady 0"),
    ] {
        assert_eq!(told(&[ready(&lane(), problem, NOW).unwrap()]), [expected]);
    }
    let mut first = lane();
    first.successes.truncate(1);
    assert_eq!(ready(&first, None, NOW), None);
}

pub(super) fn scan(state: State) -> Scanned {
    Scanned { digest: release(2).digest, platform: String::new(), state }
}

pub(super) fn finding(severity: Severity, id: &str, package: &str) -> Finding {
    let (id, package) = (id.to_owned(), package.to_owned());
    Finding { severity, id, package, installed: String::new(), fixed: String::new() }
}

#[test]
fn findings_are_counted_only_where_the_scan_holds() {
    let found = vec![
        finding(Severity::Critical, "CVE-1", "openssl"),
        finding(Severity::Critical, "CVE-1", "libssl"),
        finding(Severity::Low, "CVE-2", "zlib"),
        finding(Severity::Untriaged, "CVE-3", "zlib"),
    ];
    let clean = || scan(State::Done(Vec::new()));
    let gone = || scan(State::Missing("SCAN_ELIGIBILITY_EXPIRED".to_owned()));
    let counts = |critical: u32, low: u32| {
        vec![
            "ScanCoverage 1".to_owned(),
            format!("Vulnerabilities CRITICAL {critical}"),
            "Vulnerabilities HIGH 0".to_owned(),
            "Vulnerabilities MEDIUM 0".to_owned(),
            format!("Vulnerabilities LOW {low}"),
        ]
    };
    let none = || vec!["ScanCoverage 0".to_owned()];
    for (scans, expected) in [
        (vec![clean()], counts(0, 0)),
        (vec![scan(State::Done(found.clone())), clean()], counts(1, 1)),
        (vec![scan(State::Done(found)), gone()], none()),
        (vec![gone()], none()),
        (vec![scan(State::Pending("IN_PROGRESS".to_owned()))], none()),
        (vec![scan(State::Unscanned("off".to_owned()))], none()),
        (vec![], none()),
    ] {
        assert_eq!(told(&vulnerabilities(&lane(), &scans, NOW)), expected, "{scans:?}");
    }
}
