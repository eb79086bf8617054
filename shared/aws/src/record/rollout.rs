//! A rollout, active or ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use esclusa_core::configuration::{
    AlarmName, Configuration, EnvironmentConfiguration, SecretName, Severity, TargetGroup,
};
use esclusa_core::name::{Environment, HostId};
use esclusa_core::observation::Sources;
use esclusa_core::rollout::{
    Cause, HostRun, OnceStep, Progress, Rollout, RolloutId, Transition, Warning,
};
use esclusa_core::traffic::{GroupSettings, Target};
use serde::{Deserialize, Serialize};

use super::form::{Instant, Record, RecordError, Span, Text};
use super::order::{DocumentRecord, FenceRecord, VerbRecord};
use super::release::{ReasonRecord, ReleaseRecord, RunningRecord};
use super::stage::{CourseRecord, PhaseRecord};

words!(
    SeverityRecord = Severity { Critical, High, Medium, Low, Informational, Undefined, Untriaged }
);

words!(CauseRecord = Cause { Push, Rollback, Deploy, Restart, Repair });

fields!(SourcesRecord = Sources {
    service: Option<String>,
    defaults: Option<String>,
});

fields!(
    GroupRecord = GroupSettings {
        deregistration_delay: Span,
        interval: Span,
        unhealthy_threshold: u32,
        healthy_threshold: u32,
    }
);

fields!(
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    TargetRecord = Target {
        group: Text<TargetGroup>,
        host: Text<HostId>,
        port: u16,
    }
);

fields!(TransitionRecord = Transition { at: Instant, phase: String, text: String });

/// How far one host is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProgressRecord {
    Waiting,
    Touched,
    Done,
    Failed(ReasonRecord),
    Restored,
    Lost(ReasonRecord),
    Skipped(ReasonRecord),
}

impl Record for ProgressRecord {
    type Core = Progress;

    fn of(core: &Progress) -> Self {
        match core {
            Progress::Waiting => Self::Waiting,
            Progress::Touched => Self::Touched,
            Progress::Done => Self::Done,
            Progress::Failed(reason) => Self::Failed(Record::of(reason)),
            Progress::Restored => Self::Restored,
            Progress::Lost(reason) => Self::Lost(Record::of(reason)),
            Progress::Skipped(reason) => Self::Skipped(Record::of(reason)),
        }
    }

    fn read(self) -> Result<Progress, RecordError> {
        Ok(match self {
            Self::Waiting => Progress::Waiting,
            Self::Touched => Progress::Touched,
            Self::Done => Progress::Done,
            Self::Failed(reason) => Progress::Failed(reason.read()?),
            Self::Restored => Progress::Restored,
            Self::Lost(reason) => Progress::Lost(reason.read()?),
            Self::Skipped(reason) => Progress::Skipped(reason.read()?),
        })
    }
}

fields!(HostRunRecord = HostRun {
    zone: String,
    baseline: RunningRecord,
    progress: ProgressRecord,
    #[serde(default)]
    fetched: bool,
    #[serde(default)]
    told: bool,
    #[serde(default)]
    snapshot: Option<FenceRecord>,
    targets: BTreeSet<TargetRecord>,
    healthy: bool,
    answered_at: Instant,
});

fields!(WarningRecord = Warning { text: String, hosts: BTreeSet<Text<HostId>> });

/// How far what runs once is.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnceStepRecord {
    #[default]
    Unknown,
    Nothing,
    Due(Text<HostId>),
    Done,
}

impl Record for OnceStepRecord {
    type Core = OnceStep;

    fn of(core: &OnceStep) -> Self {
        match core {
            OnceStep::Unknown => Self::Unknown,
            OnceStep::Nothing => Self::Nothing,
            OnceStep::Due(host) => Self::Due(Record::of(host)),
            OnceStep::Done => Self::Done,
        }
    }

    fn read(self) -> Result<OnceStep, RecordError> {
        Ok(match self {
            Self::Unknown => OnceStep::Unknown,
            Self::Nothing => OnceStep::Nothing,
            Self::Due(host) => OnceStep::Due(host.read()?),
            Self::Done => OnceStep::Done,
        })
    }
}

