//! Lengths of time as a person writes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::value::{ValueError, digits};

/// A length of time in whole seconds: `90s`, `10m`, `24h`, `14d`.
///
/// A day is 24 hours, whatever the clocks of a zone do in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// Units from the longest to the shortest, in seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

const KIND: &str = "a duration";
const RULE: &str = "a whole number and `s`, `m`, `h` or `d`, such as `10m`";

/// The longest span that can be written, ten years: sums of spans and instants stay far from
/// their limits.
const LONGEST: Duration = Duration::from_hours(3650 * 24);

impl Span {
    /// The same length for arithmetic.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    /// Drops what is less than a second.
    fn from(length: Duration) -> Self {
        Self(Duration::from_secs(length.as_secs()))
    }
}

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refused = || ValueError::new(text, KIND, RULE);
        let seconds = UNITS
            .iter()
            .find_map(|&(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
            .and_then(|(number, unit)| digits::<u64>(number)?.checked_mul(unit))
            .ok_or_else(refused)?;
        let length = Duration::from_secs(seconds);
        if length > LONGEST {
            return Err(ValueError::new(text, KIND, "it is longer than ten years"));
        }
        Ok(Self(length))
    }
}

/// In the longest unit that needs no fraction.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let whole = |size: u64| seconds.checked_div(size).filter(|_| seconds.is_multiple_of(size));
        let longest = UNITS
            .iter()
            .filter_map(|&(unit, size)| Some((whole(size)?, unit)))
            .find(|(number, _)| *number > 0);
        let (number, unit) = longest.unwrap_or((0, 's'));
        write!(f, "{number}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let malformed = |text: &str| {
            Err(format!(
                "{text} is not a duration: a whole number and `s`, `m`, `h` or `d`, such as `10m`"
            ))
        };
        let too_long =
            |text: &str| Err(format!("{text} is not a duration: it is longer than ten years"));
        for (text, expected) in [
            ("90s", Ok((90, "90s"))),
            ("10m", Ok((600, "10m"))),
            ("120s", Ok((120, "2m"))),
            ("24h", Ok((86_400, "1d"))),
            ("62h", Ok((223_200, "62h"))),
            ("14d", Ok((1_209_600, "14d"))),
            ("0m", Ok((0, "0s"))),
            ("3650d", Ok((315_360_000, "3650d"))),
            ("3651d", too_long("`3651d`")),
            ("18446744073709551615d", malformed("`18446744073709551615d`")),
            ("99999999999999999999s", malformed("`99999999999999999999s`")),
            ("", malformed("an empty text")),
            ("m", malformed("`m`")),
            ("10", malformed("`10`")),
            ("10 m", malformed("`10 m`")),
            ("1h30m", malformed("`1h30m`")),
            ("-5m", malformed("`-5m`")),
            ("+5m", malformed("`+5m`")),
            ("1.5h", malformed("`1.5h`")),
            ("5min", malformed("`5min`")),
            ("10M", malformed("`10M`")),
            ("٣m", malformed("`٣m`")),
        ] {
            let read = text.parse::<Span>().map_err(|error| error.to_string());
            let expected = expected.map(|(seconds, shown)| (seconds, shown.to_owned()));
            let read = read.map(|span| (span.duration().as_secs(), span.to_string()));
            assert_eq!(read, expected, "reading {text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0_u64..=315_360_000) {
            let span = Span::from(Duration::from_secs(seconds));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
