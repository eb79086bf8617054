//! The shell and the core against a seeded adversary, with every invariant checked at each effect.
//!
//! A failure prints its seed, the transcript and the line that plays it again; `SEEDS=n` plays that
//! many.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use esclusa_core::rollout::Rollout;
use esclusa_sim::{Adversary, Behaviour, Outside, Project, SITUATIONS, Story, World, run, tell};

/// Seeds that once failed, with what they showed.
const FOUND: &[(u64, &str)] = &[
    (5, "a host on an errand was taken for a change of the fleet, and a failure was tried again"),
    (26, "a halted fleet was repaired once a newer image was pushed"),
    (61, "an errand of a host without targets never ended"),
    (105, "a batch was drained on what had been seen before a crash"),
    (901, "hosts that a halted rollout had changed were remembered as they were before"),
    (1127, "on the way back a host that had run nothing was stopped before the others were back"),
    (24_181, "a finished host that went away still counted as in service"),
    (41_039, "one host's failing errand kept all others from being inspected"),
    (8440, "a host on an errand was taken to run what had become current meanwhile"),
    (17_960_000_121_418, "what a host that fell silent had last been seen to run was deleted"),
    (17_960_000_249_278, "what a host ran that fell silent while it changed was deleted"),
    (17_900_032_566, "hosts that served counted as out of service, for the rollout had failed"),
    (242, "a rollout was forgotten for an adoption, when a host joined after others had changed"),
    (17_960_000_106_532, "that happened too when the changed host had gone away"),
    (667, "parts and the signature of an index that lived on by a new tag were deleted"),
    (18_200_017_523, "a host that had been given up began by a call that landed late"),
];

/// The same, of stories that have gates.
const FOUND_AT_GATES: &[(u64, &str)] = &[
    (571, "a restart that failed made what had failed before be tried again"),
    (
        17_960_000_077_155,
        "containers kept what a secret was that had been unusable when they were made",
    ),
    (
        17_960_000_259_422,
        "on the way back an untouched host that had died still counted as in service",
    ),
    (6653, "what a person had asked for went out although its secret was gone by then"),
    (
        17_960_000_495_322,
        "a configuration that was written while a rollout began is a reason to try again",
    ),
    (113_045, "a host that was draining and was changed in place was not registered again"),
    (
        179_594_501_231_341,
        "a restart for a rotated secret left a host out that was joining, and had read it before",
    ),
    (206_183, "an alarm went red while the last answers were waited for, and it succeeded"),
    (
        179_594_837_636_050,
        "a batch began while a finished host that was listed again ran something else",
    ),
    (
        179_596_312_313_050,
        "a rollout whose changed hosts were replaced was given up for an adoption",
    ),
    (
        179_597_930_534_050,
        "a host that was not listed while it joined made the other change under traffic",
    ),
    (
        179_599_391_814_651,
        "a host changed as out of service by an answer from before somebody mended it",
    ),
    (
        179_602_000_002_617,
        "a host that was gone came back, and began an order of a rollout that had ended",
    ),
    (
        179_600_783_133_698,
        "what shares a network kept that of before, where an order was cut off and others repaired",
    ),
];

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

/// Plays a story, and again with a transcript should something break.
#[track_caller]
fn assert_holds(seed: u64, story: &Story) -> World {
    let world = run(story, Adversary::hostile(seed)).0;
    if !world.broken.is_empty() {
        let retains = u8::from(story.retains);
        let what = format!(
            "SEED={seed}; `SEED={seed} RETAINS={retains} cargo test -p esclusa-tests --test \
             simulation one_seed -- --nocapture` plays it again"
        );
        assert_whole(&tell(story, Adversary::hostile(seed)).0, &what);
    }
    world
}

#[test]
fn every_invariant_holds_whatever_the_adversary_does() {
    let (next, end) = (AtomicU64::new(0), number("SEEDS").unwrap_or(20_000));
    let played: Mutex<BTreeMap<&str, u64>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let situations = assert_holds(seed, &Story::of(seed)).situations;
            let mut played = played.lock().unwrap();
            for (situation, times) in situations {
                *played.entry(situation).or_default() += times;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let played = played.into_inner().unwrap();
    let never: Vec<&str> =
        SITUATIONS.into_iter().filter(|situation| !played.contains_key(situation)).collect();
    assert!(end < 20_000 || never.is_empty(), "never played: {never:?}");
}

/// The story that a seed told when it was found: nothing ran once for a release.
fn of_then(seed: u64) -> Story {
    let story = Story::of(seed);
    Story { project: Project { has_once: false, ..story.project }, ..story }
}

#[test]
fn seeds_that_once_failed_hold() {
    for (seed, showed) in FOUND {
        println!("{seed}: {showed}");
        // Some were found before there was retention, which changes what the adversary does.
        for retains in [false, true] {
            let of_then = Story { scanning: None, outside: Outside::Nothing, ..of_then(*seed) };
            assert_holds(*seed, &Story { retains, ..of_then });
        }
    }
    for (seed, showed) in FOUND_AT_GATES {
        println!("{seed}: {showed}");
        assert_holds(*seed, &of_then(*seed));
    }
}

#[test]
fn one_seed() {
    let seed = number("SEED").unwrap_or(1);
    let story = Story::of(seed);
    let retains = number("RETAINS").map_or(story.retains, |it| it != 0);
    let world = tell(&Story { retains, ..story }, Adversary::hostile(seed)).0;
    for line in &world.transcript {
        println!("{line}");
    }
    assert_whole(&world, &format!("SEED={seed}"));
}

fn end(rollout: &Rollout) -> String {
    rollout.end().map(|(end, _)| end.to_string()).unwrap_or_default()
}

#[test]
fn a_crash_at_any_call_changes_no_end() {
    let story = Story {
        fleet: 3,
        pushes: vec![Behaviour::Good, Behaviour::Unhealthy],
        waves: r#"["1", "100%"]"#,
        ..Story::default()
    };
    let (calm, calls) = run(&story, Adversary::idle(7));
    assert_whole(&calm, "without faults");
    let ends = |world: &World| -> Vec<String> {
        world.rollouts.values().flat_map(|it| it.values()).map(end).collect()
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

/// SSM takes 50 hosts a call.
#[test]
fn a_fleet_of_500_is_told_in_as_few_calls_as_ssm_allows() {
    let story = Story { fleet: 500, ..Story::default() };
    let (world, _) = run(&story, Adversary::idle(7));
    assert_whole(&world, "500 hosts");
    let calls = world.calls_to_hosts();
    assert!(calls.iter().all(|hosts| *hosts <= 50), "{calls:?}");
    let hosts: usize = calls.iter().sum();
    assert_eq!(calls.len(), hosts / 50, "{calls:?}");
    let ends: Vec<String> = world.rollouts.values().flat_map(|it| it.values()).map(end).collect();
    assert_eq!(ends, ["succeeded"]);
}
