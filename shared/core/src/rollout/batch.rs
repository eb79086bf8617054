//! The life of a batch: asked, drained, changed, and seen in service again.

use std::collections::BTreeSet;
use std::time::Duration;

use super::view::View;
use super::{Batch, Cause, Context, HostRun, Phase, Progress, Rollout, Stage};
use crate::configuration::TargetGroup;
use crate::name::HostId;
use crate::order::{ContainerHealth, Heard, Mode, OnHostFailure, Orders, Verb, Watch};
use crate::reason::{Code, Reason};
use crate::release::{Image, Running};
use crate::time::Timestamp;
use crate::traffic::{Health, Target};

impl Rollout {
    /// Moves the batch on.
    pub(super) fn change(&mut self, batch: Batch, cx: &mut Context<'_>) -> bool {
        match batch.stage.clone() {
            Stage::Checking(orders) => self.checked(batch, orders, cx),
            Stage::Draining { sent, watch, deadline } => {
                self.drained(batch, sent, watch, deadline, cx)
            }
            Stage::Activating(orders) => self.activated(batch, orders, cx),
            Stage::Settling { .. } => self.settled(batch, cx),
        }
    }

    fn stay(&mut self, batch: Batch, stage: Stage) -> bool {
        self.phase = Phase::Changing(Batch { stage, ..batch });
        false
    }

    fn checked(&mut self, batch: Batch, mut orders: Orders, cx: &mut Context<'_>) -> bool {
        if !cx.listen(&mut orders) {
            return self.stay(batch, Stage::Checking(orders));
        }
        if orders.is_old(cx.now) {
            self.choose_next(cx.now, "what the hosts said has grown old; they are asked again");
            return true;
        }
        for host in &batch.hosts {
            match orders.heard.get(host) {
                Some(Heard::Answered(answer)) if answer.is_ok() => {
                    if let Some(run) = self.hosts.get_mut(host) {
                        run.met(answer, cx.now);
                    }
                }
                Some(Heard::Answered(answer)) => {
                    let text = format!("{host} was not drained: {}", answer.reason.text);
                    self.turn_back(Reason::new(answer.reason.code.clone(), text), cx);
                    return true;
                }
                Some(Heard::Gone) => {}
                Some(Heard::Unclear(_) | Heard::Silent) | None => {
                    let text = format!("{host} does not answer any more, so it was not drained");
                    self.turn_back(Reason::new(Code::HOSTS_UNREACHABLE, text), cx);
                    return true;
                }
            }
        }
        let starting = match self.judge_done(&orders) {
            Ok(starting) => starting,
            Err(reason) => {
                self.turn_back(reason, cx);
                return true;
            }
        };
        // Chosen anew: what is in service may have changed while the hosts were asked.
        self.choose_next(cx.now, "the hosts of the batch answer");
        if let Phase::Choosing { checked_at, .. } = &mut self.phase {
            *checked_at = (!starting).then_some(cx.now);
        }
        true
    }

    /// The hosts that are done, which are asked again whether they still are.
    pub(super) fn done(&self) -> Vec<HostId> {
        let done = self.hosts.iter().filter(|(_, run)| run.progress == Progress::Done);
        done.map(|(host, _)| host.clone()).collect()
    }

    /// Takes what the hosts that are done say of their containers; whether any are still starting.
    /// One that does not answer says nothing: the last inspection of all decides.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them.
    pub(super) fn judge_done(&mut self, orders: &Orders) -> Result<bool, Reason> {
        let mut starting = false;
        for host in self.done() {
            let Some(Heard::Answered(answer)) = orders.heard.get(&host) else { continue };
            if orders.is_starting(&host) {
                starting = true;
                continue;
            }
            let failure = orders.verdict(&host).err();
            if let Some(run) = self.hosts.get_mut(&host) {
                run.healthy = answer.health == ContainerHealth::Healthy;
                run.answered_at = orders.made;
            }
            if let Some(reason) = failure {
                return Err(Reason::new(reason.code, of_host(&host, reason.text)));
            }
        }
        Ok(starting)
    }

