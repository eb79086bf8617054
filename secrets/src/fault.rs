//! What keeps the application from starting, as one line each, and the exit code.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use esclusa_core::configuration::OneLine;

/// How a fault is mended, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing has to be changed: the next start may succeed.
    Temporary,
    /// The role or its credentials have to be changed.
    Denied,
    /// The configuration, the container or the secret has to be changed.
    Configuration,
}

impl Kind {
    /// The code of `sysexits.h`: `EX_TEMPFAIL`, `EX_NOPERM`, `EX_CONFIG`.
    const fn exit_code(self) -> u8 {
        match self {
            Self::Temporary => 75,
            Self::Denied => 77,
            Self::Configuration => 78,
        }
    }
}

/// What a fault is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// An environment variable of this process.
    Variable(String),
    /// A key in a file; the line counts from 1.
    Key { file: String, line: usize, key: String },
    /// Anything else that has a name.
    Thing(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "variable `{}`", OneLine(name)),
            Self::Key { file, line, key } if key.is_empty() => write!(f, "{file}, line {line}"),
            Self::Key { file, line, key } => {
                write!(f, "{file}, line {line}: `{}`", OneLine(key))
            }
            Self::Thing(name) => f.write_str(name),
        }
    }
}

/// Why something was not resolved and what to do about it. Never holds a secret value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(crate) fn at(self, place: &Place) -> Fault {
        Fault { place: place.clone(), failure: self }
    }
}

/// A failure and the place it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) failure: Failure,
}

impl Fault {
    /// A fault that somebody mends by changing what is written at `place`.
    pub(crate) fn configuration(place: &Place, text: impl Into<String>) -> Self {
        Failure::new(Kind::Configuration, text).at(place)
    }
}

/// One line, whatever the texts hold.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, OneLine(&self.failure.text))
    }
}

/// The exit code of these faults: a restart helps only where every fault is temporary.
pub(crate) fn exit_code(faults: &[Fault]) -> ExitCode {
    let worst = faults.iter().map(|fault| fault.failure.kind).max();
    worst.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.exit_code()))
}

/// Writes a line to standard error, where nobody may be there to read.
pub(crate) fn print_line(text: &str) {
    let _unread = writeln!(io::stderr(), "esclusa-secrets: {text}");
}
