//! What a service may configure.
//!
//! Everything has a default: a service without a text works. Two texts are read, the account's
//! defaults and under them the service's own, key by key: what the service says wins, a list
//! replaces a list, and tables are merged. Unknown keys and refused values are all reported at
//! once, each with its text, line and column; nothing of an invalid configuration is used.

mod environment;
mod fields;
mod freeze;
mod keys;
mod loosened;
mod nearest;
mod node;
mod pattern;
mod probe;
mod problem;
mod read;
mod reference;
mod retention;
mod section;
mod severity;
mod span;
mod value;
mod waiver;
mod waves;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use environment::{
    Bake, Compose, Drift, EnvironmentConfiguration, Gate, Health, OnFailure, Scan, Unreachable,
    WhenMissing,
};
pub use freeze::{Freeze, FreezeStart, Zone};
pub use nearest::nearest;
pub use pattern::Pattern;
pub use probe::{HttpPath, HttpProbe, Statuses};
pub use problem::{ConfigurationError, Origin, Problem};
pub use reference::{AlarmName, Permission, SecretName, TargetGroup};
pub use retention::{FirstRun, Retention};
pub use severity::Severity;
pub use span::Span;
pub use value::{OneLine, ValueError};
pub use waiver::{Date, FindingId, Waiver};
pub use waves::{Share, Waves};

use crate::name::{Environment, LaneId, Tag};
use crate::observation::Sources;
use crate::reason::{Code, Reason};

/// Everything that is configured for a service, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Every environment of the service; production and staging are always there.
    pub environments: BTreeMap<Environment, EnvironmentConfiguration>,
    /// How many of its images are kept.
    pub retention: Retention,
}

impl Configuration {
    /// What the stored texts say of one lane's environment.
    ///
    /// # Errors
    ///
    /// Why they cannot be used, for the lane's record.
    pub fn of(sources: &Sources, lane: &LaneId) -> Result<EnvironmentConfiguration, Reason> {
        let read = Self::read(sources.service.as_deref(), sources.defaults.as_deref());
        let mut read = read.map_err(|e| Reason::new(Code::CONFIG_INVALID, e.to_string()))?;
        read.environments.remove(&lane.environment).ok_or_else(|| {
            let LaneId { service, environment } = lane;
            let text = format!("{service} has no environment `{environment}` in its configuration");
            Reason::new(Code::CONFIG_INVALID, text)
        })
    }

    /// Reads a service's own text over the account's defaults; either may be missing.
    ///
    /// # Errors
    ///
    /// Whatever is wrong in either text, all of it together.
    pub fn read(
        service_text: Option<&str>,
        defaults_text: Option<&str>,
    ) -> Result<Self, ConfigurationError> {
        let service = service_text.map(|text| (Origin::Service, text));
        let defaults = defaults_text.map(|text| (Origin::Defaults, text));
        let texts: Vec<_> = service.into_iter().chain(defaults).collect();
        read::read(&texts)
    }

    /// The environments that a push of `tag` concerns: those that follow it, and those that ask
    /// for a version tag that it could be.
    pub fn environments_of(&self, tag: &Tag) -> impl Iterator<Item = &Environment> {
        self.environments.iter().filter_map(move |(environment, configured)| {
            let version = configured.require_version_tag.as_ref();
            (configured.tag == *tag || version.is_some_and(|it| it.matches(tag.as_str())))
                .then_some(environment)
        })
    }
}
