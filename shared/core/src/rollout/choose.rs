//! Choosing the next batch: how many can be spared, who goes first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::alarms::Alarms;
use super::view::View;
use super::{Bake, Batch, Cause, Context, Course, HostRun, Known, Phase, Progress, Rollout, Stage};
use crate::name::HostId;
use crate::order::{DELIVERY, Fence, OnHostFailure, Orders, Verb, Watch};
use crate::plan;
use crate::reason::{Code, Reason};
use crate::release::{Image, Running};
use crate::time::Timestamp;
use crate::traffic::Target;

impl Rollout {
    /// A host that is done and does not take traffic, if there is one. That somebody else took it
    /// out of service says nothing of the image.
    pub(super) fn out_of_service(&self, view: &View) -> Option<Reason> {
        let mut done = self.hosts.iter().filter(|(_, run)| run.progress == Progress::Done);
        let (host, run) = done.find(|(host, run)| {
            let was_in = run.targets.is_empty() && !self.settings.target_groups.is_empty();
            !was_in && !view.serves_everywhere(host)
        })?;
        if run.targets.iter().any(|target| view.was_taken_out(target)) {
            let text = format!("{host} was taken out of its target group, and not by Esclusa");
            return Some(Reason::new(Code::HOSTS_VANISHED, text));
        }
        let text = format!("{host} was changed and is not in service any more");
        Some(Reason::new(Code::HEALTH_TARGET, text))
    }

    /// Leaves hosts out that are done and whose instance was stopped since.
    pub(super) fn skip_stopped(&mut self, view: &View) {
        for (host, run) in &mut self.hosts {
            if run.progress == Progress::Done && view.is_stopped(host) {
                let reason = Reason::new(Code::HOSTS_VANISHED, format!("{host} was stopped"));
                run.progress = Progress::Skipped(reason);
            }
        }
    }

    /// A host that was taken out of service, went away and is there again goes back like the
    /// others.
    fn put_back_too(&mut self, present: &BTreeSet<HostId>) {
        let Course::Back { cause, .. } = self.course.clone() else { return };
        for (host, run) in &mut self.hosts {
            let taken_out = run.told || !run.targets.is_empty();
            if taken_out && run.is_vanished() && present.contains(host) {
                run.progress = Progress::Failed(cause.clone());
            }
        }
    }

    /// Starts the next batch, or ends the waves, or waits for headroom.
    pub(super) fn choose(
        &mut self,
        mut watch: Watch,
        deadline: Timestamp,
        checked_at: Option<Timestamp>,
        cx: &mut Context<'_>,
    ) -> bool {
        let (Some(fleet), Some(view)) = (cx.fleet(), self.view(cx)) else { return false };
        let present = fleet.hosts.iter().filter(|host| !view.is_stopped(host));
        let present: BTreeSet<HostId> = present.cloned().collect();
        self.skip_absent(&present);
        // What never becomes healthy is known before anything is taken out of service.
        let unused = || view.unused(|target| self.is_live(&target.host));
        let out = self.out_of_service(&view).or_else(unused).filter(|_| self.is_forward());
        self.put_back_too(&present);
        if self.is_forward() {
            // It is asked with the others before the next batch begins.
            let is_late = cx.now >= deadline;
            let counts = |host: &HostId, run: &HostRun| is_late || is_ready(host, run, &view);
            self.take_back(|host, run| present.contains(host) && counts(host, run));
        }
        if let Some(reason) = out {
            self.turn_back(reason, cx);
            return true;
        }
        if self.is_forward() && self.hosts.values().any(HostRun::was_touched) {
            match self.alarms(cx) {
                None => return false,
                Some(Alarms::Red(reason)) => {
                    self.turn_back(reason, cx);
                    return true;
                }
                // What does not say all through the waves is asked about at their end.
                Some(Alarms::Quiet | Alarms::Unclear(_)) => {}
            }
        }
        let joined = self.find_unasked();
        if self.is_forward() && !joined.is_empty() {
            self.prefetch(joined, cx);
            return true;
        }
        let of_all = self.is_forward() && self.cause != Cause::Repair;
        if of_all && !self.hosts.values().any(HostRun::was_touched) {
            self.warn_of_groups(&view);
        }
        let waiting = self.candidates(&view, cx.known);
        if waiting.is_empty() {
            self.all_changed(cx);
            return true;
        }
        if let Some(hosts) = self.find_returning(&present) {
            self.look_again(&format!("waiting for {hosts} to serve"), &mut watch, deadline, cx.now);
            return false;
        }
        let live = self.live().map(|(host, _)| host);
        let live: BTreeSet<&HostId> = live.chain(self.counted(&view, cx)).collect();
        let headroom = view.headroom(&live, &self.settings.min_in_service);
        let hosts = plan::batch(&waiting, &self.zones(), &headroom, self.budget());
        if hosts.is_empty() {
            let floor = self.settings.min_in_service.floor(live.len());
            return self.wait_for_headroom(&mut watch, deadline, floor, cx);
        }
        self.start_batch(hosts, checked_at, &view, cx);
        true
    }

