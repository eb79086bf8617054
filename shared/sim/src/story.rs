//! A story: a fleet, some pushes and requests, an adversary, and an end.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::configuration::TargetGroup;
use esclusa_core::digest::Digest;
use esclusa_core::name::{HostId, LaneId, Tag};
use esclusa_core::release::{Availability, Release, Running};
use esclusa_core::traffic::Target;
use esclusa_shell::operate::Action;
use esclusa_shell::receive::Notice;

use crate::adversary::Adversary;
use crate::hosts::SimHost;
use crate::simulation::Simulation;
use crate::world::{Behaviour, World};

const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-south-1:123456789012:targetgroup/web/0123456789abcdef";

/// What a story is about.
#[derive(Clone, Debug)]
pub struct Story {
    /// Hosts at the beginning.
    pub fleet: usize,
    /// Whether they are behind a load balancer.
    pub balanced: bool,
    /// The images that are pushed one after the other, and how they behave.
    pub pushes: Vec<Behaviour>,
    /// Whether people and hosts come in between.
    pub eventful: bool,
    /// The `waves` of the configuration.
    pub waves: &'static str,
    /// The `min_in_service` of the configuration.
    pub floor: &'static str,
}

impl Story {
    /// The story of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let waves = [r#"["1", "50%", "100%"]"#, r#"["100%"]"#, r#"["50%", "100%"]"#];
        let floors = ["75%", "50%", "100%", "0%"];
        let behaviours = [Behaviour::Good, Behaviour::Unhealthy, Behaviour::FailsTarget];
        let mut pushes = vec![Behaviour::Good];
        for _ in 0..random.usize(1..4) {
            pushes.push(random.choice(behaviours).unwrap_or(Behaviour::Good));
        }
        Self {
            fleet: random.usize(1..6),
            balanced: random.bool(),
            pushes,
            eventful: random.bool(),
            waves: random.choice(waves).unwrap_or(r#"["100%"]"#),
            floor: random.choice(floors).unwrap_or("75%"),
        }
    }

    fn world(&self) -> World {
        let mut world = World::new(Duration::from_secs(10));
        let groups =
            if self.balanced { format!("target_groups = [\"{GROUP}\"]\n") } else { String::new() };
        let text = format!(
            "[environments.production]\nwaves = {}\nmin_in_service = \"{}\"\n\
             bake = {{ for = \"20s\" }}\n{groups}",
            self.waves, self.floor
        );
        world.sources.service = Some(text);
        for number in 0..self.fleet {
            self.add_host(&mut world, number, Running::Nothing);
        }
        world
    }

    fn add_host(&self, world: &mut World, number: usize, running: Running) {
        let Ok(id) = format!("i-{number:08x}").parse::<HostId>() else { return };
        let zone = if number.is_multiple_of(2) { "a" } else { "b" };
        world.hosts.insert(id.clone(), SimHost::new(zone, running));
        if let Some(group) = self.group() {
            world.register(&[Target { group, host: id, port: 8080 }]);
        }
    }

    fn group(&self) -> Option<TargetGroup> {
        if self.balanced { GROUP.parse().ok() } else { None }
    }
}

/// The one lane of a story.
#[must_use]
pub(crate) fn lane() -> Option<LaneId> {
    "acme/boletos#production".parse().ok()
}

/// Pushes an image and moves the tag to it.
fn push(world: &mut World, adversary: &mut Adversary, number: usize, behaviour: Behaviour) {
    let (Some(lane), Ok(digest), Ok(latest), Ok(version)) = (
        lane(),
        format!("sha256:{number:064x}").parse::<Digest>(),
        "latest".parse::<Tag>(),
        format!("v1.{number}.0").parse::<Tag>(),
    ) else {
        return;
    };
    let release = Release {
        digest: digest.clone(),
        repository: "127.0.0.1:5000/acme/boletos".to_owned(),
        tags: BTreeSet::from([latest.clone(), version.clone()]),
        label: version,
        bytes: 1_000_000,
        pushed_at: world.now,
        availability: Availability::Active,
    };
    world.say(format!("push {release} ({behaviour:?})"));
    world.images.insert(digest.clone(), (release, behaviour));
    world.tags.insert(latest.clone(), digest.clone());
    let now = world.now;
    world.moves.push((now, digest));
    for delay in adversary.event_delay() {
        world.enqueue(Notice::Pushed { service: lane.service.clone(), tag: latest.clone() }, delay);
    }
}

