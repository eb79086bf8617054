//! What counts as well, and what happens when it is not.

use std::time::{Duration, UNIX_EPOCH};

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("a start as slow as its healthcheck allows is waited for", slow_start),
    ("a container without a healthcheck is well when it goes on running", unchecked),
    ("a crash loop without a healthcheck is found and turned back", crash_loop),
    ("a healthy release runs, pinned, and a person there sees the same", healthy),
    ("an unhealthy release is turned back to the one before", unhealthy),
    ("an unhealthy release is left where that is the policy", left),
    ("a first release that fails leaves nothing behind", first_fails),
    ("a one-shot that ended well is well", one_shot),
    ("a one-shot that failed is a failure", failed_one_shot),
    ("the probe sees what the healthcheck does not", probe),
    ("a deadline in the order is kept to", deadline),
    ("a restart makes the containers anew", restart),
];

const WEB: &str = "  web: {image: IMAGE, restart: always}\n";

fn healthy(world: &World) {
    let service = Service::new(world, "health/good", WEB).patient();
    let image = service.push("web1", "v1");
    let answer = service.roll_out(&image, "1.1");
    assert_eq!(answer.value["containers"], 1, "{answer}");
    assert_eq!(answer.value["healthy"], 1, "{answer}");
    assert_eq!(answer.text("before"), "none", "{answer}");
    assert!(service.read("esclusa.release.yaml").contains(&image));
    assert!(service.read(".env").contains("COMPOSE_FILE=compose.yaml:esclusa.release.yaml"));
    assert!(service.compose("config").contains(&format!("{}:{image}", service.image())));
    assert!(service.compose("up --detach").is_empty(), "a person's `up` has nothing to do");
    assert_eq!(service.container("web", "{{.State.Health.Status}}"), "healthy");
    let seen = service.inspect();
    seen.expect("ok", 0).runs(&image);
    assert_eq!((seen.text("order"), seen.text("health")), ("finished", "healthy"), "{seen}");
    assert_eq!(seen.value["has_healthcheck"], true, "{seen}");
    let says = "{{.Server.Os}}/{{.Server.Arch}}";
    let engine = service.run(&["docker", "version", "--format", says]);
    assert_eq!(seen.text("platform"), engine.trim(), "{seen}");
    assert!(seen.value["present"].to_string().contains(&image[10..22]), "{seen}");
}

fn unhealthy(world: &World) {
    let service = Service::new(world, "health/sick", WEB).patient();
    let (good, sick) = (service.push("web1", "v1"), service.push("sick", "v2"));
    service.roll_out(&good, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0).runs(&good);
    let answer = service.activate(&sick, "1.2");
    answer.expect("health.container", 13).restored("yes").runs(&good).says("unhealthy");
    assert_eq!(answer.text("before"), answer.text("now"), "{answer}");
    assert!(service.read("esclusa.release.yaml").contains(&good));
    assert!(!answer.log.contains("wget"), "the log holds what the container printed");
}

