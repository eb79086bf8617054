//! A lane.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::configuration::SecretName;
use esclusa_core::digest::Digest;
use esclusa_core::lane::{
    Asked, Attempt, Blocker, Hold, HostRecord, Lane, LastKnown, Lease, Pin, Quarantine, Rotation,
    Success, Vetting, WakeUp,
};
use esclusa_core::name::{HostId, LaneId};
use esclusa_core::request::RequestId;
use esclusa_core::scan::Platform;
use serde::{Deserialize, Serialize};

use super::announcement::AnnouncementRecord;
use super::errand::{ErrandRecord, InspectionRecord};
use super::form::{Instant, Record, RecordError, Text};
use super::order::WatchRecord;
use super::release::{ReasonRecord, ReleaseRecord, RunningRecord};
use super::rollout::{CauseRecord, RolloutRecord, SeverityRecord, TargetRecord};
use super::stage::EndRecord;

fields!(LeaseRecord = Lease { owner: String, until: Instant });

fields!(WakeUpRecord = WakeUp { sequence: u64, at: Instant });

fields!(SuccessRecord = Success {
    release: ReleaseRecord,
    at: Instant,
    #[serde(default)]
    scanned: Option<BTreeMap<SeverityRecord, usize>>,
});

fields!(VettingRecord = Vetting { digest: Text<Digest>, watch: WatchRecord });

fields!(RotationRecord = Rotation {
    secrets: BTreeSet<Text<SecretName>>,
    since: Instant,
    due: Instant,
    tries: u32,
});

fields!(BlockerRecord = Blocker {
    release: Option<ReleaseRecord>,
    reason: ReasonRecord,
    lifts_at: Option<Instant>,
});

fields!(AskedRecord = Asked {
    release: ReleaseRecord,
    cause: CauseRecord,
    actor: String,
    overriding: Option<String>,
    #[serde(default)]
    at: Instant,
});

fields!(AttemptRecord = Attempt {
    digest: Text<Digest>,
    end: EndRecord,
    reason: ReasonRecord,
    with: String,
    at: Instant,
    tries: u32,
});

fields!(HoldRecord = Hold {
    reason: ReasonRecord,
    actor: Option<String>,
    since: Instant,
});

fields!(QuarantineRecord = Quarantine { reason: ReasonRecord, since: Instant });

fields!(PinRecord = Pin { until: Instant, reason: String, actor: String });

fields!(
    HostRecordRecord = HostRecord {
        running: RunningRecord,
        #[serde(default)]
        is_well: bool,
        seen_at: Instant,
    }
);

fields!(LastKnownRecord = LastKnown { digests: BTreeSet<Text<Digest>>, since: Instant });

/// All of a lane but what was seen in the pass, and the rollouts that ended in it and what it has
/// come to want, which have items of their own.
#[derive(Serialize, Deserialize)]
pub(super) struct LaneRecord {
    id: Text<LaneId>,
    revision: u64,
    epoch: u64,
    generation: u64,
    lease: Option<LeaseRecord>,
    armed: Option<WakeUpRecord>,
    repository: Option<String>,
    current: Option<ReleaseRecord>,
    successes: Vec<SuccessRecord>,
    desired: Option<ReleaseRecord>,
    blocker: Option<BlockerRecord>,
    #[serde(default)]
    vetting: Option<VettingRecord>,
    #[serde(default)]
    secrets: BTreeMap<Text<SecretName>, String>,
    #[serde(default)]
    secrets_at: Option<Instant>,
    #[serde(default)]
    rotation: Option<RotationRecord>,
    rollout: Option<RolloutRecord>,
    next: Option<ReleaseRecord>,
    asked: Option<AskedRecord>,
    last_attempt: Option<AttemptRecord>,
    hold: Option<HoldRecord>,
    adopted: bool,
    #[serde(default)]
    halted: bool,
    quarantine: BTreeMap<Text<Digest>, QuarantineRecord>,
    #[serde(default)]
    pins: BTreeMap<Text<Digest>, PinRecord>,
    hosts: BTreeMap<Text<HostId>, HostRecordRecord>,
    #[serde(default)]
    platforms: BTreeMap<Text<HostId>, Option<Text<Platform>>>,
    #[serde(default)]
    lost: BTreeMap<Text<HostId>, LastKnownRecord>,
    owed: BTreeMap<Text<HostId>, BTreeSet<TargetRecord>>,
    errands: BTreeMap<Text<HostId>, ErrandRecord>,
    inspection: Option<InspectionRecord>,
    #[serde(default)]
    inspected_at: Instant,
    #[serde(default)]
    announced: u64,
    #[serde(default)]
    outbox: Vec<AnnouncementRecord>,
    requests: Vec<String>,
}

