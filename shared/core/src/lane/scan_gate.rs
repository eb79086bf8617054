//! The scan gate: what a release's scan must say before it goes out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Blocker, Lane, Vetting};
use crate::configuration::{EnvironmentConfiguration, Gate, Scan, Span, WhenMissing};
use crate::observation::Look;
use crate::order::Watch;
use crate::reason::{Code, Reason};
use crate::release::Release;
use crate::scan::{Counts, Judge, Platform, Scanned, Verdict, for_hosts};
use crate::time::Timestamp;

/// How a release stands before the scan gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It may go out.
    Passes(Passed),
    /// Its scan is waited for until then.
    Waits(Reason, Timestamp),
    /// It may not go out.
    Refused(Reason),
}

/// What let a release go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// What was counted; nothing where nothing is known.
    pub(super) counts: Option<Counts>,
    /// What was found, in words.
    pub(super) text: String,
}

impl Lane {
    /// Parts the images of a release: those that count, and those that no host of the lane would
    /// run. All count until every host has told its platform.
    #[must_use]
    pub fn would_run(&self, scans: &[Scanned]) -> (Vec<Scanned>, Vec<Scanned>) {
        let hosts: Option<BTreeSet<Platform>> = self.platforms.values().copied().collect();
        match hosts.filter(|it| !it.is_empty()) {
            Some(hosts) => for_hosts(scans, &hosts),
            None => (scans.to_vec(), Vec::new()),
        }
    }

    /// `; not judged: linux/arm64, which no host of production has`, or nothing.
    fn not_judged(&self, passed_over: &[Scanned]) -> String {
        let names: BTreeSet<&str> = passed_over.iter().map(|it| it.platform.as_str()).collect();
        if names.is_empty() {
            return String::new();
        }
        let names = Vec::from_iter(names).join(", ");
        format!("; not judged: {names}, which no host of {} has", self.id.environment)
    }

    /// How a release stands, by its scans as they are now.
    pub(super) fn stand(
        &self,
        release: &Release,
        settings: &EnvironmentConfiguration,
        scans: &[Scanned],
        now: Timestamp,
    ) -> Stand {
        let gate = &settings.gate;
        let waivers = &settings.waivers;
        let current = self.current.as_ref().map(|it| &it.digest);
        let mut successes = self.successes.iter();
        let running = successes.find(|it| Some(&it.release.digest) == current);
        let running = running.and_then(|it| it.scanned.as_ref());
        let (scans, passed_over) = self.would_run(scans);
        let not_judged = self.not_judged(&passed_over);
        let mut verdict = Judge { gate, waivers, running, now }.judge(&scans);
        if let (Verdict::Pending(why), true) = (&verdict, decides(gate)) {
            let waited = self.vetting.as_ref().filter(|it| it.digest == release.digest);
            let until = waited.map_or(now, |it| it.watch.since).after(gate.wait);
            if now < until {
                let text =
                    format!("{release} waits until {until} at the latest: {verdict}{not_judged}");
                return Stand::Waits(Reason::new(Code::GATE_SCAN_PENDING, text), until);
            }
            let wait = Span::from(gate.wait);
            verdict = Verdict::Missing(format!("{why}, and that after {wait}"));
        }
        match verdict.refusal(gate) {
            None => {
                let counts = verdict.counts().cloned();
                Stand::Passes(Passed { counts, text: format!("{verdict}{not_judged}") })
            }
            Some(reason) => {
                let (why, way_out) = (&reason.text, verdict.way_out());
                let text = format!("{release} is kept back: {why}{not_judged}; {way_out}");
                Stand::Refused(Reason::new(reason.code, text))
            }
        }
    }

