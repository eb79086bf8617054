//! What the simulator, and with it the core and the shell, costs: `make bench`.
//!
//! Figures are of one core; the ratios are of one run: a step costs in proportion to the hosts,
//! whatever happened before.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a benchmark prints, and stops at what it did not expect"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use esclusa_core::observation::{Cue, Event};
use esclusa_sim::{Adversary, Behaviour, Story, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Histories that are played against the adversary.
const HISTORIES: u64 = 1000;

/// Fleets, the first of which is the measure.
const FLEETS: [usize; 3] = [10, 100, 500];

/// Steps in a row, and how often; the fastest counts.
const STEPS: u32 = 500;
const ROUNDS: usize = 20;

fn main() {
    hostile();
    calm();
}

fn hostile() {
    let began = Instant::now();
    let mut rollouts = 0;
    for seed in 0..HISTORIES {
        let (world, _) = run(&Story::of(seed), Adversary::hostile(seed));
        assert!(world.broken.is_empty(), "SEED={seed}: {:?}", world.broken);
        rollouts += world.rollouts.values().map(std::collections::BTreeMap::len).sum::<usize>();
    }
    let took = began.elapsed().as_secs_f64();
    let minute = f64::from(u32::try_from(rollouts).unwrap_or(u32::MAX)) / took * 60.0;
    println!("histories  rollouts  seconds  rollouts a minute");
    println!("{HISTORIES:9} {rollouts:9} {took:8.2} {minute:18.0}");
}

/// One step of a lane at rest, which is what most events find.
fn calm() {
    println!("hosts  rollouts before  us a step  ns a host  x {} hosts", FLEETS[0]);
    let mut measure = None;
    for (fleet, pushes) in FLEETS.into_iter().map(|it| (it, 1)).chain([(FLEETS[0], 30)]) {
        let pushes = vec![Behaviour::Good; pushes];
        let story = Story { fleet, pushes, ..Story::default() };
        let (world, _) = run(&story, Adversary::idle(7));
        assert!(world.broken.is_empty(), "{:?}", world.broken);
        let before: usize = world.rollouts.values().map(std::collections::BTreeMap::len).sum();
        let lane = world.lanes.values().find(|lane| lane.current.is_some()).expect("a lane");
        let step = || {
            let began = Instant::now();
            for _ in 0..STEPS {
                drop(black_box(lane.step(black_box(&Event::Woke(Cue::Outside)), world.now)));
            }
            began.elapsed()
        };
        let took = (0..ROUNDS).map(|_| step()).min().unwrap_or(Duration::ZERO).as_secs_f64();
        let step = took * 1e6 / f64::from(STEPS);
        let host = step * 1e3 / f64::from(u32::try_from(fleet).unwrap_or(1));
        let ratio = host / *measure.get_or_insert(host);
        println!("{fleet:5} {before:16} {step:10.2} {host:10.1} {ratio:11.2}");
    }
}
