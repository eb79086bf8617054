//! What a step did, told: found by comparing the lane before with the lane after, so that no
//! transition can be made without being told.

use std::collections::BTreeSet;

use super::{Blocker, Lane};
use crate::announcement::{Announcement, Ask, Kind};
use crate::digest::Digest;
use crate::name::HostId;
use crate::reason::{Code, Reason};
use crate::rollout::{Cause, End, Phase, Question, Rollout, minutes, tell_warnings};
use crate::time::Timestamp;

/// Announcements that wait to be published, at most: the ledger's items are bounded. What is let
/// go of first are the oldest moves of rollouts, whose records hold them anyway, then those about
/// single hosts, which `status` lists.
const OUTBOX: usize = 100;

/// What is let go of before anything else.
const LIGHT: [Kind; 4] =
    [Kind::RolloutMoved, Kind::HostJoined, Kind::HostDrifted, Kind::HostFailed];

impl Lane {
    /// Puts into the outbox what happened since `before`.
    pub(super) fn announce_since(&mut self, before: &Self, now: Timestamp) {
        let mut news = Vec::new();
        for rollout in self.ended.iter().skip(before.ended.len()).chain(&self.rollout) {
            self.about_rollout(before, rollout, &mut news);
        }
        self.about_holds(before, &mut news);
        self.about_quarantine(before, &mut news);
        self.about_pins(before, now, &mut news);
        self.about_hosts(before, &mut news);
        news.extend(self.about_blocker(before));
        for mut it in news {
            self.announced = self.announced.saturating_add(1);
            it.number = self.announced;
            it.at = now;
            self.outbox.push(it);
        }
        while self.outbox.len() > OUTBOX {
            let oldest = |kind: Kind| self.outbox.iter().position(|it| it.kind == kind);
            let light = LIGHT.into_iter().find_map(oldest);
            self.outbox.remove(light.unwrap_or(0));
        }
    }

    fn news(&self, kind: Kind, text: impl AsRef<str>) -> Announcement {
        let (service, environment) = (&self.id.service, &self.id.environment);
        Announcement {
            number: 0,
            at: Timestamp::default(),
            kind,
            rollout: None,
            digest: None,
            word: String::new(),
            reason: None,
            text: format!("{service} in {environment}: {}", text.as_ref()),
            ask: None,
        }
    }

    fn about_rollout(&self, before: &Self, rollout: &Rollout, news: &mut Vec<Announcement>) {
        let known = before.rollout.as_ref().filter(|it| it.id == rollout.id);
        let about = |it: Announcement| Announcement {
            rollout: Some(rollout.id.clone()),
            digest: Some(rollout.candidate.digest.clone()),
            ..it
        };
        // Adoption ends what was only being asked about, and was no rollout then.
        let begun = |it: &Rollout| !matches!(it.phase, Phase::Gating(_));
        let superseded = rollout.end().is_some_and(|(end, _)| end == End::Superseded);
        if begun(rollout) && !known.is_some_and(begun) && !superseded {
            let it = about(self.news(Kind::RolloutStarted, started(rollout)));
            news.push(Announcement { ask: Some(Ask::Status), ..it });
        }
        let lines = rollout.noted.saturating_sub(known.map_or(0, |it| it.noted));
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        let first = rollout.history.len().saturating_sub(lines);
        for line in rollout.history.iter().skip(first) {
            if ["gating", "ended"].contains(&line.phase.as_str()) {
                continue;
            }
            let it = about(self.news(Kind::RolloutMoved, &line.text));
            news.push(Announcement { word: line.phase.clone(), ..it });
        }
        let asks = |it: &Rollout| matches!(it.phase, Phase::Asking(_));
        if let (Phase::Asking(asked), false) = (&rollout.phase, known.is_some_and(asks)) {
            let it = about(self.news(Kind::RolloutWaits, waits(rollout, asked)));
            let (word, reason) = ("asking".to_owned(), Some(asked.reason.clone()));
            news.push(Announcement { word, reason, ask: Some(Ask::Release), ..it });
        }
        if let Some((end, reason)) = rollout.end() {
            let it = about(self.news(Kind::RolloutEnded, ended(rollout, end, reason)));
            let (word, reason) = (end.to_string(), Some(reason.clone()));
            news.push(Announcement { word, reason, ask: after(end), ..it });
        }
    }

