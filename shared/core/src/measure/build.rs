//! What a pipeline reports of a build.

use std::time::Duration;

use super::{Datum, Metric, Subject};
use crate::digest::Digest;
use crate::name::Service;
use crate::time::Timestamp;

/// The longest build that is believed: GitHub ends a job after six hours, and a run after 35 days.
const LONGEST: Duration = Duration::from_hours(24);

/// How far the clocks of pipelines may be ahead.
const AHEAD: Duration = Duration::from_mins(5);

/// CloudWatch takes no data that are older.
const OLDEST: Duration = Duration::from_hours(14 * 24);

/// How a build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
}

/// A build that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Of which service.
    pub service: Service,
    /// Names it among the builds of the service: the same one is counted once.
    pub id: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// When its commit was made, where the pipeline says so.
    pub committed: Option<Timestamp>,
    /// The image that it pushed, where it pushed one.
    pub digest: Option<Digest>,
}

/// Why a report is not believed. Nothing is counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// It ends before it begins.
    #[error("`ended` ({ended}) is before `started` ({started})")]
    Backwards {
        /// When it began.
        started: Timestamp,
        /// When it ended.
        ended: Timestamp,
    },
    /// It took longer than builds take.
    #[error("the build took {} h, and more than 24 h is taken for a mistake", hours(*.0))]
    TooLong(Duration),
    /// It ends in the future.
    #[error("`ended` ({ended}) is in the future: it is {now} now")]
    Ahead {
        /// When it is said to have ended.
        ended: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// CloudWatch would not take it.
    #[error("`ended` ({0}) is more than 14 days ago, which CloudWatch does not take")]
    TooOld(Timestamp),
    /// The commit was made after the build that built it.
    #[error("`committed` ({0}) is after `ended`")]
    Uncommitted(Timestamp),
}

fn hours(span: Duration) -> u64 {
    span.as_secs() / 3600
}

impl Build {
    /// What is counted of it.
    ///
    /// # Errors
    ///
    /// Times that cannot be true.
    pub fn data(&self, now: Timestamp) -> Result<Vec<Datum>, BuildError> {
        let (started, ended) = (self.started, self.ended);
        if ended < started {
            return Err(BuildError::Backwards { started, ended });
        }
        let took = ended.since(started);
        if took > LONGEST {
            return Err(BuildError::TooLong(took));
        }
        if ended > now.after(AHEAD) {
            return Err(BuildError::Ahead { ended, now });
        }
        if now.since(ended) > OLDEST {
            return Err(BuildError::TooOld(ended));
        }
        if let Some(committed) = self.committed.filter(|it| *it > ended) {
            return Err(BuildError::Uncommitted(committed));
        }
        let datum = |metric, value| {
            Datum::new(metric, Subject::service(&self.service), value, ended.min(now))
        };
        let counted = match self.outcome {
            Outcome::Succeeded => Metric::BuildSucceeded,
            Outcome::Failed => Metric::BuildFailed,
        };
        Ok(vec![datum(Metric::BuildDuration, took.as_secs_f64()), datum(counted, 1.0)])
    }
}
