//! Why a lane does not do what one might expect.

use super::Lane;
use super::decide::circumstances;
use super::scan_gate::Stand;
use super::secrets::{SeenSecrets, unusable};
use crate::configuration::EnvironmentConfiguration;
use crate::name::LaneId;
use crate::observation::Sources;
use crate::reason::{Code, Reason};
use crate::release::{Availability, Release};
use crate::rollout::Phase;
use crate::scan::Scanned;
use crate::time::Timestamp;

/// What keeps the desired release from being rolled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The release that waits; nothing when there is none.
    pub release: Option<Release>,
    /// Why.
    pub reason: Reason,
    /// When that ends by itself, if it does.
    pub lifts_at: Option<Timestamp>,
}

/// What was looked at to judge a release, beside the release itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The scans of all images that it may run as.
    pub scans: Vec<Scanned>,
    /// The secrets that its service names.
    pub secrets: SeenSecrets,
}

impl Lane {
    /// Everything that keeps a release from being rolled out by itself now, the weightiest first;
    /// empty when nothing does, or when it is what runs.
    ///
    /// `configured` is what the lane's configuration says, or why it cannot be used; `release`
    /// what its tag resolves to, or the version that was asked about, with what was looked at.
    #[must_use]
    pub fn why(
        &self,
        configured: Result<&EnvironmentConfiguration, &Reason>,
        release: Option<(&Release, &Evidence)>,
        now: Timestamp,
    ) -> Vec<Blocker> {
        let named = release.map(|(release, _)| release.clone());
        let blocked = |reason: Reason| Blocker { release: named.clone(), reason, lifts_at: None };
        let settings = match configured {
            Ok(settings) => settings,
            Err(reason) => return vec![blocked(reason.clone())],
        };
        let Some((release, seen)) = release else {
            return vec![blocked(self.nothing_pushed(settings))];
        };
        if self.current.as_ref().is_some_and(|it| it.digest == release.digest) {
            return Vec::new();
        }
        let mut all = Vec::from_iter(self.busy(release));
        all.extend(self.obstacles(release, settings, now));
        let goes = self.rollout.as_ref().is_some_and(|it| it.candidate.digest == release.digest);
        let secret = unusable(release, settings, &seen.secrets).filter(|_| !goes);
        all.extend(match self.stand(release, settings, &seen.scans, now) {
            // What is being rolled out has passed, or was let pass.
            _ if goes => None,
            Stand::Passes(_) => None,
            Stand::Waits(reason, until) => {
                Some(Blocker { lifts_at: Some(until), ..blocked(reason) })
            }
            Stand::Refused(reason) => Some(blocked(reason)),
        });
        all.extend(secret.map(blocked));
        if let Some(tried) = self.tried(release, None, now) {
            let cause = self.last_attempt.as_ref().map(|it| blocked(it.reason.clone()));
            all.push(tried);
            all.extend(cause);
        }
        let seen_elsewhere = [Code::HOSTS_NONE, Code::ALARM_INCONCLUSIVE];
        let last = self.blocker.iter().filter(|it| seen_elsewhere.contains(&it.reason.code));
        all.extend(last.cloned());
        all
    }

    /// An active rollout, of this release or of another one.
    fn busy(&self, release: &Release) -> Option<Blocker> {
        let rollout = self.rollout.as_ref()?;
        let candidate = &rollout.candidate;
        let superseded = self.next.as_ref().is_some_and(|it| it.digest != release.digest);
        let (code, text) = if let (Phase::Asking(asked), true) =
            (&rollout.phase, candidate.digest == release.digest)
        {
            let text = format!("{candidate} waits for a person's word: {}", asked.reason.text);
            (asked.reason.code.clone(), text)
        } else if candidate.digest == release.digest {
            (Code::LANE_BUSY, format!("{candidate} is being rolled out: {}", rollout.phase.word()))
        } else if superseded {
            let by = self.next.as_ref().map(ToString::to_string).unwrap_or_default();
            (Code::RELEASE_SUPERSEDED, format!("{by} took the place of {release}, and goes next"))
        } else {
            let text = format!("{release} waits until the rollout of {candidate} has ended");
            (Code::LANE_BUSY, text)
        };
        let release = Some(release.clone());
        Some(Blocker { release, reason: Reason::new(code, text), lifts_at: None })
    }

