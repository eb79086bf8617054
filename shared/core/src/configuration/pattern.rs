//! Patterns of tags.

use std::fmt;
use std::str::FromStr;

use super::value::ValueError;

/// A glob over tags: `*` stands for any characters, also none; all others stand for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The version tags that production asks for where nothing else is configured.
    pub(super) fn versions() -> Self {
        Self("v*".to_owned())
    }

    /// Whether the whole of `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The leftmost place for each part leaves the most room for those after it.
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else {
                return false;
            };
            rest = after;
        }
        rest.ends_with(last)
    }
}

impl FromStr for Pattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-*".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "at most 128 letters, digits, `_`, `.`, `-` and `*`, where `*` stands for \
                        any characters, such as `v*`";
            Err(ValueError::new(text, "a pattern of tags", rule))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("v*", "v1.0.0", true),
            ("v*", "v", true),
            ("v*", "1.0.0", false),
            ("v*", "av1", false),
            ("*", "", true),
            ("*", "anything", true),
            ("latest", "latest", true),
            ("latest", "latest2", false),
            ("*.0", "v1.0", true),
            ("*.0", "v1.0.1", false),
            ("*-rc", "-rc", true),
            ("v*.*.*", "v1.2.3", true),
            ("v*.*.*", "v1.2", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*ab", "ab", false),
            ("*ab*ab", "abab", true),
            ("*a*b*", "ba", false),
            ("**", "x", true),
            ("v.", "vx", false),
        ] {
            let read: Pattern = pattern.parse().unwrap();
            assert_eq!(read.matches(text), expected, "{pattern} on {text:?}");
            assert_eq!(read.to_string(), pattern);
        }
    }

    #[test]
    fn a_pattern_is_made_of_what_tags_are_made_of() {
        let rule = "at most 128 letters, digits, `_`, `.`, `-` and `*`, where `*` stands for any \
                    characters, such as `v*`";
        let long = "v".repeat(129);
        let shown = format!("`{}…`", "v".repeat(60));
        for (text, shown) in [
            ("", "an empty text"),
            ("v?", "`v?`"),
            ("v[0-9]", "`v[0-9]`"),
            ("a b", "`a b`"),
            (&long, &shown),
        ] {
            let error = text.parse::<Pattern>().unwrap_err().to_string();
            assert_eq!(error, format!("{shown} is not a pattern of tags: {rule}"));
        }
    }

    /// The definition, without thought of speed.
    fn fits(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
            Some((first, rest)) => text.first() == Some(first) && fits(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_the_definition_says(pattern in "[ab*]{1,7}", text in "[ab]{0,8}") {
            let read: Pattern = pattern.parse().unwrap();
            prop_assert_eq!(read.matches(&text), fits(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