/// Plays a story against an adversary, lets it come to rest, and returns the world as it is then.
#[must_use]
pub fn run(story: &Story, adversary: Adversary) -> (World, u64) {
    let mut simulation = Simulation::new(story.world(), adversary);
    let mut added = story.fleet;
    for (number, behaviour) in story.pushes.iter().enumerate() {
        simulation.with(|world, adversary| push(world, adversary, number, *behaviour));
        let span = simulation.with(|_, adversary| adversary.below(600));
        for _ in 0..3 {
            let seconds = u64::try_from(span).unwrap_or(0).saturating_add(20);
            let until = simulation.with(|world, _| world.now.after(Duration::from_secs(seconds)));
            simulation.run_until(until);
            if story.eventful {
                happen(&mut simulation, story, &mut added);
            }
        }
    }
    simulation.with(|_, adversary| adversary.stop());
    // Longer than a rollout's deadline, its restore's, and a sweep; or until nothing has been
    // under way for as long as a lost message takes to come back, and two sweeps more.
    for _ in 0..18 {
        let until = simulation.with(|world, _| world.now.after(Duration::from_mins(20)));
        let rested = simulation.with(|world, _| world.rests());
        simulation.run_until(until);
        if rested && simulation.with(|world, _| world.rests()) {
            break;
        }
    }
    simulation.with(|world, adversary| {
        if world.broken.is_empty() {
            world.check_rest();
        }
        (std::mem::replace(world, World::new(Duration::ZERO)), adversary.calls())
    })
}

/// Something that a person does, or that happens to a host.
fn happen(simulation: &mut Simulation, story: &Story, added: &mut usize) {
    let Some(lane) = lane() else { return };
    match simulation.with(|_, adversary| adversary.below(8)) {
        0 => simulation.ask(&lane, Action::Rollback),
        1 => simulation.ask(&lane, Action::Hold { reason: "lunch".to_owned() }),
        2 | 3 => simulation.ask(&lane, Action::Release),
        4 => simulation.with(silence),
        5 if *added < 8 => {
            let number = *added;
            simulation.with(|world, _| {
                story.add_host(world, number, Running::Nothing);
                if let Ok(id) = format!("i-{number:08x}").parse() {
                    let now = world.now;
                    world.disturbed.insert(id, now);
                }
                world.say(format!("host {number} is added"));
                world.enqueue(Notice::Hosts, Duration::from_secs(1));
            });
            *added = added.saturating_add(1);
        }
        6 => simulation.with(kill),
        _ => {}
    }
}

fn pick(world: &World, adversary: &mut Adversary) -> Option<HostId> {
    let live: Vec<&HostId> = world.live().map(|(id, _)| id).collect();
    live.get(adversary.below(live.len())).map(|id| (*id).clone())
}

/// A host's agent falls silent for a while.
fn silence(world: &mut World, adversary: &mut Adversary) {
    let seconds = u64::try_from(adversary.below(400)).unwrap_or(0);
    let until = world.now.after(Duration::from_secs(seconds));
    if let Some(id) = pick(world, adversary) {
        world.say(format!("{id} falls silent until {until}"));
        world.disturbed.insert(id.clone(), until);
        if let Some(host) = world.hosts.get_mut(&id) {
            host.silent_until = until;
        }
    }
}

/// A host dies, unless it is the last one.
fn kill(world: &mut World, adversary: &mut Adversary) {
    if world.live().count() < 2 {
        return;
    }
    if let Some(id) = pick(world, adversary) {
        world.say(format!("{id} dies"));
        let now = world.now;
        world.disturbed.insert(id.clone(), now);
        if let Some(host) = world.hosts.get_mut(&id) {
            host.alive = false;
        }
        world.targets.retain(|it| it.target.host != id);
        world.enqueue(Notice::Hosts, Duration::from_secs(1));
    }
}
