//! From what `DescribeAlarms` answers to an alarm that can be judged.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, MetricAlarm, MetricDataQuery, MetricStat, StateValue,
};

use super::{Alarm, State, Statistic, Treatment, math};

/// The id of the statistic of an alarm that has a metric instead of queries.
const ONLY: &str = "m";

/// Reads an alarm.
///
/// # Errors
///
/// What would not be judged as CloudWatch does, because it is not known here or makes no sense.
pub(crate) fn read(alarm: &MetricAlarm) -> Result<Alarm, String> {
    let name = alarm.alarm_name().unwrap_or_default();
    whole(alarm).map_err(|problem| format!("the alarm `{name}` cannot be judged: {problem}"))
}

fn whole(alarm: &MetricAlarm) -> Result<Alarm, String> {
    check_known(alarm)?;
    let (statistics, expression) = match alarm.metric_name() {
        Some(metric) => (of_metric(alarm, metric)?, ONLY.to_owned()),
        None => of_queries(alarm.metrics())?,
    };
    let points = statistics.keys().map(|id| (id.clone(), None)).collect();
    math::point(&expression, &points)?;
    let mut lengths: Vec<i64> = statistics.values().map(|it| it.period).collect();
    lengths.dedup();
    let [period] = lengths[..] else {
        return Err(format!("its statistics have the periods {lengths:?}"));
    };
    let periods = natural("EvaluationPeriods", alarm.evaluation_periods())?;
    let datapoints = match alarm.datapoints_to_alarm() {
        None => periods,
        some => natural("DatapointsToAlarm", some)?,
    };
    if datapoints > periods {
        return Err(format!("{datapoints} data points of {periods} make no alarm"));
    }
    Ok(Alarm {
        state: state(alarm.state_value())?,
        statistics,
        expression,
        period,
        breaches: comparison(alarm.comparison_operator())?,
        threshold: alarm.threshold().ok_or("it has no threshold")?,
        periods: usize::try_from(periods).map_err(|error| error.to_string())?,
        datapoints: usize::try_from(datapoints).map_err(|error| error.to_string())?,
        missing: missing(alarm.treat_missing_data())?,
    })
}

/// Refuses what would be judged by other rules.
fn check_known(alarm: &MetricAlarm) -> Result<(), String> {
    let of_queries = alarm.metrics();
    let mut units = of_queries.iter().filter_map(MetricDataQuery::metric_stat);
    for (is_there, what) in [
        (alarm.extended_statistic().is_some(), "ExtendedStatistic"),
        (alarm.unit().is_some() || units.any(|it| it.unit().is_some()), "Unit"),
        (of_queries.iter().any(|it| it.account_id().is_some()), "AccountId"),
        (alarm.threshold_metric_id().is_some(), "ThresholdMetricId"),
        (alarm.evaluation_window().is_some(), "EvaluationWindow"),
        (alarm.evaluation_criteria().is_some(), "EvaluationCriteria"),
        (alarm.warm_up_configuration().is_some(), "WarmUpConfiguration"),
    ] {
        if is_there {
            return Err(format!("its {what} is not known here"));
        }
    }
    Ok(())
}

type Statistics = BTreeMap<String, Statistic>;

fn of_metric(alarm: &MetricAlarm, metric: &str) -> Result<Statistics, String> {
    if !alarm.metrics().is_empty() {
        return Err("it has a metric and queries".to_owned());
    }
    let statistic = Statistic {
        namespace: alarm.namespace().ok_or("it has no namespace")?.to_owned(),
        metric: metric.to_owned(),
        dimensions: sorted(alarm.dimensions()),
        stat: alarm.statistic().ok_or("it has no statistic")?.to_string(),
        period: natural("Period", alarm.period())?,
    };
    Ok([(ONLY.to_owned(), statistic)].into())
}

/// The statistics, and the expression of them that is compared. Expressions of expressions are not
/// known here.
fn of_queries(of: &[MetricDataQuery]) -> Result<(Statistics, String), String> {
    let mut statistics = Statistics::new();
    let mut compared = Vec::new();
    for query in of {
        let id = query.id().ok_or("a query has no id")?;
        match (query.metric_stat(), query.expression()) {
            (Some(of), None) => {
                let read = of_statistic(of);
                let read = read.map_err(|problem| format!("in its query `{id}` {problem}"))?;
                if statistics.insert(id.to_owned(), read).is_some() {
                    return Err(format!("it has two queries `{id}`"));
                }
            }
            (None, Some(_)) => {}
            _ => return Err(format!("its query `{id}` is not either of a metric or of others")),
        }
        if query.return_data() != Some(false) {
            compared.push(query.expression().unwrap_or(id).to_owned());
        }
    }
    match <[String; 1]>::try_from(compared) {
        Ok([expression]) => Ok((statistics, expression)),
        Err(compared) => Err(format!("{} of its queries return data", compared.len())),
    }
}

