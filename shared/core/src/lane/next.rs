//! The release that waits while a rollout is active: one at most, and the latest wins.

use std::sync::Arc;

use super::Lane;
use super::decide::rollout_id;
use crate::configuration::EnvironmentConfiguration;
use crate::observation::Sources;
use crate::reason::{Code, Reason};
use crate::release::Release;
use crate::rollout::{Cause, End, Rollout};
use crate::time::Timestamp;

impl Lane {
    /// Takes note of what the tag says while a rollout is active.
    pub(super) fn queue_next(&mut self, active: &Rollout, now: Timestamp) {
        let Some(desired) = self.facts.tags.get(&active.settings.tag).cloned() else { return };
        self.desired.clone_from(&desired);
        let next = desired.filter(|release| release.digest != active.candidate.digest);
        if self.next.as_ref().map(|it| &it.digest) == next.as_ref().map(|it| &it.digest) {
            return;
        }
        let by = next.clone().unwrap_or_else(|| active.candidate.clone());
        self.pass_over(&by, &active.sources, &active.settings, now);
        self.next = next;
    }

    /// Records the release that waited as superseded, unless it is the one that goes now.
    pub(super) fn pass_over(
        &mut self,
        by: &Release,
        sources: &Arc<Sources>,
        settings: &Arc<EnvironmentConfiguration>,
        now: Timestamp,
    ) {
        let Some(passed) = self.next.take().filter(|it| it.digest != by.digest) else { return };
        self.generation = self.generation.saturating_add(1);
        let id = rollout_id(&self.id, self.generation, now);
        let text = format!("{by} took the place of {passed} before it began");
        let reason = Reason::new(Code::RELEASE_SUPERSEDED, text);
        let baseline = self.current.clone();
        let mut rollout =
            Rollout::new(id, Cause::Push, passed, baseline, sources.clone(), settings.clone(), now);
        rollout.finish(End::Superseded, reason, now);
        self.ended.push(rollout);
    }
}
