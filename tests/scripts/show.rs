//! What scripts show, in an operator's words.

use esclusa_core::lane::Lane;
use esclusa_core::rollout::{End, HostRun, Progress, Rollout};
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::Health;
use esclusa_shell::operate::Action;
use esclusa_sim::{HostState, Presence};

use crate::name::Names;
use crate::play::Player;

const UNKNOWN: &str = "nothing is known of the service";

/// What a request has come to so far.
pub(crate) fn answer(action: &Action, lane: &Lane) -> String {
    let asked = lane.asked.as_ref().map(|it| format!("yes: a {} to {}", it.cause, it.release));
    let stops = lane.rollout.as_ref().filter(|it| it.abort.is_some());
    let stops = stops.map(|it| format!("yes: the rollout of {} stops", it.candidate));
    let held = if lane.hold.is_some() { ", and the lane is held" } else { "" };
    match action {
        Action::Hold { .. }
        | Action::Release
        | Action::Restored
        | Action::Lift { .. }
        | Action::Pin { .. }
        | Action::Unpin { .. } => "yes".to_owned(),
        Action::Rollback | Action::Abort | Action::Restart | Action::Deploy { .. } => {
            let yes = asked.or(stops).unwrap_or_else(|| "yes".to_owned());
            format!("{yes}{held}")
        }
    }
}

/// The rollouts that have ended, oldest first.
fn ended(player: &mut Player) -> Vec<Rollout> {
    let lane = player.lane.clone();
    player.simulation.with(|world, _| {
        let rollouts = world.rollouts.get(&lane).into_iter().flat_map(|it| it.values());
        rollouts.cloned().collect()
    })
}

/// The rollout that is active, else the last that began.
fn last(player: &mut Player) -> Option<Rollout> {
    if let Some(active) = player.stored().and_then(|lane| lane.rollout) {
        return Some(active);
    }
    let superseded = |it: &Rollout| matches!(it.end(), Some((End::Superseded, _)));
    ended(player).into_iter().rfind(|it| !superseded(it))
}

fn by(rollout: &Rollout) -> String {
    let actor = rollout.actor.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
    format!("{} by {}{actor}", rollout.candidate, rollout.cause)
}

pub(crate) fn rollout(player: &mut Player) -> Vec<String> {
    let Some(rollout) = last(player) else { return vec!["no rollout has begun".to_owned()] };
    let first = if let Some((end, reason)) = rollout.end() {
        format!("{}: {end}: {reason}", by(&rollout))
    } else {
        let (wave, waves) = rollout.wave();
        let forward = format!("wave {wave} of {waves}");
        let way = if rollout.is_forward() { &forward } else { "turning back" };
        format!("{}: {}, {way}", by(&rollout), rollout.phase.word())
    };
    let mut lines = vec![player.names.plain(&first)];
    for (id, run) in &rollout.hosts {
        let names = &player.names;
        lines.push(names.plain(&format!("  {id} {}", progress(run, names))));
    }
    lines
}

fn progress(run: &HostRun, names: &Names) -> String {
    let asked = run.answered_at != Timestamp::default();
    let ran = if asked { names.of_running(&run.baseline) } else { "what nobody knows".to_owned() };
    match &run.progress {
        Progress::Waiting => format!("waits; it ran {ran}"),
        Progress::Touched => format!("changes; it ran {ran}"),
        Progress::Done => format!("is done; it ran {ran}"),
        Progress::Restored => format!("is back on {ran}"),
        Progress::Failed(reason) => format!("failed: {}", reason.text),
        Progress::Lost(reason) => format!("is lost: {}", reason.text),
        Progress::Skipped(reason) => format!("was left out: {}", reason.text),
    }
}

/// What the active or last rollout did, one line for each step.
pub(crate) fn steps(player: &mut Player) -> Vec<String> {
    let Some(rollout) = last(player) else { return vec!["no rollout has begun".to_owned()] };
    let lines = rollout.history.iter();
    lines.map(|it| player.names.plain(&format!("{}: {}", it.phase, it.text))).collect()
}