fn left(world: &World) {
    let service = Service::new(world, "health/left", WEB).patient();
    let (good, sick) = (service.push("web1", "v1"), service.push("sick", "v2"));
    service.roll_out(&good, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    let answer = service.order("activate", &sick, "1.2").with("OnFailure", "leave").run();
    answer.expect("health.container", 14).restored("no").runs(&sick);
    let seen = service.inspect();
    assert_eq!(seen.text("health"), "unhealthy", "{seen}");
    let seen = service.order("inspect", "none", "0.0").with("Logs", "yes").run();
    assert!(seen.rest.starts_with(r#"{"logs":[{"container":"#), "{}", seen.rest);
}

fn first_fails(world: &World) {
    let service = Service::new(world, "health/first", WEB).patient();
    let sick = service.push("sick", "v1");
    service.prefetch(&sick, "1.1").expect("ok", 0);
    let answer = service.activate(&sick, "1.1");
    answer.expect("health.container", 13).restored("not-needed").runs("none");
    assert_eq!(service.containers(), Vec::<String>::new());
    assert!(!service.path("esclusa.release.yaml").exists());
    assert!(!service.read(".env").contains("COMPOSE_FILE"));
}

fn crash_loop(world: &World) {
    let service = Service::new(world, "health/crash", WEB).patient();
    let (good, crash) = (service.push("idle1", "v1"), service.push("crash", "v2"));
    service.prefetch(&good, "1.1").expect("ok", 0).warns("No HEALTHCHECK for web");
    service.order("activate", &good, "1.1").with("Deadline", "3").run().expect("ok", 0);
    service.prefetch(&crash, "1.2").expect("ok", 0);
    let answer = service.activate(&crash, "1.2");
    answer.expect("health.container", 13).restored("yes").runs(&good).says("restarted ");
}

fn unchecked(world: &World) {
    let service = Service::new(world, "health/unchecked", WEB).patient();
    let image = service.push("idle1", "v1");
    let answer = service.roll_out(&image, "1.1");
    assert!(seconds_since_start(&service) >= 20, "{answer}");
}

fn one_shot(world: &World) {
    let service = Service::new(world, "health/job", "  job: {image: IMAGE}\n").patient();
    let (first, second) = (service.push("job1", "v1"), service.push("job2", "v2"));
    service.roll_out(&first, "1.1").warns("has ended");
    service.roll_out(&second, "1.2");
    service.inspect().expect("ok", 0).runs(&second);
}

fn failed_one_shot(world: &World) {
    let service =
        Service::new(world, "health/failed-job", "  job: {image: IMAGE, command: [exit 4]}\n")
            .patient();
    let image = service.push("job1", "v1");
    service.prefetch(&image, "1.1").expect("ok", 0);
    let answer = service.activate(&image, "1.1");
    answer.expect("health.container", 13).restored("not-needed").says("exit code 4");
}

fn slow_start(world: &World) {
    let service = Service::new(world, "health/slow", WEB).patient();
    let image = service.push("slow", "v1");
    let answer = service.roll_out(&image, "1.1");
    assert!(seconds_since_start(&service) >= 5, "{answer}");
}

/// For how long the container runs, by the engine.
fn seconds_since_start(service: &Service) -> u64 {
    let started = service.container("web", "{{.State.StartedAt}}");
    let started = service.run(&["date", "--date", started.trim(), "+%s"]);
    let started = Duration::from_secs(started.trim().parse().unwrap());
    UNIX_EPOCH.elapsed().unwrap().saturating_sub(started).as_secs()
}

fn deadline(world: &World) {
    // Its check fails for as long as it likes to start.
    let starting = "  web: {image: IMAGE, healthcheck: {start_period: 10m}}\n";
    let service = Service::new(world, "health/deadline", starting).patient();
    let image = service.push("sick", "v1");
    service.prefetch(&image, "1.1").expect("ok", 0);
    let answer = service.order("activate", &image, "1.1").with("Deadline", "2").run();
    answer.expect("health.container", 13).says("not healthy after 2 s");
}

fn probe(world: &World) {
    let service = Service::new(
        world,
        "health/probe",
        "  web: {image: IMAGE, restart: always, ports: ['18101:80']}\n",
    );
    let (first, second) = (service.push("web1", "v1"), service.push("web2", "v2"));
    service.prefetch(&first, "1.1").expect("ok", 0);
    let probed = |image: &str, fence: &str, path: &str, expect: &str| {
        service
            .order("activate", image, fence)
            .with("HttpPort", "18101")
            .with("HttpPath", path)
            .with("HttpExpect", expect)
            .with("Deadline", "10")
            .run()
    };
    probed(&first, "1.1", "/", "").expect("ok", 0);
    service.prefetch(&second, "1.2").expect("ok", 0);
    let answer = probed(&second, "1.2", "/nowhere", "200-299");
    answer.expect("health.http", 13).restored("yes").runs(&first).says("answers 404");
    probed(&second, "1.3", "/nowhere", "404").expect("ok", 0).runs(&second);
}

fn restart(world: &World) {
    let service = Service::new(world, "health/restart", WEB).patient();
    let image = service.push("web1", "v1");
    service.roll_out(&image, "1.1");
    let first = service.container("web", "{{.Id}}");
    service.activate(&image, "1.2").expect("ok", 0);
    assert_eq!(service.container("web", "{{.Id}}"), first, "nothing changed, so nothing restarts");
    let answer = service.order("activate", &image, "1.3").with("Mode", "restart").run();
    answer.expect("ok", 0).runs(&image);
    assert_ne!(service.container("web", "{{.Id}}"), first);
}
