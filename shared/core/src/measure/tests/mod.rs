//! What is counted, as tables.

mod alarms;
mod builds;
mod guards;
mod lanes;
mod rollouts;
mod usages;

use super::{Datum, Metric, Scope, Subject, Value, whole};

/// Numbers as text: `RolloutDuration 90 s`, `Vulnerabilities HIGH 2`.
///
/// Each number is about what its metric is for.
fn told(data: &[Datum]) -> Vec<String> {
    for it in data {
        assert_eq!(scope(&it.subject), Some(it.metric.scope()), "{}", it.metric.name());
    }
    let line = |it: &Datum| {
        let severity = it.subject.severity.map(|it| format!(" {it}")).unwrap_or_default();
        let unit = match it.metric.unit() {
            super::Unit::Seconds => " s",
            super::Unit::Bytes => " B",
            super::Unit::Count => "",
            super::Unit::Percent => " %",
        };
        let Value { count, sum, least, most } = it.value;
        if it.value.is_one() {
            return format!("{}{severity} {sum}{unit}", it.metric.name());
        }
        format!("{} {least} to {most}{unit}, {sum} of {count}", it.metric.name())
    };
    data.iter().map(line).collect()
}

fn scope(subject: &Subject) -> Option<Scope> {
    let Subject { service, environment, severity } = subject;
    match (service.is_some(), environment.is_some(), severity.is_some()) {
        (false, false, false) => Some(Scope::Stack),
        (true, false, false) => Some(Scope::Service),
        (true, true, false) => Some(Scope::Lane),
        (true, true, true) => Some(Scope::Severity),
        _ => None,
    }
}

#[test]
fn the_number_of_series_is_bounded_by_what_there_is() {
    for (services, lanes, expected) in [(0, 0, 1), (1, 1, 32), (1, 2, 55), (500, 1000, 27_001)] {
        assert_eq!(super::series(services, lanes), expected, "{services} services");
    }
}

#[test]
fn whole_numbers_stay_whole() {
    for (count, expected) in [
        (0, 0.0),
        (1, 1.0),
        (u64::from(u32::MAX), 4_294_967_295.0),
        (u64::from(u32::MAX) + 1, 4_294_967_296.0),
        (1 << 53, 9_007_199_254_740_992.0),
    ] {
        assert!((whole(count) - expected).abs() < f64::EPSILON, "{count}: {}", whole(count));
    }
}

#[test]
fn every_metric_has_a_name_of_its_own() {
    let mut names: Vec<&str> = Metric::ALL.iter().map(|it| it.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Metric::ALL.len());
}

#[test]
fn a_run_of_retention_and_a_push_are_counted() {
    let (service, at) = ("tickets".parse().unwrap(), crate::time::Timestamp::from_millis(7));
    let run = super::of_retention(&service, (10, 3, 4096), false, at);
    let counts = ["ImagesKept 10", "ImagesDeleted 3", "BytesReclaimed 4096 B"];
    assert_eq!(told(&run), [&counts[..], &["RetentionStopped 0"]].concat());
    let run = super::of_retention(&service, (10, 0, 0), true, at);
    assert_eq!(told(&run)[3], "RetentionStopped 1");
    assert_eq!(told(&[super::of_image(&service, 5000, at)]), ["ImageSize 5000 B"]);
    assert!(run.iter().all(|it| it.subject.environment.is_none() && it.at == at));
}
