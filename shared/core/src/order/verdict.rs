//! Whether hosts did what they were told.

use super::{Answer, ContainerHealth, Heard, LastChange, Orders, Verb};
use crate::name::HostId;
use crate::reason::{Code, Reason};
use crate::release::{Image, Running};

impl Orders {
    /// Whether a host did what it was told, as far as an image goes: it runs it, whole and well.
    ///
    /// # Errors
    ///
    /// Why not, for the record of the host.
    pub fn verdict(&self, host: &HostId) -> Result<&Answer, Reason> {
        let silent = |text: &str| Reason::new(Code::HOSTS_UNREACHABLE, format!("{host} {text}"));
        match self.heard.get(host) {
            Some(Heard::Answered(answer)) if !answer.is_ok() => Err(answer.failure()),
            Some(Heard::Answered(answer)) if !self.is_carried_out(host, answer) => {
                Err(silent("was cut off, and has not carried out its order"))
            }
            Some(Heard::Answered(answer)) => {
                let told = self.image_for(host);
                if told.is_some_and(|image| !image.is_run_by(&answer.now)) {
                    let text = format!("{host} runs {} instead of what it was told", answer.now);
                    // Containers that ended by themselves leave nothing behind that runs.
                    let ended = answer.now == Running::Nothing;
                    let code = if ended { Code::HEALTH_CONTAINER } else { Code::HOSTS_DRIFTED };
                    return Err(Reason::new(code, text));
                }
                let judged = told.is_some_and(Image::is_judged_by_host);
                let broken_off = answer.last_change == LastChange::Unfinished;
                if broken_off || (!judged && answer.is_unwell(told)) {
                    let text = format!("{host} runs the image, but its containers are not well");
                    return Err(Reason::new(Code::HEALTH_CONTAINER, text));
                }
                Ok(answer)
            }
            Some(Heard::Unclear(why)) => {
                Err(silent(&format!("gave no answer that can be read: {why}")))
            }
            Some(Heard::Gone) => Err(Reason::new(
                Code::HOSTS_VANISHED,
                format!("{host} vanished while it was being changed"),
            )),
            Some(Heard::Silent) | None => Err(silent("did not answer in time")),
        }
    }

    /// Whether a host did not break off the change that it was told to make: an inspection finds
    /// what was cut off, which says nothing about the image, and what ran before may look alike.
    pub(super) fn is_carried_out(&self, host: &HostId, answer: &Answer) -> bool {
        let mut parts = self.parts.iter().filter(|part| part.hosts.contains(host));
        let changes = parts.any(|part| part.verb == Verb::Activate);
        let finished = answer.last_change == LastChange::Finished;
        let kept = finished && answer.fence == Some(self.fence);
        !changes || !self.inspected.contains(host) || kept
    }

    /// Whether a host pulled what it was told to. An answer that could not be read says neither:
    /// the activation will.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn fetched(&self, host: &HostId) -> Result<Running, Reason> {
        match self.heard.get(host) {
            Some(Heard::Answered(answer)) if !answer.is_ok() => Err(answer.failure()),
            Some(Heard::Answered(answer)) => Ok(answer.now.clone()),
            // What runs is not known, so it may serve.
            Some(Heard::Unclear(_)) => Ok(Running::Mixed),
            Some(Heard::Gone | Heard::Silent) | None => Err(Reason::new(
                Code::HOSTS_UNREACHABLE,
                format!("{host} did not answer in time; see whether its SSM agent runs"),
            )),
        }
    }

    /// What a host runs, if that is what the image says, whole and healthy.
    pub(crate) fn runs_well(&self, host: &HostId) -> Option<&Running> {
        let answer = self.verdict(host).ok()?;
        (answer.health == ContainerHealth::Healthy).then_some(&answer.now)
    }
}
