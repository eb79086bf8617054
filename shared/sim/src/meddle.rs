//! What happens to the engines of hosts: people at their shells, faults of machines and registries.
//!
//! Each situation has a name, and is counted: one that is never played proves nothing.

use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::name::HostId;
use esclusa_core::release::Running;

use crate::adversary::Adversary;
use crate::engine::Project;
use crate::simulation::Simulation;
use crate::world::{World, say};

/// Every situation that histories play by chance.
pub const SITUATIONS: [&str; 24] = [
    CUT_OFF,
    GIVEN_AGAIN,
    STOPPED,
    UP_BY_HAND,
    DOWN,
    PRUNED,
    REBOOTED,
    ENGINE_RESTARTED,
    DISK_FULL,
    REGISTRY_CUT_OFF,
    WHILE_AN_ORDER_RUNS,
    REPLICAS,
    SEVERAL_SERVICES,
    JOB,
    SIDECAR,
    DEPENDENCY,
    ONCE,
    PUT_BACK,
    PUT_BACK_BY_COMPOSE,
    NOT_PUT_BACK,
    REPLACED,
    UNLISTED,
    CLOCK_WRONG,
    RESTARTED_SLOWLY,
];

pub(crate) const CUT_OFF: &str = "the program is killed between two steps";
pub(crate) const GIVEN_AGAIN: &str = "an order that was cut off is given again";
const STOPPED: &str = "someone stops a container";
const UP_BY_HAND: &str = "someone brings another image up by hand";
const DOWN: &str = "someone takes the project down";
const PRUNED: &str = "someone prunes containers and images";
const REBOOTED: &str = "a host reboots";
const ENGINE_RESTARTED: &str = "the engine restarts";
const DISK_FULL: &str = "the disk is full for a while";
const REGISTRY_CUT_OFF: &str = "the registry does not answer a host";
const WHILE_AN_ORDER_RUNS: &str = "something of this happens while an order is carried out";
const REPLICAS: &str = "a service has three containers";
const SEVERAL_SERVICES: &str = "two services run one image";
const JOB: &str = "a migration runs before its service";
const SIDECAR: &str = "a sidecar uses a service's network";
const DEPENDENCY: &str = "a service waits for another image's";
const ONCE: &str = "something runs once for a release";
pub(crate) const PUT_BACK: &str = "a host puts back what ran";
pub(crate) const PUT_BACK_BY_COMPOSE: &str = "Compose puts back what ran, after a reboot";
pub(crate) const NOT_PUT_BACK: &str = "a host cannot put back what ran";
pub(crate) const UNLISTED: &str = "Systems Manager does not list a host";
pub(crate) const CLOCK_WRONG: &str = "a host's clock is wrong";
const RESTARTED_SLOWLY: &str = "someone restarts a host's containers, which start slowly";
pub(crate) const REPLACED: &str = "an Auto Scaling group replaces an unhealthy host";

impl World {
    /// Counts what a story's project has.
    pub(crate) fn count_project(&mut self, project: Project) {
        let parts = [
            (project.has_replicas, REPLICAS),
            (project.has_worker, SEVERAL_SERVICES),
            (project.has_job, JOB),
            (project.has_sidecar, SIDECAR),
            (project.has_dependency, DEPENDENCY),
            (project.has_once, ONCE),
        ];
        parts.into_iter().filter(|(has, _)| *has).for_each(|(_, name)| self.count(name));
    }
}

/// Something happens to the engine of a host, perhaps while an order is carried out there.
pub(crate) fn meddle(simulation: &mut Simulation) {
    simulation.with(|world, adversary| {
        let hosts: Vec<HostId> = world.live().map(|(id, _)| id.clone()).collect();
        let chosen = hosts.get(adversary.below_on_hosts(hosts.len())).cloned();
        let busy = world.live().find(|(_, host)| host.is_locked).map(|(id, _)| id.clone());
        let Some(id) = busy.filter(|_| adversary.below_on_hosts(2) == 0).or(chosen) else { return };
        meddle_with(world, adversary, &id);
        world.stir();
    });
}

fn meddle_with(world: &mut World, adversary: &mut Adversary, id: &HostId) {
    let now = world.now;
    let span = u64::try_from(adversary.below_on_hosts(180)).unwrap_or(0);
    let until = now.after(Duration::from_secs(span.saturating_add(5)));
    let (choice, which) = (adversary.below_on_hosts(8), adversary.below_on_hosts(8));
    let images: Vec<Digest> = world.images.keys().cloned().collect();
    let image = images.get(adversary.below_on_hosts(images.len())).cloned();
    let Some(host) = world.hosts.get_mut(id) else { return };
    let was_locked = host.is_locked;
    // What changes containers behind Esclusa's back, and what only disturbs.
    let (situation, drifts, lasts) = match choice {
        0 if host.engine.stop_one(which) => (STOPPED, true, now),
        0 | 1 => {
            let Some(image) = image else { return };
            host.engine.run_by_hand(&Running::Digest(image), now);
            (UP_BY_HAND, true, now)
        }
        2 => {
            host.engine.run_by_hand(&Running::Nothing, now);
            (DOWN, true, now)
        }
        3 => {
            host.engine.prune_system();
            (PRUNED, true, now)
        }
        4 => {
            let back = now.after(Duration::from_secs(40));
            host.silent_until = host.silent_until.max(back);
            host.lose_power(back);
            (REBOOTED, false, back)
        }
        5 => {
            let back = now.after(Duration::from_secs(4));
            host.engine.restart_engine(back);
            (ENGINE_RESTARTED, false, back)
        }
        6 => {
            host.engine.full_until = until;
            (DISK_FULL, false, until)
        }
        _ => {
            host.engine.cut_off_until = until;
            (REGISTRY_CUT_OFF, false, until)
        }
    };
    say!(world, "{id}: {situation}, until {lasts}");
    world.count(situation);
    if was_locked {
        world.count(WHILE_AN_ORDER_RUNS);
    }
    world.disturb(id, lasts);
    if drifts {
        world.marks.drifted_at.insert(id.clone(), now);
    }
}

/// Someone restarts the containers of a host that was just finished, now and then; they start
/// slowly.
pub(crate) fn strike(world: &mut World, adversary: &mut Adversary) {
    let now = world.now;
    let struck = world.marks.just_finished.pop_first();
    let Some(id) = struck.filter(|_| world.meddled && adversary.below_on_hosts(6) == 0) else {
        return;
    };
    let span = u64::try_from(adversary.below_on_hosts(60)).unwrap_or(0);
    let ready = Duration::from_secs(span.saturating_add(10));
    if let Some(host) = world.hosts.get_mut(&id).filter(|host| host.alive && !host.is_locked) {
        host.engine.come_back(now, ready);
        say!(world, "{id}: {RESTARTED_SLOWLY}, until {}", now.after(ready));
        world.count(RESTARTED_SLOWLY);
        world.disturb(&id, now.after(ready));
        world.stir();
    }
}
