//! What was counted, and the alarms that watch it, as CloudWatch tells them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::builders::DimensionBuilder;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricAlarm, MetricDataQuery, MetricDataResult, MetricDatum, MetricStat,
};

use super::queue::refused;
use super::{Stage, StageError};

/// How far back numbers are summed.
const BACK: Duration = Duration::from_mins(30);

impl Stage {
    /// The sum of a metric of Esclusa's with exactly these dimensions, over the last half hour;
    /// nothing where no number of it arrived.
    ///
    /// # Errors
    ///
    /// When CloudWatch refuses.
    pub async fn sum(
        &self,
        metric: &str,
        dimensions: &[(&str, &str)],
    ) -> Result<Option<f64>, StageError> {
        let numbers = self.numbers((metric, dimensions), "Sum", 60, BACK).await?;
        Ok((!numbers.is_empty()).then(|| numbers.values().sum()))
    }

    /// What a statistic of a metric of Esclusa's comes to in each period so far back that has
    /// numbers, by the second at which the period begins.
    ///
    /// # Errors
    ///
    /// When CloudWatch refuses.
    pub async fn numbers(
        &self,
        (metric, dimensions): (&str, &[(&str, &str)]),
        statistic: &str,
        period: i32,
        back: Duration,
    ) -> Result<BTreeMap<i64, f64>, StageError> {
        let dimensions =
            dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(*value));
        let metric = Metric::builder()
            .namespace("Esclusa")
            .metric_name(metric)
            .set_dimensions(Some(dimensions.map(DimensionBuilder::build).collect()))
            .build();
        let stat = MetricStat::builder().metric(metric).period(period).stat(statistic).build();
        let query = MetricDataQuery::builder().id("numbers").metric_stat(stat).build();
        let now = SystemTime::now();
        let until = now.checked_add(Duration::from_mins(5)).unwrap_or(now);
        let got = (Client::new(&self.environment.sdk_config()).get_metric_data())
            .metric_data_queries(query)
            .start_time(DateTime::from(now.checked_sub(back).unwrap_or(now)))
            .end_time(DateTime::from(until));
        let got = got.send().await.map_err(|error| refused("GetMetricData", &error))?;
        Ok(got.metric_data_results().iter().flat_map(numbers).collect())
    }

    /// Puts a number of Esclusa's into a moment that has passed.
    ///
    /// # Errors
    ///
    /// When CloudWatch refuses it.
    pub async fn put_number(
        &self,
        (metric, dimensions): (&str, &[(&str, &str)]),
        value: f64,
        second: i64,
    ) -> Result<(), StageError> {
        let dimensions =
            dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(*value));
        let datum = MetricDatum::builder()
            .metric_name(metric)
            .set_dimensions(Some(dimensions.map(DimensionBuilder::build).collect()))
            .value(value)
            .timestamp(DateTime::from_secs(second));
        let client = Client::new(&self.environment.sdk_config());
        let put = client.put_metric_data().namespace("Esclusa").metric_data(datum.build());
        put.send().await.map(drop).map_err(|error| refused("PutMetricData", &error))
    }

    /// The alarms whose names begin so.
    ///
    /// # Errors
    ///
    /// When CloudWatch refuses.
    pub async fn alarms_named(&self, prefix: &str) -> Result<Vec<MetricAlarm>, StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let call = client.describe_alarms().alarm_name_prefix(prefix).max_records(100);
        let got = call.send().await.map_err(|error| refused("DescribeAlarms", &error))?;
        Ok(got.metric_alarms.unwrap_or_default())
    }
}

fn numbers(result: &MetricDataResult) -> impl Iterator<Item = (i64, f64)> {
    let begins = result.timestamps().iter().map(DateTime::secs);
    begins.zip(result.values().iter().copied())
}
