//! What a person asks of a lane.

use super::{Asked, Hold, Lane, REQUESTS};
use crate::reason::{Code, Reason};
use crate::release::Release;
use crate::request::{Refusal, Request, Wish};
use crate::rollout::Cause;
use crate::time::Timestamp;

impl Lane {
    /// Takes a request up, once for its id.
    ///
    /// # Errors
    ///
    /// Why it is not taken up; the lane is then as it was.
    pub fn ask(&mut self, request: &Request, now: Timestamp) -> Result<(), Refusal> {
        if self.requests.contains(&request.id) {
            return Ok(());
        }
        match &request.wish {
            Wish::Hold { reason } => self.pause(reason, &request.actor, now),
            Wish::Release => self.follow_again()?,
            Wish::Rollback { to: None } => self.stop(&request.actor, now)?,
            Wish::Rollback { to: Some(release) } => self.go_back(release, &request.actor, now)?,
        }
        self.requests.push(request.id.clone());
        if self.requests.len() > REQUESTS {
            self.requests.remove(0);
        }
        Ok(())
    }

    fn pause(&mut self, reason: &str, actor: &str, since: Timestamp) {
        let text = format!("held by {actor}: {reason}");
        let reason = Reason::new(Code::LANE_HELD, text);
        self.hold = Some(Hold { reason, actor: Some(actor.to_owned()), since });
    }

    fn follow_again(&mut self) -> Result<(), Refusal> {
        if self.hold.take().is_some() {
            return Ok(());
        }
        let text = format!("{} is not held, so there is nothing to release", self.id);
        Err(Refusal { reason: Reason::new(Code::ASKED, text) })
    }

    /// Stops the active rollout: its touched hosts go back to their baseline.
    fn stop(&mut self, actor: &str, now: Timestamp) -> Result<(), Refusal> {
        let Some(rollout) = self.rollout.as_mut().filter(|it| it.is_forward()) else {
            let text = format!("no rollout of {} is active that could be stopped", self.id);
            return Err(Refusal { reason: Reason::new(Code::ASKED, text) });
        };
        let text = format!("{actor} asked to stop {}", rollout.candidate);
        rollout.abort = Some(Reason::new(Code::ASKED, text.clone()));
        self.pause(&text, actor, now);
        Ok(())
    }

    fn go_back(&mut self, to: &Release, actor: &str, now: Timestamp) -> Result<(), Refusal> {
        let refused = |code, text: String| Err(Refusal { reason: Reason::new(code, text) });
        if let Some(rollout) = &self.rollout {
            let text = format!(
                "a rollout of {} to {} is active; roll it back without naming a version, or wait",
                rollout.candidate, self.id
            );
            return refused(Code::LANE_BUSY, text);
        }
        if self.quarantine.contains_key(&to.digest) {
            let text = format!("{to} is quarantined in {}: it failed here", self.id);
            return refused(Code::RELEASE_QUARANTINED, text);
        }
        if self.current.as_ref().is_some_and(|it| it.digest == to.digest) {
            return refused(Code::ASKED, format!("{to} is what {} runs already", self.id));
        }
        let (release, actor) = (to.clone(), actor.to_owned());
        self.pause(&format!("rolled back to {release}"), &actor, now);
        self.asked = Some(Asked { release, cause: Cause::Rollback, actor });
        Ok(())
    }
}
