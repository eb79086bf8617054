//! What a person might ask next: a sentence, and the whole line where one action suggests itself.

use esclusa_core::announcement::Ask;
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_core::reason::Code;
use esclusa_core::rollout::{Phase, Rollout};
use esclusa_shell::operate::Action;

/// What can be overridden.
const GATES: &[Code] = &[
    Code::LANE_FROZEN,
    Code::RELEASE_UNVERSIONED,
    Code::GATE_SCAN_PENDING,
    Code::GATE_SCAN_BLOCKED,
    Code::GATE_SCAN_MISSING,
    Code::GATE_SECRET_MISSING,
];

/// What answers a rollout that asks.
const GOES_ON: &str = "`release` lets the rollout go on; `abort` puts back what ran before";

/// What might be asked next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    sentence: String,
    ask: Option<Ask>,
}

impl Next {
    pub(crate) fn new(sentence: impl Into<String>, ask: impl Into<Option<Ask>>) -> Self {
        Self { sentence: sentence.into(), ask: ask.into() }
    }

    /// The sentence, then the line that asks it of `function`.
    pub(crate) fn write(&self, function: &str, lane: &LaneId) -> String {
        let sentence = &self.sentence;
        match &self.ask {
            Some(ask) => format!("{sentence}:\n{}", ask.line(function, lane)),
            None => sentence.clone(),
        }
    }
}

/// After a look at the lane.
pub(crate) fn after_status(lane: &Lane) -> Option<Next> {
    under_way(lane).or_else(|| held(lane)).or_else(|| {
        let waits = lane.blocker.as_ref()?.release.as_ref()?;
        let sentence = format!("`why` tells everything that keeps {waits} from being rolled out");
        Some(Next::new(sentence, Ask::Why))
    })
}

/// After a change that was taken up.
pub(crate) fn after_change(action: &Action, lane: &Lane) -> Option<Next> {
    match action {
        Action::Pin { .. } => Some(Next::new("`unpin` lets it go earlier", None)),
        Action::Unpin { .. } => None,
        Action::Restored => {
            let sentence = "once the image that should run is what the tag says, `release` lets \
                            it go on; what hosts run is asked first";
            Some(Next::new(sentence, Ask::Release))
        }
        Action::Hold { .. }
        | Action::Release
        | Action::Rollback
        | Action::Abort
        | Action::Deploy { .. }
        | Action::Restart
        | Action::Lift { .. } => {
            let follows = || Some(Next::new("`status` tells what follows from it", Ask::Status));
            under_way(lane).or_else(|| held(lane)).or_else(follows)
        }
    }
}

/// What can be done about a reason, which may be about a digest.
pub(crate) fn about(code: &Code, digest: Option<&Digest>) -> Next {
    let is = |codes: &[Code]| codes.contains(code);
    if is(&[Code::LANE_BUSY, Code::RELEASE_SUPERSEDED]) {
        let sentence = "`abort` stops the active rollout; `status` tells how far it is";
        Next::new(sentence, Ask::Status)
    } else if is(&[Code::RELEASE_NOT_IN_REGISTRY, Code::RELEASE_ARCHIVED]) {
        Next::new("push the image that should run, or restore it in ECR", None)
    } else if is(&[Code::RELEASE_QUARANTINED]) {
        let sentence = "`history` tells how it failed: push a new image; `lift` lets this one go";
        Next::new(sentence, digest.cloned().map(Ask::Lift))
    } else if is(GATES) {
        Next::new("`deploy` it with `override` and a `reason` to go ahead all the same", None)
    } else if is(&[Code::ALARM_INCONCLUSIVE]) {
        let sentence =
            "`release` lets a rollout that asks go on; `abort` puts back what ran before";
        Next::new(sentence, Ask::Release)
    } else if is(&[Code::LANE_LAST_ATTEMPT]) {
        Next::new("`history` tells how it ended; `deploy` tries it again at once", None)
    } else if is(&[Code::CONFIG_INVALID]) {
        Next::new("correct the configuration in Parameter Store; `why` checks it", Ask::Why)
    } else if code.as_str() == "order.stale" {
        let sentence = "if the ledger was restored from a backup, say so with `restored`";
        Next::new(sentence, Ask::Status)
    } else if is(&[Code::HOSTS_NONE]) {
        Next::new("tag its hosts; `why` tells what else keeps it", Ask::Why)
    } else {
        Next::new("`status` tells how the lane is", Ask::Status)
    }
}

fn under_way(lane: &Lane) -> Option<Next> {
    let goes_on = "`status` tells how it goes on";
    let stoppable = |it: &Rollout| it.is_forward() && it.abort.is_none();
    match &lane.rollout {
        Some(rollout) if matches!(rollout.phase, Phase::Asking(_)) && stoppable(rollout) => {
            Some(Next::new(GOES_ON, Ask::Release))
        }
        Some(rollout) if stoppable(rollout) => {
            let stops = "`abort` stops the rollout and puts back what it has touched";
            Some(Next::new(format!("{stops}; {goes_on}"), Ask::Status))
        }
        Some(_) => Some(Next::new(goes_on, Ask::Status)),
        None => lane.asked.as_ref().map(|_| Next::new(goes_on, Ask::Status)),
    }
}

/// What a person can do about a hold.
pub(crate) fn held(lane: &Lane) -> Option<Next> {
    let since = lane.hold.as_ref()?.since;
    let sentence = format!("held since {since}; `release` lets it follow the tag again");
    Some(Next::new(sentence, Ask::Release))
}
