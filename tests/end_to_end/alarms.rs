//! The alarms of a service, made by the real function, over numbers read back from CloudWatch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use esclusa_local::stage::{SERVICE, Stage};

use crate::judge::{self, Series, State, Statistic};
use crate::numbers::tick;
use crate::{eventually, on_stage};

/// What makes an alarm go off: numbers in each of so many periods.
type Row = (&'static str, i64, &'static [(&'static str, f64)]);

const ROWS: [Row; 9] = [
    ("RolloutFailed", 1, &[("RolloutsStuck", 1.0)]),
    ("VulnerabilityFound", 1, &[("VulnerabilitiesFound", 1.0)]),
    ("ContainersRestarting", 1, &[("ContainerRestarts", 2.0), ("ContainerRestarts", 1.0)]),
    ("NoHostInService", 2, &[("HostsInService", 0.0)]),
    ("HostsDrifted", 6, &[("HostsDrifted", 1.0)]),
    ("ScanCoverageLost", 2, &[("ScanCoverage", 0.0)]),
    ("RollbackNotReady", 2, &[("RollbackReady", 0.0)]),
    ("RetentionStopped", 1, &[("RetentionStopped", 1.0)]),
    ("BuildsFailing", 1, &[("BuildFailed", 1.0), ("BuildFailed", 1.0), ("BuildSucceeded", 1.0)]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_alarm_goes_off_by_what_it_is_for_and_by_nothing_else() {
    on_stage("alarms", async |stage| {
        stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
        assert_eq!(stage.until_ended(1).await.unwrap(), ["v1.0.0 succeeded"]);
        // What was never scanned has no coverage to lose, unless that is asked for.
        let required =
            |text: String| text + "\n[environments.production.gate]\nrequire_scan = true\n";
        stage.configure_as(required).await.unwrap();
        tick(&stage, "first").await;
        let made = || async {
            let alarms = stage.alarms_named("esclusa/").await.unwrap();
            (alarms.len() == ROWS.len()).then_some(alarms)
        };
        let alarms = eventually("nine alarms", made).await;
        for alarm in &alarms {
            let told = alarm.alarm_actions();
            assert!(told.len() == 1 && told[0].contains(":sns:"), "{told:?}");
        }
        let log = stage.log("metrics").await.unwrap();
        let bound = "1 service(s) in 1 lane(s): at most 32 metrics, and 9 alarms";
        assert!(log.contains(bound), "{log}");
        each_goes_off(&stage, &alarms).await;
        stage
    })
    .await;
}

async fn each_goes_off(stage: &Stage, alarms: &[MetricAlarm]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // Hours before this environment was there: nothing else was counted then.
    let then = i64::try_from(now).unwrap() / 21_600 * 21_600 - 21_600;
    assert_eq!(off(stage, alarms, then).await, Vec::<String>::new());
    for (kind, periods, numbers) in ROWS {
        let alarm = alarms.iter().find(|it| name(it).ends_with(&format!("/{kind}"))).unwrap();
        make_off(stage, alarm, "another", periods, numbers, then).await;
    }
    assert_eq!(off(stage, alarms, then).await, Vec::<String>::new(), "another service's");
    let mut expected = Vec::new();
    for (kind, periods, numbers) in ROWS {
        let alarm = alarms.iter().find(|it| name(it).ends_with(&format!("/{kind}"))).unwrap();
        make_off(stage, alarm, SERVICE, periods, numbers, then).await;
        expected.push(name(alarm).to_owned());
        expected.sort();
        assert_eq!(off(stage, alarms, then).await, expected, "{kind}");
    }
}

fn name(alarm: &MetricAlarm) -> &str {
    alarm.alarm_name().unwrap()
}

/// Puts the numbers that make an alarm go off, with the dimensions that it looks at, but of that
/// service.
async fn make_off(
    stage: &Stage,
    alarm: &MetricAlarm,
    service: &str,
    periods: i64,
    numbers: &[(&str, f64)],
    then: i64,
) {
    let read = judge::read(alarm).unwrap();
    for (metric, value) in numbers {
        let statistic = read.statistics.values().find(|it| it.metric == *metric).unwrap();
        let dimensions = statistic.dimensions.iter().map(|(name, value)| {
            (name.as_str(), if name == "Service" { service } else { value.as_str() })
        });
        let dimensions: Vec<(&str, &str)> = dimensions.collect();
        for number in 1..=periods {
            let second = then - number * read.period + 1;
            stage.put_number((metric, &dimensions), *value, second).await.unwrap();
        }
    }
}

/// The alarms that are off at a moment, if none was before.
async fn off(stage: &Stage, alarms: &[MetricAlarm], then: i64) -> Vec<String> {
    let mut off = Vec::new();
    for alarm in alarms {
        let mut before = alarm.clone();
        before.state_value = Some(StateValue::Ok);
        let read = judge::read(&before).unwrap();
        let mut data = std::collections::BTreeMap::new();
        for statistic in read.statistics.values() {
            data.insert(statistic.clone(), series(stage, statistic).await);
        }
        if judge::judge(&read, |of| data[of].clone(), then) == State::Alarm {
            off.push(name(alarm).to_owned());
        }
    }
    off.sort();
    off
}

async fn series(stage: &Stage, of: &Statistic) -> Series {
    assert_eq!(of.namespace, "Esclusa");
    let dimensions: Vec<(&str, &str)> =
        of.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let period = i32::try_from(of.period).unwrap();
    let back = Duration::from_hours(40);
    stage.numbers((&of.metric, &dimensions), &of.stat, period, back).await.unwrap()
}
