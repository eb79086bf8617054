//! The shell and the core against a seeded adversary, with every invariant checked at each effect.
//!
//! A failure prints its seed and the transcript. `SEED=n cargo test -p esclusa-tests --test
//! simulation one_seed -- --nocapture` plays one again; `SEEDS=n` plays that many.

use esclusa_sim::{Adversary, Behaviour, Story, World, run};

/// Seeds that once failed, with what they showed.
const FOUND: &[u64] = &[];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[track_caller]
fn assert_whole(world: &World, what: &str) {
    if let Some(broken) = world.broken.first() {
        let tail = world.transcript.len().saturating_sub(120);
        for line in world.transcript.iter().skip(tail) {
            eprintln!("{line}");
        }
        panic!("{what}: {broken}");
    }
}

fn play(seed: u64) -> World {
    run(&Story::of(seed), Adversary::hostile(seed)).0
}

#[test]
fn every_invariant_holds_whatever_the_adversary_does() {
    for seed in 0..number("SEEDS").unwrap_or(300) {
        assert_whole(&play(seed), &format!("SEED={seed}"));
    }
}

#[test]
fn seeds_that_once_failed_hold() {
    for seed in FOUND {
        assert_whole(&play(*seed), &format!("SEED={seed}"));
    }
}

#[test]
fn one_seed() {
    let seed = number("SEED").unwrap_or(1);
    let world = play(seed);
    for line in &world.transcript {
        println!("{line}");
    }
    assert_whole(&world, &format!("SEED={seed}"));
}

#[test]
fn a_crash_at_any_call_changes_no_end() {
    let story = Story {
        fleet: 3,
        balanced: true,
        pushes: vec![Behaviour::Good, Behaviour::Unhealthy],
        eventful: false,
        waves: r#"["1", "100%"]"#,
        floor: "50%",
    };
    let (calm, calls) = run(&story, Adversary::idle(7));
    assert_whole(&calm, "without faults");
    let ends = |world: &World| -> Vec<String> {
        let rollouts = world.rollouts.values().flat_map(|it| it.values());
        rollouts.filter_map(|it| it.end().map(|(end, _)| end.to_string())).collect()
    };
    assert_eq!(ends(&calm), ["succeeded", "restored"]);
    for call in 0..calls {
        for after in [false, true] {
            let (world, _) = run(&story, Adversary::crashing_at(call, after));
            let what = format!("crash at call {call}, after its effect: {after}");
            assert_whole(&world, &what);
            if ends(&world) != ends(&calm) {
                world.transcript.iter().for_each(|line| eprintln!("{line}"));
            }
            assert_eq!(ends(&world), ends(&calm), "{what}");
        }
    }
}
