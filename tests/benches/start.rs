//! How the functions start, beside one that does nothing: `make bench`.
//!
//! Every round starts each of them once, in turn, so that what else the machine does falls on all
//! alike; the figures to go by are the ratios. AWS is not called: an empty batch asks nothing of
//! it.

#[path = "harness/mod.rs"]
mod harness;

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Runtime, binary, environment, megabytes, next, resident};

/// How often each function is started.
const ROUNDS: usize = 40;

/// Invocations of each, the first of which is shown apart.
const INVOCATIONS: usize = 20;

/// The functions, the bare one first, with an event that each answers without calling AWS.
const FUNCTIONS: &[(&str, &str)] = &[
    ("bare", "{}"),
    ("rollout", r#"{"Records":[]}"#),
    ("operator", r#"{"action":"fly"}"#),
    ("retention", r#"{"Records":[]}"#),
];

/// What one start showed.
struct Run {
    start: Duration,
    first: Duration,
    warm: Duration,
    resident: u64,
}

fn main() {
    let mut runs: Vec<Vec<Run>> = FUNCTIONS.iter().map(|_| Vec::new()).collect();
    for round in 1..=ROUNDS {
        for ((name, event), runs) in FUNCTIONS.iter().zip(&mut runs) {
            match run(&binary(name), event) {
                Ok(run) => runs.push(run),
                Err(error) => fail(name, &error),
            }
        }
        if round % 10 == 0 {
            eprintln!("start: round {round} of {ROUNDS}");
        }
    }
    print(&runs);
}

fn fail(name: &str, error: &io::Error) -> ! {
    let path = binary(name);
    eprintln!("`{name}` was not measured: {error}; is {} built? `make build`", path.display());
    std::process::exit(1);
}

fn run(binary: &Path, event: &'static str) -> io::Result<Run> {
    let runtime = Runtime::serve(event)?;
    let began = Instant::now();
    let mut child = Command::new(binary)
        .env_clear()
        .envs(environment("http://127.0.0.1:9"))
        .env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let measured = measure(&runtime, began, child.id());
    child.kill()?;
    child.wait()?;
    measured
}

fn measure(runtime: &Runtime, began: Instant, process: u32) -> io::Result<Run> {
    let mut asked = next(runtime)?.0;
    let start = asked.duration_since(began);
    let mut took = Vec::new();
    for _ in 0..INVOCATIONS {
        let (answered, body) = next(runtime)?;
        if body.contains("errorMessage") {
            return Err(io::Error::other(body));
        }
        took.push(answered.duration_since(asked));
        asked = next(runtime)?.0;
    }
    let resident = resident(process)?;
    let first = took.remove(0);
    Ok(Run { start, first, warm: median(&mut took), resident })
}

fn median(durations: &mut [Duration]) -> Duration {
    durations.sort();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

fn print(runs: &[Vec<Run>]) {
    println!("function   start ms  x bare  fastest   first ms  warm ms  resident MB  binary MB");
    let mut floor = None;
    for ((name, _), runs) in FUNCTIONS.iter().zip(runs) {
        let of = |pick: fn(&Run) -> Duration| {
            let mut all: Vec<Duration> = runs.iter().map(pick).collect();
            median(&mut all).as_secs_f64() * 1e3
        };
        let start = of(|run| run.start);
        let ratio = start / *floor.get_or_insert(start);
        let fastest = runs.iter().map(|run| run.start).min().unwrap_or_default();
        let resident = runs.iter().map(|run| run.resident).max().unwrap_or_default();
        let binary = fs::metadata(binary(name)).map_or(0, |it| it.len());
        println!(
            "{name:9} {start:9.2} {ratio:7.2} {:8.2} {:10.2} {:8.2} {:12.1} {:10.2}",
            fastest.as_secs_f64() * 1e3,
            of(|run| run.first),
            of(|run| run.warm),
            megabytes(resident),
            megabytes(binary),
        );
    }
}
