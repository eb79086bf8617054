//! What people do, and what happens to hosts, between pushes.

use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::name::HostId;
use esclusa_core::release::Running;
use esclusa_core::time::Timestamp;
use esclusa_shell::operate::Action;
use esclusa_shell::ports::Wanted;
use esclusa_shell::receive::Notice;

use crate::adversary::Adversary;
use crate::meddle::{CLOCK_WRONG, UNLISTED};
use crate::simulation::Simulation;
use crate::story::{Story, lane, move_tag};
use crate::world::{World, say};

/// Hosts of a story, at most.
const FLEET: usize = 10;

/// Something that a person does, or that happens to a host, or to the configuration.
pub(crate) fn happen(simulation: &mut Simulation, story: &Story, added: &mut usize) {
    simulation.with(|world, _| world.stir());
    match simulation.with(|_, adversary| adversary.below(22)) {
        0 | 1 => ask(simulation, Action::Rollback),
        2 => ask(simulation, Action::Hold { reason: "lunch".to_owned() }),
        3..=5 => ask(simulation, Action::Release),
        6 => ask(simulation, Action::Abort),
        7 => ask(simulation, Action::Restart),
        8 => {
            let overriding = simulation.with(|_, adversary| adversary.below(2) == 0);
            let overriding = overriding.then(|| "the fix is urgent".to_owned());
            if let Some(version) = some_image(simulation) {
                ask(simulation, Action::Deploy { version, overriding });
            }
        }
        9 => {
            if let Some(version) = some_image(simulation) {
                ask(simulation, Action::Lift { version });
            }
        }
        10 | 11 => simulation.with(silence),
        12 => add(simulation, added),
        13 => simulation.with(kill),
        14 => {
            simulation.with(kill);
            add(simulation, added);
        }
        15 | 16 => simulation.with(drift),
        17 => simulation.with(|world, adversary| configure(world, adversary, story)),
        18 => {
            let digest = some_digest(simulation);
            simulation.with(|world, adversary| {
                if let Some(digest) = digest {
                    say!(world, "the tag is moved to {digest}");
                    move_tag(world, adversary, digest);
                }
            });
        }
        19 => pin(simulation),
        20 => simulation.with(hide),
        _ => simulation.with(set_clock),
    }
}

/// A person wants an image kept for a while.
fn pin(simulation: &mut Simulation) {
    if !simulation.with(|world, _| world.retains) {
        return;
    }
    if let Some(version) = some_image(simulation) {
        let until = simulation.with(|world, _| world.now.after(Duration::from_hours(1)));
        ask(simulation, Action::Pin { version, until, reason: "an audit".to_owned() });
    }
}

pub(crate) fn ask(simulation: &mut Simulation, action: Action) {
    let Some(lane) = lane() else { return };
    simulation.with(|world, _| {
        world.marks.hear_news(world.now);
        say!(world, "ana asks: {action:?}");
    });
    simulation.ask(&lane, action);
}

fn some_digest(simulation: &mut Simulation) -> Option<Digest> {
    simulation.with(|world, adversary| {
        let digests: Vec<Digest> = world.moves.iter().map(|(_, digest)| digest.clone()).collect();
        adversary.pick(&digests).cloned()
    })
}

fn some_image(simulation: &mut Simulation) -> Option<Wanted> {
    some_digest(simulation).map(Wanted::Digest)
}

fn add(simulation: &mut Simulation, added: &mut usize) {
    let number = *added;
    if number >= FLEET {
        return;
    }
    *added = number.saturating_add(1);
    simulation.with(|world, _| {
        world.launch(number);
        say!(world, "host {number} is added");
    });
}

fn pick(world: &World, adversary: &mut Adversary) -> Option<HostId> {
    let live: Vec<&HostId> = world.live().map(|(id, _)| id).collect();
    adversary.pick(&live).map(|id| (*id).clone())
}

