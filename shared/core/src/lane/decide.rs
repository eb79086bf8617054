//! What an idle lane does with what it sees: start a rollout, or say why not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Asked, Blocker, Hold, HostRecord, Lane};
use crate::configuration::{Configuration, EnvironmentConfiguration};
use crate::name::{HostId, LaneId};
use crate::observation::{Fleet, Look, SeenHost, Sources};
use crate::order::{OnHostFailure, Orders, Verb};
use crate::reason::{Code, Reason};
use crate::release::{Availability, Image, Release, Running};
use crate::rollout::{Cause, Course, HostRun, Phase, Rollout, RolloutId};
use crate::time::Timestamp;
use crate::traffic::GroupSettings;

/// The deadline of a rollout, before its estimate is known to be longer.
const ROLLOUT_LIMIT: Duration = Duration::from_hours(2);

/// FNV-1a: names and texts told apart for messages and retries, never for security.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What an attempt was made with: a change of it is a reason to try again.
pub(super) fn circumstances<'a>(
    sources: &Sources,
    hosts: impl Iterator<Item = &'a HostId>,
) -> String {
    let hosts: Vec<&str> = hosts.map(HostId::as_str).collect();
    let text = format!("{:?}\n{:?}\n{hosts:?}", sources.service, sources.defaults);
    format!("{:016x}", fingerprint(&text))
}

/// A ULID whose random part tells lanes and intents apart: the core has no randomness, and needs
/// none for a name that is unique in its lane.
fn rollout_id(lane: &LaneId, generation: u64, now: Timestamp) -> RolloutId {
    const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let lane = fingerprint(&lane.to_string()) & 0xffff_ffff;
    let random = (u128::from(lane) << 48) | u128::from(generation & 0xffff_ffff_ffff);
    let bits = (u128::from(now.as_millis() & 0xffff_ffff_ffff) << 80) | random;
    let digit = |index: u32| {
        let five = (bits >> (5_u32.saturating_mul(25_u32.saturating_sub(index)))) & 31;
        let digit = usize::try_from(five).ok().and_then(|it| CROCKFORD.get(it)).copied();
        char::from(digit.unwrap_or(b'0'))
    };
    RolloutId((0..26).map(digit).collect())
}

impl Lane {
    /// Starts a rollout when there is one to start; false when there is not, or when something
    /// must be seen first.
    pub(super) fn decide(&mut self, now: Timestamp) -> bool {
        let Some(sources) = self.facts.sources.clone() else {
            self.due.extend([Look::Configuration, Look::Fleet]);
            return false;
        };
        let settings = match self.configured(&sources) {
            Ok(settings) => settings,
            Err(reason) => return self.block(None, reason, None),
        };
        let Some(desired) = self.facts.tags.get(&settings.tag).cloned() else {
            self.due.insert(Look::Tag(settings.tag));
            return false;
        };
        let Some(fleet) = self.facts.fleet.clone() else {
            self.due.insert(Look::Fleet);
            return false;
        };
        self.desired.clone_from(&desired);
        self.forget_attempt(desired.as_ref());
        if let Some(asked) = self.asked.clone() {
            return self.start(asked, sources, settings, &fleet, now);
        }
        match self.next(desired, &settings, &sources, &fleet, now) {
            Ok(Some(release)) => {
                let asked = Asked { release, cause: Cause::Push, actor: String::new() };
                self.start(asked, sources, settings, &fleet, now)
            }
            Ok(None) => {
                self.blocker = None;
                false
            }
            Err(blocker) => {
                self.blocker = Some(*blocker);
                false
            }
        }
    }

    /// The configuration of this lane.
    fn configured(&self, sources: &Sources) -> Result<EnvironmentConfiguration, Reason> {
        let read = Configuration::read(sources.service.as_deref(), sources.defaults.as_deref());
        let mut read = read.map_err(|e| Reason::new(Code::CONFIG_INVALID, e.to_string()))?;
        read.environments.remove(&self.id.environment).ok_or_else(|| {
            let LaneId { service, environment } = &self.id;
            let text = format!("{service} has no environment `{environment}` in its configuration");
            Reason::new(Code::CONFIG_INVALID, text)
        })
    }

    /// A tag that points elsewhere ends the memory of what was tried last: should it come back,
    /// that is a new move.
    fn forget_attempt(&mut self, desired: Option<&Release>) {
        let digest = desired.map(|release| &release.digest);
        if self.last_attempt.as_ref().is_some_and(|it| digest.is_some_and(|d| *d != it.digest)) {
            self.last_attempt = None;
        }
    }

