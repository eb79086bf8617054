//! Wall-clock instants in the three spellings that AWS's protocols use.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A wall-clock instant in milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The present.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The instant that an RFC 3339 text names, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }

    /// The instant that is `span` later.
    pub(crate) fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The instant that is `span` earlier.
    pub(crate) fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; nothing if it is not after.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Seconds since the epoch with a fraction, as the JSON protocols write timestamps.
    pub(crate) fn epoch(self) -> f64 {
        Duration::from_millis(self.0).as_secs_f64()
    }

    /// `2026-07-10T21:51:32Z`, as events and the Query protocol write timestamps.
    pub(crate) fn iso(self) -> String {
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        self.date().format(&form).unwrap_or_default()
    }

    /// `2026-07-10T21:51:30.049Z`, as Run Command writes timestamps.
    pub(crate) fn iso_millis(self) -> String {
        let form = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        self.date().format(&form).unwrap_or_default()
    }

    fn date(self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
            .saturating_add(time::Duration::milliseconds(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_the_same_instant() {
        let at = Moment(1_468_187_490_049);
        assert_eq!(at.iso(), "2016-07-10T21:51:30Z");
        assert_eq!(at.iso_millis(), "2016-07-10T21:51:30.049Z");
        assert_eq!(Moment::parse("2016-07-10T21:51:30.049Z"), Some(at));
        assert!((at.epoch() - 1_468_187_490.049).abs() < 1e-6);
        assert_eq!(at.plus(Duration::from_secs(2)).since(at), Duration::from_secs(2));
    }
}