    /// What keeps a release from being rolled out by itself, the weightiest first.
    pub(super) fn obstacles<'a>(
        &'a self,
        release: &'a Release,
        settings: &'a EnvironmentConfiguration,
        now: Timestamp,
    ) -> impl Iterator<Item = Blocker> + 'a {
        let unfit = unfit(release, settings);
        let quarantined = self.quarantined(release);
        let held = self.hold.as_ref().map(|hold| hold.reason.clone());
        let reasons = unfit.into_iter().chain(quarantined).chain(held).map(|it| (it, None));
        let blocker = |(reason, lifts_at): (Reason, Option<Timestamp>)| Blocker {
            release: Some(release.clone()),
            reason,
            lifts_at,
        };
        reasons.chain(frozen(release, settings, now)).map(blocker)
    }

    /// Whether a person may have this release rolled out by hand now.
    ///
    /// # Errors
    ///
    /// Why not. What a gate says can be overridden; a quarantine is lifted first.
    pub fn may_deploy(
        &self,
        release: &Release,
        settings: &EnvironmentConfiguration,
        seen: &Evidence,
        now: Timestamp,
    ) -> Result<(), Reason> {
        let frozen = || frozen(release, settings, now).map(|it| it.0);
        let scan = || match self.stand(release, settings, &seen.scans, now) {
            Stand::Passes(_) => None,
            Stand::Waits(reason, _) | Stand::Refused(reason) => Some(reason),
        };
        let secret = || unusable(release, settings, &seen.secrets);
        let gates = || unfit(release, settings).or_else(frozen).or_else(scan).or_else(secret);
        self.quarantined(release).or_else(gates).map_or(Ok(()), Err)
    }

    /// Whether a person may have this release rolled out by hand now, whatever its gates say.
    ///
    /// # Errors
    ///
    /// Why not: what cannot be pulled, and a quarantine, which is lifted first.
    pub fn may_override(&self, release: &Release) -> Result<(), Reason> {
        self.quarantined(release).or_else(|| archived(release)).map_or(Ok(()), Err)
    }

    fn quarantined(&self, release: &Release) -> Option<Reason> {
        let quarantine = self.quarantine.get(&release.digest)?;
        let text = format!(
            "{release} failed here at {}: {}; push a new image, or `lift` its quarantine",
            quarantine.since, quarantine.reason.text
        );
        Some(Reason::new(Code::RELEASE_QUARANTINED, text))
    }

    /// Whether the same release was tried last, under the same circumstances, where those are
    /// known.
    pub(super) fn tried(
        &self,
        release: &Release,
        with: Option<(&Sources, u64)>,
        now: Timestamp,
    ) -> Option<Blocker> {
        let last = self.last_attempt.as_ref().filter(|it| it.digest == release.digest)?;
        let same = |(sources, fleet)| {
            last.with == circumstances(sources, fleet, last.end, &last.reason.code)
        };
        if !with.is_none_or(same) {
            return None;
        }
        let lifts_at = last.retry_at();
        if lifts_at.is_some_and(|at| now >= at) {
            return None;
        }
        let (end, at, why) = (last.end, last.at, &last.reason);
        let text = format!("{release} was tried and {end} at {at}: {why}");
        let reason = Reason::new(Code::LANE_LAST_ATTEMPT, text);
        Some(Blocker { release: Some(release.clone()), reason, lifts_at })
    }

    pub(super) fn homeless(&self) -> Reason {
        let LaneId { service, environment } = &self.id;
        let text = format!(
            "{service} has no host to run on: tag its hosts with \
             `esclusa:{service} = {environment}` and `esclusa:managed = true`, and see that SSM \
             lists them"
        );
        Reason::new(Code::HOSTS_NONE, text)
    }

    pub(super) fn nothing_pushed(&self, settings: &EnvironmentConfiguration) -> Reason {
        let (service, tag) = (&self.id.service, &settings.tag);
        let text = format!("no image of {service} bears the tag `{tag}`: push one");
        Reason::new(Code::RELEASE_NOT_IN_REGISTRY, text)
    }
}

/// What the release itself lacks.
fn unfit(release: &Release, settings: &EnvironmentConfiguration) -> Option<Reason> {
    if let Some(reason) = archived(release) {
        return Some(reason);
    }
    let pattern = settings.require_version_tag.as_ref()?;
    if release.tags.iter().any(|tag| pattern.matches(tag.as_str())) {
        return None;
    }
    let text = format!("{release} bears no version tag: push the same image as `{pattern}` too");
    Some(Reason::new(Code::RELEASE_UNVERSIONED, text))
}

fn archived(release: &Release) -> Option<Reason> {
    let text = format!("{release} is archived in ECR: restore it, or push it again");
    let archived = release.availability == Availability::Archived;
    archived.then(|| Reason::new(Code::RELEASE_ARCHIVED, text))
}

pub(super) fn frozen(
    release: &Release,
    settings: &EnvironmentConfiguration,
    now: Timestamp,
) -> Option<(Reason, Option<Timestamp>)> {
    let until = settings.frozen_until(now)?;
    let text = format!("{release} waits for the freeze to end at {until}");
    Some((Reason::new(Code::LANE_FROZEN, text), Some(until)))
}