/// All of a rollout but its configuration, which is read again from `sources`.
#[derive(Serialize, Deserialize)]
pub(super) struct RolloutRecord {
    id: String,
    cause: CauseRecord,
    actor: Option<String>,
    overriding: Option<String>,
    candidate: ReleaseRecord,
    #[serde(default)]
    scanned: Option<BTreeMap<SeverityRecord, usize>>,
    #[serde(default)]
    secrets: BTreeMap<Text<SecretName>, String>,
    #[serde(default)]
    excluded_alarms: BTreeSet<Text<AlarmName>>,
    #[serde(default)]
    go_on: Option<String>,
    #[serde(default)]
    waves_at: Vec<Instant>,
    #[serde(default)]
    turned_back_at: Option<Instant>,
    baseline: Option<ReleaseRecord>,
    sources: SourcesRecord,
    documents: BTreeMap<VerbRecord, DocumentRecord>,
    #[serde(default)]
    fleet: u64,
    groups: BTreeMap<Text<TargetGroup>, GroupRecord>,
    started: Instant,
    deadline: Instant,
    hosts: BTreeMap<Text<HostId>, HostRunRecord>,
    course: CourseRecord,
    phase: PhaseRecord,
    abort: Option<ReasonRecord>,
    #[serde(default)]
    one_way: bool,
    #[serde(default)]
    once: OnceStepRecord,
    #[serde(default)]
    warnings: Vec<WarningRecord>,
    #[serde(default)]
    halts: bool,
    #[serde(default)]
    noted: u64,
    history: Vec<TransitionRecord>,
}

impl RolloutRecord {
    pub(super) fn of(core: &Rollout) -> Self {
        Self {
            id: core.id.0.clone(),
            cause: Record::of(&core.cause),
            actor: core.actor.clone(),
            overriding: core.overriding.clone(),
            candidate: Record::of(&core.candidate),
            scanned: Record::of(&core.scanned),
            secrets: Record::of(&core.secrets),
            excluded_alarms: Record::of(&core.excluded_alarms),
            go_on: core.go_on.clone(),
            waves_at: Record::of(&core.waves_at),
            turned_back_at: Record::of(&core.turned_back_at),
            baseline: Record::of(&core.baseline),
            sources: SourcesRecord::of(&core.sources),
            documents: Record::of(&core.documents),
            fleet: core.fleet,
            groups: Record::of(&core.groups),
            started: Record::of(&core.started),
            deadline: Record::of(&core.deadline),
            hosts: Record::of(&core.hosts),
            course: Record::of(&core.course),
            phase: Record::of(&core.phase),
            abort: Record::of(&core.abort),
            one_way: core.one_way,
            once: Record::of(&core.once),
            warnings: Record::of(&core.warnings),
            halts: core.halts,
            noted: core.noted,
            history: Record::of(&core.history),
        }
    }

    pub(super) fn read(self, environment: &Environment) -> Result<Rollout, RecordError> {
        let sources = self.sources.read()?;
        let settings = settings(&sources, environment).map_err(|it| it.within("sources"))?;
        Ok(Rollout {
            id: RolloutId(self.id),
            cause: self.cause.read()?,
            actor: self.actor,
            overriding: self.overriding,
            candidate: self.candidate.read_in("candidate")?,
            scanned: self.scanned.read_in("scanned")?,
            secrets: self.secrets.read_in("secrets")?,
            excluded_alarms: self.excluded_alarms.read_in("excluded_alarms")?,
            go_on: self.go_on,
            waves_at: self.waves_at.read_in("waves_at")?,
            turned_back_at: self.turned_back_at.read_in("turned_back_at")?,
            baseline: self.baseline.read_in("baseline")?,
            sources: Arc::new(sources),
            settings: Arc::new(settings),
            documents: self.documents.read_in("documents")?,
            fleet: self.fleet,
            groups: self.groups.read_in("groups")?,
            started: self.started.read()?,
            deadline: self.deadline.read()?,
            hosts: self.hosts.read_in("hosts")?,
            course: self.course.read_in("course")?,
            phase: self.phase.read_in("phase")?,
            abort: self.abort.read()?,
            one_way: self.one_way,
            once: self.once.read_in("once")?,
            warnings: self.warnings.read_in("warnings")?,
            halts: self.halts,
            noted: self.noted,
            history: self.history.read()?,
        })
    }
}

/// The configuration that these texts gave when they were first read.
fn settings(
    sources: &Sources,
    environment: &Environment,
) -> Result<EnvironmentConfiguration, RecordError> {
    let read = Configuration::read(sources.service.as_deref(), sources.defaults.as_deref());
    let mut environments = read.map_err(RecordError::new)?.environments;
    let missing = || RecordError::new(format!("no environment `{environment}`"));
    environments.remove(environment).ok_or_else(missing)
}
