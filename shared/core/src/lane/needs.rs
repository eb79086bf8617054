//! The images that a lane needs: what its hosts run, what it wants, and what it could go back to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Lane;
use crate::digest::Digest;
use crate::name::HostId;
use crate::reason::Code;
use crate::release::{Image, Release, Running};
use crate::time::Timestamp;

/// Successful releases that a lane needs, the current one among them: what it may go back to.
const TARGETS: usize = 3;

/// Why a lane needs an image, the weightiest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A host runs it, or ran it when it last answered.
    Runs(HostId),
    /// It is what every host should run.
    Current,
    /// A rollout goes to it, or would go back to it.
    Rollout,
    /// The tag says so, or a person: it goes next.
    Wanted,
    /// It is one of the last successful releases.
    Target,
    /// A person pinned it until then.
    Pinned(Timestamp),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs(host) => write!(f, "{host} runs it"),
            Self::Current => f.write_str("it is the current release"),
            Self::Rollout => f.write_str("a rollout is about it"),
            Self::Wanted => f.write_str("it is to be rolled out"),
            Self::Target => f.write_str("it is one of the last 3 successful releases"),
            Self::Pinned(until) => write!(f, "it is pinned until {until}"),
        }
    }
}

/// The images that a lane needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Why each is needed, for its weightiest reason.
    pub digests: BTreeMap<Digest, Need>,
    /// Why it cannot be told what else is needed; nothing where everything is known.
    pub unknown: Option<String>,
}

impl Needs {
    fn add(&mut self, digest: &Digest, need: Need) {
        let known = self.digests.entry(digest.clone()).or_insert_with(|| need.clone());
        if need < *known {
            *known = need;
        }
    }

    fn runs(&mut self, host: &HostId, running: &Running) {
        match running {
            Running::Digest(digest) => self.add(digest, Need::Runs(host.clone())),
            // Found by no digest in the registry, or by more than Esclusa has heard of.
            Running::Nothing | Running::Local(_) => {}
            Running::Mixed => {
                self.unknown = Some(format!("{host} runs several images, and which is not known"));
            }
        }
    }
}

impl Lane {
    /// The images that must stay in the registry for this lane's sake.
    #[must_use]
    pub fn needs(&self, now: Timestamp) -> Needs {
        let mut needs = Needs { unknown: self.unseen(), ..Needs::default() };
        for (host, record) in &self.hosts {
            needs.runs(host, &record.running);
        }
        for (host, last) in &self.lost {
            for digest in &last.digests {
                needs.add(digest, Need::Runs(host.clone()));
            }
        }
        for (host, errand) in &self.errands {
            if let Some(running) = &errand.runs {
                needs.runs(host, running);
            }
            if let Image::Release { digest, .. } = &errand.image {
                needs.add(digest, Need::Rollout);
            }
        }
        if let Some(rollout) = &self.rollout {
            for (host, run) in &rollout.hosts {
                needs.runs(host, &run.baseline);
            }
            for release in std::iter::once(&rollout.candidate).chain(&rollout.baseline) {
                needs.add(&release.digest, Need::Rollout);
            }
        }
        if let Some(current) = &self.current {
            needs.add(&current.digest, Need::Current);
        }
        for release in self.wanted() {
            needs.add(&release.digest, Need::Wanted);
        }
        for digest in self.targets() {
            needs.add(digest, Need::Target);
        }
        for (digest, pin) in self.pins.iter().filter(|(_, pin)| pin.until > now) {
            needs.add(digest, Need::Pinned(pin.until));
        }
        needs
    }

