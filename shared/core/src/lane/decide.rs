//! What an idle lane does with what it sees: start a rollout, or say why not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::scan_gate::Passed;
use super::{Asked, Blocker, Errand, Hold, HostRecord, Lane, secrets};
use crate::alarm::{AlarmState, SeenAlarm};
use crate::configuration::{AlarmName, EnvironmentConfiguration};
use crate::fingerprint::fingerprint;
use crate::name::{HostId, LaneId};
use crate::observation::{Fleet, Look, Sources};
use crate::order::{OnHostFailure, Orders, Verb};
use crate::reason::{Code, Reason};
use crate::release::{Availability, Image, Release, Running};
use crate::rollout::{Cause, End, HostRun, Phase, Rollout, RolloutId};
use crate::time::Timestamp;
use crate::traffic::{GroupSettings, SeenGroup};

/// The deadline of a rollout, unless twice its estimate is longer.
const ROLLOUT_LIMIT: Duration = Duration::from_hours(2);

/// When alarms are looked at again that could not be read.
const UNREADABLE: Duration = Duration::from_mins(1);

/// What was seen of alarms.
type Seen = BTreeMap<AlarmName, SeenAlarm>;

/// What an attempt was made with, as far as it bears on why it failed: a change of it is a reason
/// to try again. Which hosts there are bears on nothing but reasons that lie in hosts, and not once
/// some were changed: a release that loses a host at each try would go through the fleet.
pub(super) fn circumstances(sources: &Sources, fleet: u64, end: End, code: &Code) -> String {
    let text = format!("{:?}\n{:?}", sources.service, sources.defaults);
    let untouched = end == End::Rejected;
    let bears = untouched && code.as_str().starts_with("hosts.");
    format!("{:016x}-{:016x}", fingerprint(&text), if bears { fleet } else { 0 })
}

/// Which hosts there are, all of them.
fn hosts_of(fleet: &Fleet) -> u64 {
    let hosts: Vec<&str> = fleet.hosts.iter().map(HostId::as_str).collect();
    fingerprint(&hosts.join(" "))
}

