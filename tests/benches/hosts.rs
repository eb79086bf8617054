//! What the host program costs beside the same done by hand with Docker Compose: `make bench`.
//!
//! Both are done in turn on one host, so that what else the machine does falls on both alike. Needs
//! root, as the local environment does, and `make programs`.
#![allow(dead_code, reason = "the host tests use more of their world")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    reason = "a bench that meets the unexpected shall end there"
)]

#[path = "../hosts/endpoints.rs"]
mod endpoints;
#[path = "../hosts/images.rs"]
mod images;
#[path = "../hosts/order.rs"]
mod order;
#[path = "../hosts/world.rs"]
mod world;

use std::time::{Duration, Instant};

use esclusa_local::host::Engine;
use order::Service;
use world::World;

/// How often each is done.
const ROUNDS: usize = 8;

/// Containers of the service that is inspected.
const CONTAINERS: usize = 50;

fn main() {
    let world = World::start("bench", Engine::Machine);
    activation(&world);
    inspection(&world);
}

/// A release that has a healthcheck takes the place of another, until it is healthy.
fn activation(world: &World) {
    const WEB: &str = "  web: {image: 'IMAGE:v1', restart: always}\n";
    let ours = Service::new(world, "bench/ours", WEB).patient();
    let by_hand = Service::new(world, "bench/by-hand", WEB).patient();
    let releases = [ours.push("web1", "v1"), ours.push("web2", "v2")];
    let images = [by_hand.push("web1", "v1"), by_hand.push("web2", "v2")];
    ours.roll_out(&releases[0], "1.1");
    ours.prefetch(&releases[1], "1.1").expect("ok", 0);
    by_hand.roll_out(&images[0], "1.1");
    by_hand.prefetch(&images[1], "1.1").expect("ok", 0);
    by_hand.run(&["rm", &format!("/srv/{}/esclusa.release.yaml", by_hand.project)]);
    by_hand.run(&["rm", "--force", &format!("/srv/{}/.env", by_hand.project)]);
    let (mut program, mut compose) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let number = (round + 1) % 2;
        let digest = images[number].split_once('@').expect("a digest").1;
        let web = format!("services:\n  web: {{image: 'IMAGE@{digest}', restart: always}}\n");
        by_hand.write("compose.yaml", &web);
        compose.push(time(|| drop(by_hand.compose("up --detach --wait"))));
        let fence = format!("1.{}", round + 2);
        program.push(time(|| {
            ours.activate(&releases[number], &fence).expect("ok", 0);
        }));
    }
    print("activation", &program, "docker compose up --wait", &compose);
}

fn inspection(world: &World) {
    let many = format!("  web: {{image: IMAGE, deploy: {{replicas: {CONTAINERS}}}}}\n");
    let service = Service::new(world, "bench/many", &many);
    let release = service.push("idle1", "v1");
    service.roll_out(&release, "1.1");
    let (mut program, mut compose) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        compose.push(time(|| drop(service.compose("ps --format json"))));
        program.push(time(|| {
            service.inspect().expect("ok", 0);
        }));
    }
    print(
        &format!("inspection of {CONTAINERS} containers"),
        &program,
        "docker compose ps",
        &compose,
    );
}

fn time(work: impl FnOnce()) -> Duration {
    let from = Instant::now();
    work();
    from.elapsed()
}

/// The medians, their ratio and their difference.
fn print(what: &str, program: &[Duration], beside: &str, compose: &[Duration]) {
    let (program, compose) = (median(program), median(compose));
    let ratio = program.as_secs_f64() / compose.as_secs_f64();
    let more = program.as_secs_f64() - compose.as_secs_f64();
    println!(
        "{what:<32} {:>7.0} ms, x{ratio:.2} of {beside} ({:.0} ms): {:+.0} ms",
        program.as_secs_f64() * 1e3,
        compose.as_secs_f64() * 1e3,
        more * 1e3,
    );
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}
