use super::*;
use crate::configuration::{Configuration, Gate, Waiver};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn gate(text: &str) -> (Gate, Vec<Waiver>) {
    let text = format!("[environments.production]\n{text}");
    let mut read = Configuration::read(Some(&text), None).unwrap();
    let production = read.environments.remove(&"production".parse().unwrap()).unwrap();
    (production.gate, production.waivers)
}

fn finding(text: &str) -> Finding {
    let mut words = text.split(' ').map(str::to_owned);
    let severity = words.next().unwrap().parse().unwrap();
    let mut word = || words.next().unwrap_or_default();
    Finding { severity, id: word(), package: word(), installed: word(), fixed: word() }
}

fn scanned(number: u32, platform: &str, state: State) -> Scanned {
    let digest = format!("sha256:{number:064x}").parse().unwrap();
    Scanned { digest, platform: platform.to_owned(), state }
}

fn done(findings: &[&str]) -> State {
    State::Done(findings.iter().map(|text| finding(text)).collect())
}

/// What a release with these scans comes to, in a sentence, and the code that it is refused with.
fn judged(configured: &str, running: Option<&Counts>, scans: &[Scanned]) -> (String, String) {
    let (gate, waivers) = gate(configured);
    let verdict = Judge { gate: &gate, waivers: &waivers, running, now: NOW }.judge(scans);
    let refusal = verdict.refusal(&gate);
    assert!(refusal.as_ref().is_none_or(|it| it.text == verdict.to_string()));
    (verdict.to_string(), refusal.map(|it| it.code.to_string()).unwrap_or_default())
}

#[test]
fn a_release_is_judged_by_its_findings() {
    let waiver = "waivers = [{ id = \"CVE-1\", until = \"UNTIL\", reason = \"-\", by = \"ana\" }]";
    let (accepted, over) =
        (waiver.replace("UNTIL", "2099-01-01"), waiver.replace("UNTIL", "2020-01-01"));
    let blocked = "gate.scan_blocked";
    for (configured, findings, text, code) in [
        ("", &[][..], "its scan found nothing", ""),
        (
            "",
            &["HIGH CVE-2", "LOW CVE-3", "UNDEFINED CVE-4"],
            "its scan found nothing that blocks: 1 HIGH, 1 LOW, 1 UNDEFINED",
            "",
        ),
        (
            "",
            &["CRITICAL CVE-1 openssl 3.0.1 3.0.2", "HIGH CVE-2"],
            "its scan found CVE-1 (CRITICAL) in openssl 3.0.1, fixed in 3.0.2",
            blocked,
        ),
        (
            "gate = { block = [\"CRITICAL\", \"HIGH\"] }",
            &["HIGH CVE-2 zlib", "HIGH CVE-3", "CRITICAL CVE-9", "HIGH CVE-4"],
            "its scan found CVE-9 (CRITICAL), no fix known; CVE-2 (HIGH) in zlib, no fix known; \
             CVE-3 (HIGH), no fix known; and 1 more that block",
            blocked,
        ),
        (
            &accepted,
            &["CRITICAL CVE-1 openssl", "LOW CVE-5"],
            "its scan found nothing that blocks and is not waived: CVE-1 waived; 1 LOW",
            "",
        ),
        (
            &accepted,
            &["CRITICAL CVE-1", "CRITICAL CVE-10"],
            "its scan found CVE-10 (CRITICAL), no fix known",
            blocked,
        ),
        (&over, &["CRITICAL CVE-1"], "its scan found CVE-1 (CRITICAL), no fix known", blocked),
        (&accepted, &["LOW CVE-1"], "its scan found nothing", ""),
    ] {
        let scans = [scanned(1, "", done(findings))];
        assert_eq!(judged(configured, None, &scans), (text.to_owned(), code.to_owned()));
    }
}

#[test]
fn every_image_that_could_run_counts() {
    let clean = || scanned(1, "linux/amd64", done(&[]));
    let arm = |state| scanned(2, "linux/arm64", state);
    let missing = "gate.scan_missing";
    for (scans, text, code) in [
        (vec![clean(), arm(done(&[]))], "its scan found nothing".to_owned(), ""),
        (
            vec![clean(), arm(done(&["CRITICAL CVE-1"]))],
            "its scan found CVE-1 (CRITICAL), no fix known".to_owned(),
            "gate.scan_blocked",
        ),
        (
            vec![clean(), arm(State::Pending("IN_PROGRESS".to_owned()))],
            "its scan is not done: linux/arm64 (000000000000): IN_PROGRESS".to_owned(),
            "",
        ),
        (
            vec![arm(State::Pending("PENDING".to_owned())), clean(), {
                scanned(3, "", State::Missing("SCAN_ELIGIBILITY_EXPIRED".to_owned()))
            }],
            "its scan says nothing: 000000000000: SCAN_ELIGIBILITY_EXPIRED".to_owned(),
            missing,
        ),
        (
            vec![arm(State::Unscanned("UNSUPPORTED_IMAGE".to_owned())), clean()],
            "it is not scanned: linux/arm64 (000000000000): UNSUPPORTED_IMAGE".to_owned(),
            "",
        ),
        (vec![], "it names no image that its hosts could run".to_owned(), missing),
    ] {
        assert_eq!(judged("", None, &scans), (text, code.to_owned()));
    }
}

