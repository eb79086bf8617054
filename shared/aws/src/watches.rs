//! The alarms of services, in CloudWatch.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
use aws_sdk_cloudwatch::types::{
    AlarmType, ComparisonOperator, Metric as Named, MetricDataQuery, MetricStat, Tag,
};
use esclusa_core::fingerprint::fingerprint;
use esclusa_core::measure::alarm::{Alarm, Formula, Limit, Missing, Statistic};
use esclusa_core::measure::{Metric, Subject};
use esclusa_shell::measure::ports::{Kept, Watches};
use esclusa_shell::ports::{BoxError, Unavailable};

use crate::failure::unavailable;
use crate::metrics::{NAMESPACE, dimensions};
use crate::{Aws, Gauges};

/// The longest name of an alarm.
const NAME: usize = 255;

/// The longest description.
const TEXT: usize = 1024;

/// Alarms that one call deletes.
const DELETED: usize = 100;

/// The query of an alarm that it is judged by.
const JUDGED: &str = "judged";

impl Watches for Aws<Gauges> {
    /// An alarm is left alone while its description is the one that it was made with: what a
    /// person changes of the rest stays, until a later version wants another alarm.
    async fn keep_alarms(&self, alarms: &[Alarm]) -> Result<Kept, Unavailable> {
        let prefix = format!("{}/", self.own.names.alarm_prefix);
        let kept = self.kept(&prefix, alarms).await;
        kept.map_err(unavailable(format!("keep the alarms `{prefix}…`")))
    }
}

impl Aws<Gauges> {
    async fn kept(&self, prefix: &str, alarms: &[Alarm]) -> Result<Kept, BoxError> {
        let there = self.alarms_there(prefix).await?;
        let mut kept = Kept::default();
        let mut wanted = BTreeSet::new();
        for alarm in alarms {
            let name = name(prefix, alarm);
            if name.len() > NAME {
                tracing::warn!(name, "no alarm can have so long a name: there is none");
                continue;
            }
            let text = description(alarm);
            if there.get(&name) != Some(&text) {
                self.made(&name, &text, alarm).await?;
                kept.made = kept.made.saturating_add(1);
            }
            wanted.insert(name);
        }
        let gone: Vec<String> = there.into_keys().filter(|it| !wanted.contains(it)).collect();
        for some in gone.chunks(DELETED) {
            let call = self.own.cloudwatch.delete_alarms().set_alarm_names(Some(some.to_vec()));
            call.send().await?;
        }
        Ok(Kept { deleted: gone.len(), ..kept })
    }

    /// The names of the alarms that are there, with their descriptions.
    async fn alarms_there(&self, prefix: &str) -> Result<BTreeMap<String, String>, BoxError> {
        let mut pages = (self.own.cloudwatch.describe_alarms())
            .alarm_name_prefix(prefix)
            .alarm_types(AlarmType::MetricAlarm)
            .max_records(100)
            .into_paginator()
            .send();
        let mut there = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for alarm in page?.metric_alarms.unwrap_or_default() {
                let text = alarm.alarm_description.unwrap_or_default();
                there.extend(alarm.alarm_name.map(|name| (name, text)));
            }
        }
        Ok(there)
    }

    async fn made(&self, name: &str, text: &str, alarm: &Alarm) -> Result<(), BoxError> {
        let put = (self.own.cloudwatch.put_metric_alarm())
            .alarm_name(name)
            .alarm_description(text)
            .actions_enabled(true)
            .alarm_actions(&self.own.names.notices)
            .evaluation_periods(count(alarm.periods))
            .datapoints_to_alarm(count(alarm.periods))
            .treat_missing_data(match alarm.missing {
                Missing::Fine => "notBreaching",
                Missing::Ignored => "ignore",
            })
            .set_tags(Some(tags(&alarm.subject)));
        let (put, limit) = match alarm.limit {
            Limit::From(limit) => {
                (put.comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold), limit)
            }
            Limit::Below(limit) => {
                (put.comparison_operator(ComparisonOperator::LessThanThreshold), limit)
            }
        };
        judged(put.threshold(f64::from(limit)), alarm).send().await?;
        Ok(())
    }
}

