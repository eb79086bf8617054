//! How far a version is on its way into an environment: what a pipeline waits for.

use esclusa_core::announcement::Ask;
use esclusa_core::digest::Digest;
use esclusa_core::lane::{Blocker, Lane};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Release;
use esclusa_core::rollout::{End, Rollout};
use esclusa_core::time::Timestamp;

use crate::answer::{Progress, Why};
use crate::next::{self, Next};
use crate::{describe, outcome};

/// What no waiting mends: another image, another configuration or a person's word is needed.
const STAYS: &[Code] = &[
    Code::CONFIG_INVALID,
    Code::GATE_SCAN_BLOCKED,
    Code::GATE_SCAN_MISSING,
    Code::GATE_SECRET_MISSING,
    Code::LANE_LAST_ATTEMPT,
    Code::RELEASE_QUARANTINED,
    Code::RELEASE_UNVERSIONED,
];

/// What the environment's tag says, and what keeps that from being rolled out.
pub(crate) type Tagged = (Option<Release>, Vec<Blocker>);

/// How far a version is in a lane.
pub(crate) struct ReleaseProgress<'a> {
    lane: &'a Lane,
    release: &'a Release,
    /// Its last rollout that has ended.
    past: Option<&'a Rollout>,
    state: State<'a>,
}

enum State<'a> {
    Waiting(Option<&'a Blocker>),
    RollingOut(&'a Rollout),
    Succeeded,
    Failed(&'a Reason),
    Replaced,
}

impl<'a> ReleaseProgress<'a> {
    /// Whether the lane alone tells how far a version is, so that its tag need not be looked at.
    pub(crate) fn is_told_by(lane: &Lane, digest: &Digest) -> bool {
        active(lane, digest).is_some() || runs(lane, digest)
    }

    /// How far `release` is. `ended` are the lane's rollouts, newest first.
    pub(crate) fn of(
        lane: &'a Lane,
        release: &'a Release,
        ended: &'a [Rollout],
        tagged: &'a Tagged,
    ) -> Self {
        let digest = &release.digest;
        let past = ended.iter().find(|it| it.candidate.digest == *digest);
        let state = match active(lane, digest) {
            Some(rollout) => State::RollingOut(rollout),
            None if runs(lane, digest) => State::Succeeded,
            None if may_say(tagged, digest) => expected(tagged.1.first(), past),
            None => match past.and_then(failure) {
                Some(reason) => State::Failed(reason),
                None => State::Replaced,
            },
        };
        Self { lane, release, past, state }
    }

    /// The members of the answer.
    pub(crate) fn report(&self) -> Progress {
        let (state, reason, lifts_at, rollout) = match &self.state {
            State::Waiting(blocker) => {
                let lifts_at = blocker.and_then(|it| it.lifts_at);
                ("waiting", blocker.map(|it| &it.reason), lifts_at, None)
            }
            State::RollingOut(rollout) => ("rolling_out", None, None, Some(*rollout)),
            State::Succeeded => ("succeeded", None, None, None),
            State::Failed(reason) => ("failed", Some(*reason), None, None),
            State::Replaced => ("replaced", None, None, None),
        };
        Progress {
            release: describe::release(self.release),
            state,
            reason: reason.map(Why::of),
            lifts_at: lifts_at.as_ref().map(Timestamp::to_string),
            rollout: rollout.map(describe::active),
            past: self.past.map(describe::ended),
        }
    }

    /// All of it, in one sentence.
    pub(crate) fn text(&self) -> String {
        let (release, name) = (self.release, outcome::name(self.lane));
        match &self.state {
            State::Waiting(None) => format!("{release} goes to {name} at the next look"),
            State::Waiting(Some(blocker)) => {
                format!("{release} waits to go to {name}: {}", blocker.reason)
            }
            State::RollingOut(_) => describe::sentence(self.lane),
            State::Succeeded => format!("{release} is what {name} runs"),
            State::Failed(reason) => match self.past.and_then(Rollout::end) {
                Some((end, _)) if end != End::Succeeded => {
                    format!("the rollout of {release} to {name} {end}: {reason}")
                }
                _ => format!("{release} does not go to {name}: {reason}"),
            },
            State::Replaced => match &self.lane.current {
                Some(current) => format!("{name} runs {current} and not {release}"),
                None => format!("{name} follows its tag, which does not say {release}"),
            },
        }
    }

    /// What might be asked next.
    pub(crate) fn next(&self) -> Option<Next> {
        let back = "`rollback` goes back to what ran before";
        match &self.state {
            State::Waiting(Some(blocker)) => Some(self.about(&blocker.reason)),
            State::Waiting(None) => None,
            State::RollingOut(_) => next::after_status(self.lane),
            State::Succeeded => {
                let earlier = self.lane.rollback_targets().next();
                earlier.map(|_| Next::new(back, Ask::Rollback))
            }
            State::Failed(reason) => Some(self.about(reason)),
            State::Replaced => Some(Next::new("`history` tells what took its place", None)),
        }
    }

    fn about(&self, reason: &Reason) -> Next {
        let held = next::held(self.lane).filter(|_| reason.code == Code::LANE_HELD);
        held.unwrap_or_else(|| {
            let quarantined = self.lane.quarantine.contains_key(&self.release.digest);
            let code = if quarantined { &Code::RELEASE_QUARANTINED } else { &reason.code };
            next::about(code, Some(&self.release.digest))
        })
    }
}

/// Whether the tag says this digest, or cannot be looked at.
fn may_say((tagged, blockers): &Tagged, digest: &Digest) -> bool {
    let unknown = blockers.first().is_some_and(|it| it.reason.code == Code::CONFIG_INVALID);
    unknown || tagged.as_ref().is_none_or(|it| it.digest == *digest)
}

/// What the tag says is expected to go out, unless something keeps it that stays.
fn expected<'a>(blocker: Option<&'a Blocker>, past: Option<&'a Rollout>) -> State<'a> {
    let Some(first) = blocker else { return State::Waiting(None) };
    let passes = first.lifts_at.is_some();
    match past.and_then(failure) {
        // It ended, and is not tried again by itself.
        Some(reason) if !passes => State::Failed(reason),
        None if !passes && STAYS.contains(&first.reason.code) => State::Failed(&first.reason),
        _ => State::Waiting(Some(first)),
    }
}

fn active<'a>(lane: &'a Lane, digest: &Digest) -> Option<&'a Rollout> {
    lane.rollout.as_ref().filter(|it| it.candidate.digest == *digest)
}

fn runs(lane: &Lane, digest: &Digest) -> bool {
    is(lane.current.as_ref(), digest)
}

fn is(release: Option<&Release>, digest: &Digest) -> bool {
    release.is_some_and(|it| it.digest == *digest)
}

/// Why a rollout failed, if it did.
fn failure(rollout: &Rollout) -> Option<&Reason> {
    let (end, reason) = rollout.end()?;
    (!matches!(end, End::Succeeded | End::Superseded)).then_some(reason)
}
