//! Windows in which no rollout starts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{self, DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::nearest::nearest;
use super::span::Span;
use super::value::{ValueError, digits};
use super::waiver::{Calendar, calendar};
use crate::time::Timestamp;

/// A window in which no rollout starts: a start on the clocks of a zone, and a length.
///
/// The length is time that passes, so that across a change of the clocks a window ends an hour
/// earlier or later by the clock. A start that the clocks skip is when they have skipped it, and
/// of one that they show twice it is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    start: FreezeStart,
    span: Duration,
    zone: Zone,
}

/// When a window starts, on the clocks of its zone: `Fri 18:00` or `2026-12-24 18:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreezeStart(Start);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Weekly(Weekday, civil::Time),
    Once(DateTime),
}

/// A zone of the IANA database that is part of this program: `Europe/Madrid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

const WEEK: Duration = Duration::from_hours(7 * 24);
/// The longest window that happens once. A longer one is a hold that nobody lifts.
const YEAR: Duration = Duration::from_hours(366 * 24);

const DAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Mon"),
    (Weekday::Tuesday, "Tue"),
    (Weekday::Wednesday, "Wed"),
    (Weekday::Thursday, "Thu"),
    (Weekday::Friday, "Fri"),
    (Weekday::Saturday, "Sat"),
    (Weekday::Sunday, "Sun"),
];

impl Freeze {
    /// A window from its three parts.
    ///
    /// # Errors
    ///
    /// A length of zero, of a week or more where it starts every week, or of more than 366 days.
    pub fn new(start: FreezeStart, span: Span, zone: Zone) -> Result<Self, ValueError> {
        let refused = |rule| ValueError::new(&span.to_string(), "the length of a window", rule);
        let length = span.duration();
        let weekly = matches!(start.0, Start::Weekly(..));
        if length.is_zero() {
            return Err(refused("it is longer than nothing"));
        }
        if weekly && length >= WEEK {
            return Err(refused(
                "one that starts every week is shorter than 7d; to stop for longer, hold the lane",
            ));
        }
        if length > YEAR {
            return Err(refused("it is at most 366d; to stop for longer, hold the lane"));
        }
        Ok(Self { start, span: length, zone })
    }

    /// When the window ends that `now` is in; `None` outside of it.
    #[must_use]
    pub fn lifts_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.start.0 {
            Start::Once(start) => self.end_of(start, now),
            Start::Weekly(weekday, time) => {
                let today = self.zone.date_at(now)?;
                // Eight days back: windows are shorter than a week, and clocks change by hours.
                std::iter::successors(Some(today), |day| day.yesterday().ok())
                    .take(9)
                    .filter(|day| day.weekday() == weekday)
                    .filter_map(|day| self.end_of(day.to_datetime(time), now))
                    .max()
            }
        }
    }

    /// The end of the window that starts at `start`, if `now` is in it.
    fn end_of(&self, start: DateTime, now: Timestamp) -> Option<Timestamp> {
        let start = self.zone.instant(start)?;
        let end = start.after(self.span);
        (start <= now && now < end).then_some(end)
    }
}

/// When the last of the windows ends that follow `now` without a gap; `None` outside of all.
///
/// Windows that cover the whole week have no such end: then it is one some weeks ahead.
pub(super) fn lifts_at(windows: &[Freeze], now: Timestamp) -> Option<Timestamp> {
    let end_after = |at: Timestamp| windows.iter().filter_map(|it| it.lifts_at(at)).max();
    std::iter::successors(end_after(now), |end| end_after(*end)).take(100).last()
}

impl Zone {
    /// The day that calendars show in the zone.
    fn date_at(&self, now: Timestamp) -> Option<civil::Date> {
        let millis = i64::try_from(now.as_millis()).ok()?;
        let instant = jiff::Timestamp::from_millisecond(millis).ok()?;
        Some(self.0.to_datetime(instant).date())
    }

    /// When the clocks of the zone show `local`.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let instant = self.0.to_timestamp(local).ok()?;
        u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
    }
}

