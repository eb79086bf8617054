//! Where a rollout and its batches stand.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Bake, End, Question, Rollout};
use crate::configuration::TargetGroup;
use crate::name::HostId;
use crate::order::{Orders, Watch};
use crate::reason::Reason;
use crate::time::Timestamp;

/// Where a batch stands: the same stages forward and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Hosts that have not answered for a minute are asked before they lose their traffic.
    Checking(Orders),
    /// Their targets are taken out of service, and finish their requests by `deadline`.
    Draining {
        /// Groups whose deregistration is out.
        sent: BTreeSet<TargetGroup>,
        /// When to look.
        watch: Watch,
        /// When draining counts as failed.
        deadline: Timestamp,
    },
    /// They are told to run the image.
    Activating(Orders),
    /// Their targets are registered again, and must be found healthy by `deadline`.
    Settling {
        /// Groups whose registration is out.
        sent: BTreeSet<TargetGroup>,
        /// Since when all of them have been healthy.
        healthy_since: Option<Timestamp>,
        /// How long they must stay so: one check interval, or until old health has gone stale.
        span: Duration,
        /// When to look.
        watch: Watch,
        /// When settling counts as failed.
        deadline: Timestamp,
    },
}

/// Hosts that are out of service together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Who.
    pub hosts: Vec<HostId>,
    /// Whether they were taken out of service; a single host is not.
    pub drained: bool,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Every host is asked what it runs.
    Gating(Orders),
    /// Every host that will change pulls its image; nothing stops.
    Prefetching(Orders),
    /// One host runs what runs once for the release; nothing that serves has been touched.
    RunningOnce(Orders),
    /// The next batch is chosen, or there is no headroom for one until `deadline`.
    Choosing {
        /// When to look again.
        watch: Watch,
        /// When the wait counts as failed.
        deadline: Timestamp,
        /// When the hosts that are done were last asked, since the batch before ended.
        checked_at: Option<Timestamp>,
    },
    /// A batch changes.
    Changing(Batch),
    /// Every host runs the candidate, and is watched.
    Baking(Bake),
    /// A person is asked whether it goes on.
    Asking(Question),
    /// Every host is asked once more what it runs.
    Verifying(Orders),
    /// Over.
    Ended(End, Reason),
}

impl Phase {
    /// The word that `status` and the logs use.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gating(_) => "gating",
            Self::Prefetching(_) => "prefetching",
            Self::RunningOnce(_) => "running_once",
            Self::Choosing { .. } => "choosing",
            Self::Changing(batch) => match batch.stage {
                Stage::Checking(_) => "checking",
                Stage::Draining { .. } => "draining",
                Stage::Activating(_) => "activating",
                Stage::Settling { .. } => "settling",
            },
            Self::Baking(_) => "baking",
            Self::Asking(_) => "asking",
            Self::Verifying(_) => "verifying",
            Self::Ended(..) => "ended",
        }
    }
}

impl Rollout {
    /// The orders that are out or to be sent.
    #[must_use]
    pub fn orders(&self) -> Option<&Orders> {
        match &self.phase {
            Phase::Gating(orders)
            | Phase::Prefetching(orders)
            | Phase::RunningOnce(orders)
            | Phase::Verifying(orders) => Some(orders),
            Phase::Changing(batch) => match &batch.stage {
                Stage::Checking(orders) | Stage::Activating(orders) => Some(orders),
                Stage::Draining { .. } | Stage::Settling { .. } => None,
            },
            Phase::Baking(bake) => bake.orders.as_ref(),
            Phase::Choosing { .. } | Phase::Asking(_) | Phase::Ended(..) => None,
        }
    }

    /// The orders that are out or to be sent, to record what became of them.
    pub(crate) fn orders_mut(&mut self) -> Option<&mut Orders> {
        match &mut self.phase {
            Phase::Gating(orders)
            | Phase::Prefetching(orders)
            | Phase::RunningOnce(orders)
            | Phase::Verifying(orders) => Some(orders),
            Phase::Changing(batch) => match &mut batch.stage {
                Stage::Checking(orders) | Stage::Activating(orders) => Some(orders),
                Stage::Draining { .. } | Stage::Settling { .. } => None,
            },
            Phase::Baking(bake) => bake.orders.as_mut(),
            Phase::Choosing { .. } | Phase::Asking(_) | Phase::Ended(..) => None,
        }
    }
}