    fn block(&mut self, release: Option<Release>, reason: Reason, at: Option<Timestamp>) -> bool {
        self.blocker = Some(Blocker { release, reason, lifts_at: at });
        false
    }

    /// The release to roll out next, nothing when all is as it should be, or why it must wait.
    fn next(
        &self,
        desired: Option<Release>,
        settings: &EnvironmentConfiguration,
        sources: &Sources,
        fleet: &Fleet,
        now: Timestamp,
    ) -> Result<Option<Release>, Box<Blocker>> {
        let blocked = |release: Option<Release>, code, text: String, lifts_at| {
            Err(Box::new(Blocker { release, reason: Reason::new(code, text), lifts_at }))
        };
        let LaneId { service, environment } = &self.id;
        if fleet.hosts.is_empty() {
            let text = format!(
                "{service} has no host to run on: tag its hosts with \
                 `esclusa:{service} = {environment}` and see that SSM lists them"
            );
            return blocked(desired, Code::HOSTS_NONE, text, None);
        }
        let Some(release) = desired else {
            let text = format!("no image of {service} bears the tag `{}`: push one", settings.tag);
            return blocked(None, Code::RELEASE_NOT_IN_REGISTRY, text, None);
        };
        if self.current.as_ref().is_some_and(|it| it.digest == release.digest) {
            return Ok(None);
        }
        if let Some((reason, lifts_at)) = self.obstacle(&release, settings, sources, fleet, now) {
            return blocked(Some(release), reason.code, reason.text, lifts_at);
        }
        Ok(Some(release))
    }

    /// What keeps a release from being rolled out by itself, the weightiest first.
    fn obstacle(
        &self,
        release: &Release,
        settings: &EnvironmentConfiguration,
        sources: &Sources,
        fleet: &Fleet,
        now: Timestamp,
    ) -> Option<(Reason, Option<Timestamp>)> {
        if release.availability == Availability::Archived {
            let text = format!("{release} is archived in ECR: restore it, or push it again");
            return Some((Reason::new(Code::RELEASE_ARCHIVED, text), None));
        }
        if let Some(pattern) = &settings.require_version_tag
            && !release.tags.iter().any(|tag| pattern.matches(tag.as_str()))
        {
            let text =
                format!("{release} bears no version tag: push the same image as `{pattern}` too");
            return Some((Reason::new(Code::RELEASE_UNVERSIONED, text), None));
        }
        if let Some(quarantine) = self.quarantine.get(&release.digest) {
            let text = format!(
                "{release} failed here at {}: {}; push a new image",
                quarantine.since, quarantine.reason.text
            );
            return Some((Reason::new(Code::RELEASE_QUARANTINED, text), None));
        }
        if let Some(hold) = &self.hold {
            return Some((hold.reason.clone(), None));
        }
        if let Some(until) = settings.frozen_until(now) {
            let text = format!("{release} waits for the freeze to end at {until}");
            return Some((Reason::new(Code::LANE_FROZEN, text), Some(until)));
        }
        self.tried(release, sources, fleet, now)
    }

    /// Whether the same release was tried last, under the same circumstances.
    fn tried(
        &self,
        release: &Release,
        sources: &Sources,
        fleet: &Fleet,
        now: Timestamp,
    ) -> Option<(Reason, Option<Timestamp>)> {
        let last = self.last_attempt.as_ref().filter(|it| it.digest == release.digest)?;
        if last.with != circumstances(sources, fleet.hosts.keys()) {
            return None;
        }
        let retry_at = last.retry_at();
        if retry_at.is_some_and(|at| now >= at) {
            return None;
        }
        let (end, at, why) = (last.end, last.at, &last.reason);
        let text = format!("{release} was tried and {end} at {at}: {why}");
        Some((Reason::new(Code::LANE_LAST_ATTEMPT, text), retry_at))
    }