    /// The releases that this lane is on its way to, by its tag or by a person's word.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Release> {
        let asked = self.asked.as_ref().map(|asked| &asked.release);
        let candidate = self.rollout.as_ref().map(|rollout| &rollout.candidate);
        self.desired.iter().chain(&self.next).chain(asked).chain(candidate)
    }

    /// Notes which releases this lane has come to want since `before`.
    pub(super) fn promote_since(&mut self, before: &Self) {
        let was = |digest: &Digest| before.wanted().any(|release| release.digest == *digest);
        let new = self.wanted().map(|release| &release.digest).filter(|digest| !was(digest));
        let new: Vec<Digest> = new.cloned().collect();
        self.promoted.extend(new);
    }

    /// The last successful releases, each once, newest first.
    fn targets(&self) -> impl Iterator<Item = &Digest> {
        let mut seen = BTreeSet::new();
        let digests = self.successes.iter().map(|success| &success.release.digest);
        digests.filter(move |digest| seen.insert(*digest)).take(TARGETS)
    }

    /// Why it is not known what the hosts run: nobody has asked them yet.
    fn unseen(&self) -> Option<String> {
        let homeless = |code: &Code| *code == Code::HOSTS_NONE;
        let none = self.blocker.as_ref().is_some_and(|it| homeless(&it.reason.code));
        let known = self.adopted || self.current.is_some() || none;
        let environment = &self.id.environment;
        (!known).then(|| format!("the hosts of {environment} have not told yet what they run"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::configuration::Configuration;
    use crate::lane::{Asked, Errand, HostRecord, LastKnown, Pin, Success};
    use crate::observation::{Documents, HostSettings, Sources};
    use crate::release::Availability;
    use crate::rollout::{Cause, HostRun, Rollout, RolloutId};

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn digest(number: u32) -> Digest {
        format!("sha256:{number:064x}").parse().unwrap()
    }

    fn release(number: u32) -> Release {
        Release {
            digest: digest(number),
            repository: "registry/boletos".to_owned(),
            tags: BTreeSet::new(),
            label: "v1".parse().unwrap(),
            bytes: 1,
            pushed_at: Timestamp::default(),
            availability: Availability::Active,
        }
    }

    fn host(number: u32) -> HostId {
        format!("i-{number:08x}").parse().unwrap()
    }

    fn lane() -> Lane {
        let mut lane = Lane::new("boletos#staging".parse().unwrap(), 1);
        lane.adopted = true;
        lane
    }

    fn record(running: Running) -> HostRecord {
        HostRecord { running, is_well: true, seen_at: NOW }
    }

    fn success(number: u32) -> Success {
        Success { release: release(number), at: NOW, scanned: None }
    }

    fn asked(number: u32) -> Asked {
        let (cause, actor) = (Cause::Deploy, "ana".to_owned());
        Asked { release: release(number), cause, actor, overriding: None, at: Timestamp::default() }
    }

    fn pin(until: Timestamp) -> Pin {
        Pin { until, reason: "audit".to_owned(), actor: "ana".to_owned() }
    }

    fn errand(number: u32, runs: Option<Running>) -> Errand {
        Errand {
            image: release(number).image(),
            orders: None,
            found: None,
            found_well: false,
            has_served: false,
            documents: Documents::new(),
            settings: HostSettings::of_nothing(),
            tries: 1,
            retry_at: NOW,
            failure: None,
            runs,
        }
    }

    /// From 1 to 2, on a host that ran 3.
    fn rollout() -> Rollout {
        let configuration = Configuration::read(None, None).unwrap();
        let settings = configuration.environments.into_values().next().unwrap();
        let mut rollout = Rollout::new(
            RolloutId("r".to_owned()),
            Cause::Push,
            release(2),
            Some(release(1)),
            Arc::new(Sources::default()),
            Arc::new(settings),
            NOW,
        );
        let baseline = Running::Digest(digest(3));
        rollout.hosts.insert(host(1), HostRun { baseline, ..HostRun::unknown() });
        rollout
    }

    type Row = (&'static str, fn(&mut Lane), Vec<(u32, Need)>);

    fn check(rows: Vec<Row>) {
        for (fact, change, expected) in rows {
            let mut lane = lane();
            change(&mut lane);
            let expected = expected.into_iter().map(|(number, need)| (digest(number), need));
            let needs = Needs { digests: expected.collect(), unknown: None };
            assert_eq!(lane.needs(NOW), needs, "{fact}");
        }
    }

    #[test]
    fn a_lane_needs_what_runs() {
        check(vec![
            (
                "what each host runs, or ran when it last answered, however long ago",
                |it| {
                    it.hosts.insert(host(1), record(Running::Digest(digest(1))));
                    it.hosts.insert(host(2), record(Running::Nothing));
                    it.hosts.insert(host(3), record(Running::Local(digest(9))));
                },
                vec![(1, Need::Runs(host(1)))],
            ),
            (
                "whatever a host may run that a rollout gave up",
                |it| {
                    let digests = [1, 2].into_iter().map(digest).collect();
                    it.lost.insert(host(1), LastKnown { digests, since: NOW });
                },
                vec![(1, Need::Runs(host(1))), (2, Need::Runs(host(1)))],
            ),
            (
                "what a host is brought to outside rollouts, and what it was seen to run",
                |it| {
                    it.errands.insert(host(1), errand(1, Some(Running::Digest(digest(2)))));
                },
                vec![(1, Need::Rollout), (2, Need::Runs(host(1)))],
            ),
            (
                "both ends of a rollout, and what its hosts ran before it",
                |it| it.rollout = Some(rollout()),
                vec![(1, Need::Rollout), (2, Need::Rollout), (3, Need::Runs(host(1)))],
            ),
        ]);
    }

    #[test]
    fn a_lane_needs_what_is_wanted_and_what_it_could_go_back_to() {
        let minute = Duration::from_mins(1);
        check(vec![
            (
                "what every host should run, what comes next, and what was asked for",
                |it| {
                    it.current = Some(release(1));
                    it.desired = Some(release(2));
                    it.next = Some(release(3));
                    it.asked = Some(asked(4));
                },
                vec![(1, Need::Current), (2, Need::Wanted), (3, Need::Wanted), (4, Need::Wanted)],
            ),
            (
                "the last 3 successful releases, each counted once",
                |it| it.successes = [5, 4, 5, 3, 2].map(success).into(),
                vec![(3, Need::Target), (4, Need::Target), (5, Need::Target)],
            ),
            (
                "what is pinned, until its pin has ended",
                |it| {
                    it.pins.insert(digest(1), pin(NOW.after(Duration::from_mins(1))));
                    it.pins.insert(digest(2), pin(NOW));
                },
                vec![(1, Need::Pinned(NOW.after(minute)))],
            ),
            (
                "of several reasons the weightiest is told",
                |it| {
                    it.pins.insert(digest(1), pin(NOW.after(Duration::from_mins(1))));
                    it.successes = vec![success(1)];
                    it.current = Some(release(1));
                    it.hosts.insert(host(2), record(Running::Digest(digest(1))));
                    it.hosts.insert(host(1), record(Running::Digest(digest(1))));
                },
                vec![(1, Need::Runs(host(1)))],
            ),
        ]);
    }

    #[test]
    fn a_lane_says_when_it_cannot_know_what_it_needs() {
        let fresh = Lane::new("boletos#staging".parse().unwrap(), 1);
        let unseen = "the hosts of staging have not told yet what they run";
        assert_eq!(fresh.needs(NOW).unknown.as_deref(), Some(unseen));
        let mut mixed = lane();
        mixed.hosts.insert(host(1), record(Running::Mixed));
        let several = "i-00000001 runs several images, and which is not known";
        assert_eq!(mixed.needs(NOW).unknown.as_deref(), Some(several));
    }

    #[test]
    fn a_release_is_promoted_when_it_comes_to_be_wanted_and_again_when_it_comes_back() {
        let before = lane();
        let mut after = before.clone();
        after.desired = Some(release(1));
        after.asked = Some(asked(2));
        after.promote_since(&before);
        assert_eq!(Vec::from_iter(&after.promoted), [&digest(1), &digest(2)]);
        after.saved();
        let mut same = after.clone();
        same.next = Some(release(1));
        same.promote_since(&after);
        assert!(same.promoted.is_empty(), "it was wanted all the time");
        let mut moved = same.clone();
        (moved.desired, moved.next) = (Some(release(3)), None);
        moved.promote_since(&same);
        moved.saved();
        let mut back = moved.clone();
        back.desired = Some(release(1));
        back.promote_since(&moved);
        assert_eq!(Vec::from_iter(&back.promoted), [&digest(1)]);
    }
}
