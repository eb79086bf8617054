//! What a person asks of a lane.

use super::{Asked, Hold, Lane, PINS, Pin, REQUESTS};
use crate::digest::Digest;
use crate::reason::{Code, Reason};
use crate::release::{Availability, Release};
use crate::request::{Refusal, Request, Wish};
use crate::rollout::{Cause, End, Phase, Rollout};
use crate::time::Timestamp;

type Asking = Result<(), Refusal>;

fn refused(code: Code, text: impl Into<String>) -> Asking {
    Err(Refusal { reason: Reason::new(code, text) })
}

impl Lane {
    /// Takes a request up, once for its id.
    ///
    /// # Errors
    ///
    /// Why it is not taken up; the lane is then as it was.
    pub fn ask(&mut self, request: &Request, now: Timestamp) -> Asking {
        if self.requests.contains(&request.id) {
            return Ok(());
        }
        let mut next = self.clone();
        let actor = &request.actor;
        match &request.wish {
            Wish::Hold { reason } => next.pause(reason, actor, now),
            Wish::Release => next.go_on(actor)?,
            Wish::Rollback { to: None } | Wish::Abort => next.stop(actor, now)?,
            Wish::Rollback { to: Some(release) } => next.go_back(release, actor, now)?,
            Wish::Deploy { release, overriding } => {
                next.deploy(release, overriding.as_deref(), actor, now)?;
            }
            Wish::Restart => next.restart(actor, now)?,
            Wish::Restored => next.restored(actor, now),
            Wish::Lift { digest } => next.lift(digest)?,
            Wish::Pin { release, until, reason } => {
                let (until, reason, actor) = (*until, reason.clone(), actor.clone());
                next.pin(release, Pin { until, reason, actor }, now)?;
            }
            Wish::Unpin { digest } => next.unpin(digest, now)?,
        }
        next.requests.push(request.id.clone());
        if next.requests.len() > REQUESTS {
            next.requests.remove(0);
        }
        next.announce_since(self, now);
        next.promote_since(self);
        *self = next;
        Ok(())
    }

    pub(super) fn pause(&mut self, reason: &str, actor: &str, since: Timestamp) {
        let text = format!("held by {actor}: {reason}");
        let reason = Reason::new(Code::LANE_HELD, text);
        self.hold = Some(Hold { reason, actor: Some(actor.to_owned()), since });
    }

    /// A person's word: what was tried last may be tried again, too, and a rollout that asks goes
    /// on.
    fn go_on(&mut self, actor: &str) -> Asking {
        let held = self.hold.take().is_some();
        if held {
            self.last_attempt = None;
            // What hosts run since a rollout was left in the middle is not known.
            if std::mem::take(&mut self.halted) {
                self.inspected_at = Timestamp::default();
            }
        }
        let asks = |it: &&mut Rollout| matches!(it.phase, Phase::Asking(_)) && it.abort.is_none();
        let asking = self.rollout.as_mut().filter(asks);
        let asked = asking.is_some();
        if let Some(rollout) = asking {
            rollout.go_on = Some(actor.to_owned());
        }
        if held || asked {
            return Ok(());
        }
        refused(Code::ASKED, format!("{} is not held, so there is nothing to release", self.id))
    }

    /// Stops the active rollout: its touched hosts go back to their baseline. One that was asked
    /// for and has not begun does not begin.
    fn stop(&mut self, actor: &str, now: Timestamp) -> Asking {
        if let Some(Asked { cause, release, .. }) = self.asked.take() {
            self.pause(&format!("withdrew the {cause} to {release}"), actor, now);
            return Ok(());
        }
        let Some(rollout) = self.rollout.as_mut() else {
            let text = format!("no rollout of {} is active that could be stopped", self.id);
            return refused(Code::ASKED, text);
        };
        if !rollout.is_forward() || rollout.abort.is_some() {
            let text = format!("the rollout of {} is turning back already", rollout.candidate);
            return refused(Code::ASKED, text);
        }
        let text = format!("{actor} asked to stop {}", rollout.candidate);
        rollout.abort = Some(Reason::new(Code::ASKED, text.clone()));
        self.pause(&text, actor, now);
        Ok(())
    }

    fn go_back(&mut self, to: &Release, actor: &str, now: Timestamp) -> Asking {
        self.may_start(to)?;
        let (release, actor) = (to.clone(), actor.to_owned());
        self.pause(&format!("rolled back to {release}"), &actor, now);
        self.asked =
            Some(Asked { release, cause: Cause::Rollback, actor, overriding: None, at: now });
        Ok(())
    }

