//! What `operator` answers: the whole of its schema. Members are added, never renamed or removed.
//! `schema.json` is made from these types; a test fails when the two differ.
//!
//! Instants are RFC 3339 in UTC, digests are whole, and whatever is not known is `null`.

use esclusa_core::reason::Reason;
use serde::Serialize;

use crate::configure::Configured;

/// An answer. `ok` tells a refusal, `state` what became of a configuration.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(crate) enum Answer {
    /// What was asked was done, or is told.
    Done(Box<Done>),
    /// What became of a configuration.
    Configured(Configured),
    /// The answer is no; nothing was changed.
    Refused(Refused),
}

/// What was asked was done, or is told.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Done {
    /// Always true.
    #[cfg_attr(test, schemars(extend("const" = true)))]
    pub(crate) ok: bool,
    /// The action that was asked for.
    pub(crate) action: &'static str,
    /// What it came to, for a person.
    pub(crate) text: String,
    /// What could be asked next, for a person; nothing when nothing suggests itself. Where one
    /// action does, its last line asks for it and can be pasted into a shell.
    pub(crate) next: Option<String>,
    /// The lane as it is after that.
    pub(crate) lane: Lane,
    /// For `history`: the lane's ended rollouts, newest first, at most ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<Vec<Past>>,
    /// For `progress`: how far the version is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<Progress>,
    /// For `why`: these members too.
    #[serde(flatten)]
    pub(crate) why: Option<Report>,
}

/// For `progress`: how far a version is.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Progress {
    pub(crate) release: Release,
    /// `waiting`, `rolling_out`, `succeeded`, `failed`, or `replaced` by another release. The last
    /// three do not change unless a person does something.
    pub(crate) state: &'static str,
    /// What it waits for, or why it failed.
    pub(crate) reason: Option<Why>,
    /// When what it waits for ends by itself, if it does.
    pub(crate) lifts_at: Option<String>,
    /// Its rollout, while it is under way.
    pub(crate) rollout: Option<Active>,
    /// Its last rollout that has ended, among the lane's last ten.
    pub(crate) past: Option<Past>,
}

/// For `why`: what keeps a release from being rolled out.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Report {
    /// For `why`: what was asked about, else what the environment's tag resolves to.
    pub(crate) release: Option<Release>,
    /// For `why`: what keeps it from being rolled out by itself now, the weightiest first; empty
    /// when nothing does, or when it is what runs.
    pub(crate) blockers: Vec<Blocker>,
    /// For `why`: how long the active rollout was expected to take.
    pub(crate) estimate: Option<Estimate>,
}

/// The answer is no; nothing was changed.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Refused {
    /// Always false.
    #[cfg_attr(test, schemars(extend("const" = false)))]
    pub(crate) ok: bool,
    /// Why: `question.invalid`, `caller.refused`, `lane.unknown`, `release.deleting`,
    /// `config.looser`, or a reason code of the lane.
    pub(crate) code: String,
    /// Why, for a person.
    pub(crate) text: String,
    /// What to do instead; where one action suggests itself, its last line asks for it.
    pub(crate) next: String,
}

impl Refused {
    /// The question itself cannot be answered.
    pub(crate) fn question(text: &str, next: String) -> Self {
        Self { ok: false, code: "question.invalid".to_owned(), text: text.to_owned(), next }
    }
}

