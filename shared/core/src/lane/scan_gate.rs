//! The scan gate: what a release's scan must say before it goes out.

use std::sync::Arc;
use std::time::Duration;

use super::{Blocker, Lane, Vetting};
use crate::configuration::{EnvironmentConfiguration, Gate, Scan, Span, WhenMissing};
use crate::observation::Look;
use crate::order::Watch;
use crate::reason::{Code, Reason};
use crate::release::Release;
use crate::scan::{Judge, Scanned, Verdict};
use crate::time::Timestamp;

/// How a release stands before the scan gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It may go out.
    Passes(Verdict),
    /// Its scan is waited for until then.
    Waits(Reason, Timestamp),
    /// It may not go out.
    Refused(Reason),
}

impl Lane {
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
        let mut verdict = Judge { gate, waivers, running, now }.judge(scans);
        if let (Verdict::Pending(why), true) = (&verdict, decides(gate)) {
            let waited = self.vetting.as_ref().filter(|it| it.digest == release.digest);
            let until = waited.map_or(now, |it| it.watch.since).after(gate.wait);
            if now < until {
                let text = format!("{release} waits until {until} at the latest: {verdict}");
                return Stand::Waits(Reason::new(Code::GATE_SCAN_PENDING, text), until);
            }
            let wait = Span::from(gate.wait);
            verdict = Verdict::Missing(format!("{why}, and that after {wait}"));
        }
        match verdict.refusal(gate) {
            None => Stand::Passes(verdict),
            Some(reason) => {
                let (why, way_out) = (&reason.text, verdict.way_out());
                let text = format!("{release} is kept back: {why}; {way_out}");
                Stand::Refused(Reason::new(reason.code, text))
            }
        }
    }

    /// Looks at the scan of a release that would go out now: the verdict that lets it, if one does;
    /// else the lane says why not, or what is looked at first.
    pub(super) fn vet(
        &mut self,
        release: &Release,
        settings: &EnvironmentConfiguration,
        now: Timestamp,
    ) -> Option<Verdict> {
        let scans = self.seen_scans(release)?;
        let (reason, lifts_at) = match self.stand(release, settings, &scans, now) {
            Stand::Passes(verdict) => {
                self.vetting = None;
                return Some(verdict);
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
    use crate::lane::Success;
    use crate::release::Availability;
    use crate::scan::{Counts, Finding, State};

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn release(number: u32) -> Release {
        Release {
            digest: format!("sha256:{number:064x}").parse().unwrap(),
            repository: "registry/boletos".to_owned(),
            tags: BTreeSet::new(),
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
}