pub(crate) fn lane(player: &mut Player) -> Vec<String> {
    let Some(lane) = player.stored() else { return vec![UNKNOWN.to_owned()] };
    let named = |it: Option<&esclusa_core::release::Release>| {
        it.map_or_else(|| "nothing".to_owned(), |it| player.names.of(&it.digest))
    };
    let mut lines = vec![format!(
        "runs {}; the tag says {}",
        named(lane.current.as_ref()),
        named(lane.desired.as_ref())
    )];
    if let Some(next) = &lane.next {
        lines.push(format!("next: {next}"));
    }
    if let Some(hold) = &lane.hold {
        lines.push(format!("hold: {}", hold.reason));
    }
    if let Some(blocker) = &lane.blocker {
        let until = blocker.lifts_at.map(|at| format!(", until {at}")).unwrap_or_default();
        lines.push(format!("waits: {}{until}", blocker.reason));
    }
    for (digest, it) in &lane.quarantine {
        lines.push(format!("quarantined: {digest}: {}", it.reason));
    }
    for (host, running) in lane.drifted() {
        lines.push(format!("drifted: {host} runs {}", player.names.of_running(running)));
    }
    for (host, errand) in &lane.errands {
        let failure = errand.failure.as_ref().map(|it| format!("; it failed: {it}"));
        lines.push(format!("joins: {host}{}", failure.unwrap_or_default()));
    }
    lines.iter().map(|it| player.names.plain(it)).collect()
}

/// The hosts as they truly are, whatever Esclusa knows.
pub(crate) fn hosts(player: &mut Player) -> Vec<String> {
    let states = player.simulation.with(|world, _| world.host_states());
    states.iter().map(|it| player.names.plain(&host(it, &player.names))).collect()
}

fn host(it: &HostState, names: &Names) -> String {
    if it.presence == Presence::Gone {
        return format!("{} is gone", it.id);
    }
    let silent = if it.presence == Presence::Silent { ", silent" } else { "" };
    let well = if it.well || it.running == esclusa_core::release::Running::Nothing {
        ""
    } else {
        ", not well"
    };
    let traffic = match it.target {
        _ if it.serves => "in service",
        None | Some(Health::Unavailable | Health::Unused | Health::Stopped | Health::Healthy) => {
            "out of service"
        }
        Some(Health::Initial) => "about to come into service",
        Some(Health::Unhealthy) => "failing the load balancer's check",
        Some(Health::Draining) => "draining",
    };
    let running = names.of_running(&it.running);
    format!("{} runs {running}{well}, {traffic}{silent}", it.id)
}

pub(crate) fn history(player: &mut Player) -> Vec<String> {
    let rollouts = ended(player);
    if rollouts.is_empty() {
        return vec!["no rollout has ended".to_owned()];
    }
    let line = |it: &Rollout| {
        let (end, reason) = it.end()?;
        Some(player.names.plain(&format!("{}: {end}: {reason}", by(it))))
    };
    rollouts.iter().filter_map(line).collect()
}

pub(crate) fn why(player: &mut Player, name: Option<&str>) -> Result<Vec<String>, String> {
    let Some(lane) = player.stored() else { return Ok(vec![UNKNOWN.to_owned()]) };
    let wanted = name.map(|it| player.wanted(it)).transpose()?;
    let answer = player.simulation.why(&lane, wanted.as_ref());
    let lines = match answer.ok_or("the function did not answer")? {
        Err(error) => vec![format!("no: {error}")],
        Ok(blockers) if blockers.is_empty() => vec!["nothing keeps it".to_owned()],
        Ok(blockers) => blockers.iter().map(|it| it.reason.to_string()).collect(),
    };
    Ok(lines.iter().map(|it| player.names.plain(it)).collect())
}

/// The messages that tell a person, since they were last shown.
pub(crate) fn messages(player: &mut Player) -> Vec<String> {
    let lane = player.lane.clone();
    let published = player.simulation.with(|world, _| world.published.get(&lane).cloned());
    let published = published.unwrap_or_default();
    let shown = player.shown;
    let new = published.values().filter(|it| it.number > shown && it.kind.tells_a_person());
    let lines = new.map(|it| player.names.plain(&format!("{}: {}", it.kind, it.text)));
    let lines: Vec<String> = lines.collect();
    player.shown = published.keys().last().copied().unwrap_or(shown);
    if lines.is_empty() { vec!["none".to_owned()] } else { lines }
}
