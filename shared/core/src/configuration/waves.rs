//! How many hosts change at a time, and how many stay in service.

use std::fmt;
use std::str::FromStr;

use super::value::{ValueError, digits};

/// A part of a fleet: a plain count of hosts or a percentage of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Hosts(usize),
    Percent(u8),
}

impl Part {
    fn read(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => digits(percent).filter(|percent| *percent <= 100).map(Self::Percent),
            None => digits(text).filter(|hosts| *hosts <= MOST_HOSTS).map(Self::Hosts),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) => write!(f, "{hosts}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// The largest count that can be written: more is a slip of the finger, not a fleet.
const MOST_HOSTS: usize = 10_000;

/// The most waves of one rollout. Each has its own batches, waits and deadlines.
const MOST_WAVES: usize = 20;

/// The waves of a rollout: how many hosts have changed at the end of each, `1, 50%, 100%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waves(Vec<Part>);

impl Waves {
    /// One host, half of them, all of them.
    pub(super) fn careful() -> Self {
        Self(vec![Part::Hosts(1), Part::Percent(50), Part::Percent(100)])
    }

    /// All hosts in one wave.
    pub(super) fn at_once() -> Self {
        Self(vec![Part::Percent(100)])
    }

    /// How many hosts of `fleet` have changed at the end of each wave: strictly ascending, the
    /// last one `fleet`; none at all for a fleet of none.
    ///
    /// Percentages are rounded up, to at least one. A wave that would add no host is left out.
    #[must_use]
    pub fn cumulative(&self, fleet: usize) -> Vec<usize> {
        let mut counts = Vec::new();
        let mut reached = 0;
        for part in &self.0 {
            let wanted = match *part {
                Part::Hosts(hosts) => hosts.min(fleet),
                Part::Percent(percent) => fleet.saturating_mul(usize::from(percent)).div_ceil(100),
            };
            if wanted > reached {
                counts.push(wanted);
                reached = wanted;
            }
        }
        counts
    }

    /// Checks what only the whole list shows.
    pub(super) fn new(parts: Vec<Part>) -> Result<Self, ValueError> {
        let waves = Self(parts);
        let parts = waves.0.as_slice();
        let shown = if parts.is_empty() { "[]".to_owned() } else { waves.to_string() };
        let refused = |rule| Err(ValueError::new(&shown, "a list of waves", rule));
        if parts.len() > MOST_WAVES {
            return refused("it has more than 20");
        }
        if !parts.iter().zip(parts.iter().skip(1)).all(|(before, after)| ascends(*before, *after)) {
            return refused(
                "each wave is more than the one before it, and counts of hosts come before \
                 percentages",
            );
        }
        if parts.last() != Some(&Part::Percent(100)) {
            return refused("the last wave is `100%`");
        }
        Ok(waves)
    }
}

/// One wave: at least one host.
pub(super) fn wave(text: &str) -> Result<Part, ValueError> {
    Part::read(text).filter(|part| !matches!(part, Part::Hosts(0) | Part::Percent(0))).ok_or_else(
        || {
            let rule = "a count of hosts such as `1` or a whole percentage such as `50%`, not zero";
            ValueError::new(text, "a wave", rule)
        },
    )
}

/// Whether `after` is more hosts than `before` in a fleet that is large enough to tell.
///
/// A count after a percentage would be more in some fleets and less in others.
fn ascends(before: Part, after: Part) -> bool {
    match (before, after) {
        (Part::Hosts(before), Part::Hosts(after)) => before < after,
        (Part::Percent(before), Part::Percent(after)) => before < after,
        (Part::Hosts(_), Part::Percent(_)) => true,
        (Part::Percent(_), Part::Hosts(_)) => false,
    }
}

/// Separated by commas.
impl FromStr for Waves {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::new(text.split(',').map(|part| wave(part.trim())).collect::<Result<_, _>>()?)
    }
}

/// Separated by commas and spaces.
impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{part}")?;
        }
        Ok(())
    }
}

/// How many hosts stay in service while others change: `75%` or a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(Part);

impl Share {
    /// Three quarters.
    pub(super) fn most() -> Self {
        Self(Part::Percent(75))
    }

    /// The fewest hosts of `fleet` that stay in service.
    ///
    /// Percentages are rounded down. With two hosts or more at least one stays and at least one
    /// can change; with one or none nothing can stay.
    #[must_use]
    pub fn floor(&self, fleet: usize) -> usize {
        if fleet < 2 {
            return 0;
        }
        let wanted = match self.0 {
            Part::Hosts(hosts) => hosts,
            Part::Percent(percent) => fleet.saturating_mul(usize::from(percent)) / 100,
        };
        wanted.clamp(1, fleet.saturating_sub(1))
    }
}

impl FromStr for Share {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let rule = "a whole percentage such as `75%` or a count of hosts such as `2`";
        Part::read(text)
            .map(Self)
            .ok_or_else(|| ValueError::new(text, "a share of the hosts", rule))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every small fleet under the waves that people write, as counts of hosts changed so far.
    #[test]
    fn waves_of_small_fleets() {
        let mut table = Vec::new();
        for text in ["1, 50%, 100%", "100%", "2, 100%", "10%, 50%, 100%", "1, 3, 75%, 100%"] {
            let waves: Waves = text.parse().unwrap();
            assert_eq!(waves.to_string(), text);
            let rows: Vec<String> = (0..=5)
                .map(|fleet| {
                    let counts = waves.cumulative(fleet);
                    counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
                })
                .collect();
            table.push(format!("{text:>16} | {}", rows.join(" | ")));
        }
        let expected = "    1, 50%, 100% |  | 1 | 1 2 | 1 2 3 | 1 2 4 | 1 3 5
            100% |  | 1 | 2 | 3 | 4 | 5
         2, 100% |  | 1 | 2 | 2 3 | 2 4 | 2 5
  10%, 50%, 100% |  | 1 | 1 2 | 1 2 3 | 1 2 4 | 1 3 5
 1, 3, 75%, 100% |  | 1 | 1 2 | 1 3 | 1 3 4 | 1 3 4 5";
        let table = table.join("\n");
        assert_eq!(table, expected, "\n{table}");
    }