    /// Hosts that are to pull the candidate before they change: those that joined, and all of them
    /// where none has said yet what the release runs once.
    fn find_unasked(&self) -> Vec<HostId> {
        let is_unheard = self.has_to_hear_of_once();
        let is_unasked = |run: &HostRun| goes_forward(run) && (is_unheard || !run.fetched);
        let unasked = self.hosts.iter().filter(|(_, run)| is_unasked(run));
        unasked.map(|(host, _)| host.clone()).collect()
    }

    /// A host that went away before it was touched, or after it was done, is left out; one that
    /// went away afterwards and is to be put back needs nothing any more.
    fn skip_absent(&mut self, present: &BTreeSet<HostId>) {
        let (forward, halts) = (self.is_forward(), self.halts);
        for (host, run) in &mut self.hosts {
            let concerned = if forward {
                goes_forward(run) || run.progress == Progress::Done
            } else {
                // One that nothing was done to counts as serving for as long as it is there.
                goes_back(run, halts) || run.progress == Progress::Waiting
            };
            if concerned && !present.contains(host) {
                let reason = Reason::new(Code::HOSTS_VANISHED, format!("{host} went away"));
                run.progress = Progress::Skipped(reason);
            }
        }
    }

    /// Whether no other host serves, or is to: draining one would only make the gap longer.
    fn is_alone(&self, hosts: &[HostId], view: &View, cx: &Context<'_>) -> bool {
        let mut all = view.beside(hosts);
        all.extend(self.live().map(|(host, _)| host));
        all.extend(self.counted(view, cx));
        all.extend(view.others.iter().filter(|host| view.serves(host)));
        all.len() < 2
    }

    fn candidates(&self, view: &View, known: Known<'_>) -> Vec<plan::Candidate> {
        let (forward, halts) = (self.is_forward(), self.halts);
        let to_change = |run: &HostRun| {
            if forward { goes_forward(run) } else { goes_back(run, halts) }
        };
        let all = || self.hosts.iter().filter(|(_, run)| to_change(run));
        // What served nothing before serves until the others are back.
        let had_some = |run: &HostRun| run.baseline != Running::Nothing;
        let others = !forward && all().any(|(_, run)| had_some(run));
        // And for as long as one of those is not, or somebody had stopped what ran before it was
        // changed.
        let given_up =
            |run: &HostRun| matches!(run.progress, Progress::Lost(_) | Progress::Skipped(_));
        let is_missed = |(host, run): (&HostId, &HostRun)| {
            if had_some(run) { given_up(run) } else { known.has_run(host) }
        };
        let misses = self.hosts.iter().any(is_missed);
        let waiting = all().filter(|(_, run)| !others || had_some(run));
        waiting
            .map(|(host, run)| plan::Candidate {
                host: host.clone(),
                zone: run.zone.clone(),
                // What served nothing before is owed nothing: stopping it needs no headroom.
                serves: if forward || misses || had_some(run) {
                    view.groups_of(host)
                } else {
                    BTreeSet::new()
                },
            })
            .collect()
    }