    fn about_holds(&self, before: &Self, news: &mut Vec<Announcement>) {
        match (&before.hold, &self.hold) {
            (None, None) => {}
            (Some(_), None) => {
                news.push(self.news(Kind::LaneReleased, "the lane follows its tag again"));
            }
            (Some(old), Some(new)) if old == new => {}
            (_, Some(new)) => {
                let text =
                    format!("{}. No rollout starts until the lane is released", new.reason.text);
                let reason = Some(new.reason.clone());
                let it = self.news(Kind::LaneHeld, text);
                news.push(Announcement { reason, ask: Some(Ask::Release), ..it });
            }
        }
    }

    fn about_quarantine(&self, before: &Self, news: &mut Vec<Announcement>) {
        for (digest, it) in &self.quarantine {
            if !before.quarantine.contains_key(digest) {
                let text = format!("{} is quarantined: {}", digest.short(), it.reason.text);
                news.push(Announcement {
                    digest: Some(digest.clone()),
                    reason: Some(it.reason.clone()),
                    ask: Some(Ask::Lift(digest.clone())),
                    ..self.news(Kind::ReleaseQuarantined, text)
                });
            }
        }
        let lifted = |digest: &&Digest| !self.quarantine.contains_key(*digest);
        for digest in before.quarantine.keys().filter(lifted) {
            let text = format!("{} may be rolled out again", digest.short());
            let it = self.news(Kind::QuarantineLifted, text);
            news.push(Announcement { digest: Some(digest.clone()), ..it });
        }
    }

    /// A pin that has ended by itself is dropped without a word: its day was told with it.
    fn about_pins(&self, before: &Self, now: Timestamp, news: &mut Vec<Announcement>) {
        for (digest, pin) in &self.pins {
            if before.pins.get(digest) != Some(pin) {
                let (actor, until, reason) = (&pin.actor, pin.until, &pin.reason);
                let text = format!("{actor} pinned {} until {until}: {reason}", digest.short());
                let it = self.news(Kind::ImagePinned, text);
                news.push(Announcement { digest: Some(digest.clone()), ..it });
            }
        }
        for (digest, pin) in &before.pins {
            if pin.until > now && !self.pins.contains_key(digest) {
                let text = format!("{} is not pinned any more", digest.short());
                let it = self.news(Kind::ImageUnpinned, text);
                news.push(Announcement { digest: Some(digest.clone()), ..it });
            }
        }
    }

    fn about_hosts(&self, before: &Self, news: &mut Vec<Announcement>) {
        for (host, errand) in &self.errands {
            let known = before.errands.get(host).and_then(|it| it.failure.as_ref());
            let Some(reason) = errand.failure.as_ref().filter(|it| known != Some(*it)) else {
                continue;
            };
            let text = format!(
                "{host} could not be brought to what the other hosts run: {}. It is tried again \
                 at {}",
                reason.text, errand.retry_at
            );
            let (word, reason) = (host.to_string(), Some(reason.clone()));
            let it = self.news(Kind::HostFailed, text);
            news.push(Announcement { word, reason, ask: Some(Ask::Status), ..it });
        }
        for host in before.errands.keys().filter(|host| !self.errands.contains_key(*host)) {
            if let Some(record) = self.hosts.get(host) {
                let text = format!("{host} was brought to {}", record.running);
                let it = self.news(Kind::HostJoined, text);
                news.push(Announcement { word: host.to_string(), ..it });
            }
        }
        let known: BTreeSet<&HostId> = before.drifted().map(|(host, _)| host).collect();
        let drifted = self.drifted().filter(|(host, _)| !known.contains(host));
        for (host, running) in drifted {
            let text = format!("{host} runs {running} instead of what the lane runs");
            let reason = Some(Reason::new(Code::HOSTS_DRIFTED, text.clone()));
            let it = self.news(Kind::HostDrifted, text);
            let word = host.to_string();
            news.push(Announcement { word, reason, ask: Some(Ask::Status), ..it });
        }
    }

