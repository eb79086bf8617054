//! Hosts that lack something: named before anything is touched.

use std::fs;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("a disk that is too full is named before the pull", full_disk),
    ("an engine that does not answer is named", dead_engine),
    ("an agent that passes no parameters is named", old_agent),
    ("a registry that refuses the login is named", refused_login),
];

const WEB: &str = "  web: {image: IMAGE, restart: always}\n";

/// A service like [`Service::new`]'s, on another host.
fn on<'world>(world: &'world World, number: u8, disk: Option<u32>, name: &str) -> Service<'world> {
    let mut service = Service::bare(world, name);
    service.host = world.another_host(number, disk);
    fs::create_dir_all(service.path("")).unwrap();
    service.write("compose.yaml", &format!("services:\n{WEB}"));
    service
}

fn full_disk(world: &World) {
    let service = on(world, 3, Some(48), "refuse/disk");
    world.connect(&service.host);
    let image = service.push("idle1", "v1");
    let answer = service.prefetch(&image, "1.1");
    answer.expect("hosts.disk", 11).says("/var/lib/docker has");
    let huge = service.order("prefetch", &image, "1.2").with("ImageBytes", "999999999999999");
    huge.run().expect("hosts.disk", 11);
    service.host.destroy().unwrap();
}

fn dead_engine(world: &World) {
    let service = on(world, 4, None, "refuse/engine");
    let image = service.push("idle1", "v1");
    service.host.kill_engine().unwrap();
    for verb in ["prefetch", "activate", "inspect"] {
        service.order(verb, &image, "1.1").run().expect("hosts.docker", 11);
    }
    service.host.start().unwrap();
    dies_in_the_middle(&service, &image);
    service.host.destroy().unwrap();
}

/// The engine dies under an order, which is then given again.
fn dies_in_the_middle(service: &Service, image: &str) {
    service.world.connect(&service.host);
    service.prefetch(image, "1.1").expect("ok", 0);
    let patient = || service.order("activate", image, "1.2").with("Deadline", "30");
    let answer = std::thread::scope(|scope| {
        let ordered = scope.spawn(|| patient().run());
        let order = service.kept("order");
        while !fs::read_to_string(&order).unwrap_or_default().contains("judging") {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        service.host.kill_engine().unwrap();
        ordered.join().unwrap()
    });
    answer.expect("hosts.docker", 14).restored("no");
    service.host.start().unwrap();
    patient().run().expect("ok", 0).runs(image);
}

fn old_agent(world: &World) {
    let service = Service::new(world, "refuse/agent", WEB);
    for verb in ["prefetch", "activate", "inspect"] {
        let order = service.order(verb, "none", "1.1").with("Service", "");
        order.run().expect("hosts.agent", 11).says("3.3.2746");
    }
}

fn refused_login(world: &World) {
    let service = Service::new(world, "refuse/login", WEB);
    let image = service.push("idle1", "v1");
    let order = service.order("prefetch", &image, "1.1").endpoint("http://127.0.0.1:1");
    order.run().expect("hosts.registry", 11).says("No login for 127.0.0.1");
}