    /// Waits until no target of the batch is registered or draining.
    fn drained(
        &mut self,
        batch: Batch,
        sent: BTreeSet<TargetGroup>,
        mut watch: Watch,
        deadline: Timestamp,
        cx: &mut Context<'_>,
    ) -> bool {
        if self.groups_of(&batch).iter().any(|group| !sent.contains(group)) {
            if sent.is_empty() && watch.since < cx.facts.woke_at {
                self.choose_next(cx.now, "what was seen before has grown old; chosen anew");
                return true;
            }
            return false;
        }
        let Some(view) = self.view(cx) else { return false };
        let open = |host: &HostId| {
            view.registered.contains_key(host) || view.draining.iter().any(|it| it.host == *host)
        };
        if !batch.hosts.iter().any(open) {
            self.activate(batch.hosts, true, "drained", cx);
            return true;
        }
        if cx.now >= deadline {
            let text = "the load balancer did not finish draining in time";
            return self.fail_batch(&batch, &Reason::new(Code::HEALTH_TARGET, text), cx);
        }
        if cx.now >= watch.next {
            watch.looked(cx.now);
        }
        self.stay(batch, Stage::Draining { sent, watch, deadline })
    }

    /// The groups in which hosts of the batch were registered.
    pub(super) fn groups_of(&self, batch: &Batch) -> BTreeSet<TargetGroup> {
        self.targets_of(&batch.hosts).map(|target| target.group.clone()).collect()
    }