    /// Looks at the scan of a release that would go out now: what lets it, if it passes;
    /// else the lane says why not, or what is looked at first.
    pub(super) fn vet(
        &mut self,
        release: &Release,
        settings: &EnvironmentConfiguration,
        now: Timestamp,
    ) -> Option<Passed> {
        let scans = self.seen_scans(release)?;
        let (reason, lifts_at) = match self.stand(release, settings, &scans, now) {
            Stand::Passes(passed) => {
                self.vetting = None;
                return Some(passed);
            }
            Stand::Waits(reason, until) => (reason, Some(until)),
            Stand::Refused(reason) => (reason, None),
        };
        if lifts_at.is_some() {
            self.look_again(release, now);
        }
        self.blocker = Some(Blocker { release: Some(release.clone()), reason, lifts_at });
        None
    }

    /// The scans of a release, or a look at them.
    pub(super) fn seen_scans(&mut self, release: &Release) -> Option<Arc<Vec<Scanned>>> {
        let seen = self.facts.scans.get(&release.digest).cloned();
        if seen.is_none() {
            self.due.insert(Look::Scan(release.digest.clone()));
        }
        seen
    }

    /// Notes since when a scan is waited for, and when to look at it next.
    fn look_again(&mut self, release: &Release, now: Timestamp) {
        let known = self.vetting.take().filter(|it| it.digest == release.digest);
        let mut watch = known.map_or(Watch::starting(now, Duration::ZERO), |it| it.watch);
        if watch.next <= now {
            watch.looked(now);
        }
        self.vetting = Some(Vetting { digest: release.digest.clone(), watch });
    }

    /// When to look again at a scan that is waited for.
    pub(super) fn vets_at(&self) -> Option<Timestamp> {
        let waits =
            self.blocker.as_ref().is_some_and(|it| it.reason.code == Code::GATE_SCAN_PENDING);
        self.vetting.as_ref().filter(|_| waits).map(|it| it.watch.next)
    }
}