    /// How many live hosts each zone has.
    fn zones(&self) -> BTreeMap<&str, usize> {
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, run) in self.live() {
            let count = zones.entry(&run.zone).or_default();
            *count = count.saturating_add(1);
        }
        zones
    }

    /// How many hosts the current wave still has to change; the way back has no waves.
    fn budget(&self) -> usize {
        let fleet = self.live().count();
        if !self.is_forward() {
            return fleet;
        }
        let done = self.live().filter(|(_, run)| run.progress == Progress::Done).count();
        let waves = self.settings.waves.cumulative(fleet);
        let wave = waves.into_iter().find(|count| *count > done).unwrap_or(fleet);
        wave.saturating_sub(done)
    }

    /// The number of the wave that is being changed, from 1, and how many there are.
    #[must_use]
    pub fn wave(&self) -> (usize, usize) {
        let waves = self.settings.waves.cumulative(self.live().count());
        let done = self.live().filter(|(_, run)| run.progress == Progress::Done).count();
        let passed = waves.iter().filter(|count| **count <= done).count();
        (passed.saturating_add(1).min(waves.len()), waves.len())
    }

    fn all_changed(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if !self.is_forward() {
            self.finish_back(now);
            return;
        }
        self.waves_at.push(now);
        // What was watched when it was new is not watched again.
        if self.cause == Cause::Repair {
            self.start_verifying(cx);
            return;
        }
        let until = now.after(self.settings.bake.span);
        let text = format!("every host runs {}; watching until {until}", self.candidate);
        self.enter(Phase::Baking(Bake::starting(until, now)), now, text);
    }

    /// Hosts that were changed, went away and are there again, and do not serve yet: they may be
    /// starting, or the candidate may not suit them.
    fn find_returning(&self, present: &BTreeSet<HostId>) -> Option<String> {
        let is_back =
            |host: &HostId, run: &HostRun| run.told && run.is_vanished() && present.contains(host);
        let back = self.hosts.iter().filter(|(host, run)| is_back(host, run));
        let back: Vec<&str> = back.map(|(host, _)| host.as_str()).collect();
        let text = || format!("{}, which went away and is back,", back.join(", "));
        (self.is_forward() && !back.is_empty()).then(text)
    }

    /// Waits, and says for what, once.
    fn look_again(&mut self, text: &str, watch: &mut Watch, deadline: Timestamp, now: Timestamp) {
        if self.history.last().is_none_or(|it| it.text != text) {
            self.note(now, text);
        }
        watch.looked(now);
        self.phase = Phase::Choosing { watch: *watch, deadline, checked_at: None };
    }

    fn wait_for_headroom(
        &mut self,
        watch: &mut Watch,
        deadline: Timestamp,
        floor: usize,
        cx: &mut Context<'_>,
    ) -> bool {
        if cx.now < deadline {
            let text = format!("waiting until a host can be spared: {floor} must stay in service");
            self.look_again(&text, watch, deadline, cx.now);
            return false;
        }
        let text = format!("no host can be taken out of service: {floor} must stay in it");
        let reason = Reason::new(Code::HOSTS_FLOOR, text);
        if self.is_forward() {
            self.turn_back(reason, cx);
        } else {
            self.lose(&reason);
            self.finish_back(cx.now);
        }
        true
    }

    /// Starts a batch. Hosts that have not answered for a minute are asked first, because SSM says
    /// only minutes later that a host is gone; and so are those that are done: containers may have
    /// failed since that no load balancer looks at.
    fn start_batch(
        &mut self,
        hosts: Vec<HostId>,
        checked_at: Option<Timestamp>,
        view: &View,
        cx: &mut Context<'_>,
    ) {
        let is_old = |at: Timestamp| cx.now.since(at) > DELIVERY;
        let unsure =
            hosts.iter().any(|it| self.hosts.get(it).is_none_or(|run| is_old(run.answered_at)));
        let done = self.done();
        let unsure = unsure || (!done.is_empty() && checked_at.is_none_or(is_old));
        let names = hosts.iter().map(HostId::as_str).collect::<Vec<_>>().join(", ");
        let (wave, waves) = self.wave();
        let text = if self.is_forward() {
            self.waves_at.resize(wave.max(self.waves_at.len()), cx.now);
            format!("wave {wave} of {waves}: {names}")
        } else {
            format!("putting back {names}")
        };
        if unsure && self.is_forward() {
            let image = self.candidate.image();
            let asked = hosts.iter().map(|host| (host.clone(), Image::Nothing));
            let asked = asked.chain(done.into_iter().map(|host| (host, image.clone())));
            let orders =
                Orders::new(Verb::Inspect, cx.fence(), cx.now, OnHostFailure::Leave, asked);
            let stage = Stage::Checking(orders);
            self.enter(Phase::Changing(Batch { hosts, drained: false, stage }), cx.now, text);
        } else {
            self.take_out(hosts, view, &text, cx);
        }
    }

    /// Chooses anew where an order to change hosts never went out: they were told nothing.
    pub(super) fn choose_anew(&mut self, hosts: &[HostId], fence: Fence, now: Timestamp) {
        for host in hosts {
            if let Some(run) = self.hosts.get_mut(host) {
                run.told = false;
                run.snapshot.take_if(|it| *it == fence);
            }
        }
        self.choose_next(now, "what was seen before has grown old; chosen anew");
    }

    /// Takes a batch out of service, or, where there is nothing to take it out of, goes on.
    ///
    /// What is registered is remembered first, and saved before anything is deregistered. A
    /// single host stays in service: draining it would only make the gap longer.
    pub(super) fn take_out(
        &mut self,
        hosts: Vec<HostId>,
        view: &View,
        text: &str,
        cx: &mut Context<'_>,
    ) {
        for host in &hosts {
            let registered = view.registered.get(host).cloned().unwrap_or_default();
            if let Some(run) = self.hosts.get_mut(host) {
                run.targets.extend(registered);
                if self.course == Course::Forward {
                    run.progress = Progress::Touched;
                }
            }
        }
        let registered = hosts.iter().any(|host| view.registered.contains_key(host));
        let draining = hosts.iter().any(|host| view.draining.iter().any(|it| it.host == *host));
        // One that is draining is not registered any more, though it is still listed.
        let is_registered =
            |it: &Target| view.registered.get(&it.host).is_some_and(|all| all.contains(it));
        let owed = self.targets_of(&hosts).any(|it| !is_registered(it));
        let is_only = self.is_alone(&hosts, view, cx);
        if is_only || !(registered || draining) {
            let blinks = is_only && hosts.iter().any(|host| view.serves(host));
            let gap = if blinks { "; it is the only one, so the service will blink" } else { "" };
            self.activate(hosts, owed, &format!("{text}{gap}"), cx);
            return;
        }
        let delay =
            self.groups.values().map(|it| it.deregistration_delay).max().unwrap_or_default();
        let stage = Stage::Draining {
            sent: BTreeSet::new(),
            watch: Watch::starting(cx.now, delay),
            deadline: cx.now.after(delay).after(Duration::from_mins(2)),
        };
        self.enter(Phase::Changing(Batch { hosts, drained: true, stage }), cx.now, text);
    }
}

/// Whether a host is still to be changed: one that was taken out of service, and no more, too.
pub(super) fn goes_forward(run: &HostRun) -> bool {
    run.progress == Progress::Waiting || (run.progress == Progress::Touched && !run.told)
}

/// Whether a host that is there again can be counted: one that was changed before may still be
/// starting until it serves.
pub(super) fn is_ready(host: &HostId, run: &HostRun, view: &View) -> bool {
    !run.told || view.serves_everywhere(host)
}

/// Whether the way back concerns a host. Where changed hosts are left as they are, only those that
/// lost their traffic and were not told to change get it again.
pub(super) fn goes_back(run: &HostRun, halts: bool) -> bool {
    run.progress.is_touched() && !(halts && run.told)
}
