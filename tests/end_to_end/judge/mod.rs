//! What CloudWatch makes of an alarm: the emulator stores alarms and data points, and judges none.
//!
//! The rules are those of the pages "Alarm evaluation" and "Configuring how CloudWatch alarms treat
//! missing data" of its user guide. What they leave open is said where it matters.

mod math;
mod read;

use std::collections::BTreeMap;

use math::Points;
pub(crate) use read::read;

/// How many more periods than it needs an alarm looks at, in case that some have no data point. AWS
/// says that there are more and not how many; its examples look at 5 for an alarm that needs 3.
const MORE: i64 = 2;

/// The data points of a statistic, by the second at which their period starts.
pub(crate) type Series = BTreeMap<i64, f64>;

/// What data points are asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Statistic {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    /// Sorted.
    pub(crate) dimensions: Vec<(String, String)>,
    /// `Sum`, `Minimum` or another, as CloudWatch calls it.
    pub(crate) stat: String,
    /// In seconds.
    pub(crate) period: i64,
}

/// A metric alarm.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    /// What it is in, which it stays in when missing data points are ignored.
    pub(crate) state: State,
    /// By their ids.
    pub(crate) statistics: BTreeMap<String, Statistic>,
    /// What is compared, of those ids.
    expression: String,
    /// Of all its statistics, in seconds.
    pub(crate) period: i64,
    /// Whether a point breaches a threshold.
    breaches: fn(&f64, &f64) -> bool,
    threshold: f64,
    /// How many data points are looked at: the N of "M out of N".
    periods: usize,
    /// How many of them make an alarm: the M.
    datapoints: usize,
    missing: Treatment,
}

/// How missing data points are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    NotBreaching,
    Breaching,
    Ignore,
    Missing,
}

/// What an alarm is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    Alarm,
    InsufficientData,
}

/// Says what an alarm is in at a second.
///
/// `data` has the data points of each statistic. Periods begin at multiples of their length, and
/// the one that is under way is not looked at. (In AWS a period longer than a minute slides with
/// every minute; at the end of one of ours both see the same.)
pub(crate) fn judge(alarm: &Alarm, data: impl Fn(&Statistic) -> Series, now: i64) -> State {
    let series = alarm.statistics.iter().map(|(id, statistic)| (id, data(statistic)));
    let series: BTreeMap<&String, Series> = series.collect();
    let needed = i64::try_from(alarm.periods).unwrap_or(i64::MAX);
    let end = now.div_euclid(alarm.period);
    let range = (end - needed - MORE..end).map(|number| {
        let at = number * alarm.period;
        let points: Points =
            series.iter().map(|(id, it)| ((*id).clone(), it.get(&at).copied())).collect();
        let point = math::point(&alarm.expression, &points);
        let point = point.unwrap_or_else(|problem| unreachable!("it was read: {problem}"));
        point.map(|value| (alarm.breaches)(&value, &alarm.threshold))
    });
    alarm.state_of(&range.collect::<Vec<_>>())
}

impl Alarm {
    /// What the data points of the evaluation range make of it, oldest first: whether each
    /// breaches, nothing where it is missing.
    ///
    /// Where at least N are there, the newest N of them count, however far back the range has to be
    /// gone for them. Where fewer are there, all of them count, and so many of the missing ones as
    /// lack to N, as they are treated.
    fn state_of(&self, range: &[Option<bool>]) -> State {
        let there = range.iter().rev().copied().flatten().take(self.periods);
        let there: Vec<bool> = there.collect();
        let breaching = there.iter().filter(|it| **it).count();
        let lacking = self.periods - there.len();
        let state = |alarms: bool| if alarms { State::Alarm } else { State::Ok };
        if lacking == 0 || breaching >= self.datapoints {
            return state(breaching >= self.datapoints);
        }
        let nothing_speaks_against = breaching == there.len();
        match self.missing {
            Treatment::Breaching => state(breaching + lacking >= self.datapoints),
            Treatment::Ignore if nothing_speaks_against => self.state,
            Treatment::Missing if there.is_empty() => State::InsufficientData,
            Treatment::Missing if nothing_speaks_against => state(self.is_old_enough(range)),
            Treatment::NotBreaching | Treatment::Ignore | Treatment::Missing => State::Ok,
        }
    }