/// Whether a scan can keep anything from going out.
fn decides(gate: &Gate) -> bool {
    !gate.block.is_empty()
        || !gate.not_worse_than_running.is_empty()
        || gate.when_missing == WhenMissing::Block
        || gate.require_scan == Scan::Required
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::configuration::{Configuration, Severity};
    use crate::lane::{Step, Success};
    use crate::name::HostId;
    use crate::observation::{Cue, Event, Fleet, Order, Saw, Sent};
    use crate::order::{
        Answer, CommandId, ContainerHealth, Heard, Invocation, LastChange, PutBack,
    };
    use crate::release::{Availability, Running};
    use crate::scan::{Counts, Finding, State};

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn release(number: u32) -> Release {
        Release {
            digest: format!("sha256:{number:064x}").parse().unwrap(),
            repository: "registry/boletos".to_owned(),
            tags: BTreeSet::from([format!("v1.{number}").parse().unwrap()]),
            label: format!("v1.{number}").parse().unwrap(),
            bytes: 1,
            pushed_at: Timestamp::default(),
            availability: Availability::Active,
        }
    }

    fn settings(text: &str) -> EnvironmentConfiguration {
        let text = format!("[environments.production]\n{text}");
        let mut read = Configuration::read(Some(&text), None).unwrap();
        read.environments.remove(&"production".parse().unwrap()).unwrap()
    }

    fn scan(state: State) -> Vec<Scanned> {
        vec![Scanned { digest: release(2).digest, platform: String::new(), state }]
    }

    fn pending() -> Vec<Scanned> {
        scan(State::Pending("IN_PROGRESS".to_owned()))
    }

    fn found(severity: Severity) -> Vec<Scanned> {
        let text = String::new;
        let id = "CVE-1".to_owned();
        let finding = Finding { severity, id, package: text(), installed: text(), fixed: text() };
        scan(State::Done(vec![finding]))
    }

    /// A lane that runs a release whose scan had found this.
    fn lane(scanned: Option<Counts>) -> Lane {
        let mut lane = Lane::new("boletos#production".parse().unwrap(), 1);
        lane.current = Some(release(1));
        lane.successes = vec![Success { release: release(1), at: NOW, scanned }];
        lane
    }

    /// `passes`, or the code, and when it lifts.
    fn stands(lane: &Lane, configured: &str, scans: &[Scanned]) -> (String, Option<Timestamp>) {
        match lane.stand(&release(2), &settings(configured), scans, NOW) {
            Stand::Passes(_) => ("passes".to_owned(), None),
            Stand::Waits(reason, until) => (reason.code.to_string(), Some(until)),
            Stand::Refused(reason) => (reason.code.to_string(), None),
        }
    }

    #[test]
    fn a_scan_is_waited_for_as_long_as_is_configured() {
        let wait = Duration::from_mins(10);
        let until = NOW.after(wait);
        let since = |ago: Duration, number: u32| {
            let since =
                Timestamp::from_millis(NOW.as_millis() - u64::try_from(ago.as_millis()).unwrap());
            let watch = Watch { since, next: NOW };
            Some(Vetting { digest: release(number).digest, watch })
        };
        let minute = Duration::from_mins(1);
        for (configured, vetting, code, lifts_at) in [
            ("", None, "gate.scan_pending", Some(until)),
            ("", since(minute, 2), "gate.scan_pending", Some(NOW.after(Duration::from_mins(9)))),
            ("", since(wait, 1), "gate.scan_pending", Some(until)),
            ("", since(wait, 2), "gate.scan_missing", None),
            ("gate = { when_missing = \"allow\" }", since(wait, 2), "passes", None),
            ("gate = { when_missing = \"allow\" }", None, "gate.scan_pending", Some(until)),
            // Where a scan can keep nothing from going out, none is waited for.
            (
                "gate = { block = [], not_worse_than_running = [], when_missing = \"allow\" }",
                None,
                "passes",
                None,
            ),
        ] {
            let lane = Lane { vetting, ..lane(None) };
            assert_eq!(stands(&lane, configured, &pending()), (code.to_owned(), lifts_at));
        }
    }

    #[test]
    fn a_release_is_compared_with_what_was_known_of_the_one_that_runs() {
        let (high, critical) = (found(Severity::High), found(Severity::Critical));
        for (scanned, scans, code) in [
            (None, &high, "passes"),
            (Some(Counts::new()), &high, "gate.scan_blocked"),
            (Some(Counts::from([(Severity::High, 1)])), &high, "passes"),
            (Some(Counts::from([(Severity::Critical, 9)])), &critical, "gate.scan_blocked"),
        ] {
            assert_eq!(stands(&lane(scanned), "", scans), (code.to_owned(), None));
        }
    }

    #[test]
    fn a_refusal_says_what_was_found_and_what_can_be_done() {
        let settings = settings("");
        let stand = lane(None).stand(&release(2), &settings, &found(Severity::Critical), NOW);
        let Stand::Refused(reason) = stand else { panic!("{stand:?}") };
        assert_eq!(
            reason.text,
            "v1.2 (000000000000) is kept back: its scan found CVE-1 (CRITICAL), no fix known; \
             push an image without it, or add it to `waivers`"
        );
    }

    /// An image for each of two platforms, one of which has what blocks.
    fn index(sound: &str, sick: &str) -> Vec<Scanned> {
        let of = |platform: &str, mut scans: Vec<Scanned>| {
            scans[0].platform = platform.to_owned();
            scans
        };
        let clean = of(sound, scan(State::Done(Vec::new())));
        [clean, of(sick, found(Severity::Critical))].concat()
    }

    #[test]
    fn an_image_counts_unless_every_host_is_known_to_run_another() {
        let over = "; not judged: linux/arm64, which no host of production has";
        let clean = format!("its scan found nothing{over}");
        let blocked = "v1.2 (000000000000) is kept back: its scan found CVE-1 (CRITICAL), no fix \
                       known; push an image without it, or add it to `waivers`";
        let both = index("linux/amd64", "linux/arm64");
        let (amd64, arm64) = (Some("linux/amd64"), Some("linux/arm64"));
        let none = index("windows/amd64", "linux/s390x");
        let unsuited = "v1.2 (000000000000) is kept back: it names no image that its hosts could \
                        run; not judged: linux/s390x, windows/amd64, which no host of production \
                        has; push an image for a platform that its hosts have";
        for (hosts, configured, scans, expected) in [
            (&[amd64, amd64][..], "", &both, clean.as_str()),
            (&[], "", &both, blocked),
            (&[None], "", &both, blocked),
            (&[amd64, None], "", &both, blocked),
            (&[amd64, arm64], "", &both, blocked),
            (
                &[arm64],
                "",
                &both,
                &blocked.replace("; push", &(over.replace("arm64", "amd64") + "; push")),
            ),
            (&[amd64], "", &found(Severity::Critical), blocked),
            (&[amd64], "", &none, unsuited),
            (&[amd64], "gate = { when_missing = \"allow\" }", &none, unsuited),
        ] {
            let mut lane = lane(None);
            let told = |it: Option<&str>| it.map(|it| it.parse().unwrap());
            lane.platforms = (0..).map(host).zip(hosts.iter().copied().map(told)).collect();
            let text = match lane.stand(&release(2), &settings(configured), scans, NOW) {
                Stand::Passes(passed) => passed.text,
                Stand::Waits(reason, _) | Stand::Refused(reason) => reason.text,
            };
            assert_eq!(text, expected, "{hosts:?}");
        }
    }

    fn host(number: u32) -> HostId {
        format!("i-{number:08x}").parse().unwrap()
    }

    /// A lane with two hosts after a pass at that time, in which hosts that were asked answered.
    fn passed(mut lane: Lane, platform: &str, at: Timestamp) -> Lane {
        let answer = Answer {
            reason: Reason::new(Code::OK, "ok"),
            fence: None,
            before: Running::Nothing,
            now: Running::Nothing,
            health: ContainerHealth::Absent,
            last_change: LastChange::None,
            put_back: PutBack::NotNeeded,
            one_way: false,
            runs_once: false,
            platform: platform.parse().ok(),
            zone: String::new(),
            warnings: Vec::new(),
            took: Duration::ZERO,
        };
        let fleet = Fleet { hosts: [1, 2].map(host).into(), ..Fleet::default() };
        let heard = |host| Invocation { host, heard: Some(Heard::Answered(answer.clone())) };
        let mut event = Event::Woke(Cue::Outside);
        loop {
            if let Step::Advance(next) = lane.step(&event, at) {
                lane = *next;
            }
            if let Some(look) = lane.looks().first().cloned() {
                event = Event::Saw(match look {
                    Look::Configuration => Saw::Configuration(Arc::default()),
                    Look::Tag(tag) => Saw::Tag(tag, Some(release(2))),
                    Look::Scan(digest) => {
                        Saw::Scan(digest, Arc::new(index("linux/amd64", "linux/arm64")))
                    }
                    Look::Fleet => Saw::Fleet(Arc::new(fleet.clone())),
                    Look::Command(command) => {
                        Saw::Command(command, [1, 2].map(host).map(heard).into())
                    }
                    other @ (Look::Secret(_)
                    | Look::Alarms(_)
                    | Look::Settings(_)
                    | Look::Targets(_)
                    | Look::Lost(..)) => panic!("{other:?}"),
                });
            } else if let Some(Order::Send(order)) = lane.orders().into_iter().next() {
                event = Event::Sent(Sent::Command(order.key, CommandId("c-1".to_owned())));
            } else {
                return lane;
            }
        }
    }

    #[test]
    fn a_first_release_is_judged_anew_once_its_hosts_have_told_their_platforms() {
        for (platform, starts) in [("linux/amd64", true), ("linux/arm64", false), ("", false)] {
            let later = |minutes| NOW.after(Duration::from_mins(minutes));
            let lane = passed(Lane::new("boletos#production".parse().unwrap(), 1), platform, NOW);
            assert!(lane.rollout.is_none() && lane.inspection.is_some(), "{lane:?}");
            let lane = passed(lane, platform, later(1));
            let told = platform.parse().ok();
            assert_eq!(lane.platforms, [1, 2].map(|it| (host(it), told)).into());
            let began = lane.rollout.is_some() || !lane.ended.is_empty();
            assert_eq!((began, lane.inspection.is_some()), (starts, false));
        }
    }
}
