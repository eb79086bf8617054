//! From the core's values to the answer's.

use esclusa_core::digest::Digest;
use esclusa_core::lane::{Asked, Attempt, Blocker, Hold, Lane, Pin, Rotation};
use esclusa_core::release::Release;
use esclusa_core::rollout::{Course, HostRun, Phase, Progress, Rollout, Transition};
use esclusa_core::time::Timestamp;

use crate::answer::{self, Why};

/// A lane, as it is at `now`.
pub(crate) fn lane(lane: &Lane, now: Timestamp) -> answer::Lane {
    let quarantine = lane.quarantine.iter().map(|(digest, it)| answer::Quarantined {
        digest: digest.to_string(),
        code: it.reason.code.to_string(),
        text: it.reason.text.clone(),
        since: it.since.to_string(),
    });
    let drifted = lane
        .drifted()
        .map(|(host, runs)| answer::Drifted { id: host.to_string(), runs: runs.to_string() });
    answer::Lane {
        service: lane.id.service.to_string(),
        environment: lane.id.environment.to_string(),
        revision: lane.revision,
        phase: lane.rollout.as_ref().map_or("idle", |it| it.phase.word()),
        current: lane.current.as_ref().map(release),
        desired: lane.desired.as_ref().map(release),
        rollout: lane.rollout.as_ref().map(active),
        next: lane.next.as_ref().map(release),
        asked: lane.asked.as_ref().map(asked),
        hold: lane.hold.as_ref().map(hold),
        blocker: lane.blocker.as_ref().map(blocker),
        rotation: lane.rotation.as_ref().map(rotation),
        quarantine: quarantine.collect(),
        pins: lane.pins.iter().filter(|(_, pin)| pin.until > now).map(pinned).collect(),
        last_attempt: lane.last_attempt.as_ref().map(attempt),
        hosts: hosts(lane),
        drifted: drifted.collect(),
        inspected_at: known(lane.inspected_at),
        rollback_to: lane.rollback_targets().map(release).collect(),
    }
}

fn rotation(rotation: &Rotation) -> answer::Rotation {
    answer::Rotation {
        secrets: rotation.secrets.iter().map(ToString::to_string).collect(),
        since: rotation.since.to_string(),
        due: rotation.due.to_string(),
        tries: rotation.tries,
    }
}

fn asking(phase: &Phase) -> Option<answer::Asking> {
    let Phase::Asking(asked) = phase else { return None };
    Some(answer::Asking {
        code: asked.reason.code.to_string(),
        text: asked.reason.text.clone(),
        until: asked.until.to_string(),
    })
}

fn pinned((digest, pin): (&Digest, &Pin)) -> answer::Pinned {
    answer::Pinned {
        digest: digest.to_string(),
        until: pin.until.to_string(),
        reason: pin.reason.clone(),
        actor: pin.actor.clone(),
    }
}

/// The last day, in UTC, of a time that ends at `until`: `2026-12-31`.
pub(crate) fn last_day(until: Timestamp) -> String {
    let last = Timestamp::from_millis(until.as_millis().saturating_sub(1)).to_string();
    last.split('T').next().unwrap_or_default().to_owned()
}

/// An instant, unless it has never been.
fn known(at: Timestamp) -> Option<String> {
    (at != Timestamp::default()).then(|| at.to_string())
}

pub(crate) fn release(release: &Release) -> answer::Release {
    answer::Release {
        label: release.label.to_string(),
        digest: release.digest.to_string(),
        tags: release.tags.iter().map(ToString::to_string).collect(),
        pushed_at: known(release.pushed_at),
    }
}

