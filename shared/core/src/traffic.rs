//! What a load balancer says of the hosts behind it.

use std::time::Duration;

use crate::configuration::TargetGroup;
use crate::name::HostId;

/// One registration: an instance may be registered several times with different ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The group.
    pub group: TargetGroup,
    /// The instance.
    pub host: HostId,
    /// The port.
    pub port: u16,
}

/// What the load balancer says of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Registered, not yet judged.
    Initial,
    /// In service.
    Healthy,
    /// Registered and out of service.
    Unhealthy,
    /// Deregistered, and still finishing requests.
    Draining,
    /// Registered in a group, or a zone, that no listener serves: it never becomes healthy.
    Unused,
    /// Registered, and its instance is stopped or terminated. Systems Manager lists such a host for
    /// minutes yet.
    Stopped,
    /// Health checks are off, or the state cannot be told.
    Unavailable,
}

impl Health {
    /// Whether the target is registered, whatever its health.
    #[must_use]
    pub fn is_registered(self) -> bool {
        match self {
            Self::Draining => false,
            Self::Initial
            | Self::Healthy
            | Self::Unhealthy
            | Self::Unused
            | Self::Stopped
            | Self::Unavailable => true,
        }
    }
}

/// One target as the load balancer described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTarget {
    /// Which.
    pub target: Target,
    /// How it is.
    pub health: Health,
    /// The load balancer's own word for why, empty when it gives none.
    pub reason: String,
}

/// What a look at a target group found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenGroup {
    /// There is none such.
    Absent,
    /// It holds something else than instances, by this word: `ip`, `lambda`, `alb`. Hosts cannot be
    /// registered there.
    OfOthers(String),
    /// It holds instances.
    OfInstances(GroupSettings),
}

/// The settings of a target group that decide how long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// How long a deregistered target is drained.
    pub deregistration_delay: Duration,
    /// Time between two health checks.
    pub interval: Duration,
    /// Failed checks in a row that take a target out of service.
    pub unhealthy_threshold: u32,
    /// Passed checks in a row that bring an unhealthy target back.
    pub healthy_threshold: u32,
}

impl GroupSettings {
    /// How long health that was read before a change may still be shown after it.
    #[must_use]
    pub fn staleness(&self) -> Duration {
        self.interval.saturating_mul(self.unhealthy_threshold.saturating_add(1))
    }

    /// How long a good target may take to be found healthy, with a margin of a minute for the
    /// registration itself.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let checks = self.healthy_threshold.saturating_add(self.unhealthy_threshold);
        let judged = self.interval.saturating_mul(checks.saturating_add(1));
        judged.saturating_add(Duration::from_mins(1))
    }
}
