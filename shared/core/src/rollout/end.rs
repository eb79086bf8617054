//! How a rollout ends, what it wants done, and when it wants to be woken.

use std::collections::{BTreeMap, BTreeSet};

use super::choose::goes_back;
use super::{Course, End, Phase, Progress, Rollout, Stage};
use crate::configuration::TargetGroup;
use crate::name::HostId;
use crate::observation::{HostOrder, HostSettings, Order, PartKey};
use crate::order::{Orders, PartState};
use crate::reason::{Code, Reason};
use crate::release::Running;
use crate::time::Timestamp;
use crate::traffic::Target;

impl Rollout {
    pub(crate) fn finish(&mut self, end: End, reason: Reason, now: Timestamp) {
        let text = format!("{end}: {reason}");
        self.enter(Phase::Ended(end, reason), now, text);
    }

    /// Ends the way back: restored, unless a live host is lost.
    pub(super) fn finish_back(&mut self, now: Timestamp) {
        let Course::Back { cause, .. } = self.course.clone() else { return };
        let lost: Vec<&str> = (self.hosts.iter())
            .filter(|(_, run)| matches!(run.progress, Progress::Lost(_)))
            .map(|(host, _)| host.as_str())
            .collect();
        if !lost.is_empty() {
            let text = format!("{}; could not be put back: {}", cause.text, lost.join(", "));
            self.finish(End::Stuck, Reason::new(cause.code, text), now);
            return;
        }
        let nothing_before = !self.hosts.values().any(|run| run.baseline != Running::Nothing);
        let end = match (self.abort.is_some(), self.halts, nothing_before) {
            (true, _, _) => End::Aborted,
            (false, true, _) => End::Halted,
            (false, false, true) => End::Failed,
            (false, false, false) => End::Restored,
        };
        let text = match end {
            End::Failed => format!("{}; nothing ran before, so it was stopped again", cause.text),
            End::Succeeded
            | End::Rejected
            | End::Restored
            | End::Stuck
            | End::Halted
            | End::Aborted
            | End::Superseded => cause.text,
        };
        self.finish(end, Reason::new(cause.code, text), now);
    }

    /// Gives up every host that is not back yet.
    pub(super) fn lose(&mut self, reason: &Reason) {
        for run in self.hosts.values_mut() {
            if goes_back(run, self.halts) {
                run.progress = Progress::Lost(reason.clone());
            }
        }
    }

    pub(super) fn lose_the_rest(&mut self, now: Timestamp) {
        let text = "the hosts were not put back in time";
        self.lose(&Reason::new(Code::DEADLINE_PASSED, text));
        self.finish_back(now);
    }

    /// The changes that this rollout wants made now.
    pub(crate) fn wanted(&self, repository: &str) -> Vec<Order> {
        if let Some(orders) = self.orders() {
            let settings = HostSettings::of(&self.settings);
            return sends(orders, repository, &self.documents, &settings);
        }
        let Phase::Changing(batch) = &self.phase else { return Vec::new() };
        match &batch.stage {
            Stage::Draining { sent, .. } => self.by_group(&batch.hosts, sent, Order::Deregister),
            Stage::Settling { sent, .. } => self.by_group(&batch.hosts, sent, Order::Register),
            Stage::Checking(_) | Stage::Activating(_) => Vec::new(),
        }
    }

    fn by_group(
        &self,
        hosts: &[HostId],
        sent: &BTreeSet<TargetGroup>,
        order: impl Fn(TargetGroup, Vec<Target>) -> Order,
    ) -> Vec<Order> {
        let mut groups: BTreeMap<&TargetGroup, Vec<Target>> = BTreeMap::new();
        for target in
            hosts.iter().filter_map(|host| self.hosts.get(host)).flat_map(|it| &it.targets)
        {
            groups.entry(&target.group).or_default().push(target.clone());
        }
        groups.retain(|group, _| !sent.contains(*group));
        groups.into_iter().map(|(group, targets)| order(group.clone(), targets)).collect()
    }

    /// Records that a deregistration is out: draining begins now.
    pub(crate) fn deregistered(&mut self, group: &TargetGroup, now: Timestamp) {
        if let Phase::Changing(batch) = &mut self.phase
            && let Stage::Draining { sent, watch, deadline } = &mut batch.stage
        {
            sent.insert(group.clone());
            watch.restart(deadline, now);
        }
    }

    /// Records that a registration is out, if it is the batch's own: health is awaited from now.
    pub(crate) fn registered(&mut self, group: &TargetGroup, targets: &[Target], now: Timestamp) {
        if let Phase::Changing(batch) = &mut self.phase
            && let Stage::Settling { sent, watch, deadline, .. } = &mut batch.stage
            && targets.iter().all(|target| batch.hosts.contains(&target.host))
        {
            sent.insert(group.clone());
            watch.restart(deadline, now);
        }
    }

    /// When it wants to look again if nothing happens before.
    #[must_use]
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = match &self.phase {
            Phase::Ended(..) => return None,
            Phase::Gating(orders)
            | Phase::Prefetching(orders)
            | Phase::RunningOnce(orders)
            | Phase::Verifying(orders) => orders.watch.next,
            Phase::Choosing { watch, .. } => watch.next,
            Phase::Baking(bake) => self.watches_at(bake, now),
            Phase::Asking(asked) => asked.until.min(asked.watch.next),
            Phase::Changing(batch) => match &batch.stage {
                Stage::Checking(orders) | Stage::Activating(orders) => orders.watch.next,
                Stage::Draining { watch, .. } | Stage::Settling { watch, .. } => watch.next,
            },
        };
        Some(next)
    }
}

/// The calls of an intent that are to be made.
pub(crate) fn sends(
    orders: &Orders,
    repository: &str,
    documents: &crate::observation::Documents,
    settings: &HostSettings,
) -> Vec<Order> {
    let unsent = orders.parts.iter().filter(|part| part.state == PartState::Unsent);
    unsent
        .map(|part| {
            Order::Send(Box::new(HostOrder {
                key: PartKey { fence: orders.fence, number: part.number },
                verb: part.verb,
                hosts: part.hosts.clone(),
                image: part.image.clone(),
                repository: repository.to_owned(),
                document: documents.get(&part.verb).cloned(),
                not_after: orders.not_after,
                on_failure: orders.on_failure,
                mode: orders.mode,
                settings: Box::new(settings.clone()),
            }))
        })
        .collect()
}