pub(crate) fn active(rollout: &Rollout) -> answer::Active {
    let (wave, waves) = rollout.wave();
    let (course, turned_back) = match &rollout.course {
        Course::Forward => ("forward", None),
        Course::Back { cause, .. } => ("back", Some(Why::of(cause))),
    };
    answer::Active {
        id: rollout.id.to_string(),
        cause: rollout.cause.to_string(),
        actor: rollout.actor.clone(),
        overriding: rollout.overriding.clone(),
        question: asking(&rollout.phase),
        candidate: release(&rollout.candidate),
        baseline: rollout.baseline.as_ref().map(release),
        course,
        turned_back,
        wave,
        waves,
        started: rollout.started.to_string(),
        deadline: rollout.deadline.to_string(),
        estimate: estimate(rollout),
        expected_end: expected_end(rollout).map(|at| at.to_string()),
        hosts: runs(rollout),
        warnings: warnings(rollout),
        transitions: rollout.history.iter().map(transition).collect(),
    }
}

/// How long an active rollout was expected to take.
pub(crate) fn estimate(rollout: &Rollout) -> answer::Estimate {
    let estimate = rollout.estimate();
    answer::Estimate {
        seconds: estimate.whole.as_secs(),
        draining_seconds: estimate.draining.as_secs(),
        batches: estimate.batches,
        advice: estimate.advice(),
    }
}

/// When it should end; nothing is known of the way back.
fn expected_end(rollout: &Rollout) -> Option<Timestamp> {
    rollout.is_forward().then(|| rollout.started.after(rollout.estimate().whole))
}

/// A rollout that has ended.
pub(crate) fn ended(rollout: &Rollout) -> answer::Past {
    let at = rollout.history.last().map(|line| line.at);
    let end = rollout.end();
    answer::Past {
        id: rollout.id.to_string(),
        cause: rollout.cause.to_string(),
        actor: rollout.actor.clone(),
        overriding: rollout.overriding.clone(),
        candidate: release(&rollout.candidate),
        baseline: rollout.baseline.as_ref().map(release),
        end: end.map_or_else(|| rollout.phase.word().to_owned(), |(end, _)| end.to_string()),
        reason: end.map(|(_, reason)| Why::of(reason)),
        started: rollout.started.to_string(),
        ended: at.map(|at| at.to_string()),
        seconds: at.map(|at| at.since(rollout.started).as_secs()),
        hosts: runs(rollout),
        warnings: warnings(rollout),
        transitions: rollout.history.iter().map(transition).collect(),
    }
}

fn runs(rollout: &Rollout) -> Vec<answer::HostRun> {
    let run = |run: &HostRun| match &run.progress {
        Progress::Waiting => ("waiting", None),
        Progress::Touched => ("touched", None),
        Progress::Done => ("done", None),
        Progress::Failed(reason) => ("failed", Some(Why::of(reason))),
        Progress::Restored => ("restored", None),
        Progress::Lost(reason) => ("lost", Some(Why::of(reason))),
        Progress::Skipped(reason) => ("skipped", Some(Why::of(reason))),
    };
    let described = rollout.hosts.iter().map(|(host, it)| {
        let (progress, reason) = run(it);
        let (id, baseline) = (host.to_string(), it.baseline.to_string());
        answer::HostRun { id, progress, reason, baseline }
    });
    described.collect()
}

fn warnings(rollout: &Rollout) -> Vec<answer::Warning> {
    let described = rollout.warnings.iter().map(|it| answer::Warning {
        text: it.text.clone(),
        hosts: it.hosts.iter().map(ToString::to_string).collect(),
    });
    described.collect()
}

fn transition(line: &Transition) -> answer::Transition {
    answer::Transition {
        at: line.at.to_string(),
        phase: line.phase.clone(),
        text: line.text.clone(),
    }
}

fn hosts(lane: &Lane) -> Vec<answer::Host> {
    let known = lane.hosts.iter().map(|(host, record)| answer::Host {
        id: host.to_string(),
        runs: Some(record.running.to_string()),
        seen_at: Some(record.seen_at.to_string()),
        problem: None,
    });
    let joining = lane.errands.iter().map(|(host, errand)| answer::Host {
        id: host.to_string(),
        runs: errand.runs.as_ref().map(ToString::to_string),
        seen_at: None,
        problem: errand.failure.as_ref().map(Why::of),
    });
    known.chain(joining).collect()
}