    /// A blocker is told once for its code and its release, not each time it is looked at.
    fn about_blocker(&self, before: &Self) -> Option<Announcement> {
        let key = |it: &Blocker| {
            (it.reason.code.clone(), it.release.as_ref().map(|release| release.digest.clone()))
        };
        let blocker = self.blocker.as_ref()?;
        if before.blocker.as_ref().map(key) == Some(key(blocker)) {
            return None;
        }
        let digest = blocker.release.as_ref().map(|release| release.digest.clone());
        let code = &blocker.reason.code;
        let ask = match &digest {
            _ if [Code::LANE_HELD, Code::LANE_ADOPTED].contains(code) => Ask::Release,
            Some(digest) if *code == Code::RELEASE_QUARANTINED => Ask::Lift(digest.clone()),
            Some(_) | None => Ask::Why,
        };
        // A scan takes its time after every push: nothing that a person has to do about.
        let waits = *code == Code::GATE_SCAN_PENDING;
        let kind = if waits { Kind::ReleaseWaits } else { Kind::ReleaseBlocked };
        let it = self.news(kind, &blocker.reason.text);
        let (reason, ask) = (Some(blocker.reason.clone()), Some(ask));
        Some(Announcement { digest, word: blocker.reason.code.to_string(), reason, ask, ..it })
    }
}

fn started(rollout: &Rollout) -> String {
    let estimate = rollout.estimate();
    let because = match (rollout.cause, &rollout.actor) {
        (Cause::Push, _) => "its tag was pushed".to_owned(),
        (cause, Some(actor)) => format!("{actor} asked for a {cause}"),
        (Cause::Restart, None) => "a secret that it uses was rotated".to_owned(),
        (Cause::Repair, _) => "they run something else than the lane's release".to_owned(),
        (cause, None) => format!("of a {cause}"),
    };
    let gates = rollout.overriding.as_ref();
    let gates = gates.map(|why| format!(", whatever its gates say ({why})")).unwrap_or_default();
    let advice = estimate.advice().map(|it| format!(". {it}")).unwrap_or_default();
    format!(
        "{} goes to {} host(s), because {because}{gates}; it takes about {}{advice}",
        rollout.candidate,
        rollout.live().count(),
        minutes(estimate.whole)
    )
}

/// What is not known, what follows from each answer, and from none.
fn waits(rollout: &Rollout, asked: &Question) -> String {
    let (candidate, reason, until) = (&rollout.candidate, &asked.reason.text, asked.until);
    format!(
        "{candidate} runs on every host and waits for a word, because {reason}. `release` lets it \
         go on, `abort` puts back what ran before; without a word it turns back at {until}"
    )
}

/// How it ended, why, and what that left.
fn ended(rollout: &Rollout, end: End, reason: &Reason) -> String {
    let did = match end {
        End::Succeeded if rollout.cause == Cause::Repair => "Its hosts run it again",
        End::Stuck | End::Halted if rollout.cause == Cause::Repair => {
            "The hosts that were to be repaired are tried again later"
        }
        End::Succeeded => "It is what the lane runs now",
        End::Rejected => "Nothing was begun",
        End::Failed => "No host was left changed",
        End::Restored => "Every host that was touched runs what it ran before",
        End::Stuck => "The lane is held, and hosts that could not be put back are out of service",
        End::Halted => {
            "The hosts were left as they are, and the lane is held: `restart` puts them back to \
             what the lane runs, `deploy` goes on to another release"
        }
        End::Aborted => "Hosts that were touched run what they ran before, and the lane is held",
        End::Superseded => "It was never begun",
    };
    let why = reason.text.trim_end_matches('.');
    let warned = tell_warnings(&rollout.warnings);
    format!("{} {end}: {why}. {did}{warned}", rollout.candidate)
}

fn after(end: End) -> Option<Ask> {
    match end {
        End::Succeeded | End::Superseded => None,
        End::Rejected | End::Failed | End::Restored => Some(Ask::Why),
        End::Stuck | End::Halted => Some(Ask::Status),
        End::Aborted => Some(Ask::Release),
    }
}