impl FromStr for Zone {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let database = TimeZoneDatabase::bundled();
        if let Ok(zone) = database.get(text)
            && !zone.is_unknown()
        {
            return Ok(Self(zone));
        }
        let names: Vec<String> = database.available().map(|it| it.as_str().to_owned()).collect();
        let rule = match nearest(text, names.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "a name of the IANA database, such as `Europe/Madrid` or `UTC`".to_owned(),
        };
        Err(ValueError::new(text, "a time zone", rule))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

/// Reads `HH:MM` or `HH:MM:SS`.
fn clock(text: &str) -> Option<civil::Time> {
    let mut parts = text.split(':');
    let mut number = || parts.next().filter(|part| part.len() == 2).and_then(digits::<i8>);
    let (hour, minute) = (number()?, number()?);
    let second = if text.len() > 5 { number()? } else { 0 };
    if parts.next().is_some() {
        return None;
    }
    civil::Time::new(hour, minute, second, 0).ok()
}

/// Writes what [`clock`] reads.
struct Clock(civil::Time);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())?;
        if self.0.second() == 0 { Ok(()) } else { write!(f, ":{:02}", self.0.second()) }
    }
}

impl FromStr for FreezeStart {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let rule = "a weekday and a time such as `Fri 18:00`, or a day and a time such as \
                    `2026-12-24 18:00`, both on the clocks of `zone`";
        let refused = || ValueError::new(text, "the start of a window", rule);
        let (day, time) =
            text.split_once(' ').or_else(|| text.split_once('T')).ok_or_else(refused)?;
        let time = clock(time).ok_or_else(refused)?;
        let weekday = DAYS.iter().find(|(_, name)| *name == day).map(|(weekday, _)| *weekday);
        let start = match weekday {
            Some(weekday) => Start::Weekly(weekday, time),
            None => Start::Once(calendar(day).ok_or_else(refused)?.to_datetime(time)),
        };
        Ok(Self(start))
    }
}

impl fmt::Display for FreezeStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Start::Weekly(weekday, time) => {
                let name = DAYS.iter().find(|(day, _)| *day == weekday).map_or("", |(_, it)| it);
                write!(f, "{name} {}", Clock(time))
            }
            Start::Once(at) => write!(f, "{} {}", Calendar(at.date()), Clock(at.time())),
        }
    }
}

