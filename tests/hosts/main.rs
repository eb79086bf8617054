//! The scripts in `hosts/` against real Docker: a local host, a real registry with a real login,
//! and a table of services. Needs root, as the local environment does.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    reason = "a test that meets the unexpected shall end there, with its row's name"
)]

mod adoption;
mod as_compose_reads;
mod changes;
mod dependants;
mod endpoints;
mod files;
mod going_back;
mod health;
mod images;
mod kills;
mod labels;
mod machines;
mod meddling;
mod once;
mod order;
mod orders;
mod refusals;
mod started_with;
mod world;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use esclusa_local::host::Engine;
use world::{World, newest_engine};

/// A row of the table: what holds, and what shows it.
type Row = (&'static str, fn(&World));

/// Rows mostly wait, for Docker or for a healthcheck, so more of them run than there are cores; yet
/// not so many of both engines together that orders miss their deadlines.
const AT_ONCE: usize = 8;
static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

#[test]
fn services_on_the_machines_engine() {
    check_rows("installed", Engine::Machine);
}

#[test]
fn services_on_the_newest_engine() {
    if let Some(engine) = newest_engine() {
        check_rows("newest", engine);
    }
}

fn check_rows(name: &str, engine: Engine) {
    let from = Instant::now();
    let world = World::start(name, engine);
    println!("{:>5.1} s  {name}: until the rows can begin", from.elapsed().as_secs_f32());
    // The longest first, so that none of them begins when all others are done.
    let rows = [kills::ROWS, health::ROWS, adoption::ROWS, changes::ROWS, orders::ROWS]
        .into_iter()
        .chain([files::ROWS, refusals::ROWS, labels::ROWS, going_back::ROWS, started_with::ROWS])
        .chain([dependants::ROWS, as_compose_reads::ROWS, meddling::ROWS, once::ROWS]);
    let queue: Mutex<VecDeque<Row>> = Mutex::new(rows.flatten().copied().collect());
    let wanted = std::env::var("ROW").unwrap_or_default();
    queue.lock().unwrap().retain(|(name, _)| name.contains(&wanted));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| work(&world, &queue, &failures, name));
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} rows do not hold:\n{}", failures.len(), failures.join("\n"));
}

fn work(world: &World, queue: &Mutex<VecDeque<Row>>, failures: &Mutex<Vec<String>>, engine: &str) {
    loop {
        let Some((name, row)) = queue.lock().unwrap().pop_front() else { return };
        let _slot = Slot::take();
        let from = Instant::now();
        let held = catch_unwind(AssertUnwindSafe(|| row(world)));
        println!("{:>5.1} s  {engine}: {name}", from.elapsed().as_secs_f32());
        if let Err(panic) = held {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            failures.lock().unwrap().push(format!("* {name}: {}", text.unwrap_or_default()));
        }
    }
}

/// A row's share of the machine, given back when the row has ended.
struct Slot;

impl Slot {
    fn take() -> Self {
        let (running, ended) = &RUNNING;
        let running = running.lock().unwrap();
        *ended.wait_while(running, |count| *count >= AT_ONCE).unwrap() += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (running, ended) = &RUNNING;
        *running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ended.notify_one();
    }
}
