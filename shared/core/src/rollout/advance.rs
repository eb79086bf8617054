//! The transitions of a rollout that concern all its hosts at once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::alarms::Alarms;
use super::choose::{goes_back, goes_forward, is_ready};
use super::{Cause, Context, Course, HostRun, Phase, Progress, Rollout, Stage};
use crate::configuration::Unreachable;
use crate::name::HostId;
use crate::order::{Fence, Heard, OnHostFailure, Orders, Verb, Watch};
use crate::reason::{Code, Reason};
use crate::release::{Image, Running};
use crate::time::Timestamp;

/// How long a batch may be waited for when every host that could change is needed in service.
const HEADROOM_WAIT: Duration = Duration::from_mins(10);

/// How long a rollout may take to turn back, unless its estimate is longer, before what is left
/// counts as lost.
const BACK_LIMIT: Duration = Duration::from_hours(2);

impl Rollout {
    /// Makes the next transition that the facts allow; false when there is none.
    ///
    /// A wish to stop and a passed deadline are taken up only where no host is in the middle of
    /// a change: a host is not moved on before its order has ended.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_forward() && self.is_interruptible() {
            if let Some(reason) = self.abort.clone() {
                self.turn_back(reason, cx);
                return true;
            }
            // The time that a person is waited for has its own end.
            let asks = matches!(self.phase, Phase::Asking(_));
            if cx.now >= self.deadline && !asks {
                let text = format!("the rollout was not done by {}", self.deadline);
                self.turn_back(Reason::new(Code::DEADLINE_PASSED, text), cx);
                return true;
            }
        }
        if self.is_late(cx.now) {
            self.lose_the_rest(cx.now);
            return true;
        }
        match self.phase.clone() {
            Phase::Gating(orders) => self.gate(orders, cx),
            Phase::Prefetching(orders) => self.prefetched(orders, cx),
            Phase::RunningOnce(orders) => self.ran_once(orders, cx),
            Phase::Choosing { watch, deadline, checked_at } => {
                self.choose(watch, deadline, checked_at, cx)
            }
            Phase::Changing(batch) => self.change(batch, cx),
            Phase::Baking(bake) => self.bake(bake, cx),
            Phase::Asking(asked) => self.await_answer(asked, cx),
            Phase::Verifying(orders) => self.verify(orders, cx),
            Phase::Ended(..) => false,
        }
    }

    /// Whether no host is in the middle of a change.
    fn is_interruptible(&self) -> bool {
        match &self.phase {
            Phase::Changing(batch) => !matches!(batch.stage, Stage::Activating(_)),
            // What runs once is not broken off: nobody could say what it has done.
            Phase::RunningOnce(_) | Phase::Ended(..) => false,
            Phase::Gating(_)
            | Phase::Prefetching(_)
            | Phase::Choosing { .. }
            | Phase::Baking(_)
            | Phase::Asking(_)
            | Phase::Verifying(_) => true,
        }
    }

    /// Whether the way back has taken too long.
    fn is_late(&self, now: Timestamp) -> bool {
        matches!(&self.course, Course::Back { deadline, .. } if now >= *deadline)
            && self.is_interruptible()
    }

    /// Reads what every host runs, and whether it can be changed at all.
    fn gate(&mut self, mut orders: Orders, cx: &mut Context<'_>) -> bool {
        if !cx.listen(&mut orders) {
            self.phase = Phase::Gating(orders);
            return false;
        }
        let hosts: Vec<HostId> = self.hosts.keys().cloned().collect();
        for host in hosts {
            if let Err(reason) = self.meet(&host, orders.heard.get(&host), orders.made) {
                self.finish(super::End::Rejected, reason, cx.now);
                return true;
            }
        }
        if self.live().next().is_none() {
            let text = "no host answered, so there is nothing to change";
            self.finish(super::End::Rejected, Reason::new(Code::HOSTS_NONE, text), cx.now);
            return true;
        }
        let hosts = self.live().map(|(host, _)| host.clone()).collect();
        self.prefetch(hosts, cx);
        true
    }

    /// Takes one host's first answer: its baseline, or why the rollout cannot start.
    fn meet(
        &mut self,
        id: &HostId,
        heard: Option<&Heard>,
        asked_at: Timestamp,
    ) -> Result<(), Reason> {
        let Some(run) = self.hosts.get_mut(id) else { return Ok(()) };
        match heard {
            Some(Heard::Answered(answer)) if answer.is_ok() => {
                run.met(answer, asked_at);
                Ok(())
            }
            Some(Heard::Answered(answer)) => {
                let text = format!("{id}: {}", answer.failure().text);
                Err(Reason::new(answer.reason.code.clone(), text))
            }
            Some(Heard::Gone) => {
                let reason = Reason::new(Code::HOSTS_VANISHED, format!("{id} does not exist"));
                run.progress = Progress::Skipped(reason);
                Ok(())
            }
            Some(Heard::Unclear(_) | Heard::Silent) | None => {
                let reason = Reason::new(
                    Code::HOSTS_UNREACHABLE,
                    format!("{id} did not answer; see whether its SSM agent runs"),
                );
                match self.settings.unreachable {
                    Unreachable::Fail => Err(reason),
                    Unreachable::Skip => {
                        run.progress = Progress::Skipped(reason);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Lets hosts pull the candidate: all at first, and those that join later before they change.
    pub(super) fn prefetch(&mut self, hosts: Vec<HostId>, cx: &mut Context<'_>) {
        let image = self.candidate.image();
        let count = hosts.len();
        let hosts = hosts.into_iter().map(|host| (host, image.clone()));
        let orders = Orders::new(Verb::Prefetch, cx.fence(), cx.now, OnHostFailure::Leave, hosts);
        let text = format!("{} is being pulled on {count} host(s)", self.candidate);
        self.enter(Phase::Prefetching(orders), cx.now, text);
    }

    /// Goes on once every host has the image. Going back, a host without it is still tried: the
    /// image it ran may be there all the same, and its activation says so.
    fn prefetched(&mut self, mut orders: Orders, cx: &mut Context<'_>) -> bool {
        if !cx.listen(&mut orders) {
            self.phase = Phase::Prefetching(orders);
            return false;
        }
        self.hear_warnings(&orders);
        for (host, heard) in &orders.heard {
            let failure = match heard {
                Heard::Answered(answer) if answer.is_ok() => None,
                Heard::Answered(answer) => Some(answer.failure()),
                Heard::Gone => None,
                Heard::Unclear(_) | Heard::Silent => Some(Reason::new(
                    Code::HOSTS_UNREACHABLE,
                    "it did not answer; see whether its SSM agent runs",
                )),
            };
            let one_way = matches!(heard, Heard::Answered(answer) if answer.one_way);
            self.one_way |= one_way && self.is_forward();
            let forward = self.is_forward();
            if let Some(run) = self.hosts.get_mut(host) {
                run.fetched |= forward;
                match heard {
                    // What could not look says that nothing runs.
                    Heard::Answered(answer) if forward && answer.is_ok() => {
                        run.met(answer, orders.made);
                    }
                    Heard::Answered(_) | Heard::Gone | Heard::Unclear(_) | Heard::Silent => {
                        // What was never met is not known to run nothing.
                        if run.answered_at > Timestamp::default() {
                            run.answered_at = orders.made;
                        }
                    }
                }
            }
            if let (Some(reason), true) = (failure, forward) {
                let text = format!("{host} cannot pull {}: {}", self.candidate, reason.text);
                self.turn_back(Reason::new(reason.code, text), cx);
                return true;
            }
        }
        self.note_once(&orders);
        if !self.run_once(cx) {
            self.choose_next(cx.now, "the image is on every host");
        }
        true
    }

    /// Looks for the next batch.
    pub(super) fn choose_next(&mut self, now: Timestamp, text: &str) {
        let watch = Watch::starting(now, Duration::from_secs(5));
        let deadline = now.after(HEADROOM_WAIT);
        self.enter(Phase::Choosing { watch, deadline, checked_at: None }, now, text);
    }

    /// Turns back: every touched host gets its baseline again, if policy wants it so.
    pub(super) fn turn_back(&mut self, cause: Reason, cx: &mut Context<'_>) {
        self.turned_back_at.get_or_insert(cx.now);
        let by_hand = self.abort.is_some();
        self.fail_touched(&cause);
        let told = self.hosts.values().any(|run| run.told && run.progress.is_touched());
        let one_way = self.one_way && !by_hand;
        self.halts = told && !by_hand && (one_way || !self.restores());
        let cause = if one_way && self.halts { left_by_label(&cause) } else { cause };
        let hosts = self.images_to_restore();
        if hosts.is_empty() {
            let end = match (by_hand, self.halts) {
                (true, _) => super::End::Aborted,
                (false, true) => super::End::Halted,
                (false, false) => super::End::Failed,
            };
            self.finish(end, cause, cx.now);
            return;
        }
        let text = format!("turning back on {} host(s): {cause}", hosts.len());
        let limit = BACK_LIMIT.max(self.estimate().whole.saturating_mul(2));
        self.course = Course::Back { cause, deadline: cx.now.after(limit) };
        let pulls: Vec<_> =
            hosts.into_iter().filter(|(host, image)| self.has_to_fetch(host, image)).collect();
        if pulls.is_empty() {
            self.choose_next(cx.now, &text);
            return;
        }
        let orders = Orders::new(Verb::Prefetch, cx.fence(), cx.now, OnHostFailure::Leave, pulls);
        self.enter(Phase::Prefetching(orders), cx.now, text);
    }

    /// Whether a host may have to fetch what it goes back to: it was told to change, and ran
    /// something.
    fn has_to_fetch(&self, host: &HostId, image: &Image) -> bool {
        let was_told = self.hosts.get(host).is_some_and(|run| run.snapshot.is_some());
        was_told && !image.is_run_by(&Running::Nothing)
    }

    /// Marks the hosts of the batch that is being left: they were touched, and are not done.
    fn fail_touched(&mut self, cause: &Reason) {
        for run in self.hosts.values_mut() {
            if run.progress == Progress::Touched {
                run.progress = Progress::Failed(cause.clone());
            }
        }
    }

    /// What every touched host has to run again.
    fn images_to_restore(&self) -> Vec<(HostId, Image)> {
        let touched = self.hosts.iter().filter(|(_, run)| goes_back(run, self.halts));
        touched.map(|(host, run)| (host.clone(), run.image_back(Fence::default()))).collect()
    }

    /// Asks every host once more: success is what is seen, not what was told.
    pub(super) fn start_verifying(&mut self, cx: &mut Context<'_>) {
        self.ask_all("every host is asked once more what it runs", cx);
    }

    fn ask_all(&mut self, text: &str, cx: &mut Context<'_>) {
        let image = self.candidate.image();
        let hosts: Vec<_> = self.live().map(|(host, _)| (host.clone(), image.clone())).collect();
        let orders = Orders::new(Verb::Inspect, cx.fence(), cx.now, OnHostFailure::Leave, hosts);
        self.enter(Phase::Verifying(orders), cx.now, text);
    }

    /// Succeeds when every live host runs the candidate, well and in service.
    fn verify(&mut self, mut orders: Orders, cx: &mut Context<'_>) -> bool {
        if !cx.listen(&mut orders) {
            self.phase = Phase::Verifying(orders);
            return false;
        }
        if orders.is_old(cx.now) {
            self.ask_all("what the hosts said has grown old; they are asked again", cx);
            return true;
        }
        let (Some(view), Some(fleet)) = (self.view(cx), cx.fleet()) else {
            self.phase = Phase::Verifying(orders);
            return false;
        };
        self.skip_stopped(&view);
        let is_there = |host: &HostId| fleet.hosts.contains(host) && !view.is_stopped(host);
        if self.take_back(|host, run| is_there(host) && is_ready(host, run, &view)) {
            self.ask_all("a host is back; every host is asked again", cx);
            return true;
        }
        if self.live().any(|(_, run)| goes_forward(run)) {
            self.choose_next(cx.now, "a host has joined, and changes last");
            return true;
        }
        let hosts: Vec<HostId> = self.live().map(|(host, _)| host.clone()).collect();
        if hosts.iter().any(|host| orders.is_starting(host)) {
            self.ask_all("containers are still starting; every host is asked again", cx);
            return true;
        }
        for host in hosts {
            match orders.verdict(&host) {
                Ok(_) => {}
                Err(reason) if !fleet.hosts.contains(&host) || view.is_stopped(&host) => {
                    if let Some(run) = self.hosts.get_mut(&host) {
                        run.progress = Progress::Skipped(reason);
                    }
                }
                Err(reason) => {
                    self.turn_back(reason, cx);
                    return true;
                }
            }
        }
        if let Some(reason) = self.out_of_service(&view) {
            self.turn_back(reason, cx);
            return true;
        }
        // The hosts may have been waited for long after the bake.
        match self.alarms(cx) {
            None => {
                self.phase = Phase::Verifying(orders);
                return false;
            }
            Some(Alarms::Red(reason)) => self.turn_back(reason, cx),
            // What does not say was asked about in the bake.
            Some(Alarms::Quiet | Alarms::Unclear(_)) => self.succeed(&view.others, cx),
        }
        true
    }

    /// Counts hosts again that went away and are back; whether there are any.
    pub(super) fn take_back(&mut self, is_back: impl Fn(&HostId, &HostRun) -> bool) -> bool {
        let mut back = false;
        for (host, run) in &mut self.hosts {
            if run.is_vanished() && is_back(host, run) {
                run.progress = match (run.told, run.targets.is_empty()) {
                    (true, _) => Progress::Done,
                    // It was taken out of service before it went away.
                    (false, false) => Progress::Touched,
                    (false, true) => Progress::Waiting,
                };
                back = true;
            }
        }
        back
    }

    fn succeed(&mut self, others: &BTreeSet<HostId>, cx: &mut Context<'_>) {
        let hosts = self.live().count();
        if hosts == 0 {
            let text = "no host is left that runs it";
            self.turn_back(Reason::new(Code::HOSTS_NONE, text), cx);
            return;
        }
        // A repair concerns no host but its own.
        let concerns =
            |host: &&HostId| self.cause != Cause::Repair || self.hosts.contains_key(*host);
        let left: Vec<&str> = others.iter().filter(concerns).map(HostId::as_str).collect();
        let joined = if left.is_empty() {
            String::new()
        } else {
            format!("; not on {} yet: `status` says why", left.join(", "))
        };
        let text =
            format!("{} runs on {hosts} host(s), healthy and in service{joined}", self.candidate);
        self.finish(super::End::Succeeded, Reason::new(Code::OK, text), cx.now);
    }
}

/// Why nothing is put back, although it failed.
fn left_by_label(cause: &Reason) -> Reason {
    let text = format!(
        "{}; the image is labelled `esclusa.rollback=unsafe`, so no host is put back",
        cause.text
    );
    Reason::new(cause.code.clone(), text)
}

impl Progress {
    /// Whether the host may not be as it was before the rollout.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        match self {
            Self::Touched | Self::Done | Self::Failed(_) => true,
            Self::Waiting | Self::Restored | Self::Lost(_) | Self::Skipped(_) => false,
        }
    }
}