#[test]
fn a_gate_says_what_is_done_when_nothing_is_known() {
    let missing = [scanned(1, "", State::Missing("FAILED".to_owned()))];
    let unscanned = [scanned(1, "", State::Unscanned("UNSUPPORTED_IMAGE".to_owned()))];
    for (configured, scans, code) in [
        ("", &missing, "gate.scan_missing"),
        ("gate = { when_missing = \"allow\" }", &missing, ""),
        ("", &unscanned, ""),
        ("gate = { require_scan = true }", &unscanned, "gate.scan_missing"),
        (
            "gate = { require_scan = true, when_missing = \"allow\" }",
            &unscanned,
            "gate.scan_missing",
        ),
    ] {
        assert_eq!(judged(configured, None, scans).1, code, "{configured}");
    }
}

#[test]
fn a_release_may_not_be_worse_than_the_one_that_runs() {
    let running = |high: usize| Counts::from([(Severity::High, high)]);
    let twice = ["HIGH CVE-1 zlib", "HIGH CVE-1 zlib-dev", "HIGH CVE-2"];
    for (running, code, text) in [
        (Some(running(2)), "", "its scan found nothing that blocks: 2 HIGH"),
        (
            Some(running(1)),
            "gate.scan_blocked",
            "its scan found 2 HIGH finding(s), and the running release has 1",
        ),
        (
            Some(Counts::new()),
            "gate.scan_blocked",
            "its scan found 2 HIGH finding(s), and the running release has 0",
        ),
        (None, "", "its scan found nothing that blocks: 2 HIGH"),
    ] {
        let scans = [scanned(1, "", done(&twice))];
        assert_eq!(judged("", running.as_ref(), &scans), (text.to_owned(), code.to_owned()));
    }
}

#[test]
fn a_platform_is_read_strictly_and_without_its_variant() {
    for (text, expected) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm/v7", "linux/arm"),
        ("linux/x86_64", "`linux/x86_64` is no platform that is known"),
        ("Linux/amd64", "`Linux/amd64` is no platform that is known"),
        ("linux/amd64\n", "`linux/amd64\n` is no platform that is known"),
        ("linux", "`linux` is no platform that is known"),
        ("/", "`/` is no platform that is known"),
        ("", "`` is no platform that is known"),
    ] {
        let read = text.parse::<Platform>().map_or_else(|it| it.to_string(), |it| it.to_string());
        assert_eq!(read, expected);
    }
}

#[test]
fn an_index_is_judged_by_what_its_hosts_would_run() {
    for (hosts, images, judged) in [
        (&["linux/amd64"][..], &["linux/amd64", "linux/arm64"][..], &["linux/amd64"][..]),
        (
            &["linux/amd64", "linux/arm64"],
            &["linux/amd64", "linux/arm64", "linux/s390x"],
            &["linux/amd64", "linux/arm64"],
        ),
        // A variant is one of its platform's, and every one of them counts.
        (&["linux/arm64"], &["linux/amd64", "linux/arm64/v8"], &["linux/arm64/v8"]),
        (&["linux/arm64/v8"], &["linux/amd64", "linux/arm64"], &["linux/arm64"]),
        (&["linux/arm"], &["linux/arm/v6", "linux/arm/v7"], &["linux/arm/v6", "linux/arm/v7"]),
        // What is no index says nothing, and an engine may take a name that is not known.
        (&["linux/arm64"], &[""], &[""]),
        (
            &["linux/amd64"],
            &["linux/amd64", "linux/x86_64", "amd64/v2", "windows/amd64"],
            &["linux/amd64", "linux/x86_64", "amd64/v2"],
        ),
        // An engine falls back on 32 bits, where there is nothing better.
        (&["linux/arm64"], &["linux/arm64", "linux/arm/v7"], &["linux/arm64"]),
        (
            &["linux/amd64", "linux/arm64"],
            &["linux/amd64", "linux/arm/v7"],
            &["linux/amd64", "linux/arm/v7"],
        ),
        (&["linux/amd64"], &["linux/arm64", "windows/amd64"], &[]),
    ] {
        let hosts = hosts.iter().map(|it| it.parse().unwrap()).collect();
        let scans: Vec<_> = images.iter().map(|it| scanned(1, it, done(&[]))).collect();
        let (run, passed_over) = for_hosts(&scans, &hosts);
        let names: Vec<_> = run.iter().map(|it| it.platform.as_str()).collect();
        assert_eq!(names, judged, "{images:?} on {hosts:?}");
        assert_eq!(run.len() + passed_over.len(), scans.len());
    }
}
