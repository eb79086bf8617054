use std::collections::BTreeSet;

use super::lanes::{NOW, finding, lane, release, scan};
use crate::announcement::Kind;
use crate::configuration::{Configuration, EnvironmentConfiguration, Severity};
use crate::lane::HostRecord;
use crate::measure::guard::{Instead, exposed, found};
use crate::release::Running;
use crate::scan::{Finding, State};

fn settings(text: &str) -> EnvironmentConfiguration {
    let mut read = Configuration::read(Some(text), None).unwrap();
    read.environments.remove(&"production".parse().unwrap()).unwrap()
}

#[test]
fn what_would_not_go_out_today_is_exposed_once() {
    let findings = vec![
        finding(Severity::High, "CVE-1", "zlib"),
        finding(Severity::Critical, "CVE-2", "openssl"),
        finding(Severity::Critical, "CVE-2", "libssl"),
        finding(Severity::Critical, "CVE-3", "curl"),
    ];
    let waived = "[environments.production]\nwaivers = \
        [{ id = \"CVE-3\", until = \"2099-01-01\", reason = \"not reachable\", by = \"ana\" }]\n";
    let expired = State::Missing("SCAN_ELIGIBILITY_EXPIRED".to_owned());
    for (text, state, expected) in [
        ("", State::Done(findings.clone()), &["CVE-2", "CVE-3"][..]),
        (waived, State::Done(findings.clone()), &["CVE-2"]),
        ("[environments.production.gate]\nblock = []\n", State::Done(findings), &[]),
        ("", expired, &[]),
    ] {
        let exposed = exposed(&[scan(state)], &settings(text), NOW);
        let ids: Vec<&str> = exposed.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, expected, "{text}");
    }
}

#[test]
fn a_person_is_told_what_where_and_what_to_do() {
    let mut lane = lane();
    for (number, runs) in [(1, 2), (2, 2), (3, 1)] {
        let running = Running::Digest(release(runs).digest);
        let host = format!("i-{number:08x}").parse().unwrap();
        lane.hosts.insert(host, HostRecord { running, is_well: true, seen_at: NOW });
    }
    let new = Finding {
        installed: "3.0.1".to_owned(),
        fixed: "3.0.2".to_owned(),
        ..finding(Severity::Critical, "CVE-2", "openssl")
    };
    for (instead, expected) in [
        (Instead::Nothing, "nothing newer was pushed: push an image without it"),
        (Instead::Doubtful(release(3)), "v1.3 (000000000000) was pushed since, but no scan says"),
        (
            Instead::Clean(release(3)),
            "v1.3 (000000000000) was pushed since and has nothing that blocks",
        ),
    ] {
        let told = found(&lane, std::slice::from_ref(&new), &instead, NOW).unwrap();
        assert!(
            told.text.starts_with(
                "tickets in production: the scan of v1.2 (000000000000) has found CVE-2 (CRITICAL) \
                 in openssl 3.0.1, fixed in 3.0.2. It runs on i-00000001, i-00000002. Esclusa left \
                 it running; "
            ) && told.text.contains(expected),
            "{}",
            told.text
        );
        assert_eq!((told.kind, told.word.as_str()), (Kind::VulnerabilityFound, "CVE-2"));
    }
    assert_eq!(found(&lane, &[], &Instead::Nothing, NOW), None);
}

#[test]
fn many_findings_are_one_sentence() {
    let many: Vec<_> =
        (0..9).map(|it| finding(Severity::Critical, &format!("CVE-{it}"), "p")).collect();
    let text = found(&lane(), &many, &Instead::Nothing, NOW).unwrap().text;
    assert!(
        text.contains("CVE-4 (CRITICAL) in p, no fix known and 4 more. It runs on no host"),
        "{text}"
    );
    let ids: BTreeSet<_> = many.into_iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), 9);
}
