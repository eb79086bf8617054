//! Whatever arrives on a queue is understood, ignored or refused, and never taken for something
//! else.
//!
//! `ESCLUSA_FUZZ` says how many inputs are tried and `ESCLUSA_FUZZ_SEED` which; `make fuzz` tries
//! many that are new.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![expect(clippy::indexing_slicing, reason = "a test knows what it has made")]
#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
#![expect(clippy::panic, reason = "a test says what it saw")]

mod inputs;
mod tree;
mod truth;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use inputs::{Input, input};
use truth::{Meaning, meanings};

/// Some seconds of an unoptimised build.
const INPUTS: u32 = 10_000;
const SEED: u64 = 1;

/// So many inputs are drawn from one seed, so that the same are tried on any number of cores.
const BATCH: u32 = 5_000;

/// How many inputs were of which kind, and how many were read as what.
#[derive(Default)]
struct Counts(BTreeMap<(&'static str, &'static str), u64>);

impl Counts {
    fn note(&mut self, of: &'static str, what: &'static str) {
        *self.0.entry((of, what)).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        for (key, count) in other.0 {
            *self.0.entry(key).or_default() += count;
        }
    }

    fn of(&self, of: &'static str, what: &'static str) -> u64 {
        self.0.get(&(of, what)).copied().unwrap_or_default()
    }

    fn lines(&self) -> String {
        let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((of, what), count) in &self.0 {
            lines.entry(of).or_default().push(format!("{what} {count}"));
        }
        let lines = lines.into_iter().map(|(of, counts)| format!("{of}: {}", counts.join(", ")));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The number that a variable holds.
fn set<T: std::str::FromStr>(variable: &str, otherwise: T) -> T {
    let Ok(text) = std::env::var(variable) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("`{variable}` is `{text}` and not a number"))
}

#[test]
fn nothing_is_taken_for_something_else() {
    let wanted: u32 = set("ESCLUSA_FUZZ", INPUTS);
    let seed: u64 = set("ESCLUSA_FUZZ_SEED", SEED);
    let cores = thread::available_parallelism().unwrap().get();
    let next = AtomicU32::new(0);
    let work = || {
        let mut counts = Counts::default();
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let begun = batch.saturating_mul(BATCH);
            if begun >= wanted {
                return counts;
            }
            counts.add(tried(seed, batch, BATCH.min(wanted - begun)));
        }
    };
    let mut counts = Counts::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            counts.add(worker.join().unwrap());
        }
    });
    eprintln!("seed {seed}, {wanted} inputs\n{}", counts.lines());
    if wanted >= INPUTS {
        assert_all_met(&counts);
    }
}

/// Tries a batch of inputs.
fn tried(seed: u64, batch: u32, cases: u32) -> Counts {
    let counts = RefCell::new(Counts::default());
    let mut runner = runner(seed, batch, cases);
    let ended = runner.run(&input(), |Input { kind, text }| {
        let meanings = meanings(&text).map_err(TestCaseError::fail)?;
        let mut counts = counts.borrow_mut();
        counts.note("inputs", kind);
        for Meaning { reader, what } in meanings {
            counts.note(reader, what);
        }
        Ok(())
    });
    match ended {
        Ok(()) => counts.into_inner(),
        Err(TestError::Fail(reason, Input { kind, text })) => {
            panic!("{reason}\nseed {seed}, batch {batch}, {kind}:\n{text}")
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn runner(seed: u64, batch: u32, cases: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&batch.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// What is never met is not tested.
fn assert_all_met(counts: &Counts) {
    for (reader, all) in truth::MEANINGS {
        for what in *all {
            assert!(counts.of(reader, what) > 0, "{reader} never read anything as `{what}`");
        }
    }
}