/// A ULID whose random part tells lanes and intents apart: the core has no randomness, and needs
/// none for a name that is unique in its lane.
pub(super) fn rollout_id(lane: &LaneId, generation: u64, now: Timestamp) -> RolloutId {
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
        let (Some(sources), Some(configured)) =
            (self.facts.sources.clone(), self.facts.configured.clone())
        else {
            self.due.extend([Look::Configuration, Look::Fleet]);
            return false;
        };
        let settings = match configured {
            Ok(settings) => settings,
            Err(reason) => return self.block(None, reason, None),
        };
        let Some(desired) = self.facts.tags.get(&settings.tag).cloned() else {
            self.due.insert(Look::Tag(settings.tag.clone()));
            return false;
        };
        let Some(fleet) = self.facts.fleet.clone() else {
            self.due.insert(Look::Fleet);
            return false;
        };
        self.desired.clone_from(&desired);
        self.forget_attempt(desired.as_ref());
        if let Some(by) = &desired {
            self.pass_over(by, &sources, &settings, now);
        }
        self.next = None;
        if let Some(asked) = self.asked.clone() {
            return self.decide_asked(asked, sources, settings, &fleet, now);
        }
        match self.following(desired, &settings, &sources, &fleet, now) {
            Ok(Some(release)) => {
                if let Some(passed) = self.vet(&release, &settings, now)
                    && self.has_secrets(&release, &settings)
                {
                    let (cause, actor) = (Cause::Push, String::new());
                    let asked = Asked { release, cause, actor, overriding: None, at: now };
                    return self.start(asked, sources, settings, &fleet, now)
                        && self.passed(passed, now);
                }
            }
            Ok(None) => self.blocker = None,
            Err(blocker) => self.blocker = Some(*blocker),
        }
        // What a release waits for to be seen comes first: containers of a new one are new too.
        if !self.due.is_empty() {
            return false;
        }
        match self.follow_secrets(&settings, now) {
            Some(asked) => self.start(asked, sources, settings, &fleet, now),
            None => false,
        }
    }

    /// Notes what let the rollout begin that has just begun.
    pub(super) fn passed(&mut self, passed: Passed, now: Timestamp) -> bool {
        if let Some(rollout) = &mut self.rollout {
            rollout.scanned = passed.counts;
            rollout.note(now, passed.text);
        }
        true
    }

    /// A tag that points elsewhere ends the memory of what was tried last: should it come back,
    /// that is a new move.
    fn forget_attempt(&mut self, desired: Option<&Release>) {
        let digest = desired.map(|release| &release.digest);
        if self.last_attempt.as_ref().is_some_and(|it| digest.is_some_and(|d| *d != it.digest)) {
            self.last_attempt = None;
        }
    }

    pub(super) fn block(
        &mut self,
        release: Option<Release>,
        reason: Reason,
        at: Option<Timestamp>,
    ) -> bool {
        self.blocker = Some(Blocker { release, reason, lifts_at: at });
        false
    }

    /// The release to roll out next, nothing when all is as it should be, or why it must wait.
    fn following(
        &self,
        desired: Option<Release>,
        settings: &EnvironmentConfiguration,
        sources: &Sources,
        fleet: &Fleet,
        now: Timestamp,
    ) -> Result<Option<Release>, Box<Blocker>> {
        if fleet.hosts.is_empty() {
            let blocker = Blocker { release: desired, reason: self.homeless(), lifts_at: None };
            return Err(Box::new(blocker));
        }
        let Some(release) = desired else {
            let reason = self.nothing_pushed(settings);
            return Err(Box::new(Blocker { release: None, reason, lifts_at: None }));
        };
        if self.current.as_ref().is_some_and(|it| it.digest == release.digest) {
            return Ok(None);
        }
        let first = self.obstacles(&release, settings, now).next();
        let tried = || self.tried(&release, Some((sources, hosts_of(fleet))), now);
        match first.or_else(tried) {
            Some(blocker) => Err(Box::new(blocker)),
            None => Ok(Some(release)),
        }
    }

    /// Starts a rollout by asking every host what it runs.
    pub(super) fn start(
        &mut self,
        asked: Asked,
        sources: Arc<Sources>,
        settings: Arc<EnvironmentConfiguration>,
        fleet: &Fleet,
        now: Timestamp,
    ) -> bool {
        let groups = match self.group_settings(&settings) {
            Ok(Some(groups)) => groups,
            Ok(None) => return false,
            Err(reason) => return self.block(Some(asked.release), reason, None),
        };
        let alarms = self.seen_alarms(&settings, now);
        let (Some(secrets), Some(alarms)) = (self.seen_secrets(&settings), alarms) else {
            return false;
        };
        if let (Cause::Push, Some(reason)) = (asked.cause, unreadable(&asked.release, &alarms)) {
            let again = now.after(UNREADABLE);
            return self.block(Some(asked.release), reason, Some(again));
        }
        if fleet.hosts.is_empty() {
            let reason = self.homeless();
            return self.block(Some(asked.release), reason, None);
        }
        let hosts: BTreeMap<HostId, HostRun> =
            self.free(fleet, asked.cause).map(|host| (host.clone(), self.met(host))).collect();
        // What waits to be brought to the release before is brought to this one.
        if asked.cause != Cause::Repair {
            self.errands.retain(|host, _| !hosts.contains_key(host));
        }
        if hosts.is_empty() {
            let text = format!(
                "{} waits until its hosts have been brought to the release before",
                asked.release
            );
            return self.block(Some(asked.release), Reason::new(Code::LANE_BUSY, text), None);
        }
        let fence = self.context(now).fence();
        let asked_hosts = hosts.keys().map(|host| (host.clone(), Image::Nothing));
        let orders = Orders::new(Verb::Inspect, fence, now, OnHostFailure::Leave, asked_hosts);
        let id = rollout_id(&self.id, self.generation, now);
        let (baseline, release) = (self.current.clone(), asked.release);
        let mut rollout = Rollout::new(id, asked.cause, release, baseline, sources, settings, now);
        rollout.actor = (!asked.actor.is_empty()).then_some(asked.actor);
        rollout.overriding = asked.overriding;
        rollout.documents.clone_from(&fleet.documents);
        rollout.groups = groups;
        rollout.secrets = secrets::versions(&secrets);
        rollout.fleet = hosts_of(fleet);
        rollout.hosts = hosts;
        let twice = rollout.estimate().whole.saturating_mul(2);
        rollout.deadline = now.after(ROLLOUT_LIMIT.max(twice));
        rollout.phase = Phase::Gating(orders);
        let text = format!("{} to {} host(s)", rollout.candidate, rollout.hosts.len());
        rollout.note(now, text);
        rollout.exclude(&alarms, now);
        if rollout.cause != Cause::Repair {
            (self.asked, self.blocker) = (None, None);
            self.hold_against_tag(&rollout, now);
        }
        self.rollout = Some(rollout);
        true
    }

    /// The hosts that a rollout would change first: those that no errand is on its way to. What
    /// could not be brought to the release before is no reason against a person's way back. A
    /// repair concerns the hosts that wait for it.
    fn free<'a>(&'a self, fleet: &'a Fleet, cause: Cause) -> impl Iterator<Item = &'a HostId> {
        let waits = move |errand: &Errand| !errand.is_under_way() && cause != Cause::Rollback;
        let repaired = if cause == Cause::Repair { Some(self.to_repair()) } else { None };
        let is_free = move |host: &&HostId| match &repaired {
            Some(hosts) => hosts.contains(*host),
            None => self.errands.get(*host).is_none_or(waits),
        };
        fleet.hosts.iter().filter(is_free)
    }

    /// A host as a rollout meets it: unknown, but for what it is owed.
    pub(super) fn met(&self, host: &HostId) -> HostRun {
        let targets = self.owed.get(host).cloned().unwrap_or_default();
        HostRun { targets, ..HostRun::unknown() }
    }

    /// What the alarms say that a rollout would watch, or a look at them.
    fn seen_alarms(&mut self, settings: &EnvironmentConfiguration, now: Timestamp) -> Option<Seen> {
        let names = settings.bake.alarms.iter().cloned().collect();
        let seen = self.context(now).alarms(&names)?;
        Some(seen.into_iter().map(|(name, alarm)| (name, alarm.clone())).collect())
    }

    /// The settings of the lane's target groups, or looks for them, or which cannot be used.
    fn group_settings(
        &mut self,
        settings: &EnvironmentConfiguration,
    ) -> Result<Option<BTreeMap<crate::configuration::TargetGroup, GroupSettings>>, Reason> {
        let mut groups = BTreeMap::new();
        let mut complete = true;
        for group in &settings.target_groups {
            match self.facts.groups.get(group) {
                Some(SeenGroup::OfInstances(settings)) => {
                    groups.insert(group.clone(), *settings);
                }
                Some(SeenGroup::OfOthers(kind)) => {
                    let text = format!(
                        "the target group {} is of type `{kind}`, where no host can be registered: \
                         name one of type `instance`",
                        group.as_str()
                    );
                    return Err(Reason::new(Code::CONFIG_INVALID, text));
                }
                Some(SeenGroup::Absent) => {
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

    /// Whether a rollout has found that the service ran here before Esclusa knew it. One that is
    /// under way asks hosts too that join: it goes on, whatever those run.
    pub(super) fn adopts(&self, rollout: &Rollout) -> bool {
        // Hosts that it changed may be gone by now.
        let untouched = rollout.waves_at.is_empty();
        let asked = untouched && matches!(rollout.phase, Phase::Prefetching(_));
        let ran = || rollout.hosts.values().any(|run| run.baseline != Running::Nothing);
        asked && rollout.is_forward() && self.current.is_none() && !self.adopted && ran()
    }

    /// Takes over what runs, and waits for a person's word before anything is changed.
    pub(super) fn adopt(&mut self, rollout: &Rollout, now: Timestamp) {
        let mut running = Vec::new();
        for (host, run) in rollout.live() {
            let record =
                HostRecord { running: run.baseline.clone(), is_well: run.healthy, seen_at: now };
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

/// Why a release waits, if CloudWatch does not say how an alarm stands: one that is red already
/// could then not be told from one that the release makes red.
fn unreadable(release: &Release, seen: &Seen) -> Option<Reason> {
    let unknown =
        |(_, alarm): &(&AlarmName, &SeenAlarm)| matches!(alarm.state, AlarmState::Unknown(_));
    let (name, alarm) = seen.iter().find(unknown)?;
    let text = format!("{release} waits: the alarm `{name}` {}", alarm.state);
    Some(Reason::new(Code::ALARM_INCONCLUSIVE, text))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{Attempt, Errand, Step};
    use crate::observation::{Cue, Documents, Event, HostSettings, Saw};
    use crate::rollout::End;
    use crate::scan::{Scanned, State};
    use crate::traffic::Target;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn release(number: u32) -> Release {
        Release {
            digest: format!("sha256:{number:064x}").parse().unwrap(),
            repository: "registry/a1".to_owned(),
            tags: ["latest", "v1"].iter().map(|tag| tag.parse().unwrap()).collect(),
            label: "v1".parse().unwrap(),
            bytes: 1,
            pushed_at: Timestamp::default(),
            availability: Availability::Active,
        }
    }

    fn host(number: u32) -> HostId {
        format!("i-{number:08x}").parse().unwrap()
    }

    /// A lane with a newer release to roll out, and one host of two on an errand that waits.
    fn lane() -> Lane {
        let mut lane = Lane::new("a1#production".parse().unwrap(), 1);
        let current = release(1);
        let errand = Errand {
            image: current.image(),
            orders: None,
            found: None,
            found_well: false,
            has_served: false,
            documents: Documents::new(),
            settings: HostSettings::of_nothing(),
            tries: 1,
            retry_at: NOW.after(ROLLOUT_LIMIT),
            failure: None,
            runs: None,
        };
        lane.errands.insert(host(1), errand);
        let running = Running::Digest(current.digest.clone());
        lane.hosts.insert(host(2), HostRecord { running, is_well: true, seen_at: NOW });
        lane.current = Some(current);
        lane.adopted = true;
        lane
    }

    /// The lane after a pass in which it saw these hosts.
    fn woken(mut lane: Lane, hosts: &[HostId]) -> Lane {
        let fleet = Fleet { hosts: hosts.iter().cloned().collect(), ..Fleet::default() };
        let mut event = Event::Woke(Cue::Outside);
        loop {
            if let Step::Advance(next) = lane.step(&event, NOW) {
                lane = *next;
            }
            let Some(look) = lane.looks().first().cloned() else { return lane };
            event = Event::Saw(match look.clone() {
                Look::Configuration => Saw::Configuration(Arc::default()),
                Look::Tag(tag) => Saw::Tag(tag, Some(release(2))),
                Look::Scan(digest) => {
                    let (state, platform) = (State::Done(Vec::new()), String::new());
                    let scanned = Scanned { digest: digest.clone(), platform, state };
                    Saw::Scan(digest, Arc::new(vec![scanned]))
                }
                Look::Fleet => Saw::Fleet(Arc::new(fleet.clone())),
                Look::Secret(_) | Look::Alarms(_) => panic!("{look:?}"),
                Look::Settings(_) | Look::Targets(_) | Look::Command(_) | Look::Lost(..) => {
                    panic!("{look:?}")
                }
            });
        }
    }

    #[track_caller]
    fn assert_waits(lane: &Lane, code: &Code) {
        assert_eq!((&lane.rollout, lane.ended.len()), (&None, 0));
        assert_eq!(lane.blocker.as_ref().map(|it| &it.reason.code), Some(code));
    }

    #[test]
    fn a_lane_whose_hosts_are_all_on_errands_starts_no_rollout_of_none() {
        let mut lane = lane();
        let errand = lane.errands.get_mut(&host(1)).unwrap();
        errand.runs = Some(Running::Digest(release(1).digest));
        let group =
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/0123456789abcdef";
        let target = Target { group: group.parse().unwrap(), host: host(1), port: 80 };
        lane.owed.insert(host(1), [target].into());
        assert_waits(&woken(lane.clone(), &[host(1)]), &Code::LANE_BUSY);
        let rollout = woken(lane, &[host(1), host(2)]).rollout.unwrap();
        assert_eq!(rollout.hosts.keys().collect::<Vec<_>>(), [&host(2)]);
    }

    #[test]
    fn a_host_that_waits_to_be_tried_again_is_part_of_the_next_rollout() {
        let after = woken(lane(), &[host(1), host(2)]);
        let rollout = after.rollout.unwrap();
        assert_eq!(rollout.hosts.keys().collect::<Vec<_>>(), [&host(1), &host(2)]);
        assert!(after.errands.is_empty());
    }

    #[test]
    fn a_host_that_waits_to_be_tried_again_is_no_reason_against_a_way_back() {
        let mut lane = lane();
        let (release, cause) = (release(3), Cause::Rollback);
        let actor = "ana".to_owned();
        lane.asked = Some(Asked { release, cause, actor, overriding: None, at: NOW });
        let rollout = woken(lane, &[host(1), host(2)]).rollout.unwrap();
        assert_eq!(rollout.hosts.keys().collect::<Vec<_>>(), [&host(2)]);
    }

    #[test]
    fn an_attempt_is_the_same_again_although_a_host_is_on_an_errand() {
        let mut lane = lane();
        lane.last_attempt = Some(Attempt {
            digest: release(2).digest,
            end: End::Failed,
            reason: Reason::new(Code::HEALTH_CONTAINER, "it failed"),
            with: circumstances(&Sources::default(), 0, End::Failed, &Code::HEALTH_CONTAINER),
            at: NOW,
            tries: 1,
        });
        let after = woken(lane, &[host(1), host(2)]);
        assert_waits(&after, &Code::LANE_LAST_ATTEMPT);
    }
}
