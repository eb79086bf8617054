//! Orders that are late, doubled, at once, or old.

use std::fs;
use std::thread;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("two orders at once are carried out one after the other", at_once),
    ("the same order twice changes a host once and is answered the same", twice),
    ("an order with an older fence is refused", older_fence),
    ("an order whose time has passed is refused", expired),
    ("a fence that was used for something else is refused", reused_fence),
    ("another environment's fences say nothing about this one's", other_lane),
    ("an order that cannot wait for the other is refused as busy", busy),
    ("a digest that the registry does not have is named", missing_digest),
    ("a wrong clock is named", clock),
];

const WEB: &str = "  web: {image: IMAGE, restart: always}\n";

fn twice(world: &World) {
    let service = Service::new(world, "order/twice", WEB);
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    let once = service.activate(&sick, "1.2");
    let id = service.container("web", "{{.Id}}");
    let again = service.activate(&sick, "1.2");
    assert_eq!((&once.value, once.code), (&again.value, again.code));
    assert_eq!(service.container("web", "{{.Id}}"), id);
    service.prefetch(&first, "1.2").expect("ok", 0).runs(&first);
}

fn at_once(world: &World) {
    let service = Service::new(world, "order/at-once", WEB);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.prefetch(&first, "1.1").expect("ok", 0);
    service.prefetch(&second, "1.1").expect("ok", 0);
    let (one, other, same) = thread::scope(|scope| {
        let one = scope.spawn(|| service.activate(&first, "1.2"));
        let other = scope.spawn(|| service.activate(&second, "1.3"));
        let same = scope.spawn(|| service.activate(&second, "1.3"));
        (one.join().unwrap(), other.join().unwrap(), same.join().unwrap())
    });
    // Whichever came first, the newer one holds at the end.
    assert!(["ok", "order.stale"].contains(&one.text("code")), "{one}");
    other.expect("ok", 0).runs(&second);
    assert_eq!(other.value, same.value);
    service.inspect().expect("ok", 0).runs(&second);
}

fn older_fence(world: &World) {
    let service = Service::new(world, "order/older", WEB);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "2.9");
    for fence in ["2.8", "1.10", "2.08"] {
        for verb in ["prefetch", "activate"] {
            let answer = service.order(verb, &second, fence).run();
            answer.expect("order.stale", 10).runs(&first);
            assert_eq!(answer.text("fence"), "2.9", "{answer}");
        }
    }
    service.roll_out(&second, "2.10");
    service.roll_out(&first, "10.1");
}

fn expired(world: &World) {
    let service = Service::new(world, "order/expired", WEB);
    let image = service.push("idle1", "v1");
    for verb in ["prefetch", "activate"] {
        let answer = service.order(verb, &image, "1.1").valid_for(-5).run();
        answer.expect("order.expired", 10).runs("none");
    }
    assert!(!service.kept("fence").exists(), "what is refused leaves no mark");
}

fn reused_fence(world: &World) {
    let service = Service::new(world, "order/reused", WEB);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.prefetch(&second, "1.1").expect("ok", 0);
    service.activate(&second, "1.1").expect("order.stale", 10).says("already used").runs(&first);
}

fn other_lane(world: &World) {
    let service = Service::new(world, "order/lanes", WEB);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "5.5");
    let staging = |verb: &str, fence: &str| {
        service.order(verb, &second, fence).with("Environment", "staging").run()
    };
    staging("prefetch", "1.1").expect("ok", 0);
    staging("activate", "1.1").expect("ok", 0).runs(&second);
    let kept = fs::read_to_string(service.kept("fence")).unwrap();
    assert!(kept.starts_with("order/lanes staging 1.1 "), "{kept}");
    for verb in ["prefetch", "activate"] {
        let late = service.order(verb, &first, "5.6").valid_for(30).run();
        late.expect("order.stale", 10).says("order/lanes in staging").runs(&second);
    }
    service.roll_out(&first, "5.7");
}

fn busy(world: &World) {
    let service = Service::new(world, "order/busy", WEB);
    let image = service.push("idle1", "v1");
    service.roll_out(&image, "1.1");
    let lock = format!("/var/lib/esclusa/{}/lock", service.project);
    let mut holder =
        service.host.command(&["flock", &lock, "sleep", "5"]).unwrap().spawn().unwrap();
    thread::sleep(std::time::Duration::from_millis(300));
    let answer = service.order("activate", &image, "1.2").valid_for(2).run();
    answer.expect("order.busy", 10).runs(&image);
    holder.wait().unwrap();
}

fn missing_digest(world: &World) {
    let service = Service::new(world, "order/missing", WEB);
    service.push("idle1", "v1");
    let gone = format!("v2@sha256:{}", "0".repeat(64));
    service.prefetch(&gone, "1.1").expect("release.not_in_registry", 12).runs("none");
    service.activate(&gone, "1.1").expect("release.not_in_registry", 12);
    let gone = format!("local@sha256:{}", "0".repeat(64));
    service.prefetch(&gone, "1.2").expect("release.not_in_registry", 12);
}

fn clock(world: &World) {
    let service = Service::new(world, "order/clock", WEB);
    let image = service.push("idle1", "v1");
    let order = service.order("prefetch", &image, "1.1").with("IssuedAt", "4000000000");
    order.run().expect("hosts.clock", 11).says("behind");
}
