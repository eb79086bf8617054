//! Plays seeds until an invariant breaks: `search FIRST COUNT`.
//!
//! One seed is told with its transcript. Prints how often each situation was played, and how many
//! histories and rollouts; exits with 0 if every invariant held, else it prints the seed and what
//! broke, and exits with 1. `make soak` and the mutations use it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use esclusa_sim::{Adversary, SITUATIONS, Story, run, tell};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|it| it.parse::<u64>().ok());
    let (Some(Some(first)), Some(Some(count))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: search FIRST COUNT");
        return ExitCode::from(2);
    };
    if count == 1 {
        return tell_one(first);
    }
    let (next, rollouts) = (AtomicU64::new(first), AtomicU64::new(0));
    let end = first.saturating_add(count);
    let found: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let played: Mutex<BTreeMap<&'static str, u64>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let world = run(&Story::of(seed), Adversary::hostile(seed)).0;
            let ended: usize = world.rollouts.values().map(std::collections::BTreeMap::len).sum();
            rollouts.fetch_add(u64::try_from(ended).unwrap_or(0), Ordering::Relaxed);
            add(&played, &world.situations);
            if let Some(broken) = world.broken.first() {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                if found.as_ref().is_none_or(|(known, _)| seed < *known) {
                    *found = Some((seed, broken.clone()));
                }
                next.store(end, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let rollouts = rollouts.into_inner();
    if let Some((seed, broken)) = found.into_inner().unwrap_or_else(PoisonError::into_inner) {
        eprintln!("SEED={seed}: {broken}; `make soak FIRST={seed} SEEDS=1` tells the story");
        return ExitCode::FAILURE;
    }
    let played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    for situation in SITUATIONS {
        eprintln!("{:>9} {situation}", played.get(situation).copied().unwrap_or(0));
    }
    eprintln!("{count} histories from seed {first}, {rollouts} rollouts: all invariants hold");
    ExitCode::SUCCESS
}

/// Adds up how often each situation was played.
fn add(to: &Mutex<BTreeMap<&'static str, u64>>, played: &BTreeMap<&'static str, u64>) {
    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
    for (situation, times) in played {
        let sum = to.entry(situation).or_default();
        *sum = sum.saturating_add(*times);
    }
}

fn tell_one(seed: u64) -> ExitCode {
    let world = tell(&Story::of(seed), Adversary::hostile(seed)).0;
    for line in &world.transcript {
        eprintln!("{line}");
    }
    world.broken.first().map_or(ExitCode::SUCCESS, |_| ExitCode::FAILURE)
}
