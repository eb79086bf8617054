//! What the texts of single values have in common: how a refused one is reported.

use std::borrow::Cow;
use std::fmt;

/// The most characters of a refused text that an error repeats.
///
/// Enough to recognise it; the position in the text says the rest.
const SHOWN: usize = 60;

/// Why a text is not a value of the wanted kind. The caller refuses the input and shows this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown} is not {kind}: {rule}")]
pub struct ValueError {
    shown: String,
    kind: &'static str,
    rule: Cow<'static, str>,
}

impl ValueError {
    pub(super) fn new(text: &str, kind: &'static str, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { shown: Quoted(text).to_string(), kind, rule: rule.into() }
    }

    /// An error that does not repeat the text, which may be a secret.
    pub(super) fn unseen(kind: &'static str, rule: &'static str) -> Self {
        Self { shown: "this".to_owned(), kind, rule: rule.into() }
    }
}

/// A text between backticks, shortened, on one line whatever it holds.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("an empty text");
        }
        let shown: String = self.0.chars().take(SHOWN).collect();
        let rest = if shown.len() < self.0.len() { "…" } else { "" };
        write!(f, "`{}{rest}`", OneLine(&shown))
    }
}

/// A text whose control characters are escaped, so that it cannot break or recolour a line.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// The whole text as a number, if it is only digits and fits.
pub(super) fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_text_is_shown_on_one_line() {
        let long = "é".repeat(61);
        for (text, expected) in [
            ("a b", "`a b`".to_owned()),
            ("", "an empty text".to_owned()),
            ("a\nb\u{1b}[31m", "`a\\nb\\u{1b}[31m`".to_owned()),
            (&long, format!("`{}…`", "é".repeat(60))),
        ] {
            assert_eq!(Quoted(text).to_string(), expected, "{text:?}");
        }
    }
}