    /// Whether the oldest data point, where all breach, is as old as M data points would be: then
    /// it is an alarm though there are fewer, and before it is too early to say so.
    ///
    /// The page says so of the oldest *breaching* data point. By that a 2 out of 3 alarm would go
    /// off at `0 - X - -`, for which its table has `OK`; the table is followed.
    fn is_old_enough(&self, range: &[Option<bool>]) -> bool {
        range.iter().position(Option::is_some).is_some_and(|at| range.len() - at >= self.datapoints)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::{
        ComparisonOperator, Metric, MetricAlarm, MetricDataQuery, MetricStat,
    };

    use super::*;

    fn alarm(periods: usize, datapoints: usize, missing: Treatment) -> Alarm {
        let statistic = Statistic {
            namespace: "Esclusa".to_owned(),
            metric: "RolloutsFailed".to_owned(),
            dimensions: vec![("Service".to_owned(), "a1".to_owned())],
            stat: "Sum".to_owned(),
            period: 300,
        };
        Alarm {
            state: State::InsufficientData,
            statistics: [("m".to_owned(), statistic)].into(),
            expression: "m".to_owned(),
            period: 300,
            breaches: f64::ge,
            threshold: 1.0,
            periods,
            datapoints,
            missing,
        }
    }

    const NOW: i64 = 1_790_000_000 / 300 * 300;

    /// Data points as the user guide draws them, newest last: `X` is 1, `-` a missing one.
    fn drawn(points: &str) -> Series {
        let signs: Vec<&str> = points.split(' ').collect();
        let first = NOW - i64::try_from(signs.len()).unwrap() * 300;
        let values = signs.into_iter().map(|sign| match sign {
            "-" => None,
            "X" => Some(1.0),
            number => Some(number.parse::<f64>().unwrap()),
        });
        (first..).step_by(300).zip(values).filter_map(|(at, value)| Some((at, value?))).collect()
    }

    fn word(state: State) -> &'static str {
        match state {
            State::Ok => "ok",
            State::Alarm => "alarm",
            State::InsufficientData => "insufficient",
        }
    }

    /// What missing, ignored, breaching and not breaching points make of an alarm; `retain` where
    /// it stays in what it was in.
    fn states(periods: usize, datapoints: usize, points: &str) -> [&'static str; 4] {
        [Treatment::Missing, Treatment::Ignore, Treatment::Breaching, Treatment::NotBreaching].map(
            |it| {
                let in_state = |state| {
                    judge(
                        &Alarm { state, ..alarm(periods, datapoints, it) },
                        |_| drawn(points),
                        NOW,
                    )
                };
                let all = [State::Ok, State::Alarm, State::InsufficientData];
                let after = all.map(in_state);
                if after == all {
                    return "retain";
                }
                assert!(after.iter().all(|it| *it == after[0]), "{points}: {after:?}");
                word(after[0])
            },
        )
    }

    /// The rows of the tables of the user guide.
    #[test]
    fn missing_points_are_treated_as_documented() {
        const OK: [&str; 4] = ["ok"; 4];
        const ALARM: [&str; 4] = ["alarm"; 4];
        const EARLY: [&str; 4] = ["alarm", "retain", "alarm", "ok"];
        for (needed, of, points, expected) in [
            (3, 3, "0 - X - X", OK),
            (3, 3, "0 - - - -", OK),
            (3, 3, "- - - - -", ["insufficient", "retain", "alarm", "ok"]),
            (3, 3, "0 X X - X", ALARM),
            (3, 3, "- - X - -", EARLY),
            (2, 3, "0 - X - X", ALARM),
            (2, 3, "0 0 X 0 X", ALARM),
            (2, 3, "0 - X - -", ["ok", "ok", "alarm", "ok"]),
            (2, 3, "- - - - 0", ["ok", "ok", "alarm", "ok"]),
            (2, 3, "- - - X -", EARLY),
        ] {
            assert_eq!(states(of, needed, points), expected, "{needed} out of {of}: {points}");
        }
    }

