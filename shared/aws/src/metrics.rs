//! Numbers for CloudWatch, and the repositories that they may be about.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};
use esclusa_core::digest::Digest;
use esclusa_core::measure::{Datum, Subject, Unit, Value};
use esclusa_core::name::Service;
use esclusa_shell::measure::ports::{Metrics, Repositories};
use esclusa_shell::ports::{BoxError, Unavailable};

use crate::failure::unavailable;
use crate::{Aws, Gauges};

/// Where all of our metrics are. The function's role may write nowhere else.
pub(crate) const NAMESPACE: &str = "Esclusa";

/// What one call of `PutMetricData` takes.
const DATA: usize = 1000;

impl Metrics for Aws<Gauges> {
    async fn put(&self, data: &[Datum]) -> Result<(), Unavailable> {
        for some in data.chunks(DATA) {
            let sent = self.sent(some).await;
            sent.map_err(unavailable(format!("hand {} number(s) to CloudWatch", some.len())))?;
        }
        Ok(())
    }
}

impl Repositories for Aws<Gauges> {
    async fn exists(&self, service: &Service) -> Result<bool, Unavailable> {
        let found = self.repository(service).await;
        let found = found.map_err(unavailable(format!("look for the repository `{service}`")))?;
        Ok(found.is_some())
    }

    async fn withheld(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Option<String>, Unavailable> {
        let seen = self.withheld_of(service, digest).await;
        seen.map_err(unavailable(format!("see whether `{service}@{digest}` can be pulled")))
    }

    async fn scan_again(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Option<String>, Unavailable> {
        let asked = self.asked_to_scan(service, digest).await;
        asked.map_err(unavailable(format!("ask for a scan of `{service}@{digest}`")))
    }
}

impl Aws<Gauges> {
    async fn sent(&self, data: &[Datum]) -> Result<(), BoxError> {
        let data = data.iter().map(datum).collect();
        let put = self.own.cloudwatch.put_metric_data().namespace(NAMESPACE);
        put.set_metric_data(Some(data)).send().await?;
        Ok(())
    }
}

fn datum(it: &Datum) -> MetricDatum {
    let Value { count, sum, least, most } = it.value;
    let datum = MetricDatum::builder()
        .metric_name(it.metric.name())
        .set_dimensions(Some(dimensions(&it.subject)))
        .unit(unit(it.metric.unit()))
        .timestamp(DateTime::from_millis(i64::try_from(it.at.as_millis()).unwrap_or(i64::MAX)));
    if it.value.is_one() {
        return datum.value(sum).build();
    }
    let set = StatisticSet::builder().sample_count(count).sum(sum).minimum(least).maximum(most);
    datum.statistic_values(set.build()).build()
}

pub(crate) fn dimensions(subject: &Subject) -> Vec<Dimension> {
    let dimensions = [
        subject.service.as_ref().map(|it| ("Service", it.to_string())),
        subject.environment.as_ref().map(|it| ("Environment", it.to_string())),
        subject.severity.map(|it| ("Severity", it.to_string())),
    ];
    let dimension = |(name, value)| Dimension::builder().name(name).value(value).build();
    dimensions.into_iter().flatten().map(dimension).collect()
}

fn unit(unit: Unit) -> StandardUnit {
    match unit {
        Unit::Bytes => StandardUnit::Bytes,
        Unit::Count => StandardUnit::Count,
        Unit::Percent => StandardUnit::Percent,
        Unit::Seconds => StandardUnit::Seconds,
    }
}

#[cfg(test)]
mod tests {
    use esclusa_core::configuration::Severity;
    use esclusa_core::measure::Metric;
    use esclusa_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_number_bears_its_name_its_unit_and_what_it_is_about() {
        let at = Timestamp::from_millis(1_790_000_000_123);
        let lane = Subject::lane(&"acme/tickets#production".parse().unwrap());
        let severe = Subject { severity: Some(Severity::Critical), ..lane.clone() };
        let service = Subject::service(&"acme/tickets".parse().unwrap());
        for (metric, subject, name, expected, about) in [
            (Metric::ImageSize, service, "ImageSize", StandardUnit::Bytes, "Service=acme/tickets"),
            (
                Metric::RolloutDuration,
                lane,
                "RolloutDuration",
                StandardUnit::Seconds,
                "Service=acme/tickets Environment=production",
            ),
            (
                Metric::Vulnerabilities,
                severe,
                "Vulnerabilities",
                StandardUnit::Count,
                "Service=acme/tickets Environment=production Severity=CRITICAL",
            ),
        ] {
            let made = datum(&Datum { metric, subject, value: Value::one(2.5), at });
            assert_eq!(made.metric_name(), Some(name));
            assert_eq!((made.value(), made.unit()), (Some(2.5), Some(&expected)));
            let named = |it: &Dimension| {
                format!("{}={}", it.name().unwrap_or_default(), it.value().unwrap_or_default())
            };
            let dimensions: Vec<String> = made.dimensions().iter().map(named).collect();
            assert_eq!(dimensions.join(" "), about);
            assert_eq!(made.timestamp().unwrap().to_millis().unwrap(), 1_790_000_000_123);
        }
    }

    #[test]
    fn several_numbers_at_once_are_a_set() {
        let at = Timestamp::from_millis(1_790_000_000_123);
        let subject = Subject::lane(&"acme/tickets#production".parse().unwrap());
        let value = Value::with(Some(Value::with(Some(Value::one(2.0)), 5.0)), 0.5);
        let made = datum(&Datum { metric: Metric::ContainerCpu, subject, value, at });
        let set = made.statistic_values().unwrap();
        let all = [set.sample_count(), set.sum(), set.minimum(), set.maximum()];
        assert_eq!((all, made.value()), ([3.0, 7.5, 0.5, 5.0].map(Some), None));
        assert_eq!(made.unit(), Some(&StandardUnit::Percent));
    }
}
