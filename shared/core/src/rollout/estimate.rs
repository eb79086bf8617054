//! How long a rollout is expected to take, worked out before it starts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Rollout;
use crate::configuration::{EnvironmentConfiguration, TargetGroup};
use crate::order::Verb;
use crate::traffic::GroupSettings;

/// What an image of unknown size is taken for, in bytes.
const UNKNOWN_SIZE: u64 = 200_000_000;

/// What a host pulls and unpacks in a second, in bytes: a slow one.
const PULL_RATE: u64 = 20_000_000;

/// A call to hosts and back, beside what they do.
const CALL: Duration = Duration::from_secs(8);

/// What containers take to become healthy where no deadline says.
const HEALTH: Duration = Duration::from_secs(30);

/// How long a rollout is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// From start to end.
    pub whole: Duration,
    /// How much of that goes into draining.
    pub draining: Duration,
    /// Batches, one after the other.
    pub batches: usize,
}

impl Estimate {
    /// An estimate for a fleet that is wholly in service.
    pub(crate) fn of(
        settings: &EnvironmentConfiguration,
        groups: &BTreeMap<TargetGroup, GroupSettings>,
        fleet: usize,
        bytes: u64,
    ) -> Self {
        let batches = batches(settings, fleet);
        let times =
            |span: Duration| span.saturating_mul(u32::try_from(batches).unwrap_or(u32::MAX));
        let longest = |pick: fn(&GroupSettings) -> Duration| {
            groups.values().map(pick).max().unwrap_or_default()
        };
        let drain = if fleet > 1 { longest(|it| it.deregistration_delay) } else { Duration::ZERO };
        let settle = longest(|it| it.interval.saturating_mul(2));
        let bytes = if bytes == 0 { UNKNOWN_SIZE } else { bytes };
        let pull = Duration::from_secs(bytes.div_ceil(PULL_RATE)).min(Verb::Prefetch.limit());
        let change = CALL.saturating_add(settings.health.deadline.unwrap_or(HEALTH));
        let draining = times(drain);
        let whole = CALL
            .saturating_mul(3)
            .saturating_add(pull)
            .saturating_add(draining)
            .saturating_add(times(change.saturating_add(settle)))
            .saturating_add(settings.bake.span);
        Self { whole, draining, batches }
    }

    /// What would make it shorter, where one thing dominates.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let dominates =
            self.draining > Duration::from_mins(2) && self.draining.saturating_mul(2) > self.whole;
        dominates.then(|| {
            format!(
                "{} of about {} are draining in {} batch(es): lower the target groups' \
                 deregistration delay if requests are shorter than that",
                minutes(self.draining),
                minutes(self.whole),
                self.batches
            )
        })
    }
}

/// How many batches change a fleet that is wholly in service.
fn batches(settings: &EnvironmentConfiguration, fleet: usize) -> usize {
    let headroom = fleet.saturating_sub(settings.min_in_service.floor(fleet)).max(1);
    let mut done = 0;
    let mut batches: usize = 0;
    for wave in settings.waves.cumulative(fleet) {
        batches = batches.saturating_add(wave.saturating_sub(done).div_ceil(headroom));
        done = done.max(wave);
    }
    batches
}

/// `90 s`, `12 min`, `2 h 5 min`: a length of time as a person says it.
#[must_use]
pub fn minutes(span: Duration) -> String {
    let seconds = span.as_secs();
    let (hours, rest) = (seconds / 3600, seconds.div_ceil(60) % 60);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ if rest == 0 => format!("{hours} h"),
        _ => format!("{hours} h {rest} min"),
    }
}

impl Rollout {
    /// How long it was expected to take when it started.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate::of(&self.settings, &self.groups, self.live().count(), self.candidate.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;

    fn settings(text: &str) -> EnvironmentConfiguration {
        let text = format!("[environments.production]\n{text}");
        let mut read = Configuration::read(Some(&text), None).unwrap();
        read.environments.remove(&"production".parse().unwrap()).unwrap()
    }

    fn group(delay: u64) -> BTreeMap<TargetGroup, GroupSettings> {
        let arn =
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/0123456789abcdef";
        let settings = GroupSettings {
            deregistration_delay: Duration::from_secs(delay),
            interval: Duration::from_secs(30),
            unhealthy_threshold: 2,
            healthy_threshold: 5,
        };
        BTreeMap::from([(arn.parse().unwrap(), settings)])
    }

    #[test]
    fn batches_follow_waves_and_floor() {
        for (text, fleet, expected) in [
            (r#"waves = ["100%"]"#, 1, 1),
            (r#"waves = ["100%"]"#, 2, 2),
            (r#"waves = ["100%"]"#, 4, 4),
            (r#"waves = ["1", "50%", "100%"]"#, 8, 5),
            (
                r#"waves = ["100%"]
min_in_service = "50%""#,
                500,
                2,
            ),
        ] {
            assert_eq!(batches(&settings(text), fleet), expected, "{text}, {fleet} hosts");
        }
    }

    #[test]
    fn draining_that_dominates_is_named() {
        let settings = settings("bake = { for = \"1m\" }");
        let slow = Estimate::of(&settings, &group(300), 4, 1);
        assert!(slow.advice().unwrap().starts_with("20 min of about"), "{:?}", slow.advice());
        assert_eq!(Estimate::of(&settings, &group(10), 4, 1).advice(), None);
        assert_eq!(Estimate::of(&settings, &group(300), 1, 1).draining, Duration::ZERO);
    }

    #[test]
    fn lengths_of_time_are_said_as_people_say_them() {
        for (seconds, expected) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7500, "2 h 5 min")]
        {
            assert_eq!(minutes(Duration::from_secs(seconds)), expected);
        }
    }
}
