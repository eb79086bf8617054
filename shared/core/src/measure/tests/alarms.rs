use std::collections::BTreeSet;

use super::lanes::{NOW, lane, release};
use crate::configuration::Configuration;
use crate::lane::Success;
use crate::measure::alarm::{Alarm, Missing, of_lane, of_service};

fn alarms(text: &str, scanned: bool) -> Vec<Alarm> {
    let mut lane = lane();
    let scanned = scanned.then(Default::default);
    lane.successes = [Success { release: release(2), at: NOW, scanned }].into();
    let mut read = Configuration::read(Some(text), None).unwrap();
    let settings = read.environments.remove(&"production".parse().unwrap()).unwrap();
    of_lane(&lane, Some(&settings), |_| "the line".to_owned())
}

#[test]
fn every_alarm_says_what_it_is_about_and_what_to_do() {
    let service = "tickets".parse().unwrap();
    let all = [alarms("", true), of_service(&service)].concat();
    let kinds: BTreeSet<&str> = all.iter().map(|it| it.kind).collect();
    assert_eq!((kinds.len(), all.len()), (9, 9), "{kinds:?}");
    for alarm in &all {
        let about = if alarm.subject.environment.is_some() {
            "tickets in production: "
        } else {
            "tickets: "
        };
        assert!(alarm.text.starts_with(about) && alarm.text.len() < 700, "{}", alarm.text);
        // CloudWatch evaluates one day at most.
        assert!(alarm.period.as_secs() * u64::from(alarm.periods) <= 86_400);
    }
    let of_lanes = alarms("", true);
    assert!(of_lanes.iter().all(|it| it.text.ends_with("Next: the line")));
}

#[test]
fn what_comes_at_every_look_keeps_its_alarm_as_it_is_while_it_does_not() {
    let ignored: Vec<&str> = alarms("", true)
        .into_iter()
        .filter(|it| it.missing == Missing::Ignored)
        .map(|it| it.kind)
        .collect();
    let expected = ["NoHostInService", "HostsDrifted", "ScanCoverageLost", "RollbackNotReady"];
    assert_eq!(ignored, expected);
}

#[test]
fn only_coverage_that_there_was_can_be_lost() {
    for (text, scanned, expected) in [
        ("", true, true),
        ("", false, false),
        ("[environments.production.gate]\nrequire_scan = true\n", false, true),
    ] {
        let there = alarms(text, scanned).iter().any(|it| it.kind == "ScanCoverageLost");
        assert_eq!(there, expected, "{text} {scanned}");
    }
}
