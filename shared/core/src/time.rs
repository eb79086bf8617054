//! Instants, as every later invocation will read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A wall-clock instant in milliseconds since the Unix epoch, UTC.
///
/// Not [`std::time::Instant`]: a rollout outlives the process that started it, so its deadlines
/// must mean the same to every later invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant that many milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the unit of the hosts' clocks.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The instant `span` later, or the last representable one.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The instant `span` earlier, or the first representable one.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Days since the epoch to a civil date, after Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = of_era
        .saturating_sub(of_era / 1460)
        .saturating_add(of_era / 36_524)
        .saturating_sub(of_era / 146_096)
        / 365;
    let before = 365_u64
        .saturating_mul(year_of_era)
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100);
    let of_year = of_era.saturating_sub(before);
    let month_from_march = of_year.saturating_mul(5).saturating_add(2) / 153;
    let month_start = month_from_march.saturating_mul(153).saturating_add(2) / 5;
    let day = of_year.saturating_sub(month_start).saturating_add(1);
    let month = if month_from_march < 10 {
        month_from_march.saturating_add(3)
    } else {
        month_from_march.saturating_sub(9)
    };
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

/// RFC 3339 in UTC with whole seconds: `2026-11-23T15:04:05Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        let (year, month, day) = civil(secs / 86_400);
        let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// A text that is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no instant such as `2026-11-26T09:00:00Z`, with its offset from UTC")]
pub struct TimestampError(String);

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339 with an offset, as `git log --format=%cI` and `date --iso-8601=s` write it.
    ///
    /// # Errors
    ///
    /// Any other text, and an instant before 1970.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refused = || TimestampError(text.to_owned());
        let instant: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        u64::try_from(instant.as_millisecond()).map(Self::from_millis).map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_printed_in_utc() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_763_910_245_999, "2025-11-23T15:04:05Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), expected, "{millis}");
        }
    }

    #[test]
    fn an_instant_is_read_with_its_offset() {
        for (text, expected) in [
            ("2025-11-23T15:04:05Z", Some("2025-11-23T15:04:05Z")),
            ("2025-11-23T16:04:05+01:00", Some("2025-11-23T15:04:05Z")),
            ("2025-11-23 15:04:05.999Z", Some("2025-11-23T15:04:05Z")),
            ("2025-11-23T15:04:05", None),
            ("2025-13-23T15:04:05Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("soon", None),
            ("", None),
        ] {
            let read = text.parse::<Timestamp>().map(|it| it.to_string()).ok();
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(last.after(Duration::from_secs(1)), last);
        assert_eq!(Timestamp::from_millis(1).since(last), Duration::ZERO);
    }
}
