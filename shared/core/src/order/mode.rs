//! The ways of an activation.

use std::fmt;

/// What an activation does on its hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Changes what differs.
    #[default]
    Change,
    /// Makes every container of the service again.
    Restart,
    /// Runs what is labelled to run once for a release, and changes nothing that serves.
    Once,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Change => "change",
            Self::Restart => "restart",
            Self::Once => "once",
        })
    }
}
