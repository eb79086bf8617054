//! What a CloudWatch alarm says, which is one of three things or nothing.

use std::fmt;
use std::time::Duration;

/// What was seen of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// `OK`.
    Quiet,
    /// `ALARM`.
    Red,
    /// `INSUFFICIENT_DATA`.
    NoData,
    /// There is none of that name.
    Deleted,
    /// CloudWatch did not answer; why.
    Unknown(String),
}

/// An alarm at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenAlarm {
    /// What it says.
    pub state: AlarmState,
    /// How far it looks back; zero where it does not say, as one that is made of others.
    pub window: Duration,
}

impl SeenAlarm {
    /// An alarm that could not be read, or that does not say how far it looks back.
    #[must_use]
    pub fn of(state: AlarmState) -> Self {
        Self { state, window: Duration::ZERO }
    }
}

/// What follows `the alarm …` in a sentence.
impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quiet => f.write_str("is quiet"),
            Self::Red => f.write_str("is red"),
            Self::NoData => f.write_str("has no data"),
            Self::Deleted => f.write_str("does not exist"),
            Self::Unknown(why) => write!(f, "cannot be read: {why}"),
        }
    }
}
