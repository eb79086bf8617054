//! What is wrong with a configuration, and where.

use std::fmt;

use super::value::OneLine;

/// Which text a value or a problem comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The account-wide defaults.
    Defaults,
    /// The service's own configuration.
    Service,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Defaults => "`/esclusa/defaults`",
            Self::Service => "the service's configuration",
        })
    }
}

/// One thing that is wrong with a configuration.
///
/// Written as one line: where it is, which key, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The text that it is in.
    pub origin: Origin,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do, with the key.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, line, column, text } = self;
        write!(f, "{origin}, line {line}, column {column}: {}", OneLine(text))
    }
}

/// Why a configuration was not read. Nothing of it is used: show it and keep what there was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationError {
    problems: Vec<Problem>,
}

impl ConfigurationError {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { problems }
    }

    /// Everything that is wrong: the defaults first, each text from top to bottom; never empty.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// One line for each problem.
impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigurationError {}
