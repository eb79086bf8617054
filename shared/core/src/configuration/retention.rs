//! How many images of a service are kept.

use std::time::Duration;

/// What retention keeps of a service, beside everything that is still needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Versions kept for each environment, 1 to 1000.
    pub versions: usize,
    /// How long an image is kept whose tags no environment follows.
    pub unmapped: Duration,
    /// How long an image without a tag is kept: a multi-architecture push uploads the parts first.
    pub untagged_grace: Duration,
    /// The most images that one run deletes, 1 to 10,000.
    pub max_deletions: usize,
    /// What the first run on a repository does.
    pub first_run: FirstRun,
}

/// What the first run of retention on a repository does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRun {
    /// It plans, and a person applies the plan.
    Plan,
    /// It deletes, as every later run (`apply_from_start = true`).
    Apply,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            versions: 10,
            unmapped: Duration::from_hours(14 * 24),
            untagged_grace: Duration::from_hours(24),
            max_deletions: 100,
            first_run: FirstRun::Plan,
        }
    }
}