    /// Starts a rollout by asking every host what it runs.
    fn start(
        &mut self,
        asked: Asked,
        sources: Sources,
        settings: EnvironmentConfiguration,
        fleet: &Fleet,
        now: Timestamp,
    ) -> bool {
        let groups = match self.group_settings(&settings) {
            Ok(Some(groups)) => groups,
            Ok(None) => return false,
            Err(reason) => return self.block(Some(asked.release), reason, None),
        };
        if fleet.hosts.is_empty() {
            let text = format!("{} has no host to run on", asked.release);
            return self.block(Some(asked.release), Reason::new(Code::HOSTS_NONE, text), None);
        }
        let hosts: BTreeMap<HostId, HostRun> = (fleet.hosts.values())
            .filter(|host| !self.errands.contains_key(&host.id))
            .map(|host| (host.id.clone(), self.met(host)))
            .collect();
        self.generation = self.generation.saturating_add(1);
        let fence = crate::order::Fence { epoch: self.epoch, generation: self.generation };
        let asked_hosts = hosts.keys().map(|host| (host.clone(), Image::Nothing));
        let orders = Orders::new(Verb::Inspect, fence, now, OnHostFailure::Leave, asked_hosts);
        let mut rollout = Rollout {
            id: rollout_id(&self.id, self.generation, now),
            cause: asked.cause,
            actor: (!asked.actor.is_empty()).then_some(asked.actor),
            candidate: asked.release,
            baseline: self.current.clone(),
            sources,
            settings,
            documents: fleet.documents.clone(),
            groups,
            started: now,
            deadline: now.after(ROLLOUT_LIMIT),
            hosts,
            course: Course::Forward,
            phase: Phase::Gating(orders),
            abort: None,
            history: Vec::new(),
        };
        let text = format!("{} to {} host(s)", rollout.candidate, rollout.hosts.len());
        rollout.note(now, text);
        self.asked = None;
        self.blocker = None;
        self.rollout = Some(rollout);
        true
    }

    /// A host as a rollout meets it: unknown, but for what it is owed.
    pub(super) fn met(&self, host: &SeenHost) -> HostRun {
        let targets = self.owed.get(&host.id).cloned().unwrap_or_default();
        HostRun { targets, ..HostRun::unknown(&host.zone) }
    }

    /// The settings of the lane's target groups, or looks for them, or which does not exist.
    fn group_settings(
        &mut self,
        settings: &EnvironmentConfiguration,
    ) -> Result<Option<BTreeMap<crate::configuration::TargetGroup, GroupSettings>>, Reason> {
        let mut groups = BTreeMap::new();
        let mut complete = true;
        for group in &settings.target_groups {
            match self.facts.settings.get(group) {
                Some(Some(seen)) => {
                    groups.insert(group.clone(), *seen);
                }
                Some(None) => {
                    let text = format!("there is no target group {}", group.as_str());
                    return Err(Reason::new(Code::CONFIG_INVALID, text));
                }
                None => {
                    self.due.insert(Look::Settings(group.clone()));
                    complete = false;
                }
            }
        }
        Ok(complete.then_some(groups))
    }

    /// Whether a rollout has found that the service ran here before Esclusa knew it.
    pub(super) fn adopts(&self, rollout: &Rollout) -> bool {
        let asked = matches!(rollout.phase, Phase::Prefetching(_));
        let ran = || rollout.hosts.values().any(|run| run.baseline != Running::Nothing);
        asked && rollout.is_forward() && self.current.is_none() && !self.adopted && ran()
    }

    /// Takes over what runs, and waits for a person's word before anything is changed.
    pub(super) fn adopt(&mut self, rollout: &Rollout, now: Timestamp) {
        let mut running = Vec::new();
        for (host, run) in rollout.live() {
            let record = HostRecord { running: run.baseline.clone(), seen_at: now };
            running.push(run.baseline.clone());
            self.hosts.insert(host.clone(), record);
        }
        running.dedup();
        if let [Running::Digest(digest)] = running.as_slice() {
            self.current = Some(adopted(&rollout.candidate, digest, &rollout.settings));
        }
        let text = format!(
            "hosts already ran {} when Esclusa first looked; \
             `release` the lane to let it follow the tag",
            self.id.service
        );
        let reason = Reason::new(Code::LANE_ADOPTED, text);
        self.adopted = true;
        self.hold = Some(Hold { reason, actor: None, since: now });
    }
}

/// What is known of a release that ran before Esclusa did.
fn adopted(
    candidate: &Release,
    digest: &crate::digest::Digest,
    settings: &EnvironmentConfiguration,
) -> Release {
    if candidate.digest == *digest {
        return candidate.clone();
    }
    Release {
        digest: digest.clone(),
        repository: candidate.repository.clone(),
        tags: std::collections::BTreeSet::new(),
        label: settings.tag.clone(),
        bytes: 0,
        pushed_at: Timestamp::default(),
        availability: Availability::Active,
    }
}