/// Reads what it is written as: `Fri 18:00 for 62h in Europe/Madrid`.
impl FromStr for Freeze {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts = text
            .split_once(" for ")
            .and_then(|(start, rest)| Some((start, rest.split_once(" in ")?)));
        let Some((start, (span, zone))) = parts else {
            let rule = "`<start> for <duration> in <zone>`";
            return Err(ValueError::new(text, "a window", rule));
        };
        Self::new(start.parse()?, span.parse()?, zone.parse()?)
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} in {}", self.start, Span::from(self.span), self.zone)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_millis(u64::try_from(instant.as_millisecond()).unwrap())
    }

    const WEEKEND: &str = "Fri 18:00 for 62h in Europe/Madrid";
    const SKIPPED: &str = "Sun 02:30 for 1h in Europe/Madrid";
    const HOLIDAYS: &str = "2026-12-24 18:00 for 14d in America/New_York";
    const MOST_OF_THE_WEEK: &str = "Wed 12:00 for 167h in UTC";
    const TOKYO: &str = "Sat 00:00 for 1d in Asia/Tokyo";

    #[test]
    fn a_window_lifts_when_its_time_has_passed() {
        for (window, now, expected) in [
            (WEEKEND, "2026-01-09T16:59:59Z", None),
            (WEEKEND, "2026-01-09T17:00:00Z", Some("2026-01-12T07:00:00Z")),
            (WEEKEND, "2026-01-12T06:59:59Z", Some("2026-01-12T07:00:00Z")),
            (WEEKEND, "2026-01-12T07:00:00Z", None),
            // The clocks go forward in it: it ends at 09:00 by the clock.
            (WEEKEND, "2026-03-27T16:59:59Z", None),
            (WEEKEND, "2026-03-29T12:00:00Z", Some("2026-03-30T07:00:00Z")),
            // In summer it starts an hour earlier in UTC.
            (WEEKEND, "2026-07-10T16:00:00Z", Some("2026-07-13T06:00:00Z")),
            // The clocks go back in it: it ends at 07:00 by the clock.
            (WEEKEND, "2026-10-26T05:59:59Z", Some("2026-10-26T06:00:00Z")),
            (WEEKEND, "2026-10-26T06:00:00Z", None),
            // 02:30 does not exist on this day; it is 03:30 then.
            (SKIPPED, "2026-03-29T01:29:59Z", None),
            (SKIPPED, "2026-03-29T01:30:00Z", Some("2026-03-29T02:30:00Z")),
            // 02:30 exists twice on this day; it is the first.
            (SKIPPED, "2026-10-25T00:30:00Z", Some("2026-10-25T01:30:00Z")),
            (SKIPPED, "2026-10-25T01:30:00Z", None),
            (HOLIDAYS, "2026-12-24T22:59:59Z", None),
            (HOLIDAYS, "2026-12-24T23:00:00Z", Some("2027-01-07T23:00:00Z")),
            (HOLIDAYS, "2027-01-07T23:00:00Z", None),
            (HOLIDAYS, "2027-12-25T00:00:00Z", None),
            (MOST_OF_THE_WEEK, "2026-01-14T10:59:59Z", Some("2026-01-14T11:00:00Z")),
            (MOST_OF_THE_WEEK, "2026-01-14T11:30:00Z", None),
            (MOST_OF_THE_WEEK, "2026-01-14T12:00:00Z", Some("2026-01-21T11:00:00Z")),
            (TOKYO, "2026-01-09T14:59:59Z", None),
            (TOKYO, "2026-01-09T15:00:00Z", Some("2026-01-10T15:00:00Z")),
        ] {
            let freeze: Freeze = window.parse().unwrap();
            let lifts = freeze.lifts_at(at(now)).map(|end| end.to_string());
            assert_eq!(lifts.as_deref(), expected, "{window} at {now}");
        }
    }

    #[test]
    fn instants_beyond_the_calendar_are_in_no_window() {
        let freeze: Freeze = WEEKEND.parse().unwrap();
        for millis in [0, u64::MAX, 253_402_300_799_999] {
            assert_eq!(freeze.lifts_at(Timestamp::from_millis(millis)), None, "{millis}");
        }
    }

    #[test]
    fn windows_that_follow_each_other_lift_together() {
        let windows = |texts: &[&str]| -> Vec<Freeze> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let monday = "Mon 08:00 for 2h in Europe/Madrid";
        let saturday = at("2026-01-10T12:00:00Z");
        for (texts, expected) in [
            (vec![], None),
            (vec![HOLIDAYS], None),
            (vec![WEEKEND], Some("2026-01-12T07:00:00Z")),
            (vec![monday, WEEKEND], Some("2026-01-12T09:00:00Z")),
            (vec![WEEKEND, "Sun 00:00 for 1h in UTC"], Some("2026-01-12T07:00:00Z")),
        ] {
            let lifts = lifts_at(&windows(&texts), saturday).map(|end| end.to_string());
            assert_eq!(lifts.as_deref(), expected, "{texts:?}");
        }
        let always = windows(&["Mon 00:00 for 4d in UTC", "Fri 00:00 for 3d in UTC"]);
        assert!(lifts_at(&always, saturday) > Some(saturday.after(WEEK)));
    }

    #[test]
    fn a_window_is_written_as_it_is_read() {
        for (text, shown) in [
            (WEEKEND, WEEKEND),
            (HOLIDAYS, HOLIDAYS),
            (
                "2026-12-24T18:00:30 for 24h in europe/madrid",
                "2026-12-24 18:00:30 for 1d in Europe/Madrid",
            ),
            ("Mon 00:00 for 90m in UTC", "Mon 00:00 for 90m in UTC"),
        ] {
            let freeze: Freeze = text.parse().unwrap();
            assert_eq!(freeze.to_string(), shown);
            assert_eq!(shown.parse(), Ok(freeze));
        }
    }

    fn refusal(text: &str) -> String {
        text.parse::<Freeze>().unwrap_err().to_string()
    }

    #[test]
    fn a_start_is_a_weekday_or_a_day_with_a_time() {
        for text in [
            "Fry 18:00",
            "fri 18:00",
            "Fri",
            "Fri 6pm",
            "Fri 24:00",
            "Fri 8:00",
            "Fri 18:00:60",
            "Fri 18:00:00:00",
            "0 18 * * 5",
            "2026-12-24T18:00:00Z",
            "2026-12-24 18:00+01:00",
            "2026-02-30 18:00",
            "2026-12-24",
        ] {
            assert_eq!(
                refusal(&format!("{text} for 1h in UTC")),
                format!(
                    "`{text}` is not the start of a window: a weekday and a time such as \
                     `Fri 18:00`, or a day and a time such as `2026-12-24 18:00`, both on the \
                     clocks of `zone`"
                )
            );
        }
        assert_eq!(
            refusal("Fri 18:00"),
            "`Fri 18:00` is not a window: `<start> for <duration> in <zone>`"
        );
    }

    #[test]
    fn a_window_has_an_end() {
        let weekly = "one that starts every week is shorter than 7d; to stop for longer, hold the \
                      lane";
        let once = "it is at most 366d; to stop for longer, hold the lane";
        for (start, length, rule) in [
            ("Fri 18:00", "0s", "it is longer than nothing"),
            ("2026-12-24 18:00", "0s", "it is longer than nothing"),
            ("Fri 18:00", "7d", weekly),
            ("2026-12-24 18:00", "367d", once),
        ] {
            assert_eq!(
                refusal(&format!("{start} for {length} in UTC")),
                format!("`{length}` is not the length of a window: {rule}")
            );
        }
    }

    #[test]
    fn a_zone_is_one_of_the_database() {
        let iana = "a name of the IANA database, such as `Europe/Madrid` or `UTC`";
        for (zone, rule) in [
            ("Madrid", iana),
            ("Etc/Unknown", iana),
            ("Europe/Barcelona", iana),
            ("../../etc/localtime", iana),
            ("+01:00", iana),
            ("Europe/Madird", "did you mean `Europe/Madrid`?"),
            ("America/New York", "did you mean `America/New_York`?"),
        ] {
            assert_eq!(
                refusal(&format!("Fri 18:00 for 1h in {zone}")),
                format!("`{zone}` is not a time zone: {rule}")
            );
        }
    }

    proptest! {
        #[test]
        fn an_end_is_after_now_and_within_the_length(
            day in 0_usize..7,
            hour in 0_u8..24,
            hours in 1_u64..168,
            zone in prop::sample::select(&["Europe/Madrid", "America/New_York", "Asia/Kolkata",
                "Australia/Lord_Howe", "Pacific/Apia", "UTC"][..]),
            now in 0_u64..4_000_000_000,
        ) {
            let text = format!("{} {hour:02}:00 for {hours}h in {zone}", DAYS[day].1);
            let freeze: Freeze = text.parse().unwrap();
            let now = Timestamp::from_millis(now * 1000);
            if let Some(end) = freeze.lifts_at(now) {
                prop_assert!(end > now && end.since(now) <= freeze.span);
                // Up to its end it goes on saying the same, or a later end of the next window.
                let last = Timestamp::from_millis(end.as_millis() - 1);
                prop_assert!(freeze.lifts_at(last) >= Some(end));
            }
            prop_assert_eq!(freeze.to_string().parse(), Ok(freeze));
        }
    }
}