/// A moment within the next `seconds`.
fn within(world: &World, adversary: &mut Adversary, seconds: usize) -> Timestamp {
    let seconds = u64::try_from(adversary.below(seconds)).unwrap_or(0);
    world.now.after(Duration::from_secs(seconds))
}

/// A host's agent falls silent for a while, or its machine is off.
fn silence(world: &mut World, adversary: &mut Adversary) {
    let until = within(world, adversary, 400);
    if let Some(id) = pick(world, adversary) {
        let (off, refused) = (adversary.below(3) == 0, adversary.below(3) == 0);
        say!(world, "{id} {} until {until}", if off { "is off" } else { "falls silent" });
        world.disturb(&id, until);
        if off {
            // It is not listed for a while, and then again.
            world.marks.news_at = until;
        }
        if let Some(host) = world.hosts.get_mut(&id) {
            host.silent_until = until;
            if off {
                host.stop(world.now, until);
            } else if refused {
                host.refused_until = until;
            }
        }
    }
}

/// Systems Manager does not list a host for a while, although it is well.
fn hide(world: &mut World, adversary: &mut Adversary) {
    let until = within(world, adversary, 400);
    if let Some(id) = pick(world, adversary) {
        say!(world, "{id} is not listed until {until}");
        world.count(UNLISTED);
        world.disturb(&id, until);
        world.marks.news_at = until;
        if let Some(host) = world.hosts.get_mut(&id) {
            host.hidden_until = until;
        }
    }
}

/// A host's clock is wrong for a while, mostly by less than a minute.
fn set_clock(world: &mut World, adversary: &mut Adversary) {
    let until = within(world, adversary, 3600);
    let far = adversary.below(4) == 0;
    let most = if far { 600 } else { 58 };
    let off = i64::try_from(adversary.below(most)).unwrap_or(0).saturating_mul(1000);
    let ahead = if adversary.below(2) == 0 { off } else { off.saturating_neg() };
    if let Some(id) = pick(world, adversary) {
        say!(world, "the clock of {id} is {ahead} ms ahead until {until}");
        world.count(CLOCK_WRONG);
        if far {
            world.disturb(&id, until);
            world.marks.news_at = until;
        }
        if let Some(host) = world.hosts.get_mut(&id) {
            host.clock = (ahead, until);
        }
    }
}

/// A host dies, unless it is the last one.
fn kill(world: &mut World, adversary: &mut Adversary) {
    if world.live().count() < 2 {
        return;
    }
    if let Some(id) = pick(world, adversary) {
        say!(world, "{id} dies");
        world.terminate(&id);
        world.enqueue(Notice::Hosts, Duration::from_secs(1));
    }
}

/// Someone makes a host run something else.
fn drift(world: &mut World, adversary: &mut Adversary) {
    let digests: Vec<Digest> = world.images.keys().cloned().collect();
    let (Some(id), Some(digest)) = (pick(world, adversary), adversary.pick(&digests).cloned())
    else {
        return;
    };
    let now = world.now;
    if let Some(host) = world.hosts.get_mut(&id).filter(|host| !host.is_locked) {
        host.engine.run_by_hand(&Running::Digest(digest.clone()), now);
        world.marks.drifted_at.insert(id.clone(), now);
        say!(world, "someone makes {id} run {digest}");
    }
}

/// The service's configuration changes; now and then into what cannot be read.
fn configure(world: &mut World, adversary: &mut Adversary, story: &Story) {
    let waves = [r#"["1", "100%"]"#, r#"["100%"]"#, r#"["25%", "100%"]"#, "nonsense"];
    let floors = ["50%", "75%"];
    let (Some(waves), Some(floor)) = (adversary.pick(&waves), adversary.pick(&floors)) else {
        return;
    };
    say!(world, "the configuration says waves = {waves}, min_in_service = {floor}");
    world.marks.hear_news(world.now);
    world.sources.service = Some(story.text(waves, floor));
}