    /// A deploy of something else than what the tag says holds the lane, so that the tag does not
    /// undo it.
    fn deploy(
        &mut self,
        release: &Release,
        overriding: Option<&str>,
        actor: &str,
        now: Timestamp,
    ) -> Asking {
        self.may_start(release)?;
        if self.desired.as_ref().is_none_or(|desired| desired.digest != release.digest) {
            self.pause(&format!("deployed {release} by hand"), actor, now);
        }
        let (release, cause, actor) = (release.clone(), Cause::Deploy, actor.to_owned());
        let overriding = overriding.map(str::to_owned);
        self.asked = Some(Asked { release, cause, actor, overriding, at: now });
        Ok(())
    }

    /// Whether a rollout of something else than what runs may be asked for.
    fn may_start(&self, to: &Release) -> Asking {
        self.is_free()?;
        if self.quarantine.contains_key(&to.digest) {
            let text =
                format!("{to} is quarantined in {}: it failed here; `lift` it first", self.id);
            return refused(Code::RELEASE_QUARANTINED, text);
        }
        if self.current.as_ref().is_some_and(|it| it.digest == to.digest) {
            let text = format!("{to} is what {} runs already; `restart` makes it anew", self.id);
            return refused(Code::ASKED, text);
        }
        Ok(())
    }

    /// Whether nothing else was asked for or is under way. A repair ends, or makes way.
    fn is_free(&self) -> Asking {
        if let Some(rollout) = self.rollout.as_ref().filter(|it| it.cause != Cause::Repair) {
            let text = format!(
                "a rollout of {} to {} is active; wait for it, or `abort` it",
                rollout.candidate, self.id
            );
            return refused(Code::LANE_BUSY, text);
        }
        if let Some(asked) = &self.asked {
            let (cause, release) = (asked.cause, &asked.release);
            let text = format!(
                "a {cause} to {release} was asked for and has not begun; `abort` withdraws it"
            );
            return refused(Code::LANE_BUSY, text);
        }
        Ok(())
    }

    fn restart(&mut self, actor: &str, now: Timestamp) -> Asking {
        self.is_free()?;
        let Some(release) = self.current.clone() else {
            let text = format!("{} has no successful release that could be restarted", self.id);
            return refused(Code::ASKED, text);
        };
        let (cause, actor) = (Cause::Restart, actor.to_owned());
        self.asked = Some(Asked { release, cause, actor, overriding: None, at: now });
        Ok(())
    }

    /// What the ledger says is old, and hosts refuse what it would tell them. Fences of a new epoch
    /// are newer than all that were ever given out, also where it was restored before; what was
    /// under way when it was backed up is not gone on with.
    fn restored(&mut self, actor: &str, now: Timestamp) {
        self.epoch = self.epoch.saturating_add(1).max(now.as_secs());
        (self.asked, self.next, self.inspection) = (None, None, None);
        self.errands.clear();
        let text = "the ledger was restored from a backup";
        if let Some(mut rollout) = self.rollout.take() {
            let reason = Reason::new(Code::ASKED, format!("{actor} said that {text}"));
            rollout.finish(End::Halted, reason.clone(), now);
            self.conclude(rollout, End::Halted, reason, now);
        }
        // What hosts run is asked once a person lets the lane go on, and not changed before.
        self.halted = true;
        self.pause(text, actor, now);
    }

    fn lift(&mut self, digest: &Digest) -> Asking {
        if self.quarantine.remove(digest).is_none() {
            let text = format!("{} is not quarantined in {}", digest.short(), self.id);
            return refused(Code::ASKED, text);
        }
        self.last_attempt.take_if(|it| it.digest == *digest);
        Ok(())
    }

    /// Keeps an image, or keeps it until another day.
    fn pin(&mut self, release: &Release, pin: Pin, now: Timestamp) -> Asking {
        self.pins.retain(|_, it| it.until > now);
        if release.availability == Availability::Archived {
            let text = format!(
                "{release} is archived in ECR, where retention leaves it alone: restore it, then \
                 pin it"
            );
            return refused(Code::RELEASE_ARCHIVED, text);
        }
        if pin.until <= now {
            let until = pin.until;
            let text =
                format!("the pin of {release} would have ended at {until}: name a later day");
            return refused(Code::ASKED, text);
        }
        if self.pins.len() >= PINS && !self.pins.contains_key(&release.digest) {
            let text = format!("{} has {PINS} pins already; `unpin` one first", self.id);
            return refused(Code::ASKED, text);
        }
        self.pinned.insert(release.digest.clone());
        self.pins.insert(release.digest.clone(), pin);
        Ok(())
    }

    fn unpin(&mut self, digest: &Digest, now: Timestamp) -> Asking {
        self.pins.retain(|_, it| it.until > now);
        if self.pins.remove(digest).is_none() {
            let text = format!(
                "{} is not pinned in {}; `status` tells which images are",
                digest.short(),
                self.id
            );
            return refused(Code::ASKED, text);
        }
        Ok(())
    }
}
