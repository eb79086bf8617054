//! What a transition may know and use: the facts of this pass, and the fences it may give out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alarm::SeenAlarm;
use crate::configuration::{AlarmName, EnvironmentConfiguration, SecretName, TargetGroup};
use crate::digest::Digest;
use crate::lane::{Errand, HostRecord, LastKnown};
use crate::name::{HostId, Tag};
use crate::observation::{Fleet, Look, PartKey, Sources};
use crate::order::{CommandId, Fence, Heard, Invocation, Orders, PartState};
use crate::reason::Reason;
use crate::release::{Release, Running};
use crate::scan::{Platform, Scanned};
use crate::secret::SecretState;
use crate::time::Timestamp;
use crate::traffic::{SeenGroup, SeenTarget, Target};

/// What was seen since the lane woke. Never stored: a decision rests on what was read for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) sources: Option<Arc<Sources>>,
    /// What `sources` say of the lane's environment, or why they cannot be used.
    pub(crate) configured: Option<Result<Arc<EnvironmentConfiguration>, Reason>>,
    pub(crate) tags: BTreeMap<Tag, Option<Release>>,
    pub(crate) scans: BTreeMap<Digest, Arc<Vec<Scanned>>>,
    pub(crate) secrets: BTreeMap<SecretName, SecretState>,
    pub(crate) alarms: BTreeMap<AlarmName, SeenAlarm>,
    pub(crate) fleet: Option<Arc<Fleet>>,
    pub(crate) groups: BTreeMap<TargetGroup, SeenGroup>,
    pub(crate) targets: BTreeMap<TargetGroup, Vec<SeenTarget>>,
    pub(crate) commands: BTreeMap<CommandId, Vec<Invocation>>,
    pub(crate) woke_at: Timestamp,
}

/// What a transition may know and use.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) facts: &'a Facts,
    pub(crate) due: &'a mut BTreeSet<Look>,
    pub(crate) epoch: u64,
    pub(crate) generation: &'a mut u64,
    pub(crate) platforms: &'a mut BTreeMap<HostId, Option<Platform>>,
    /// What is known of the lane's hosts.
    pub(crate) known: Known<'a>,
    /// The hosts of the lane that are changed, or about to be, beside the rollout.
    pub(crate) errands: &'a BTreeMap<HostId, Errand>,
}

/// What a lane knows of its hosts, whatever rollout is active.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// What they were last verified to run.
    pub(crate) hosts: &'a BTreeMap<HostId, HostRecord>,
    /// What those may run that were given up.
    pub(crate) lost: &'a BTreeMap<HostId, LastKnown>,
    /// Where those are to be registered again that were taken out of service.
    pub(crate) owed: &'a BTreeMap<HostId, BTreeSet<Target>>,
}

impl Known<'_> {
    /// Whether a host has run something of this lane, whatever it runs now.
    pub(crate) fn has_run(&self, host: &HostId) -> bool {
        let record = self.hosts.get(host).is_some_and(|it| it.running != Running::Nothing);
        record || self.lost.contains_key(host) || self.owed.contains_key(host)
    }
}

impl<'a> Context<'a> {
    /// A fence newer than every one before it.
    pub(crate) fn fence(&mut self) -> Fence {
        *self.generation = self.generation.saturating_add(1);
        Fence { epoch: self.epoch, generation: *self.generation }
    }

    /// The hosts of the lane, or a look for them.
    pub(crate) fn fleet(&mut self) -> Option<&'a Fleet> {
        if self.facts.fleet.is_none() {
            self.due.insert(Look::Fleet);
        }
        self.facts.fleet.as_deref()
    }

    /// What these alarms say, or a look at those that are missing.
    pub(crate) fn alarms(
        &mut self,
        names: &BTreeSet<AlarmName>,
    ) -> Option<Vec<(AlarmName, &'a SeenAlarm)>> {
        let seen = |name: &AlarmName| Some((name.clone(), self.facts.alarms.get(name)?));
        let all: Vec<_> = names.iter().filter_map(seen).collect();
        if all.len() < names.len() {
            self.due.insert(Look::Alarms(names.clone()));
            return None;
        }
        Some(all)
    }

    /// The targets of all these groups, or looks for those that are missing.
    pub(crate) fn targets(&mut self, groups: &[TargetGroup]) -> Option<Vec<&'a SeenTarget>> {
        let mut seen = Vec::new();
        let mut complete = true;
        for group in groups {
            if let Some(targets) = self.facts.targets.get(group) {
                seen.extend(targets);
            } else {
                self.due.insert(Look::Targets(group.clone()));
                complete = false;
            }
        }
        complete.then_some(seen)
    }

    /// Listens to what hosts say of an intent; true once there is no more to hear.
    ///
    /// A command that went out in this pass is not looked at before the next one.
    pub(crate) fn listen(&mut self, orders: &mut Orders) -> bool {
        for part in &orders.parts {
            if part.state == PartState::Doubtful {
                let key = PartKey { fence: orders.fence, number: part.number };
                self.due.insert(Look::Lost(key, part.verb, orders.made));
            }
        }
        let mut looked = false;
        let open: Vec<(CommandId, Timestamp)> =
            orders.open_commands().map(|(command, at)| (command.clone(), at)).collect();
        for (command, sent_at) in open {
            match self.facts.commands.get(&command) {
                Some(invocations) => {
                    orders.hear(&command, invocations);
                    looked = true;
                }
                None if sent_at < self.facts.woke_at => {
                    self.due.insert(Look::Command(command));
                }
                None => {}
            }
        }
        for (host, heard) in &orders.heard {
            if let Heard::Answered(answer) = heard
                && answer.platform.is_some()
            {
                self.platforms.insert(host.clone(), answer.platform);
            }
        }
        orders.renew(self.now);
        orders.expire(self.now);
        // SSM says only half an hour later that a terminated machine is gone, or that it was not
        // reached.
        let is_silent = orders.silent().next().is_some();
        let fleet = if is_silent { self.fleet() } else { self.facts.fleet.as_deref() };
        if is_silent && fleet.is_none() {
            return false;
        }
        if let Some(fleet) = fleet {
            orders.miss(|host| fleet.hosts.contains(host), self.now);
        }
        if orders.is_refused()
            && let Some(fleet) = self.fleet()
        {
            looked |= orders.judge_refused(|host| fleet.hosts.contains(host), self.now);
        }
        if orders.is_heard() && orders.may_still_begin(self.now) {
            orders.watch.looked(self.now);
            return false;
        }
        if orders.is_heard() {
            return !orders.inspect_unclear(self.now);
        }
        if looked {
            orders.watch.looked(self.now);
        }
        false
    }
}
