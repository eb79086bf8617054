//! What a question has come to, in one sentence.

use esclusa_core::lane::{Asked, Lane};
use esclusa_core::rollout::{Cause, Rollout};
use esclusa_core::time::Timestamp;
use esclusa_shell::operate::Action;
use esclusa_shell::ports::Wanted;

use crate::describe;

/// What a request has come to so far.
pub(crate) fn of_change(action: &Action, lane: &Lane) -> String {
    let name = name(lane);
    match action {
        Action::Hold { .. } => format!("{name} is held: no rollout starts until it is released"),
        Action::Release => format!("{name} follows its tag again"),
        Action::Abort => stopped(lane).unwrap_or_else(|| describe::sentence(lane)),
        Action::Rollback => started(lane, Cause::Rollback)
            .or_else(|| stopped(lane))
            .unwrap_or_else(|| describe::sentence(lane)),
        Action::Deploy { .. } => {
            started(lane, Cause::Deploy).unwrap_or_else(|| describe::sentence(lane))
        }
        Action::Restart => {
            started(lane, Cause::Restart).unwrap_or_else(|| describe::sentence(lane))
        }
        Action::Restored => format!(
            "{name} forgets what was under way when its ledger was backed up, and is held: its \
             orders are newer than all that hosts have seen"
        ),
        Action::Lift { version } => {
            format!("{} may be rolled out to {name} again", called(version))
        }
        Action::Pin { version, until, reason } => {
            let image = pinned(lane, version, (*until, reason));
            format!("{image} is kept until {}", describe::last_day(*until))
        }
        Action::Unpin { version } => {
            format!("{} is kept only as long as retention keeps it", called(version))
        }
    }
}

/// The last of a lane's rollouts.
pub(crate) fn of_history(lane: &Lane, rollouts: &[Rollout]) -> String {
    match rollouts.first().and_then(|last| Some((last, last.end()?))) {
        Some((last, (end, reason))) => {
            let (candidate, text) = (&last.candidate, &reason.text);
            format!("the last of {} rollout(s), to {candidate}, {end}: {text}", rollouts.len())
        }
        None => format!("no rollout of {} has ended yet", lane.id.service),
    }
}

/// The rollout that was asked for, as long as it has not started.
fn started(lane: &Lane, cause: Cause) -> Option<String> {
    let Asked { release, overriding, .. } = lane.asked.as_ref().filter(|it| it.cause == cause)?;
    let name = name(lane);
    let does = match cause {
        Cause::Rollback => format!("{name} goes back to {release}"),
        Cause::Push | Cause::Deploy => format!("{name} goes to {release}"),
        Cause::Restart | Cause::Repair => {
            format!("{name} gets new containers of {release}, wave by wave")
        }
    };
    let gates = overriding.as_ref().map(|why| format!(", whatever its gates say ({why})"));
    let held = if lane.hold.is_some() { ", and is held afterwards" } else { "" };
    Some(format!("{does}{}{held}", gates.unwrap_or_default()))
}

fn stopped(lane: &Lane) -> Option<String> {
    let Rollout { candidate, .. } = lane.rollout.as_ref().filter(|it| it.abort.is_some())?;
    Some(format!(
        "the rollout of {candidate} to {} stops: the hosts that it touched go back to what they \
         ran, and the lane is held",
        name(lane)
    ))
}

/// A version, as a person named it.
fn called(version: &Wanted) -> String {
    match version {
        Wanted::Tag(tag) => format!("`{tag}`"),
        Wanted::Digest(digest) => digest.short().to_owned(),
    }
}

/// An image that was pinned. Its tag may move on: the digest is told where only one pin is like it.
fn pinned(lane: &Lane, version: &Wanted, (until, reason): (Timestamp, &str)) -> String {
    let mut like = lane.pins.iter().filter(|(_, pin)| pin.until == until && pin.reason == reason);
    match (version, like.next(), like.next()) {
        (Wanted::Tag(tag), Some((digest, _)), None) => format!("{tag} ({})", digest.short()),
        (Wanted::Tag(_) | Wanted::Digest(_), ..) => called(version),
    }
}

/// A lane, as a person calls it.
pub(crate) fn name(lane: &Lane) -> String {
    format!("{} in {}", lane.id.service, lane.id.environment)
}