fn hold(hold: &Hold) -> answer::Hold {
    answer::Hold {
        code: hold.reason.code.to_string(),
        text: hold.reason.text.clone(),
        actor: hold.actor.clone(),
        since: hold.since.to_string(),
    }
}

fn asked(asked: &Asked) -> answer::Asked {
    answer::Asked {
        release: release(&asked.release),
        cause: asked.cause.to_string(),
        actor: asked.actor.clone(),
        overriding: asked.overriding.clone(),
        until: asked.until().to_string(),
    }
}

pub(crate) fn blocker(blocker: &Blocker) -> answer::Blocker {
    answer::Blocker {
        code: blocker.reason.code.to_string(),
        text: blocker.reason.text.clone(),
        release: blocker.release.as_ref().map(release),
        lifts_at: blocker.lifts_at.map(|at| at.to_string()),
    }
}

fn attempt(attempt: &Attempt) -> answer::Attempt {
    answer::Attempt {
        digest: attempt.digest.to_string(),
        end: attempt.end.to_string(),
        code: attempt.reason.code.to_string(),
        text: attempt.reason.text.clone(),
        at: attempt.at.to_string(),
        retry_at: attempt.retry_at().map(|at| at.to_string()),
    }
}

/// How a lane is, in one sentence.
pub(crate) fn sentence(lane: &Lane) -> String {
    let (service, environment) = (&lane.id.service, &lane.id.environment);
    let runs = match &lane.current {
        Some(current) => format!("{service} in {environment} runs {current}"),
        None => format!("{service} in {environment} has no successful release yet"),
    };
    if let Some(rollout) = &lane.rollout {
        let next = lane.next.as_ref().map(|it| format!("; {it} goes next")).unwrap_or_default();
        return format!("{runs}; {}{next}", progress(rollout));
    }
    if let Some(asked) = &lane.asked {
        let (release, cause, until) = (&asked.release, asked.cause, asked.until());
        let why = match &lane.blocker {
            Some(blocker) => format!("; {}", blocker.reason),
            None => String::new(),
        };
        return format!("{runs}; the {cause} to {release} begins by {until} or not at all{why}");
    }
    let drifted: Vec<&str> = lane.drifted().map(|(host, _)| host.as_str()).collect();
    let drifted = match drifted.as_slice() {
        [] => String::new(),
        hosts => format!("; {} host(s) run something else: {}", hosts.len(), hosts.join(", ")),
    };
    let rotated = match &lane.rotation {
        Some(rotation) => format!("; new containers for a rotated secret at {}", rotation.due),
        None => String::new(),
    };
    let drifted = drifted + &rotated;
    match (&lane.blocker, &lane.hold) {
        (Some(blocker), _) => format!("{runs}{drifted}; {}", blocker.reason),
        (None, Some(hold)) => format!("{runs}{drifted}; {}", hold.reason),
        (None, None) => format!("{runs}{drifted}"),
    }
}

fn progress(rollout: &Rollout) -> String {
    let done = rollout.live().filter(|(_, run)| run.progress == Progress::Done).count();
    let (all, word) = (rollout.live().count(), rollout.phase.word());
    let candidate = &rollout.candidate;
    let end = expected_end(rollout).map(|at| format!(", expected to end at {at}"));
    let done = format!("{done} of {all} host(s) done{}", end.unwrap_or_default());
    match (&rollout.course, &rollout.phase) {
        (Course::Back { cause, .. }, _) => format!("turning back from {candidate}: {cause}"),
        (Course::Forward, Phase::Asking(asked)) => {
            let (reason, until) = (&asked.reason, asked.until);
            format!("{candidate} waits for a person's word until {until}, because {reason}")
        }
        (Course::Forward, Phase::Changing(_)) => {
            let (wave, waves) = rollout.wave();
            format!("{word} wave {wave} of {waves} to {candidate}, {done}")
        }
        (Course::Forward, _) => format!("{word} {candidate}, {done}"),
    }
}