fn of_statistic(of: &MetricStat) -> Result<Statistic, String> {
    let metric = of.metric().ok_or("there is no metric")?;
    Ok(Statistic {
        namespace: metric.namespace().ok_or("there is no namespace")?.to_owned(),
        metric: metric.metric_name().ok_or("the metric has no name")?.to_owned(),
        dimensions: sorted(metric.dimensions()),
        stat: of.stat().ok_or("there is no statistic")?.to_owned(),
        period: natural("Period", of.period())?,
    })
}

fn sorted(dimensions: &[Dimension]) -> Vec<(String, String)> {
    let text = |of: Option<&str>| of.unwrap_or_default().to_owned();
    let mut pairs: Vec<(String, String)> =
        dimensions.iter().map(|it| (text(it.name()), text(it.value()))).collect();
    pairs.sort();
    pairs
}

fn natural(what: &str, number: Option<i32>) -> Result<i64, String> {
    match number {
        Some(number) if number > 0 => Ok(i64::from(number)),
        Some(number) => Err(format!("its {what} is {number}")),
        None => Err(format!("it has no {what}")),
    }
}

fn missing(word: Option<&str>) -> Result<Treatment, String> {
    Ok(match word {
        Some("notBreaching") => Treatment::NotBreaching,
        Some("breaching") => Treatment::Breaching,
        Some("ignore") => Treatment::Ignore,
        Some("missing") | None => Treatment::Missing,
        Some(other) => return Err(format!("the treatment `{other}` is not known here")),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "AWS has more, and will have others")]
fn comparison(operator: Option<&ComparisonOperator>) -> Result<fn(&f64, &f64) -> bool, String> {
    Ok(match operator.ok_or("it compares nothing")? {
        ComparisonOperator::GreaterThanThreshold => f64::gt,
        ComparisonOperator::GreaterThanOrEqualToThreshold => f64::ge,
        ComparisonOperator::LessThanThreshold => f64::lt,
        ComparisonOperator::LessThanOrEqualToThreshold => f64::le,
        other => return Err(format!("the comparison `{other}` is not known here")),
    })
}

fn state(value: Option<&StateValue>) -> Result<State, String> {
    Ok(match value {
        Some(StateValue::Ok) => State::Ok,
        Some(StateValue::Alarm) => State::Alarm,
        Some(StateValue::InsufficientData) | None => State::InsufficientData,
        Some(other) => return Err(format!("the state `{other}` is not known here")),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::Statistic as Word;
    use aws_sdk_cloudwatch::types::builders::MetricAlarmBuilder;
    use aws_sdk_cloudwatch::types::{EvaluationWindow, Metric, SlidingWindow, StandardUnit};

    use super::*;

    fn dimensions() -> Vec<Dimension> {
        let pairs = [("Service", "a1"), ("Environment", "production")];
        pairs.map(|(name, value)| Dimension::builder().name(name).value(value).build()).into()
    }

    fn plain() -> MetricAlarmBuilder {
        MetricAlarm::builder()
            .alarm_name("a1-failed")
            .namespace("Esclusa")
            .metric_name("RolloutsFailed")
            .set_dimensions(Some(dimensions()))
            .statistic(Word::Sum)
            .period(300)
            .evaluation_periods(3)
            .datapoints_to_alarm(2)
            .threshold(1.0)
            .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
            .treat_missing_data("notBreaching")
            .state_value(StateValue::Ok)
    }

    fn failed() -> Statistic {
        let dimensions = [("Environment", "production"), ("Service", "a1")];
        Statistic {
            namespace: "Esclusa".to_owned(),
            metric: "RolloutsFailed".to_owned(),
            dimensions: dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            stat: "Sum".to_owned(),
            period: 300,
        }
    }

    #[test]
    fn an_alarm_of_a_metric_is_read() {
        let alarm = read(&plain().build()).unwrap();
        assert_eq!(alarm.statistics, [(ONLY.to_owned(), failed())].into());
        assert_eq!((alarm.expression.as_str(), alarm.period), (ONLY, 300));
        assert_eq!((alarm.datapoints, alarm.periods), (2, 3));
        assert_eq!((alarm.missing, alarm.state), (Treatment::NotBreaching, State::Ok));
        let bare = plain()
            .set_datapoints_to_alarm(None)
            .set_treat_missing_data(None)
            .set_state_value(None)
            .build();
        let bare = read(&bare).unwrap();
        assert_eq!((bare.datapoints, bare.missing), (3, Treatment::Missing));
        assert_eq!(bare.state, State::InsufficientData);
    }

    #[test]
    fn what_an_alarm_says_is_read() {
        for (operator, expected) in [
            (ComparisonOperator::GreaterThanThreshold, [false, false, true]),
            (ComparisonOperator::GreaterThanOrEqualToThreshold, [false, true, true]),
            (ComparisonOperator::LessThanThreshold, [true, false, false]),
            (ComparisonOperator::LessThanOrEqualToThreshold, [true, true, false]),
        ] {
            let alarm = read(&plain().comparison_operator(operator.clone()).build()).unwrap();
            let breaches = [0.5, 1.0, 1.5].map(|it| (alarm.breaches)(&it, &alarm.threshold));
            assert_eq!(breaches, expected, "{operator}");
        }
        for (word, expected) in [
            ("breaching", Treatment::Breaching),
            ("ignore", Treatment::Ignore),
            ("missing", Treatment::Missing),
        ] {
            let alarm = plain().treat_missing_data(word).build();
            assert_eq!(read(&alarm).unwrap().missing, expected, "{word}");
        }
        let alarm = plain().state_value(StateValue::Alarm).build();
        assert_eq!(read(&alarm).unwrap().state, State::Alarm);
    }

    fn statistic_query(id: &str, period: i32) -> MetricDataQuery {
        let metric = Metric::builder().namespace("Esclusa").metric_name("RolloutsFailed");
        let metric = metric.set_dimensions(Some(dimensions())).build();
        let statistic = MetricStat::builder().metric(metric).period(period).stat("Sum").build();
        MetricDataQuery::builder().id(id).metric_stat(statistic).return_data(false).build()
    }

    fn expression_query(id: &str, text: &str, returned: bool) -> MetricDataQuery {
        MetricDataQuery::builder().id(id).expression(text).return_data(returned).build()
    }

    fn of(queries: Vec<MetricDataQuery>) -> MetricAlarm {
        plain()
            .set_metric_name(None)
            .set_namespace(None)
            .set_dimensions(None)
            .set_statistic(None)
            .set_period(None)
            .set_metrics(Some(queries))
            .build()
    }

    #[test]
    fn an_alarm_of_queries_is_read() {
        let sum = "FILL(m0, 0) + FILL(m1, 0)";
        let alarm = of(vec![
            statistic_query("m0", 300),
            statistic_query("m1", 300),
            expression_query("judged", sum, true),
        ]);
        let alarm = read(&alarm).unwrap();
        assert_eq!((alarm.expression.as_str(), alarm.period), (sum, 300));
        let ids = ["m0", "m1"].map(ToOwned::to_owned);
        assert_eq!(alarm.statistics, ids.map(|id| (id, failed())).into());
    }

    #[test]
    fn what_would_be_judged_otherwise_is_refused() {
        let window = EvaluationWindow::SlidingWindow(SlidingWindow::builder().build());
        for (alarm, expected) in [
            (plain().extended_statistic("p99"), "its ExtendedStatistic is not known here"),
            (plain().unit(StandardUnit::Count), "its Unit is not known here"),
            (plain().threshold_metric_id("band"), "its ThresholdMetricId is not known here"),
            (plain().evaluation_window(window), "its EvaluationWindow is not known here"),
            (plain().metrics(statistic_query("m", 60)), "it has a metric and queries"),
            (plain().set_namespace(None), "it has no namespace"),
            (plain().set_statistic(None), "it has no statistic"),
            (plain().set_threshold(None), "it has no threshold"),
            (plain().set_period(None), "it has no Period"),
            (plain().period(0), "its Period is 0"),
            (plain().evaluation_periods(-1), "its EvaluationPeriods is -1"),
            (plain().datapoints_to_alarm(0), "its DatapointsToAlarm is 0"),
            (plain().datapoints_to_alarm(4), "4 data points of 3 make no alarm"),
            (plain().set_comparison_operator(None), "it compares nothing"),
            (plain().treat_missing_data("bad"), "the treatment `bad` is not known here"),
            (
                plain().comparison_operator(ComparisonOperator::GreaterThanUpperThreshold),
                "the comparison `GreaterThanUpperThreshold` is not known here",
            ),
        ] {
            let expected = format!("the alarm `a1-failed` cannot be judged: {expected}");
            assert_eq!(read(&alarm.build()).unwrap_err(), expected);
        }
    }

    #[test]
    fn queries_that_cannot_be_worked_out_are_refused() {
        let statistic = || statistic_query("m", 300);
        let sum = || expression_query("e", "m + m", true);
        let other = MetricDataQuery::builder().id("x").return_data(false).build();
        for (queries, expected) in [
            (vec![], "0 of its queries return data"),
            (vec![statistic()], "0 of its queries return data"),
            (
                vec![statistic(), sum(), expression_query("f", "m", true)],
                "2 of its queries return data",
            ),
            (
                vec![statistic(), statistic_query("n", 60), sum()],
                "its statistics have the periods [300, 60]",
            ),
            (vec![statistic(), statistic(), sum()], "it has two queries `m`"),
            (vec![statistic(), other], "its query `x` is not either of a metric or of others"),
            (
                vec![sum()],
                "the expression `m + m` cannot be used: `m` is no value that is known here",
            ),
            (
                vec![statistic(), expression_query("e", "RATE(m)", true)],
                "the expression `RATE(m)` cannot be used: `RATE` is no function that is known here",
            ),
        ] {
            let expected = format!("the alarm `a1-failed` cannot be judged: {expected}");
            assert_eq!(read(&of(queries)).unwrap_err(), expected);
        }
    }
}
