//! What load balancing knows: target groups with their targets, load balancers, listeners.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};

/// Everything, by ARN.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) groups: BTreeMap<String, TargetGroup>,
    pub(crate) balancers: BTreeMap<String, Balancer>,
    pub(crate) listeners: BTreeMap<String, Listener>,
}

/// A target group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
    /// `instance` or `ip`.
    pub(crate) target_type: String,
    pub(crate) vpc: Option<String>,
    pub(crate) check: HealthCheck,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// A map in JSON has texts as keys, so targets are kept as a list.
    #[serde(with = "as_list")]
    pub(crate) targets: BTreeMap<TargetKey, Target>,
}

/// How a group's targets are checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) enabled: bool,
    pub(crate) protocol: String,
    /// A port, or `traffic-port`.
    pub(crate) port: String,
    pub(crate) path: String,
    /// For example `200` or `200-299,301`.
    pub(crate) matcher: String,
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    pub(crate) healthy: u32,
    pub(crate) unhealthy: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            enabled: true,
            protocol: "HTTP".to_owned(),
            port: "traffic-port".to_owned(),
            path: "/".to_owned(),
            matcher: "200".to_owned(),
            interval: 30,
            timeout: 5,
            healthy: 5,
            unhealthy: 2,
        }
    }
}

/// A target is its id with its port: one host can be there several times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TargetKey {
    pub(crate) id: String,
    pub(crate) port: u16,
}

impl TargetKey {
    /// The name of the target's server in HAProxy.
    pub(crate) fn server(&self) -> String {
        format!("{}_{}", self.id, self.port)
    }
}

/// A registered target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Until when it drains, if it was deregistered.
    pub(crate) draining_until: Option<Moment>,
    /// What the load balancer has seen; nothing survives a restart.
    #[serde(skip)]
    pub(crate) seen: Seen,
}

/// What the load balancer has seen of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is not among the load balancer's servers yet.
    #[default]
    Nothing,
    /// It is, and waits for its first check to pass.
    Starting {
        /// Since when checks fail, if they do.
        failing_since: Option<Moment>,
    },
    /// Checks pass, as far as the unhealthy threshold says.
    Healthy,
    /// Checks fail.
    Unhealthy(Failure),
}

/// Why a target is not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: &'static str,
    pub(crate) description: String,
}

impl Target {
    /// A target that was just registered.
    pub(crate) fn new() -> Self {
        Self { draining_until: None, seen: Seen::Nothing }
    }
}

/// A load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Balancer {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) scheme: String,
    pub(crate) created_at: Moment,
    pub(crate) subnets: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A listener that forwards to one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) arn: String,
    pub(crate) balancer: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
    pub(crate) group: String,
}

impl Model {
    /// The group, or the exception that says that there is none.
    pub(crate) fn group(&self, arn: &str) -> ApiResult<&TargetGroup> {
        self.groups.get(arn).ok_or_else(|| no_group(arn))
    }

    /// The group, to be changed.
    pub(crate) fn group_mut(&mut self, arn: &str) -> ApiResult<&mut TargetGroup> {
        self.groups.get_mut(arn).ok_or_else(|| no_group(arn))
    }

    /// Whether some listener forwards to the group.
    pub(crate) fn is_used(&self, group: &str) -> bool {
        self.listeners.values().any(|it| it.group == group)
    }

    /// Load balancers whose listeners forward to the group.
    pub(crate) fn balancers_of(&self, group: &str) -> Vec<&str> {
        let listeners = self.listeners.values().filter(|it| it.group == group);
        let mut arns: Vec<&str> = listeners.map(|it| it.balancer.as_str()).collect();
        arns.dedup();
        arns
    }

    /// Forgets targets that have drained; true if there were any.
    pub(crate) fn expire(&mut self, now: Moment) -> bool {
        let mut expired = false;
        for group in self.groups.values_mut() {
            let before = group.targets.len();
            group.targets.retain(|_, it| it.draining_until.is_none_or(|until| until > now));
            expired |= group.targets.len() < before;
        }
        expired
    }
}

fn no_group(arn: &str) -> ApiError {
    ApiError::client("TargetGroupNotFound", format!("Target groups '{arn}' not found"))
}

mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Target, TargetKey};

    pub(super) fn serialize<S: Serializer>(
        targets: &BTreeMap<TargetKey, Target>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        targets.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<TargetKey, Target>, D::Error> {
        Vec::<(TargetKey, Target)>::deserialize(from).map(|it| it.into_iter().collect())
    }
}
