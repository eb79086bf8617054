//! What one environment of a service is configured to do.

use std::collections::BTreeSet;
use std::time::Duration;

use super::freeze::{self, Freeze};
use super::pattern::Pattern;
use super::probe::HttpProbe;
use super::reference::{AlarmName, Permission, SecretName, TargetGroup};
use super::severity::Severity;
use super::waiver::Waiver;
use super::waves::{Share, Waves};
use crate::name::{Environment, Tag};
use crate::time::Timestamp;

/// Everything that is configured for one environment of a service, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentConfiguration {
    /// Where the Compose file comes from; the same in every environment of a service.
    pub compose: Compose,
    /// What a Compose file that travels with the image may ask for beyond its own containers.
    pub compose_allow: BTreeSet<Permission>,
    /// The tag that the lane follows. No other environment of the service follows it.
    pub tag: Tag,
    /// A tag that a digest must bear as well before it is rolled out, if any.
    pub require_version_tag: Option<Pattern>,
    /// What an image's scan must say.
    pub gate: Gate,
    /// How many hosts have changed at the end of each wave.
    pub waves: Waves,
    /// How many hosts stay in service meanwhile.
    pub min_in_service: Share,
    /// How a changed host shows that it works.
    pub health: Health,
    /// How long all hosts are watched after the last wave.
    pub bake: Bake,
    /// What happens to the hosts already changed when a rollout fails.
    pub on_failure: OnFailure,
    /// When no rollout starts.
    pub freeze: Vec<Freeze>,
    /// The load balancers' groups in which the hosts serve; none: in service means healthy.
    pub target_groups: Vec<TargetGroup>,
    /// What a host that does not answer at the start does to a rollout.
    pub unreachable: Unreachable,
    /// What is done about a host that runs something else than it should.
    pub drift: Drift,
    /// Secrets that must be usable before a rollout, and whose rotation restarts the service.
    pub secrets: Vec<SecretName>,
    /// Findings that do not block, each until a date.
    pub waivers: Vec<Waiver>,
}

/// Where the Compose file of a service comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compose {
    /// It comes with the image where that brings one, unless it would first take the place of the
    /// host's own and change more than the release.
    Auto,
    /// It lies on the host, where the team put it.
    Host,
    /// It comes with the image, whatever the host's own said.
    Image,
}

impl Compose {
    /// Whether the file of an image that brings one counts.
    #[must_use]
    pub fn may_come_with_image(self) -> bool {
        match self {
            Self::Auto | Self::Image => true,
            Self::Host => false,
        }
    }
}

/// What an image's scan must say before a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Findings of these severities block.
    pub block: BTreeSet<Severity>,
    /// More findings of these severities than the running release has block.
    pub not_worse_than_running: BTreeSet<Severity>,
    /// How long a verdict is waited for, at most 24 hours.
    pub wait: Duration,
    /// What a verdict decides that does not come.
    pub when_missing: WhenMissing,
    /// What an image decides that is never scanned.
    pub require_scan: Scan,
}

/// What is done when no scan verdict comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMissing {
    /// The image is not rolled out.
    Block,
    /// It is rolled out with a warning.
    Allow,
}

/// Whether an image must be scanned at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// An image that the registry does not scan is rolled out with a warning.
    Optional,
    /// An image that the registry does not scan is not rolled out.
    Required,
}

/// How a changed host shows that it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How long a host has to become healthy, 1 second to 12 minutes; `None`: by its
    /// healthchecks.
    pub deadline: Option<Duration>,
    /// A request that it must answer.
    pub http: Option<HttpProbe>,
}

/// The watching after the last wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bake {
    /// For how long (`for`), at most 24 hours; zero: not at all.
    pub span: Duration,
    /// Alarms that must stay silent.
    pub alarms: Vec<AlarmName>,
}

/// What happens to the hosts already changed when a rollout fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They get back what they ran before.
    Restore,
    /// They stay as they are, and a person decides.
    Halt,
}

/// What a host that does not answer at the start does to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The rollout fails before anything changes.
    Fail,
    /// The host is left out.
    Skip,
}

/// What is done about a host that runs something else than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is counted and shown.
    Report,
    /// It is put right.
    Repair,
}

impl EnvironmentConfiguration {
    /// When the windows end that forbid a start now, also those that follow without a gap.
    #[must_use]
    pub fn frozen_until(&self, now: Timestamp) -> Option<Timestamp> {
        freeze::lifts_at(&self.freeze, now)
    }

    /// What holds where nothing is configured: staging is quick and forgiving, every other
    /// environment as careful as production.
    pub(super) fn defaults(environment: &Environment, tag: Tag) -> Self {
        let careful = Self::careful(tag);
        if environment.as_str() != STAGING {
            return careful;
        }
        Self {
            require_version_tag: None,
            gate: Gate { block: BTreeSet::new(), when_missing: WhenMissing::Allow, ..careful.gate },
            waves: Waves::at_once(),
            bake: Bake { span: Duration::from_mins(1), ..careful.bake },
            drift: Drift::Repair,
            ..careful
        }
    }

    fn careful(tag: Tag) -> Self {
        Self {
            compose: Compose::Auto,
            compose_allow: BTreeSet::new(),
            tag,
            require_version_tag: Some(Pattern::versions()),
            gate: Gate {
                block: BTreeSet::from([Severity::Critical]),
                not_worse_than_running: BTreeSet::from([Severity::High]),
                wait: Duration::from_mins(10),
                when_missing: WhenMissing::Block,
                require_scan: Scan::Optional,
            },
            waves: Waves::careful(),
            min_in_service: Share::most(),
            health: Health { deadline: None, http: None },
            bake: Bake { span: Duration::from_mins(5), alarms: Vec::new() },
            on_failure: OnFailure::Restore,
            freeze: Vec::new(),
            target_groups: Vec::new(),
            unreachable: Unreachable::Fail,
            drift: Drift::Report,
            secrets: Vec::new(),
            waivers: Vec::new(),
        }
    }
}

pub(super) const PRODUCTION: &str = "production";
pub(super) const STAGING: &str = "staging";

/// The tag that an environment follows where nothing is configured: only two have one.
pub(super) fn default_tag(environment: &Environment) -> Option<&'static str> {
    match environment.as_str() {
        PRODUCTION => Some("latest"),
        STAGING => Some("staging"),
        _ => None,
    }
}
