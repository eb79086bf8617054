//! What CloudWatch's alarms say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudwatch::types::{AlarmType, MetricAlarm, StateValue};
use esclusa_core::alarm::{AlarmState, SeenAlarm};
use esclusa_core::configuration::AlarmName;
use esclusa_shell::ports::{Alarms, BoxError, Unavailable};

use crate::failure::unavailable;
use crate::{Aws, Machines};

/// Alarms that one call may name.
const NAMES: usize = 100;

impl Alarms for Aws<Machines> {
    async fn alarms(
        &self,
        names: &BTreeSet<AlarmName>,
    ) -> Result<BTreeMap<AlarmName, SeenAlarm>, Unavailable> {
        let deleted = |name: &AlarmName| (name.clone(), SeenAlarm::of(AlarmState::Deleted));
        let mut seen: BTreeMap<AlarmName, SeenAlarm> = names.iter().map(deleted).collect();
        let all: Vec<&AlarmName> = names.iter().collect();
        for names in all.chunks(NAMES) {
            let found = self.described_alarms(names).await;
            let found = found.map_err(unavailable("read the alarms in CloudWatch"))?;
            for (name, alarm) in found {
                if let Some(known) = name.parse().ok().and_then(|name| seen.get_mut(&name)) {
                    *known = alarm;
                }
            }
        }
        Ok(seen)
    }
}

impl Aws<Machines> {
    /// Without naming the types, CloudWatch tells of alarms on metrics only.
    async fn described_alarms(
        &self,
        names: &[&AlarmName],
    ) -> Result<Vec<(String, SeenAlarm)>, BoxError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let call = (self.own.cloudwatch.describe_alarms())
                .set_alarm_names(Some(names.iter().map(ToString::to_string).collect()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .set_next_token(next);
            let page = call.send().await?;
            let on_metrics = page.metric_alarms().iter().map(|it| {
                let seen = SeenAlarm { state: state(it.state_value()), window: window(it) };
                (it.alarm_name().unwrap_or_default().to_owned(), seen)
            });
            let of_others = page.composite_alarms().iter().map(|it| {
                let seen = SeenAlarm::of(state(it.state_value()));
                (it.alarm_name().unwrap_or_default().to_owned(), seen)
            });
            found.extend(on_metrics.chain(of_others));
            next = page.next_token;
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}

fn state(value: Option<&StateValue>) -> AlarmState {
    match value {
        Some(StateValue::Ok) => AlarmState::Quiet,
        Some(StateValue::Alarm) => AlarmState::Red,
        Some(StateValue::InsufficientData) => AlarmState::NoData,
        Some(other) => AlarmState::Unknown(format!("its state is `{}`", other.as_str())),
        None => AlarmState::Unknown("CloudWatch does not say its state".to_owned()),
    }
}

/// How far an alarm looks back: its periods, or the longest of the metrics that it is worked out
/// from.
fn window(alarm: &MetricAlarm) -> Duration {
    let of_metrics = alarm.metrics().iter().filter_map(|it| it.metric_stat()?.period());
    let period = alarm.period().into_iter().chain(of_metrics).max().unwrap_or_default();
    let periods = alarm.evaluation_periods().unwrap_or(1);
    let seconds = i64::from(period).saturating_mul(i64::from(periods));
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};

    use super::*;

    #[test]
    fn an_alarm_is_one_of_three_things_or_not_known() {
        for (value, expected) in [
            (Some("OK"), AlarmState::Quiet),
            (Some("ALARM"), AlarmState::Red),
            (Some("INSUFFICIENT_DATA"), AlarmState::NoData),
            (Some("MUTED"), AlarmState::Unknown("its state is `MUTED`".to_owned())),
            (None, AlarmState::Unknown("CloudWatch does not say its state".to_owned())),
        ] {
            assert_eq!(state(value.map(StateValue::from).as_ref()), expected, "{value:?}");
        }
    }

    #[test]
    fn an_alarm_looks_back_as_far_as_its_longest_metric() {
        let of = |period: i32| {
            let metric = Metric::builder().build();
            let stat = MetricStat::builder().metric(metric).period(period).stat("Sum").build();
            MetricDataQuery::builder().id("m").metric_stat(stat).build()
        };
        let sum = MetricDataQuery::builder().id("e").expression("m / n").build();
        let plain = MetricAlarm::builder().period(86_400).evaluation_periods(2);
        let math = MetricAlarm::builder().evaluation_periods(3);
        for (alarm, expected) in [
            (plain.build(), 172_800),
            (math.clone().metrics(of(60)).metrics(sum).metrics(of(300)).build(), 900),
            (math.build(), 0),
            (MetricAlarm::builder().period(60).build(), 60),
        ] {
            assert_eq!(window(&alarm), Duration::from_secs(expected), "{alarm:?}");
        }
    }
}
