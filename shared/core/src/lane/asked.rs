//! What a person asked for: it begins soon, or not at all.

use std::sync::Arc;

use super::decide::rollout_id;
use super::report::frozen;
use super::scan_gate::{Passed, Stand};
use super::secrets::unusable;
use super::{Asked, Lane};
use crate::configuration::EnvironmentConfiguration;
use crate::observation::{Fleet, Sources};
use crate::reason::{Code, Reason};
use crate::rollout::{Cause, End, Rollout, minutes};
use crate::time::Timestamp;

impl Lane {
    /// Starts what a person asked for, drops it, or says why it waits.
    pub(super) fn decide_asked(
        &mut self,
        asked: Asked,
        sources: Arc<Sources>,
        settings: Arc<EnvironmentConfiguration>,
        fleet: &Fleet,
        now: Timestamp,
    ) -> bool {
        if now >= asked.until() {
            let reason = expired(&asked);
            return self.reject(asked, sources, settings, reason, now);
        }
        if let Some((reason, until)) = self.kept_back(&asked, &settings, now) {
            return self.block(Some(asked.release), reason, until);
        }
        let Some(stands) = self.still_stands(&asked, &settings, now) else { return false };
        match stands {
            Ok(passed) => {
                let starts = self.start(asked, sources, settings, fleet, now);
                starts && passed.is_none_or(|it| self.passed(it, now))
            }
            Err(reason) => self.reject(asked, sources, settings, reason, now),
        }
    }

    /// What came after a request and keeps it back: a hold, or a freeze that it did not override.
    fn kept_back(
        &self,
        asked: &Asked,
        settings: &EnvironmentConfiguration,
        now: Timestamp,
    ) -> Option<(Reason, Option<Timestamp>)> {
        let held = self.hold.as_ref().filter(|hold| hold.since > asked.at);
        if let Some(hold) = held {
            return Some((hold.reason.clone(), None));
        }
        let knew = asked.overriding.is_some() || settings.frozen_until(asked.at).is_some();
        frozen(&asked.release, settings, now).filter(|_| !knew)
    }

    /// Whether what was asked for may still begin, by its gates as they are now: they were looked
    /// at when it was asked for, which may be a while ago. Nothing while something must be seen.
    fn still_stands(
        &mut self,
        asked: &Asked,
        settings: &EnvironmentConfiguration,
        now: Timestamp,
    ) -> Option<Result<Option<Passed>, Reason>> {
        if asked.cause != Cause::Deploy || asked.overriding.is_some() {
            return Some(Ok(None));
        }
        let scans = self.seen_scans(&asked.release);
        let secrets = self.seen_secrets(settings);
        let (scans, secrets) = (scans?, secrets?);
        Some(match self.stand(&asked.release, settings, &scans, now) {
            Stand::Waits(reason, _) | Stand::Refused(reason) => Err(reason),
            Stand::Passes(passed) => match unusable(&asked.release, settings, &secrets) {
                Some(reason) => Err(reason),
                None => Ok(Some(passed)),
            },
        })
    }

    /// Records that what was asked for does not begin after all.
    fn reject(
        &mut self,
        asked: Asked,
        sources: Arc<Sources>,
        settings: Arc<EnvironmentConfiguration>,
        reason: Reason,
        now: Timestamp,
    ) -> bool {
        self.generation = self.generation.saturating_add(1);
        let id = rollout_id(&self.id, self.generation, now);
        let (baseline, release) = (self.current.clone(), asked.release);
        let mut rollout = Rollout::new(id, asked.cause, release, baseline, sources, settings, now);
        rollout.actor = (!asked.actor.is_empty()).then_some(asked.actor);
        rollout.finish(End::Rejected, reason, now);
        // The hold that came with the request stays, and says what became of it.
        if let (Some(hold), Some(actor)) =
            (self.hold.as_mut().filter(|it| it.since == asked.at), &rollout.actor)
        {
            let (cause, release) = (asked.cause, &rollout.candidate);
            hold.reason.text =
                format!("held by {actor}: asked for a {cause} to {release}, which did not begin");
        }
        self.ended.push(rollout);
        self.asked = None;
        true
    }

    /// Holds the lane again that was released while a request waited: its tag would undo it.
    pub(super) fn hold_against_tag(&mut self, rollout: &Rollout, now: Timestamp) {
        let by_hand = matches!(rollout.cause, Cause::Rollback | Cause::Deploy);
        let desired = self.desired.as_ref().map(|it| &it.digest);
        if let (true, None, Some(actor)) = (by_hand, &self.hold, &rollout.actor)
            && desired.is_some_and(|it| *it != rollout.candidate.digest)
        {
            let text = format!("asked for a {} to {}", rollout.cause, rollout.candidate);
            self.pause(&text, &actor.clone(), now);
        }
    }
}

/// Why a request is dropped that did not begin in time.
fn expired(asked: &Asked) -> Reason {
    let Asked { cause, release, actor, at, .. } = asked;
    let text = format!(
        "the {cause} to {release} that {actor} asked for at {at} did not begin within {}: ask \
         again if it is still wanted",
        minutes(Asked::STANDS)
    );
    Reason::new(Code::REQUEST_EXPIRED, text)
}
