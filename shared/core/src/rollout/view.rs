//! Who serves at this moment, by the load balancer or by the containers themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cause, Context, Rollout};
use crate::configuration::Share;
use crate::lane::Errand;
use crate::name::HostId;
use crate::reason::{Code, Reason};
use crate::traffic::{Health, Target};

/// What the load balancer, or the containers themselves, say of the hosts at this moment.
pub(super) struct View {
    /// The registered targets of each host.
    pub(super) registered: BTreeMap<HostId, BTreeSet<Target>>,
    /// Every target that is still draining.
    pub(super) draining: BTreeSet<Target>,
    /// The health of every target that was listed.
    pub(super) health: BTreeMap<Target, Health>,
    /// Who serves, per group; without groups, who is well.
    groups: Vec<Serving>,
    /// Hosts of the lane that the rollout does not change, or has left out.
    pub(super) others: BTreeSet<HostId>,
}

/// Hosts that serve together.
struct Serving {
    /// Those that are registered, or are to be again.
    members: BTreeSet<HostId>,
    /// Those among them that are healthy.
    healthy: BTreeSet<HostId>,
}

impl View {
    /// Whether a host takes traffic in any group.
    pub(super) fn serves(&self, host: &HostId) -> bool {
        !self.groups_of(host).is_empty()
    }

    /// Hosts that take traffic in a group of one of these, these included: among them may be some
    /// that Systems Manager does not list, or another lane's.
    pub(super) fn beside(&self, hosts: &[HostId]) -> BTreeSet<&HostId> {
        let shared =
            self.groups.iter().filter(|it| hosts.iter().any(|host| it.members.contains(host)));
        shared.flat_map(|group| &group.healthy).collect()
    }

    /// Whether a host takes traffic in every group that it is a member of.
    pub(super) fn serves_everywhere(&self, host: &HostId) -> bool {
        let mut groups = self.groups.iter().filter(|group| group.members.contains(host));
        groups.all(|group| group.healthy.contains(host))
    }

    /// A target in a group that no listener serves, among those that matter: it never becomes
    /// healthy, and there is no use in waiting for it.
    pub(super) fn unused(&self, matters: impl Fn(&Target) -> bool) -> Option<Reason> {
        let mut unused = self.health.iter().filter(|(_, health)| **health == Health::Unused);
        let (target, _) = unused.find(|(target, _)| matters(target))?;
        let text = format!(
            "{} is `unused` in {}: no listener serves the group, or its zone is off",
            target.host,
            target.group.as_str()
        );
        Some(Reason::new(Code::HEALTH_TARGET, text))
    }

    /// Whether the load balancer says that a host's instance does not run.
    pub(super) fn is_stopped(&self, host: &HostId) -> bool {
        let mut targets = self.registered.get(host).into_iter().flatten();
        targets.any(|target| self.health.get(target) == Some(&Health::Stopped))
    }

    /// Whether a target that is to be registered is not, or is about to go.
    pub(super) fn was_taken_out(&self, target: &Target) -> bool {
        matches!(self.health.get(target), None | Some(Health::Draining))
    }

    /// Whether a host is registered in a group, by its place, or is to be again.
    pub(super) fn is_member(&self, place: usize, host: &HostId) -> bool {
        self.groups.get(place).is_some_and(|group| group.members.contains(host))
    }

    /// The groups in which a host takes traffic, by their places.
    pub(super) fn groups_of(&self, host: &HostId) -> BTreeSet<usize> {
        let groups = self.groups.iter().enumerate();
        groups.filter(|(_, group)| group.healthy.contains(host)).map(|(place, _)| place).collect()
    }

    /// How many of the fleet each group can spare before it reaches its floor. A host that is in no
    /// group counts in all of them: it may have gone from any.
    pub(super) fn headroom(&self, fleet: &BTreeSet<&HostId>, least: &Share) -> Vec<usize> {
        let nowhere = |host: &HostId| !self.groups.iter().any(|it| it.members.contains(host));
        let spare = |group: &Serving| {
            let members = fleet.iter().filter(|it| group.members.contains(**it) || nowhere(it));
            let healthy = fleet.iter().filter(|it| group.healthy.contains(**it));
            healthy.count().saturating_sub(least.floor(members.count()))
        };
        self.groups.iter().map(spare).collect()
    }
}

