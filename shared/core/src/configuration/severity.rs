//! How bad a finding of an image scan is.

use std::fmt;
use std::str::FromStr;

use super::nearest::nearest;
use super::value::ValueError;

/// A severity as ECR names it, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `CRITICAL`.
    Critical,
    /// `HIGH`.
    High,
    /// `MEDIUM`.
    Medium,
    /// `LOW`.
    Low,
    /// `INFORMATIONAL`.
    Informational,
    /// `UNDEFINED`: the source gave none.
    Undefined,
    /// `UNTRIAGED`: nobody has judged it yet.
    Untriaged,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Critical,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Informational,
        Self::Undefined,
        Self::Untriaged,
    ];

    /// As ECR writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Informational => "INFORMATIONAL",
            Self::Undefined => "UNDEFINED",
            Self::Untriaged => "UNTRIAGED",
        }
    }
}

impl FromStr for Severity {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let found = Self::ALL.into_iter().find(|severity| severity.as_str() == text);
        found.ok_or_else(|| {
            let rule = if text == "TOTAL" {
                "it is the sum of all severities; name those that are meant, such as `CRITICAL`"
                    .to_owned()
            } else if let Some(meant) = nearest(text, Self::ALL.map(Self::as_str)) {
                format!("did you mean `{meant}`?")
            } else {
                format!("they are `{}`", Self::ALL.map(Self::as_str).join("`, `"))
            };
            ValueError::new(text, "a severity", rule)
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_is_named_as_ecr_names_it() {
        for severity in Severity::ALL {
            assert_eq!(severity.to_string().parse(), Ok(severity));
        }
        for (text, expected) in [
            (
                "TOTAL",
                "`TOTAL` is not a severity: it is the sum of all severities; name those that are \
                 meant, such as `CRITICAL`",
            ),
            ("critical", "`critical` is not a severity: did you mean `CRITICAL`?"),
            ("UNTRIAGE", "`UNTRIAGE` is not a severity: did you mean `UNTRIAGED`?"),
            (
                "ANY",
                "`ANY` is not a severity: they are `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, \
                 `INFORMATIONAL`, `UNDEFINED`, `UNTRIAGED`",
            ),
        ] {
            assert_eq!(text.parse::<Severity>().unwrap_err().to_string(), expected);
        }
    }
}
