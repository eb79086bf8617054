//! The secrets of a service: usable before a rollout, and followed when they are rotated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Asked, Blocker, Errand, Lane};
use crate::configuration::{EnvironmentConfiguration, SecretName};
use crate::observation::Look;
use crate::reason::{Code, Reason};
use crate::release::Release;
use crate::rollout::{Cause, End, HostRun, Rollout};
use crate::secret::SecretState;
use crate::time::Timestamp;

/// How long after a rotation containers are made anew: secrets are often rotated together.
const DEBOUNCE: Duration = Duration::from_mins(5);

/// How often secrets are looked at when no event told of a rotation.
const LOOK: Duration = Duration::from_hours(1);

/// What was seen of secrets.
pub type SeenSecrets = BTreeMap<SecretName, SecretState>;

/// Containers are to be made anew, because they still have older versions of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Which secrets were rotated.
    pub secrets: BTreeSet<SecretName>,
    /// When that was noticed.
    pub since: Timestamp,
    /// When the containers are made anew.
    pub due: Timestamp,
    /// How often that was tried.
    pub tries: u32,
}

/// Why a release may not go out, if a secret that it needs cannot be used.
pub(super) fn unusable(
    release: &Release,
    settings: &EnvironmentConfiguration,
    seen: &SeenSecrets,
) -> Option<Reason> {
    let mut problems =
        settings.secrets.iter().filter_map(|name| seen.get(name).and_then(|it| it.problem(name)));
    let problem = problems.next()?;
    Some(Reason::new(Code::GATE_SECRET_MISSING, format!("{release} is kept back: {problem}")))
}

impl Lane {
    /// How the service's secrets stand now, or looks at them.
    pub(super) fn seen_secrets(
        &mut self,
        settings: &EnvironmentConfiguration,
    ) -> Option<SeenSecrets> {
        let mut seen = SeenSecrets::new();
        for name in &settings.secrets {
            match self.facts.secrets.get(name) {
                Some(state) => {
                    seen.insert(name.clone(), state.clone());
                }
                None => {
                    self.due.insert(Look::Secret(name.clone()));
                }
            }
        }
        (seen.len() == settings.secrets.len()).then_some(seen)
    }

    /// Whether every secret that the release needs can be used; if not, the lane says which.
    pub(super) fn has_secrets(
        &mut self,
        release: &Release,
        settings: &EnvironmentConfiguration,
    ) -> bool {
        let Some(seen) = self.seen_secrets(settings) else { return false };
        let Some(reason) = unusable(release, settings, &seen) else { return true };
        self.blocker = Some(Blocker { release: Some(release.clone()), reason, lifts_at: None });
        false
    }

    /// Follows rotations while nothing else is to be done: the restart that is due for one.
    pub(super) fn follow_secrets(
        &mut self,
        settings: &EnvironmentConfiguration,
        now: Timestamp,
    ) -> Option<Asked> {
        self.notice_rotation(settings, now);
        let rotation = self.rotation.as_ref()?;
        let release = self.current.clone()?;
        if self.hold.is_some() || now < rotation.due || settings.frozen_until(now).is_some() {
            return None;
        }
        // A restart leaves out what is being changed, which may have read the secret before.
        let changing = self.errands.values().any(Errand::is_under_way);
        if changing && now < rotation.due.after(LOOK) {
            return None;
        }
        let seen = self.seen_secrets(settings)?;
        if unusable(&release, settings, &seen).is_some() {
            return None;
        }
        let (cause, actor) = (Cause::Restart, String::new());
        Some(Asked { release, cause, actor, overriding: None, at: now })
    }

    /// Compares the secrets, where it is time to, with what the containers have of them.
    fn notice_rotation(&mut self, settings: &EnvironmentConfiguration, now: Timestamp) {
        if self.current.is_none() || settings.secrets.is_empty() {
            self.rotation = None;
            return;
        }
        if now < self.secrets_at.after(LOOK) {
            return;
        }
        let Some(seen) = self.seen_secrets(settings) else { return };
        // One that cannot be used now may have been rotated: the next sweep looks again.
        if seen.values().all(|it| it.version().is_some()) {
            self.secrets_at = now;
        }
        let known = |name: &SecretName| self.secrets.get(name).map(String::as_str);
        let rotated = |(name, state): (&SecretName, &SecretState)| {
            let changed = known(name).is_some() && state.version().is_some();
            (changed && known(name) != state.version()).then(|| name.clone())
        };
        let rotated: BTreeSet<SecretName> = seen.iter().filter_map(rotated).collect();
        // What containers have that were never seen to start is not known: taken as it is.
        for (name, version) in versions(&seen) {
            self.secrets.entry(name).or_insert(version);
        }
        if rotated.is_empty() {
            self.rotation = None;
        } else if let Some(rotation) = &mut self.rotation {
            rotation.secrets.extend(rotated);
        } else {
            let due = now.after(DEBOUNCE);
            self.rotation = Some(Rotation { secrets: rotated, since: now, due, tries: 0 });
        }
    }

    /// When a restart becomes due. One that something keeps back then waits for the sweep.
    pub(super) fn restarts_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.rotation.as_ref().map(|it| it.due).filter(|at| *at > now && self.hold.is_none())
    }

    /// What a rollout's end means for rotations.
    pub(super) fn rotation_after(&mut self, rollout: &Rollout, end: End, now: Timestamp) {
        if end == End::Succeeded {
            self.secrets.retain(|name, _| rollout.settings.secrets.contains(name));
            let all_new = makes_all_new(rollout);
            if all_new {
                self.secrets.extend(rollout.secrets.clone());
            }
            // Which version containers have of one that could not be used then, or that they were
            // started with before it was known here, is not known: none that it will have, so that
            // they are made anew once it can be used.
            for name in &rollout.settings.secrets {
                self.secrets.entry(name.clone()).or_default();
            }
            self.rotation.take_if(|it| all_new && rollout.started >= it.since);
        } else if let (Cause::Restart, Some(rotation)) = (rollout.cause, &mut self.rotation) {
            let gap = DEBOUNCE.saturating_mul(1 << rotation.tries.min(4)).min(LOOK);
            rotation.tries = rotation.tries.saturating_add(1);
            rotation.due = now.after(gap);
        }
    }
}

/// Whether a rollout makes all containers new, so that they have what was current when it began: a
/// host that ran the candidate already keeps those that it has, unless it is restarted.
fn makes_all_new(rollout: &Rollout) -> bool {
    let ran = |run: &HostRun| run.baseline.is(&rollout.candidate.digest);
    rollout.cause == Cause::Restart || !rollout.hosts.values().any(ran)
}

/// The versions that containers get which start now.
pub(super) fn versions(seen: &SeenSecrets) -> BTreeMap<SecretName, String> {
    let version = |(name, state): (&SecretName, &SecretState)| {
        Some((name.clone(), state.version()?.to_owned()))
    };
    seen.iter().filter_map(version).collect()
}