    /// Every small fleet under the floors that people write.
    #[test]
    fn floors_of_small_fleets() {
        let mut table = Vec::new();
        for text in ["75%", "50%", "0%", "100%", "0", "1", "2", "3", "10000"] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.to_string(), text);
            let floors: Vec<String> = (0..=5).map(|fleet| share.floor(fleet).to_string()).collect();
            table.push(format!("{text:>5} | {}", floors.join(" ")));
        }
        let expected = "  75% | 0 0 1 2 3 3
  50% | 0 0 1 1 2 2
   0% | 0 0 1 1 1 1
 100% | 0 0 1 2 3 4
    0 | 0 0 1 1 1 1
    1 | 0 0 1 1 1 1
    2 | 0 0 1 2 2 2
    3 | 0 0 1 2 3 3
10000 | 0 0 1 2 3 4";
        let table = table.join("\n");
        assert_eq!(table, expected, "\n{table}");
    }

    #[test]
    fn waves_ascend_to_all_hosts() {
        let wave = "a count of hosts such as `1` or a whole percentage such as `50%`, not zero";
        let ascending = "each wave is more than the one before it, and counts of hosts come \
                         before percentages";
        let many = (1..=20).map(|it| it.to_string()).collect::<Vec<_>>().join(",") + ",100%";
        for (text, what, kind, rule) in [
            ("0, 100%", "`0`", "a wave", wave),
            ("0%, 100%", "`0%`", "a wave", wave),
            ("101%", "`101%`", "a wave", wave),
            ("33.3%, 100%", "`33.3%`", "a wave", wave),
            ("half, 100%", "`half`", "a wave", wave),
            ("10001, 100%", "`10001`", "a wave", wave),
            ("", "an empty text", "a wave", wave),
            ("1, 1, 100%", "`1, 1, 100%`", "a list of waves", ascending),
            ("50%, 20%, 100%", "`50%, 20%, 100%`", "a list of waves", ascending),
            ("50%, 3, 100%", "`50%, 3, 100%`", "a list of waves", ascending),
            ("100%, 100%", "`100%, 100%`", "a list of waves", ascending),
            ("1, 50%", "`1, 50%`", "a list of waves", "the last wave is `100%`"),
            (
                &many,
                "`1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 1…`",
                "a list of waves",
                "it has more than 20",
            ),
        ] {
            let error = text.parse::<Waves>().unwrap_err().to_string();
            assert_eq!(error, format!("{what} is not {kind}: {rule}"), "{text}");
        }
    }

    #[test]
    fn a_share_is_a_percentage_or_a_count() {
        for text in ["-1", "101%", "75 %", "all", "7.5%", "%"] {
            let error = text.parse::<Share>().unwrap_err().to_string();
            let rule = "a whole percentage such as `75%` or a count of hosts such as `2`";
            assert_eq!(error, format!("`{text}` is not a share of the hosts: {rule}"));
        }
    }

    fn any_waves() -> impl Strategy<Value = Waves> {
        let counts = proptest::collection::btree_set(1_usize..600, 0..5);
        let percents = proptest::collection::btree_set(1_u8..100, 0..5);
        (counts, percents).prop_map(|(counts, percents)| {
            let counts = counts.into_iter().map(Part::Hosts);
            let percents = percents.into_iter().chain([100]).map(Part::Percent);
            Waves::new(counts.chain(percents).collect()).unwrap()
        })
    }

    proptest! {
        #[test]
        fn waves_reach_every_host_and_always_add_one(waves in any_waves(), fleet in 1_usize..=500) {
            let counts = waves.cumulative(fleet);
            prop_assert_eq!(counts.last(), Some(&fleet));
            prop_assert!(counts[0] >= 1);
            prop_assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", counts);
            prop_assert!(counts.len() <= waves.0.len());
            prop_assert_eq!(waves.to_string().parse(), Ok(waves));
        }

        #[test]
        fn a_wave_is_never_less_than_its_percentage(percent in 1_u8..100, fleet in 1_usize..=500) {
            let waves = Waves::new(vec![Part::Percent(percent), Part::Percent(100)]).unwrap();
            let first = waves.cumulative(fleet)[0];
            prop_assert!(first * 100 >= fleet * usize::from(percent));
            prop_assert!((first - 1) * 100 < fleet * usize::from(percent));
        }

        #[test]
        fn a_floor_leaves_one_in_service_and_one_to_change(
            part in prop_oneof![
                (0_usize..600).prop_map(Part::Hosts),
                (0_u8..=100).prop_map(Part::Percent),
            ],
            fleet in 2_usize..=500,
        ) {
            let share = Share(part);
            let floor = share.floor(fleet);
            prop_assert!((1..fleet).contains(&floor));
            prop_assert!(share.floor(fleet + 1) >= floor);
            if let Part::Percent(percent) = part {
                prop_assert!(floor == 1 || floor * 100 <= fleet * usize::from(percent));
            }
            prop_assert_eq!(share.to_string().parse(), Ok(share));
        }
    }
}