/// A lane.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Lane {
    pub(crate) service: String,
    pub(crate) environment: String,
    /// Counts the changes of the lane.
    pub(crate) revision: u64,
    /// `idle`, or the phase of the active rollout: `gating`, `prefetching`, `running_once`,
    /// `choosing`, `checking`, `draining`, `activating`, `settling`, `baking`, `asking`,
    /// `verifying`.
    pub(crate) phase: &'static str,
    /// What every host runs since the last success.
    pub(crate) current: Option<Release>,
    /// What the environment's tag resolved to at the last look.
    pub(crate) desired: Option<Release>,
    /// The rollout that is under way.
    pub(crate) rollout: Option<Active>,
    /// The newer release that waits until that one has ended.
    pub(crate) next: Option<Release>,
    /// The rollout that a person asked for and that has not started.
    pub(crate) asked: Option<Asked>,
    /// Why no rollout starts until someone releases the lane.
    pub(crate) hold: Option<Hold>,
    /// Why `desired` is not rolled out.
    pub(crate) blocker: Option<Blocker>,
    /// Secrets that were rotated, for which containers are to be made anew.
    pub(crate) rotation: Option<Rotation>,
    /// Digests that are not rolled out again here.
    pub(crate) quarantine: Vec<Quarantined>,
    /// Images that people want kept, whatever retention would do.
    pub(crate) pins: Vec<Pinned>,
    /// The last rollout that did not succeed, until a newer release is desired.
    pub(crate) last_attempt: Option<Attempt>,
    /// What each host was last verified to run, outside the active rollout.
    pub(crate) hosts: Vec<Host>,
    /// Hosts that were last seen to run something else than `current`.
    pub(crate) drifted: Vec<Drifted>,
    /// When all hosts were last asked what they run, outside rollouts.
    pub(crate) inspected_at: Option<String>,
    /// Where a rollback would go, the nearest first.
    pub(crate) rollback_to: Vec<Release>,
}

/// An image that may run.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Release {
    /// What a person calls it: its version tag, else the tag that was followed.
    pub(crate) label: String,
    pub(crate) digest: String,
    /// Every tag that it had when it was looked at.
    pub(crate) tags: Vec<String>,
    /// Nothing for what ran before Esclusa knew the lane.
    pub(crate) pushed_at: Option<String>,
}

/// A rollout that is under way.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Active {
    pub(crate) id: String,
    /// `push`, `rollback`, `deploy` or `restart`.
    pub(crate) cause: String,
    /// Who asked for it, when someone did.
    pub(crate) actor: Option<String>,
    /// Why its gates did not count, in that person's words; nothing where they did.
    pub(crate) overriding: Option<String>,
    /// The question that a person is asked, and that `release` or `abort` answers.
    pub(crate) question: Option<Asking>,
    pub(crate) candidate: Release,
    pub(crate) baseline: Option<Release>,
    /// `forward`, or `back` while touched hosts are put back.
    pub(crate) course: &'static str,
    /// Why it turns back.
    pub(crate) turned_back: Option<Why>,
    /// The wave that changes, from 1.
    pub(crate) wave: usize,
    pub(crate) waves: usize,
    pub(crate) started: String,
    /// When it turns back by itself.
    pub(crate) deadline: String,
    /// How long it was expected to take when it started.
    pub(crate) estimate: Estimate,
    /// When it should end by that; nothing once it turns back.
    pub(crate) expected_end: Option<String>,
    pub(crate) hosts: Vec<HostRun>,
    /// What hosts warned of: at most ten sentences.
    pub(crate) warnings: Vec<Warning>,
    pub(crate) transitions: Vec<Transition>,
}

/// What a rollout asks a person.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Asking {
    pub(crate) code: String,
    pub(crate) text: String,
    /// When it turns back without an answer.
    pub(crate) until: String,
}

/// A restart that is due because secrets were rotated.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Rotation {
    /// The names of the secrets.
    pub(crate) secrets: Vec<String>,
    /// When that was noticed.
    pub(crate) since: String,
    /// When the containers are made anew, unless the lane is held or frozen.
    pub(crate) due: String,
    /// How often it failed.
    pub(crate) tries: u32,
}