    #[test]
    fn an_alarm_is_not_called_early() {
        for (needed, of, points, expected) in [
            (3, 3, "- - - - X", ["ok", "retain", "alarm", "ok"]),
            (3, 3, "- - - X -", ["ok", "retain", "alarm", "ok"]),
            (3, 3, "- - - X 0", ["ok", "ok", "ok", "ok"]),
            (3, 3, "- - X X -", ["alarm", "retain", "alarm", "ok"]),
            (2, 3, "- - - - X", ["ok", "retain", "alarm", "ok"]),
            (1, 3, "- - - - X", ["alarm"; 4]),
        ] {
            assert_eq!(states(of, needed, points), expected, "{needed} out of {of}: {points}");
        }
    }

    #[test]
    fn m_out_of_n_points_make_an_alarm() {
        for (needed, of, points, expected) in [
            (1, 1, "X X 0", "ok"),
            (1, 1, "0 0 X", "alarm"),
            (1, 1, "X 0 -", "ok"),
            (1, 1, "0 X -", "alarm"),
            (3, 3, "0 X X X", "alarm"),
            (3, 3, "X X X 0", "ok"),
            (2, 3, "0 X 0 X", "alarm"),
            (2, 3, "X X 0 0", "ok"),
            (2, 3, "X 0 X 0", "ok"),
            (2, 5, "X 0 0 0 X", "alarm"),
            // Beyond the range nothing counts: it is N and two more.
            (1, 1, "X - - -", "missing"),
            (1, 1, "X - -", "alarm"),
        ] {
            let expected = match expected {
                "missing" => ["insufficient", "retain", "alarm", "ok"],
                state => [state; 4],
            };
            assert_eq!(states(of, needed, points), expected, "{needed} out of {of}: {points}");
        }
    }

    #[test]
    fn a_period_counts_when_it_has_ended() {
        let alarm = alarm(1, 1, Treatment::NotBreaching);
        for (at, expected) in [
            (NOW, State::Ok),
            (NOW + 299, State::Ok),
            (NOW + 300, State::Alarm),
            (NOW + 900, State::Alarm),
            (NOW + 1200, State::Ok),
        ] {
            let state = judge(&alarm, |_| Series::from([(NOW, 1.0)]), at);
            assert_eq!(state, expected, "{} s later", at - NOW);
        }
    }

    /// How many of a hundred are still good enough, as the product asks it.
    fn share() -> MetricAlarm {
        let all = "(FILL(m0, 0) + FILL(m1, 0))";
        let share = format!("IF({all} >= 3, 100 * FILL(m0, 0) / {all}, 100)");
        let sum = |id: &str, metric: &str| {
            let metric = Metric::builder().namespace("Esclusa").metric_name(metric).build();
            let stat = MetricStat::builder().metric(metric).period(300).stat("Sum").build();
            MetricDataQuery::builder().id(id).metric_stat(stat).return_data(false).build()
        };
        MetricAlarm::builder()
            .metrics(sum("m0", "BuildSucceeded"))
            .metrics(sum("m1", "BuildFailed"))
            .metrics(MetricDataQuery::builder().id("judged").expression(share).build())
            .evaluation_periods(1)
            .threshold(50.0)
            .comparison_operator(ComparisonOperator::LessThanThreshold)
            .treat_missing_data("notBreaching")
            .build()
    }

    #[test]
    fn an_expression_is_of_several_statistics() {
        let alarm = read(&share()).unwrap();
        for (good, bad, expected) in [
            ("2", "2", State::Ok),
            ("1", "2", State::Alarm),
            ("-", "3", State::Alarm),
            ("-", "2", State::Ok),
            ("3", "-", State::Ok),
            ("-", "-", State::Ok),
        ] {
            let data = |of: &Statistic| drawn(if of.metric == "BuildFailed" { bad } else { good });
            assert_eq!(judge(&alarm, data, NOW), expected, "{good} good, {bad} bad");
        }
    }
}
