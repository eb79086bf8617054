//! What an order is answered with.

use crate::reason::{Code, Reason};
use crate::release::Running;

/// Why an order is not carried out. Nothing was changed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Reason);

impl Refusal {
    /// A refusal with its code and its sentence.
    #[must_use]
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self(Reason::new(Code::read(code), text))
    }
}

/// Whether what ran before is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// Nothing had to be put back.
    NotNeeded,
    /// By policy nothing was put back, or not yet.
    No,
    /// It is back.
    Yes,
    /// It could not be put back.
    Failed,
}

impl Restored {
    /// The word of the answer.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotNeeded => "not-needed",
            Self::No => "no",
            Self::Yes => "yes",
            Self::Failed => "failed",
        }
    }
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `ok`, or why not.
    pub reason: Reason,
    /// What ran when the order began; nothing where that is what runs now.
    pub before: Option<Running>,
    /// Whether what ran before is back.
    pub restored: Restored,
    /// Whether the order changed anything that runs.
    pub changed: bool,
    /// Whether it made the host run what it was told.
    pub is_activated: bool,
    /// Whether this is the order's last word: else it is carried on when it is given again.
    pub is_final: bool,
    /// Sentences for a person.
    pub warnings: Vec<String>,
}

impl Report {
    /// An order that did what it was told.
    #[must_use]
    pub fn done(text: impl Into<String>, before: Option<Running>, warnings: Vec<String>) -> Self {
        Self {
            reason: Reason::new(Code::OK, text),
            before,
            restored: Restored::NotNeeded,
            changed: true,
            is_activated: true,
            is_final: true,
            warnings,
        }
    }

    /// An order that was refused, and changed nothing.
    #[must_use]
    pub fn refused(refusal: Refusal, warnings: Vec<String>) -> Self {
        Self {
            reason: refusal.0,
            before: None,
            restored: Restored::NotNeeded,
            changed: false,
            is_activated: false,
            is_final: true,
            warnings,
        }
    }
}

/// The exit code of an answer. 194 never occurs: it would make the agent reboot the host.
#[must_use]
pub fn exit_code(code: &str, changed: bool, restored: Restored) -> u8 {
    match (code, changed, restored) {
        ("ok", _, _) => 0,
        (code, _, _) if code.starts_with("order.") => 10,
        (code, _, _) if code.starts_with("release.") => 12,
        (_, false, _) => 11,
        (_, true, Restored::Yes | Restored::NotNeeded) => 13,
        (_, true, Restored::No | Restored::Failed) => 14,
    }
}