/// A rollout that has ended.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Past {
    pub(crate) id: String,
    /// `push`, `rollback`, `deploy` or `restart`.
    pub(crate) cause: String,
    /// Who asked for it, when someone did.
    pub(crate) actor: Option<String>,
    /// Why its gates did not count, in that person's words; nothing where they did.
    pub(crate) overriding: Option<String>,
    pub(crate) candidate: Release,
    pub(crate) baseline: Option<Release>,
    /// `succeeded`, `rejected`, `failed`, `restored`, `stuck`, `halted`, `aborted` or
    /// `superseded`.
    pub(crate) end: String,
    /// Why it ended so.
    pub(crate) reason: Option<Why>,
    pub(crate) started: String,
    pub(crate) ended: Option<String>,
    /// Whole seconds from start to end.
    pub(crate) seconds: Option<u64>,
    pub(crate) hosts: Vec<HostRun>,
    /// What hosts warned of: at most ten sentences.
    pub(crate) warnings: Vec<Warning>,
    pub(crate) transitions: Vec<Transition>,
}

/// How long a rollout is expected to take.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Estimate {
    /// From start to end.
    pub(crate) seconds: u64,
    /// How much of that goes into draining.
    pub(crate) draining_seconds: u64,
    /// Batches, one after the other.
    pub(crate) batches: usize,
    /// What would make it shorter, where one thing dominates.
    pub(crate) advice: Option<String>,
}

/// A sentence that hosts warned with.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Warning {
    pub(crate) text: String,
    pub(crate) hosts: Vec<String>,
}

/// A host within a rollout.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HostRun {
    pub(crate) id: String,
    /// `waiting`, `touched`, `done`, `failed`, `restored`, `lost` or `skipped`.
    pub(crate) progress: &'static str,
    /// Why it failed, is lost, or was skipped.
    pub(crate) reason: Option<Why>,
    /// What it ran before: `none`, `sha256:…`, `local:sha256:…` or `mixed`.
    pub(crate) baseline: String,
}

/// A host outside rollouts.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Host {
    pub(crate) id: String,
    /// What it was last verified to run; nothing for one that is only now brought to `current`.
    pub(crate) runs: Option<String>,
    /// When.
    pub(crate) seen_at: Option<String>,
    /// Why it could not be brought to `current` yet.
    pub(crate) problem: Option<Why>,
}

/// A host that runs something else than it should.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Drifted {
    pub(crate) id: String,
    /// `none`, `sha256:…`, `local:sha256:…` or `mixed`.
    pub(crate) runs: String,
}

/// A line of a rollout's history.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Transition {
    pub(crate) at: String,
    /// The phase that was entered.
    pub(crate) phase: String,
    pub(crate) text: String,
}

/// A rollout that a person asked for and that has not started.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Asked {
    pub(crate) release: Release,
    /// `rollback`, `deploy` or `restart`.
    pub(crate) cause: String,
    pub(crate) actor: String,
    /// Why its gates do not count, in that person's words; nothing where they do.
    pub(crate) overriding: Option<String>,
    /// When it is dropped if it has not begun.
    pub(crate) until: String,
}

/// A paused lane.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Hold {
    pub(crate) code: String,
    pub(crate) text: String,
    /// Who paused it; nothing when Esclusa did.
    pub(crate) actor: Option<String>,
    pub(crate) since: String,
}

/// What keeps a release from being rolled out.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Blocker {
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) release: Option<Release>,
    /// When that ends by itself, if it does.
    pub(crate) lifts_at: Option<String>,
}

/// A digest that is not rolled out again.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Quarantined {
    pub(crate) digest: String,
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) since: String,
}

/// An image that a person wants kept.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pinned {
    pub(crate) digest: String,
    /// When it may go: the first instant after the last day.
    pub(crate) until: String,
    pub(crate) reason: String,
    /// Who pinned it.
    pub(crate) actor: String,
}

/// A rollout that did not succeed.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Attempt {
    pub(crate) digest: String,
    /// A word as of an ended rollout.
    pub(crate) end: String,
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) at: String,
    /// When the same is tried again by itself, if it is.
    pub(crate) retry_at: Option<String>,
}

/// A reason: a stable code, and a sentence.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Why {
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Why {
    pub(crate) fn of(reason: &Reason) -> Self {
        Self { code: reason.code.as_str().to_owned(), text: reason.text.clone() }
    }
}
