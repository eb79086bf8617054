//! The HTTP request that a healthy host answers.

use std::fmt;
use std::str::FromStr;

use super::value::{ValueError, digits};

/// The request that each host's service must answer after a change, asked on the host itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// The port on the host, 1 to 65535.
    pub port: u16,
    /// The path with its query; starts with `/`.
    pub path: HttpPath,
    /// The answers that count as healthy.
    pub expect: Statuses,
}

/// The path and query of a request, in characters that need no quoting anywhere on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPath(String);

impl HttpPath {
    /// `/`.
    pub(super) fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path as it is asked for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HttpPath {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~/?=&%-".contains(&byte);
        if text.starts_with('/') && text.len() <= 201 && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "it starts with `/` and has at most 200 letters, digits and \
                        `._~/?=&%-` after it, such as `/health`";
            Err(ValueError::new(text, "a path", rule))
        }
    }
}

impl fmt::Display for HttpPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A range of HTTP status codes, both ends included: `200-299`, or one alone: `200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    /// `200-299`.
    pub(super) const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Whether `status` is in the range.
    #[must_use]
    pub const fn contains(&self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }
}

impl FromStr for Statuses {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |code: &str| {
            digits::<u16>(code).filter(|it| code.len() == 3 && (100..=599).contains(it))
        };
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => {
                let rule = "one status such as `200`, or two ascending ones between 100 and 599 \
                            such as `200-299`";
                Err(ValueError::new(text, "a range of statuses", rule))
            }
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_needs_no_quoting() {
        let longest = format!("/{}", "a".repeat(200));
        let longer = format!("{longest}a");
        for (text, expected) in [
            ("/", true),
            ("/health", true),
            ("/health?full=1&by=a%20b~", true),
            (&longest, true),
            (&longer, false),
            ("", false),
            ("health", false),
            ("http://localhost/health", false),
            ("/a b", false),
            ("/a;reboot", false),
            ("/$(reboot)", false),
            ("/a'", false),
            ("/a\n", false),
            ("/é", false),
        ] {
            let read = text.parse::<HttpPath>();
            assert_eq!(read.is_ok(), expected, "{text:?}");
            match read {
                Ok(path) => assert_eq!((path.to_string().as_str(), path.as_str()), (text, text)),
                Err(error) => assert!(
                    error.to_string().ends_with(
                        " is not a path: it starts with `/` and has at most 200 letters, digits \
                         and `._~/?=&%-` after it, such as `/health`"
                    ),
                    "{error}"
                ),
            }
        }
    }

    #[test]
    fn statuses_are_a_range_with_both_ends() {
        for (text, first, last, shown) in [
            ("200-299", 200, 299, "200-299"),
            ("204", 204, 204, "204"),
            ("200-200", 200, 200, "200"),
            ("100-599", 100, 599, "100-599"),
        ] {
            let read: Statuses = text.parse().unwrap();
            assert_eq!((read.first, read.last, read.to_string().as_str()), (first, last, shown));
            assert!(read.contains(first) && read.contains(last), "{text}");
            assert!(!read.contains(first - 1) && !read.contains(last + 1), "{text}");
        }
        for text in ["299-200", "99", "600", "0200", "200-", "200,204", "2xx", "200-299-300", "-"] {
            let error = text.parse::<Statuses>().unwrap_err().to_string();
            let rule = "one status such as `200`, or two ascending ones between 100 and 599 such \
                        as `200-299`";
            assert_eq!(error, format!("`{text}` is not a range of statuses: {rule}"));
        }
    }
}
