//! Findings that someone accepted for a time.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;

use super::value::{ValueError, digits};
use crate::time::Timestamp;

/// A finding that does not block, until a date, by someone's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The finding, as the scan names it: `CVE-2026-1234`.
    pub id: FindingId,
    /// The last day on which it holds.
    pub until: Date,
    /// Why it was accepted.
    pub reason: String,
    /// Who accepted it.
    pub by: String,
}

impl Waiver {
    /// Whether the waiver is about the finding `id` and still holds.
    #[must_use]
    pub fn covers(&self, id: &str, now: Timestamp) -> bool {
        self.id.as_str() == id && now < self.until.end()
    }
}

/// The name of a vulnerability: `CVE-2026-1234`, `GHSA-xxxx-xxxx-xxxx`, …
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId(String);

impl FindingId {
    /// The name as the scan prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FindingId {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "at most 128 letters, digits and `._:-`, such as `CVE-2026-1234`; \
                        one waiver names one finding";
            Err(ValueError::new(text, "the name of a finding", rule))
        }
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A day of the calendar, in UTC: `2026-12-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(civil::Date);

impl Date {
    /// The first instant after the day.
    #[must_use]
    pub fn end(self) -> Timestamp {
        let next = self.0.tomorrow().map_or(civil::DateTime::MAX, |day| day.at(0, 0, 0, 0));
        TimeZone::UTC.to_timestamp(next).map_or(Timestamp::from_millis(u64::MAX), |instant| {
            Timestamp::from_millis(u64::try_from(instant.as_millisecond()).unwrap_or(0))
        })
    }
}

/// Reads `YYYY-MM-DD`.
pub(super) fn calendar(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('-');
    let mut number =
        |width: usize| parts.next().filter(|part| part.len() == width).and_then(digits::<i16>);
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() {
        return None;
    }
    civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Writes what [`calendar`] reads.
pub(super) struct Calendar(pub(super) civil::Date);

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl FromStr for Date {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let rule = "a day of the calendar, such as `2026-12-31`";
        calendar(text).map(Self).ok_or_else(|| ValueError::new(text, "a date", rule))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Calendar(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_holds_to_the_end_of_its_day() {
        let waiver = Waiver {
            id: "CVE-2026-1234".parse().unwrap(),
            until: "2026-12-31".parse().unwrap(),
            reason: "not reachable".to_owned(),
            by: "ana".to_owned(),
        };
        assert_eq!(waiver.until.end().to_string(), "2027-01-01T00:00:00Z");
        let last = Timestamp::from_millis(waiver.until.end().as_millis() - 1);
        for (id, now, expected) in [
            ("CVE-2026-1234", last, true),
            ("CVE-2026-1234", waiver.until.end(), false),
            ("CVE-2026-12345", last, false),
            ("CVE-2026-123", last, false),
        ] {
            assert_eq!(waiver.covers(id, now), expected, "{id} at {now}");
        }
    }

    #[test]
    fn a_date_is_a_day_of_the_calendar() {
        for text in ["2026-12-31", "2028-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), text);
        }
        let last: Date = "9999-12-31".parse().unwrap();
        assert_eq!(last.end(), Timestamp::from_millis(u64::MAX));
        for text in ["2026-02-29", "2026-13-01", "2026-1-1", "26-01-01", "2026-12-31Z", "soon"] {
            let error = text.parse::<Date>().unwrap_err().to_string();
            let rule = "a day of the calendar, such as `2026-12-31`";
            assert_eq!(error, format!("`{text}` is not a date: {rule}"));
        }
    }

    #[test]
    fn a_finding_is_named_without_wildcards() {
        for text in ["CVE-2026-1234", "GHSA-xxxx-yyyy-zzzz", "ALAS2-2026:12", "SNYK-1.2_3"] {
            assert_eq!(text.parse::<FindingId>().unwrap().to_string(), text);
        }
        for text in ["CVE-*", "CVE-1, CVE-2"] {
            assert_eq!(
                text.parse::<FindingId>().unwrap_err().to_string(),
                format!(
                    "`{text}` is not the name of a finding: at most 128 letters, digits and \
                     `._:-`, such as `CVE-2026-1234`; one waiver names one finding"
                )
            );
        }
    }
}