    pub(super) fn targets_of<'a>(
        &'a self,
        hosts: &'a [HostId],
    ) -> impl Iterator<Item = &'a Target> {
        hosts.iter().filter_map(|host| self.hosts.get(host)).flat_map(|run| &run.targets)
    }

    /// Tells the hosts of a batch to run their image.
    pub(super) fn activate(
        &mut self,
        hosts: Vec<HostId>,
        drained: bool,
        text: &str,
        cx: &mut Context<'_>,
    ) {
        let (forward, fence) = (self.is_forward(), cx.fence());
        for host in hosts.iter().filter(|_| forward) {
            if let Some(run) = self.hosts.get_mut(host) {
                run.told = true;
                run.snapshot = run.snapshot.or(Some(fence));
            }
        }
        let candidate = self.candidate.image();
        let image = |run: &HostRun| if forward { candidate.clone() } else { run.image_back(fence) };
        let images: Vec<(HostId, Image)> = (hosts.iter())
            .filter_map(|host| Some((host.clone(), image(self.hosts.get(host)?))))
            .collect();
        let restores = forward && self.restores();
        let on_failure = if restores { OnHostFailure::Restore } else { OnHostFailure::Leave };
        let mut orders = Orders::new(Verb::Activate, fence, cx.now, on_failure, images);
        // A host that a restart left out has the image, and what its secrets were before.
        let renews = self.cause == Cause::Repair && !self.settings.secrets.is_empty();
        if self.cause == Cause::Restart || (forward && renews) {
            orders.mode = Mode::Restart;
        }
        let stage = Stage::Activating(orders);
        self.enter(Phase::Changing(Batch { hosts, drained, stage }), cx.now, text);
    }

    /// Judges every host of the batch, once all of them have been heard.
    fn activated(&mut self, mut batch: Batch, mut orders: Orders, cx: &mut Context<'_>) -> bool {
        if self.is_forward() && orders.never_went_out(cx.now) {
            self.choose_anew(&batch.hosts, orders.fence, cx.now);
            return true;
        }
        if !cx.listen(&mut orders) {
            return self.stay(batch, Stage::Activating(orders));
        }
        self.hear_warnings(&orders);
        let mut failure = None;
        for host in &batch.hosts {
            let alone = self.live().count() == 1 && self.cause != Cause::Repair;
            if let (true, false, Ok(answer)) = (alone, batch.drained, orders.verdict(host)) {
                let away = super::minutes(answer.took);
                self.note(cx.now, format!("{host} changed under traffic; it was away for {away}"));
            }
            let verdict = orders.verdict(host).map(|answer| answer.health);
            failure = failure.or(self.judge(host, verdict, orders.made));
        }
        match failure {
            Some(reason) if self.is_forward() => self.turn_back(reason, cx),
            Some(_) | None => {
                let touched = |host: &HostId| {
                    self.hosts.get(host).is_some_and(|run| run.progress.is_touched())
                };
                batch.hosts.retain(touched);
                if batch.hosts.is_empty() {
                    self.choose_next(cx.now, "no host of the batch could be put back");
                } else {
                    self.settle_batch(batch, cx);
                }
            }
        }
        true
    }

    /// Records what became of one host's order; why it failed, if it did.
    ///
    /// On the way back a host that failed is lost and stays out of service, and one that does not
    /// exist any more needs nothing.
    fn judge(
        &mut self,
        host: &HostId,
        verdict: Result<ContainerHealth, Reason>,
        asked_at: Timestamp,
    ) -> Option<Reason> {
        let forward = self.is_forward();
        let run = self.hosts.get_mut(host)?;
        run.healthy = verdict == Ok(ContainerHealth::Healthy);
        let Err(reason) = verdict else {
            run.answered_at = asked_at;
            return None;
        };
        let vanished = reason.code == Code::HOSTS_VANISHED;
        let reason = Reason::new(reason.code, of_host(host, reason.text));
        run.progress = match (forward, vanished) {
            (true, _) => Progress::Failed(reason.clone()),
            (false, true) => Progress::Skipped(reason.clone()),
            (false, false) => Progress::Lost(reason.clone()),
        };
        Some(reason)
    }

    /// Puts the batch into service again, and waits until it is seen there.
    fn settle_batch(&mut self, batch: Batch, cx: &mut Context<'_>) {
        let groups = self.groups_of(&batch);
        if groups.is_empty() {
            self.batch_done(&batch, cx.now);
            return;
        }
        let settings = || groups.iter().filter_map(|group| self.groups.get(group));
        let interval = settings().map(|it| it.interval).max().unwrap_or_default();
        let staleness = settings().map(crate::traffic::GroupSettings::staleness).max();
        let patience = settings().map(crate::traffic::GroupSettings::patience).max();
        let span = if batch.drained { interval } else { staleness.unwrap_or_default() };
        let stage = Stage::Settling {
            sent: if batch.drained { BTreeSet::new() } else { groups.clone() },
            healthy_since: None,
            span,
            watch: Watch::starting(cx.now, interval.min(Duration::from_secs(10))),
            deadline: cx.now.after(patience.unwrap_or_default()).after(span),
        };
        let text = "changed and well; waiting for the load balancer to see it";
        self.enter(Phase::Changing(Batch { stage, ..batch }), cx.now, text);
    }

    /// Waits until every target of the batch has been healthy for long enough.
    fn settled(&mut self, batch: Batch, cx: &mut Context<'_>) -> bool {
        let Stage::Settling { sent, healthy_since, span, mut watch, deadline } =
            batch.stage.clone()
        else {
            return false;
        };
        if self.groups_of(&batch).iter().any(|group| !sent.contains(group)) {
            return false;
        }
        let Some(view) = self.view(cx) else { return false };
        if let Some(reason) = view.unused(|target| batch.hosts.contains(&target.host)) {
            return self.fail_batch(&batch, &reason, cx);
        }
        if let Some(host) = batch.hosts.iter().find(|host| view.is_stopped(host)).cloned() {
            return self.stopped(batch, &host, cx);
        }
        let healthy = |target: &Target| view.health.get(target).copied() == Some(Health::Healthy);
        // What ran nothing before is registered as it was, and nothing is to answer there.
        let to_serve = |it: &&Target| self.is_to_serve(&it.host);
        let all_healthy = self.targets_of(&batch.hosts).filter(to_serve).all(healthy);
        let healthy_since = all_healthy.then(|| healthy_since.unwrap_or(cx.now));
        if !batch.hosts.iter().any(|host| self.is_to_serve(host)) {
            self.batch_done(&batch, cx.now);
            return true;
        }
        if healthy_since.is_some_and(|since| cx.now.since(since) >= span) {
            self.batch_done(&batch, cx.now);
            return true;
        }
        // A deadline is for what does not come. What is healthy is only watched a little longer,
        // even if nobody looked for a while.
        if cx.now >= deadline && healthy_since.is_none() {
            let reason = self.unhealthy(&batch, &view);
            return self.fail_batch(&batch, &reason, cx);
        }
        match healthy_since {
            Some(since) => watch.next = since.after(span),
            None if cx.now >= watch.next => watch.looked(cx.now),
            None => {}
        }
        self.stay(batch, Stage::Settling { sent, healthy_since, span, watch, deadline })
    }

    /// A host of the batch whose instance was stopped before it was back in service: forward it has
    /// failed, and on the way back it needs nothing any more.
    fn stopped(&mut self, mut batch: Batch, host: &HostId, cx: &mut Context<'_>) -> bool {
        let text = format!("{host} was stopped or terminated before it was in service again");
        let reason = Reason::new(Code::HOSTS_VANISHED, text);
        if self.is_forward() {
            return self.fail_batch(&batch, &reason, cx);
        }
        if let Some(run) = self.hosts.get_mut(host) {
            run.progress = Progress::Skipped(reason);
        }
        batch.hosts.retain(|it| it != host);
        if batch.hosts.is_empty() {
            self.choose_next(cx.now, "no host of the batch is left");
        } else {
            self.phase = Phase::Changing(batch);
        }
        true
    }

    /// Whether a host is to answer once its change has ended.
    fn is_to_serve(&self, host: &HostId) -> bool {
        let run = self.hosts.get(host);
        self.is_forward() || run.is_none_or(|run| run.baseline != Running::Nothing)
    }

    fn unhealthy(&self, batch: &Batch, view: &View) -> Reason {
        let unhealthy = |it: &&Target| view.health.get(*it).copied() != Some(Health::Healthy);
        let text = match self.targets_of(&batch.hosts).find(unhealthy) {
            Some(target) if view.was_taken_out(target) => {
                let text = format!(
                    "{} is not registered in {}: its instance does not run, or somebody else took \
                     it out",
                    target.host,
                    target.group.as_str()
                );
                return Reason::new(Code::HOSTS_VANISHED, text);
            }
            Some(target) => format!(
                "{} did not become healthy in {} on port {}",
                target.host,
                target.group.as_str(),
                target.port
            ),
            None => "the targets did not stay healthy".to_owned(),
        };
        Reason::new(Code::HEALTH_TARGET, text)
    }

    /// A batch that could not be drained or did not come into service.
    fn fail_batch(&mut self, batch: &Batch, reason: &Reason, cx: &mut Context<'_>) -> bool {
        if self.is_forward() {
            self.turn_back(reason.clone(), cx);
            return true;
        }
        for host in &batch.hosts {
            if let Some(run) = self.hosts.get_mut(host) {
                run.progress = Progress::Lost(reason.clone());
            }
        }
        self.choose_next(cx.now, &format!("could not be put back: {reason}"));
        true
    }

    fn batch_done(&mut self, batch: &Batch, now: Timestamp) {
        let progress = if self.is_forward() { Progress::Done } else { Progress::Restored };
        for host in &batch.hosts {
            if let Some(run) = self.hosts.get_mut(host) {
                run.progress = progress.clone();
                run.answered_at = now;
            }
        }
        let names = batch.hosts.iter().map(HostId::as_str).collect::<Vec<_>>().join(", ");
        let state = if self.is_forward() { "runs the candidate" } else { "is as it was" };
        self.choose_next(now, &format!("{names} {state}, in service"));
    }
}

/// A sentence that names its host.
fn of_host(host: &HostId, text: String) -> String {
    if text.starts_with(host.as_str()) { text } else { format!("{host}: {text}") }
}
