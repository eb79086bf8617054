//! Where a rollout and its batches stand.

use std::collections::BTreeSet;

use esclusa_core::configuration::TargetGroup;
use esclusa_core::name::HostId;
use esclusa_core::rollout::{Bake, Batch, Course, End, Phase, Question, Stage};
use serde::{Deserialize, Serialize};

use super::form::{Instant, Record, RecordError, Span, Text};
use super::order::{OrdersRecord, WatchRecord};
use super::release::ReasonRecord;

words!(
    EndRecord = End { Succeeded, Rejected, Failed, Restored, Stuck, Halted, Aborted, Superseded }
);

/// Which way a rollout goes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CourseRecord {
    Forward,
    Back { cause: ReasonRecord, deadline: Instant },
}

impl Record for CourseRecord {
    type Core = Course;

    fn of(core: &Course) -> Self {
        match core {
            Course::Forward => Self::Forward,
            Course::Back { cause, deadline } => {
                Self::Back { cause: Record::of(cause), deadline: Record::of(deadline) }
            }
        }
    }

    fn read(self) -> Result<Course, RecordError> {
        Ok(match self {
            Self::Forward => Course::Forward,
            Self::Back { cause, deadline } => {
                Course::Back { cause: cause.read()?, deadline: deadline.read()? }
            }
        })
    }
}

/// Where a batch stands.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StageRecord {
    Checking(OrdersRecord),
    Draining {
        sent: BTreeSet<Text<TargetGroup>>,
        watch: WatchRecord,
        deadline: Instant,
    },
    Activating(OrdersRecord),
    Settling {
        sent: BTreeSet<Text<TargetGroup>>,
        healthy_since: Option<Instant>,
        span: Span,
        watch: WatchRecord,
        deadline: Instant,
    },
}

impl Record for StageRecord {
    type Core = Stage;

    fn of(core: &Stage) -> Self {
        match core {
            Stage::Checking(orders) => Self::Checking(Record::of(orders)),
            Stage::Draining { sent, watch, deadline } => Self::Draining {
                sent: Record::of(sent),
                watch: Record::of(watch),
                deadline: Record::of(deadline),
            },
            Stage::Activating(orders) => Self::Activating(Record::of(orders)),
            Stage::Settling { sent, healthy_since, span, watch, deadline } => Self::Settling {
                sent: Record::of(sent),
                healthy_since: Record::of(healthy_since),
                span: Record::of(span),
                watch: Record::of(watch),
                deadline: Record::of(deadline),
            },
        }
    }

    fn read(self) -> Result<Stage, RecordError> {
        Ok(match self {
            Self::Checking(orders) => Stage::Checking(orders.read_in("checking")?),
            Self::Draining { sent, watch, deadline } => Stage::Draining {
                sent: sent.read_in("sent")?,
                watch: watch.read()?,
                deadline: deadline.read()?,
            },
            Self::Activating(orders) => Stage::Activating(orders.read_in("activating")?),
            Self::Settling { sent, healthy_since, span, watch, deadline } => Stage::Settling {
                sent: sent.read_in("sent")?,
                healthy_since: healthy_since.read()?,
                span: span.read()?,
                watch: watch.read()?,
                deadline: deadline.read()?,
            },
        })
    }
}

fields!(BatchRecord = Batch {
    hosts: Vec<Text<HostId>>,
    drained: bool,
    stage: StageRecord,
});

fields!(BakeRecord = Bake {
    until: Instant,
    watch: WatchRecord,
    doubts: u32,
    #[serde(default)]
    orders: Option<OrdersRecord>,
    #[serde(default)]
    asked_at: Instant,
});

fields!(
    QuestionRecord =
        Question { reason: ReasonRecord, until: Instant, bake: BakeRecord, watch: WatchRecord }
);

/// Where a rollout stands.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PhaseRecord {
    Gating(OrdersRecord),
    Prefetching(OrdersRecord),
    RunningOnce(OrdersRecord),
    Choosing {
        watch: WatchRecord,
        deadline: Instant,
        #[serde(default)]
        checked_at: Option<Instant>,
    },
    Changing(BatchRecord),
    Baking(BakeRecord),
    Asking(QuestionRecord),
    Verifying(OrdersRecord),
    Ended(EndRecord, ReasonRecord),
}

impl Record for PhaseRecord {
    type Core = Phase;

    fn of(core: &Phase) -> Self {
        match core {
            Phase::Gating(orders) => Self::Gating(Record::of(orders)),
            Phase::Prefetching(orders) => Self::Prefetching(Record::of(orders)),
            Phase::RunningOnce(orders) => Self::RunningOnce(Record::of(orders)),
            Phase::Choosing { watch, deadline, checked_at } => Self::Choosing {
                watch: Record::of(watch),
                deadline: Record::of(deadline),
                checked_at: Record::of(checked_at),
            },
            Phase::Changing(batch) => Self::Changing(Record::of(batch)),
            Phase::Baking(bake) => Self::Baking(Record::of(bake)),
            Phase::Asking(asked) => Self::Asking(Record::of(asked)),
            Phase::Verifying(orders) => Self::Verifying(Record::of(orders)),
            Phase::Ended(end, reason) => Self::Ended(Record::of(end), Record::of(reason)),
        }
    }

    fn read(self) -> Result<Phase, RecordError> {
        Ok(match self {
            Self::Gating(orders) => Phase::Gating(orders.read_in("gating")?),
            Self::Prefetching(orders) => Phase::Prefetching(orders.read_in("prefetching")?),
            Self::RunningOnce(orders) => Phase::RunningOnce(orders.read_in("running_once")?),
            Self::Choosing { watch, deadline, checked_at } => Phase::Choosing {
                watch: watch.read()?,
                deadline: deadline.read()?,
                checked_at: checked_at.read()?,
            },
            Self::Changing(batch) => Phase::Changing(batch.read_in("changing")?),
            Self::Baking(bake) => Phase::Baking(bake.read_in("baking")?),
            Self::Asking(asked) => Phase::Asking(asked.read_in("asking")?),
            Self::Verifying(orders) => Phase::Verifying(orders.read_in("verifying")?),
            Self::Ended(end, reason) => Phase::Ended(end.read()?, reason.read()?),
        })
    }
}