impl LaneRecord {
    pub(super) fn of(core: &Lane) -> Self {
        Self {
            id: Record::of(&core.id),
            revision: core.revision,
            epoch: core.epoch,
            generation: core.generation,
            lease: Record::of(&core.lease),
            armed: Record::of(&core.armed),
            repository: core.repository.clone(),
            current: Record::of(&core.current),
            successes: Record::of(&core.successes),
            desired: Record::of(&core.desired),
            blocker: Record::of(&core.blocker),
            vetting: Record::of(&core.vetting),
            secrets: Record::of(&core.secrets),
            secrets_at: Some(Record::of(&core.secrets_at)),
            rotation: Record::of(&core.rotation),
            rollout: core.rollout.as_ref().map(RolloutRecord::of),
            next: Record::of(&core.next),
            asked: Record::of(&core.asked),
            last_attempt: Record::of(&core.last_attempt),
            hold: Record::of(&core.hold),
            adopted: core.adopted,
            halted: core.halted,
            quarantine: Record::of(&core.quarantine),
            pins: Record::of(&core.pins),
            hosts: Record::of(&core.hosts),
            platforms: Record::of(&core.platforms),
            lost: Record::of(&core.lost),
            owed: Record::of(&core.owed),
            errands: Record::of(&core.errands),
            inspection: Record::of(&core.inspection),
            inspected_at: Record::of(&core.inspected_at),
            announced: core.announced,
            outbox: Record::of(&core.outbox),
            requests: core.requests.iter().map(|id| id.0.clone()).collect(),
        }
    }

    pub(super) fn read(self) -> Result<Lane, RecordError> {
        let mut lane = Lane::new(self.id.read_in("id")?, self.epoch);
        lane.revision = self.revision;
        lane.generation = self.generation;
        lane.lease = self.lease.read()?;
        lane.armed = self.armed.read()?;
        lane.repository = self.repository;
        lane.current = self.current.read_in("current")?;
        lane.successes = self.successes.read_in("successes")?;
        lane.desired = self.desired.read_in("desired")?;
        lane.blocker = self.blocker.read_in("blocker")?;
        lane.vetting = self.vetting.read_in("vetting")?;
        lane.secrets = self.secrets.read_in("secrets")?;
        lane.secrets_at = self.secrets_at.read_in("secrets_at")?.unwrap_or_default();
        lane.rotation = self.rotation.read_in("rotation")?;
        let rollout = self.rollout.map(|it| it.read(&lane.id.environment)).transpose();
        lane.rollout = rollout.map_err(|error| error.within("rollout"))?;
        lane.next = self.next.read_in("next")?;
        lane.asked = self.asked.read_in("asked")?;
        lane.last_attempt = self.last_attempt.read_in("last_attempt")?;
        lane.hold = self.hold.read()?;
        lane.adopted = self.adopted;
        lane.halted = self.halted;
        lane.quarantine = self.quarantine.read_in("quarantine")?;
        lane.pins = self.pins.read_in("pins")?;
        lane.hosts = self.hosts.read_in("hosts")?;
        lane.platforms = self.platforms.read_in("platforms")?;
        lane.lost = self.lost.read_in("lost")?;
        lane.owed = self.owed.read_in("owed")?;
        lane.errands = self.errands.read_in("errands")?;
        lane.inspection = self.inspection.read_in("inspection")?;
        lane.inspected_at = self.inspected_at.read()?;
        lane.announced = self.announced;
        lane.outbox = self.outbox.read_in("outbox")?;
        lane.requests = self.requests.into_iter().map(RequestId).collect();
        Ok(lane)
    }
}