impl Rollout {
    /// What is seen of the hosts now, or looks for what is missing.
    pub(super) fn view(&self, cx: &mut Context<'_>) -> Option<View> {
        let groups = &self.settings.target_groups;
        let seen = cx.targets(groups)?;
        let mut view = View {
            registered: BTreeMap::new(),
            draining: BTreeSet::new(),
            health: BTreeMap::new(),
            groups: Vec::new(),
            others: BTreeSet::new(),
        };
        for it in &seen {
            view.health.insert(it.target.clone(), it.health);
            if it.health.is_registered() {
                let targets = view.registered.entry(it.target.host.clone()).or_default();
                targets.insert(it.target.clone());
            } else {
                view.draining.insert(it.target.clone());
            }
        }
        view.others = self.find_others(&view, cx);
        for group in groups {
            let of = |target: &Target| target.group == *group;
            let remembered =
                self.hosts.iter().filter(|(_, run)| run.targets.iter().any(of)).map(|it| it.0);
            // Those beside this rollout that were taken out of service, and are not back yet.
            let owed = cx.known.owed.iter().filter(|(_, targets)| targets.iter().any(of));
            let remembered = remembered.chain(owed.map(|it| it.0));
            let registered = seen.iter().filter(|it| of(&it.target) && it.health.is_registered());
            let healthy = seen.iter().filter(|it| {
                let changes = cx.errands.get(&it.target.host).is_some_and(Errand::is_changing);
                of(&it.target) && it.health == Health::Healthy && !changes
            });
            view.groups.push(Serving {
                members: registered.map(|it| &it.target.host).chain(remembered).cloned().collect(),
                healthy: healthy.map(|it| it.target.host.clone()).collect(),
            });
        }
        if groups.is_empty() {
            let well = self.hosts.iter().filter(|(_, run)| run.healthy).map(|(host, _)| host);
            let others: Vec<&HostId> = self.counted(&view, cx).collect();
            // Nothing tells about the others but what they said of late.
            let is_well = |host: &HostId| match cx.errands.get(host) {
                Some(errand) => errand.is_serving(cx.now),
                None => cx.known.hosts.get(host).is_some_and(|it| it.is_well),
            };
            let asked = others.iter().copied().filter(|_| self.cause == Cause::Repair);
            let well = well.chain(asked.filter(|host| is_well(host)));
            let healthy = well.cloned().collect();
            let members = self.hosts.keys().chain(others.iter().copied()).cloned().collect();
            view.groups.push(Serving { members, healthy });
        }
        Some(view)
    }

    /// Hosts of the lane that this rollout does not change, or has left out.
    fn find_others(&self, view: &View, cx: &Context<'_>) -> BTreeSet<HostId> {
        let listed = cx.facts.fleet.iter().flat_map(|fleet| &fleet.hosts);
        // Systems Manager may stop listing a host that runs: the load balancer still has it.
        let under_way = cx.errands.iter().filter(|(_, errand)| errand.is_under_way());
        let under_way = under_way.map(|(host, _)| host);
        let under_way = under_way.filter(|host| view.registered.contains_key(*host));
        let others = listed.chain(under_way);
        others.filter(|it| !self.is_live(it) && !view.is_stopped(it)).cloned().collect()
    }

    /// The other hosts of the lane that count for the floor: those that serve, that an errand is on
    /// its way to, that wait for their repair, or that have served before, also where this rollout
    /// left them out; beside a repair, all of them. Any other way back waits for nobody, and a
    /// person's way back not for what was broken before it.
    pub(super) fn counted<'a>(
        &self,
        view: &'a View,
        cx: &Context<'_>,
    ) -> impl Iterator<Item = &'a HostId> + use<'a> {
        let (forward, errands, known) = (self.is_forward(), cx.errands, cx.known);
        let repairs = self.cause == Cause::Repair;
        let waits = self.cause != Cause::Rollback;
        let is_meant =
            move |it: &Errand| it.is_under_way() || it.awaits_repair() || (it.has_served && waits);
        let is_missed = |host: &HostId| match errands.get(host) {
            Some(errand) => is_meant(errand),
            None => self.hosts.contains_key(host) && waits && known.has_run(host),
        };
        let counts: Vec<&HostId> = (view.others.iter())
            .filter(|host| repairs || forward && (view.serves(host) || is_missed(host)))
            .collect();
        counts.into_iter()
    }
}