/// `esclusa/tickets/production/RolloutFailed`.
fn name(prefix: &str, alarm: &Alarm) -> String {
    let Subject { service, environment, .. } = &alarm.subject;
    let mut name = prefix.to_owned();
    for part in
        [service.as_ref().map(ToString::to_string), environment.as_ref().map(ToString::to_string)]
            .into_iter()
            .flatten()
    {
        // Writing to a text never fails.
        let _ = write!(name, "{part}/");
    }
    name + alarm.kind
}

/// What it means, and in which form it was made: another form is another description.
fn description(alarm: &Alarm) -> String {
    let Alarm { formula, period, periods, limit, missing, .. } = alarm;
    let form = format!("{formula:?} {period:?} {periods} {limit:?} {missing:?}");
    let mark = format!(" [{:016x}]", fingerprint(&form));
    let room = TEXT.saturating_sub(mark.len());
    alarm.text.chars().take(room).collect::<String>() + &mark
}

fn tags(subject: &Subject) -> Vec<Tag> {
    let tag = |key: &str, value: String| Tag::builder().key(key).value(value).build();
    let mut tags = vec![tag("esclusa:managed", "true".to_owned())];
    tags.extend(subject.service.as_ref().map(|it| tag("esclusa:service", it.to_string())));
    tags.extend(subject.environment.as_ref().map(|it| tag("esclusa:environment", it.to_string())));
    tags
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Says what the alarm looks at.
fn judged(put: PutMetricAlarmFluentBuilder, alarm: &Alarm) -> PutMetricAlarmFluentBuilder {
    let seconds = i32::try_from(alarm.period.as_secs()).unwrap_or(i32::MAX);
    match &alarm.formula {
        Formula::One(metric, statistic) => put
            .namespace(NAMESPACE)
            .metric_name(metric.name())
            .set_dimensions(Some(dimensions(&alarm.subject)))
            .period(seconds)
            .statistic(match statistic {
                Statistic::Sum => aws_sdk_cloudwatch::types::Statistic::Sum,
                Statistic::Minimum => aws_sdk_cloudwatch::types::Statistic::Minimum,
            }),
        Formula::Together(metrics) => {
            let terms: Vec<String> = (metrics.iter().enumerate())
                .map(|(number, _)| format!("FILL(m{number}, 0)"))
                .collect();
            put.set_metrics(Some(queries(metrics, &terms.join(" + "), &alarm.subject, seconds)))
        }
        Formula::Share(good, bad) => {
            let all = "(FILL(m0, 0) + FILL(m1, 0))";
            let share = format!("IF({all} >= 3, 100 * FILL(m0, 0) / {all}, 100)");
            put.set_metrics(Some(queries(&[*good, *bad], &share, &alarm.subject, seconds)))
        }
    }
}

/// The sums of metrics, as `m0`, `m1`, …, and what is made of them.
fn queries(
    metrics: &[Metric],
    expression: &str,
    subject: &Subject,
    seconds: i32,
) -> Vec<MetricDataQuery> {
    let sum = |(number, metric): (usize, &Metric)| {
        let metric = Named::builder()
            .namespace(NAMESPACE)
            .metric_name(metric.name())
            .set_dimensions(Some(dimensions(subject)))
            .build();
        let stat = MetricStat::builder().metric(metric).period(seconds).stat("Sum").build();
        let query = MetricDataQuery::builder().id(format!("m{number}")).metric_stat(stat);
        query.return_data(false).build()
    };
    let judged = MetricDataQuery::builder().id(JUDGED).expression(expression).return_data(true);
    metrics.iter().enumerate().map(sum).chain([judged.build()]).collect()
}
