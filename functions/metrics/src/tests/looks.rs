//! What is seen at a tick, or when a scan has found something.

use std::collections::BTreeSet;

use esclusa_core::configuration::Severity;
use esclusa_core::lane::{HostRecord, Lane, Success};
use esclusa_core::observation::Sources;
use esclusa_core::release::{Availability, Release, Running};
use esclusa_core::scan::{Finding, Scanned, State};
use serde_json::{Value, json};

use super::memory::{Memory, NOW};
use super::{batch, sent};

const TWO_HOSTS: [(&str, &str); 2] = [
    ("i-00000001", "esclusa-usage 1\ntickets production a 10% 2% 4 healthy\nend 1\n"),
    ("i-00000002", "esclusa-usage 1\ntickets production b 30% 4% 0 unhealthy\nend 1\n"),
];

fn release(number: u32) -> Release {
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

fn finding(id: &str) -> Finding {
    let (id, severity) = (id.to_owned(), Severity::Critical);
    let (package, installed, fixed) = ("openssl".to_owned(), "1".to_owned(), "2".to_owned());
    Finding { severity, id, package, installed, fixed }
}

fn scan(number: u32, state: State) -> Scanned {
    Scanned { digest: release(number).digest, platform: String::new(), state }
}

/// Runs v1.2 on two hosts, and could go back to v1.1.
fn memory(configuration: &str) -> Memory {
    let mut lane = Lane::new("tickets#production".parse().unwrap(), 1);
    lane.current = Some(release(2));
    lane.successes =
        [2, 1].map(|it| Success { release: release(it), at: NOW, scanned: None }).into();
    for host in TWO_HOSTS.map(|(host, _)| host) {
        let running = Running::Digest(release(2).digest);
        lane.hosts
            .insert(host.parse().unwrap(), HostRecord { running, is_well: true, seen_at: NOW });
    }
    let sources = Sources { service: Some(configuration.to_owned()), defaults: None };
    Memory {
        lanes: vec![lane],
        configured: vec![("tickets".parse().unwrap(), sources)],
        releases: vec![release(1), release(2)],
        scans: vec![scan(2, State::Done(Vec::new()))],
        ..Memory::default()
    }
}

async fn tick(memory: &Memory) -> Vec<(&'static str, f64)> {
    let id = memory.later.lock().unwrap().to_string();
    let tick = json!({
        "id": id, "source": "aws.events", "detail-type": "Scheduled Event", "detail": {},
    });
    let before = memory.counted().len();
    let answer = sent(memory, batch(&[tick])).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    memory.counted().split_off(before)
}

fn scanned() -> Value {
    let image = json!({ "awsEcrContainerImage": { "repositoryName": "tickets" } });
    let detail = json!({ "status": "ACTIVE", "resources": [{ "details": image }] });
    json!({ "source": "aws.inspector2", "detail-type": "Inspector2 Finding", "detail": detail })
}

const BALANCED: &str = "[environments.production]\ntarget_groups = [\"arn:aws:elasticloadbalancing:\
    eu-south-1:123456789012:targetgroup/tickets/0123456789abcdef\"]\n";

#[tokio::test]
async fn gauges_are_read_once_a_tick_and_the_registry_once_an_hour() {
    let memory = Memory { serving: 2, ..memory(BALANCED) };
    let of_lane = [("HostsDrifted", 0.0), ("HostsInService", 2.0)];
    let of_hour = [
        ("ScanCoverage", 1.0),
        ("Vulnerabilities", 0.0),
        ("Vulnerabilities", 0.0),
        ("Vulnerabilities", 0.0),
        ("Vulnerabilities", 0.0),
        ("RollbackReady", 1.0),
    ];
    assert_eq!(tick(&memory).await, [&of_lane[..], &of_hour].concat());
    assert_eq!(tick(&memory).await, []);
    memory.wait(300);
    assert_eq!(tick(&memory).await, of_lane);
    memory.wait(3600);
    assert_eq!(tick(&memory).await.len(), of_lane.len() + of_hour.len());
}

#[tokio::test]
async fn a_rollback_is_rehearsed() {
    let archived = Release { availability: Availability::Archived, ..release(1) };
    for (releases, secret_is_missing, ready) in [
        (vec![release(1)], false, 1.0),
        (vec![], false, 0.0),
        (vec![archived], false, 0.0),
        (vec![release(1)], true, 0.0),
    ] {
        let text = "[environments.production]\nsecrets = [\"db\"]\n";
        let memory = Memory { releases, secret_is_missing, ..memory(text) };
        assert!(tick(&memory).await.contains(&("RollbackReady", ready)));
    }
}

#[tokio::test]
async fn what_is_found_in_what_runs_is_told_once() {
    let mut memory = memory("");
    memory.scans = vec![scan(2, State::Done(vec![finding("CVE-1")]))];
    sent(&memory, batch(&[scanned()])).await;
    assert_eq!(memory.told.lock().unwrap().len(), 1);
    assert!(memory.counted().contains(&("VulnerabilitiesFound", 1.0)));
    memory.wait(300);
    sent(&memory, batch(&[scanned()])).await;
    assert_eq!(memory.told.lock().unwrap().len(), 1, "it is known");
    memory.scans = vec![scan(2, State::Done(vec![finding("CVE-1"), finding("CVE-2")]))];
    sent(&memory, batch(&[scanned()])).await;
    assert_eq!(memory.told.lock().unwrap().len(), 1, "findings of five minutes are one look");
    memory.wait(300);
    sent(&memory, batch(&[scanned()])).await;
    let told = memory.told.lock().unwrap();
    let text = told.get(1).unwrap();
    assert!(text.contains("CVE-2") && !text.contains("CVE-1"), "{text}");
    assert!(text.contains("i-00000001, i-00000002"), "{text}");
}

#[tokio::test]
async fn what_was_passed_over_is_seen_with_the_next_gauges() {
    let mut memory = memory("");
    tick(&memory).await;
    let mut found = Vec::new();
    for id in ["CVE-1", "CVE-2"] {
        found.push(finding(id));
        memory.scans = vec![scan(2, State::Done(found.clone()))];
        sent(&memory, batch(&[scanned()])).await;
        assert_eq!(memory.told.lock().unwrap().len(), 1, "{id}");
    }
    memory.wait(300);
    tick(&memory).await;
    assert_eq!(memory.told.lock().unwrap().len(), 2);
    found.push(finding("CVE-3"));
    memory.scans = vec![scan(2, State::Done(found))];
    memory.wait(300);
    tick(&memory).await;
    assert_eq!(memory.told.lock().unwrap().len(), 2, "nothing is owed before the hour is over");
}

#[tokio::test]
async fn a_service_that_is_gone_is_not_looked_at() {
    let mut memory = memory("");
    memory.scans = vec![scan(2, State::Done(vec![finding("CVE-1")]))];
    memory.configured.clear();
    sent(&memory, batch(&[scanned()])).await;
    assert_eq!(memory.told.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_no_host_runs_is_not_told() {
    for (platform, told) in [("linux/amd64", 0), ("linux/arm64", 1), ("", 1)] {
        let mut memory = memory("");
        memory.lanes[0].platforms =
            TWO_HOSTS.map(|(host, _)| (host.parse().unwrap(), platform.parse().ok())).into();
        let of = |platform: &str, findings| {
            let platform = platform.to_owned();
            Scanned { platform, ..scan(2, State::Done(findings)) }
        };
        memory.scans =
            vec![of("linux/amd64", Vec::new()), of("linux/arm64/v8", vec![finding("CVE-1")])];
        sent(&memory, batch(&[scanned()])).await;
        assert_eq!(memory.told.lock().unwrap().len(), told, "{platform}");
    }
}

#[tokio::test]
async fn a_newer_release_without_it_is_named() {
    for (state, expected) in [
        (
            State::Done(Vec::new()),
            "v1.3 (000000000000) was pushed since and has nothing that blocks",
        ),
        (
            State::Done(vec![finding("CVE-9")]),
            "v1.3 (000000000000) was pushed since, but no scan says",
        ),
        (State::Pending("…".to_owned()), "v1.3 (000000000000) was pushed since, but no scan says"),
    ] {
        let mut memory = memory("");
        memory.lanes[0].desired = Some(release(3));
        memory.scans = vec![scan(2, State::Done(vec![finding("CVE-1")])), scan(3, state)];
        sent(&memory, batch(&[scanned()])).await;
        let told = memory.told.lock().unwrap();
        assert!(told[0].contains(expected), "{}", told[0]);
    }
}

#[tokio::test]
async fn a_scan_that_has_expired_is_no_coverage_and_is_asked_for_once_a_day() {
    let mut memory = memory("");
    memory.scans = vec![scan(2, State::Missing("SCAN_ELIGIBILITY_EXPIRED".to_owned()))];
    let seen = tick(&memory).await;
    assert!(seen.contains(&("ScanCoverage", 0.0)), "{seen:?}");
    assert!(!seen.iter().any(|(name, _)| *name == "Vulnerabilities"), "zero would look like clean");
    memory.wait(7200);
    tick(&memory).await;
    assert_eq!(memory.rescans.lock().unwrap().len(), 1);
    memory.wait(86_400);
    tick(&memory).await;
    assert_eq!(memory.rescans.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_containers_take_is_the_answer_to_the_look_before() {
    let memory = Memory { answers: TWO_HOSTS.to_vec(), ..memory("") };
    let usage = |seen: Vec<(&'static str, f64)>| {
        let of = |it: &(&str, f64)| it.0.starts_with("Container") || it.0 == "HostsInService";
        seen.into_iter().filter(of).collect::<Vec<_>>()
    };
    assert_eq!(usage(tick(&memory).await), [], "nothing was asked before");
    memory.wait(300);
    let first = [
        ("ContainerCpu", 40.0),
        ("ContainerMemory", 6.0),
        ("ContainerRestarts", 0.0),
        ("HostsInService", 1.0),
    ];
    assert_eq!(usage(tick(&memory).await), first);
    assert_eq!(usage(tick(&memory).await), [], "told twice");
    memory.wait(300);
    assert_eq!(usage(tick(&memory).await), first, "no restart since");
    memory.wait(3600);
    assert_eq!(usage(tick(&memory).await), [], "an answer of an hour ago is no news");
}

#[tokio::test]
async fn answers_that_are_not_all_there_are_waited_for() {
    let mut memory = Memory { answers: TWO_HOSTS.to_vec(), pending: true, ..memory("") };
    tick(&memory).await;
    memory.wait(30);
    let seen = tick(&memory).await;
    assert_eq!(seen, [("HostsDrifted", 0.0)], "half of the hosts is not all of them");
    memory.pending = false;
    memory.wait(30);
    assert!(tick(&memory).await.contains(&("HostsInService", 1.0)));
}

#[tokio::test]
async fn alarms_are_those_of_services_that_are_there() {
    let memory = memory("");
    tick(&memory).await;
    let kinds = |memory: &Memory| {
        memory.alarms.lock().unwrap().iter().map(|it| it.kind).collect::<BTreeSet<_>>()
    };
    assert_eq!(kinds(&memory).len(), 8);
    let gone = Memory { configured: Vec::new(), ..memory };
    gone.wait(3600);
    tick(&gone).await;
    assert_eq!(kinds(&gone), BTreeSet::new());
}

#[tokio::test]
async fn a_sweep_is_a_heartbeat() {
    let memory = Memory::default();
    let swept = json!({ "id": "sweep#7", "lanes": 3 });
    let swept = json!({ "source": "esclusa", "detail-type": "Lanes Swept", "detail": swept });
    sent(&memory, batch(&[swept.clone(), swept])).await;
    assert_eq!(memory.counted(), [("ReconcilerHeartbeat", 1.0)]);
}
