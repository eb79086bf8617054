//! What runs once for a release, beside what serves.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Row;
use crate::order::{Answer, Service};
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("what runs once runs by its own order, with the new image, and by no other", once),
    ("what runs once and fails is told of with its last lines, and without its variables", fails),
    ("killed while it runs once, it is found again and not run again", killed),
    ("killed while it runs once and removed by somebody, it is not begun again", gone),
    ("what is needed to run once is started on a fresh host, and nothing else", fresh),
    ("what a Compose file of the image has run once runs by that file", shipped),
    ("a label to run once that would be taken for nothing is refused", refused),
];

/// A service whose `migrate` leaves a line for each of its runs.
fn with_migration<'world>(world: &'world World, name: &str, script: &str) -> Service<'world> {
    let services = format!(
        "  web: {{image: IMAGE, restart: always}}\n  \
         migrate: {{image: IMAGE, command: ['{script}'], volumes: ['./out:/out'], \
         environment: {{PASSWORD: correct-horse, KEY: \"one\\nbattery-staple\"}}, \
         profiles: [once], labels: {{esclusa.run: once}}}}\n"
    );
    Service::new(world, name, &services)
}

fn run_once(service: &Service, image: &str, fence: &str) -> Answer {
    service.order("activate", image, fence).with("Mode", "once").run()
}

/// How often `migrate` ran.
fn runs(service: &Service) -> usize {
    service.read("out/ran").lines().count()
}

fn once(world: &World) {
    let service = with_migration(world, "once/good", "echo ran >>/out/ran");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    assert_eq!(service.prefetch(&first, "1.1").expect("ok", 0).text("once"), "yes");
    service.activate(&first, "1.1").expect("ok", 0).runs(&first);
    assert_eq!(runs(&service), 0, "an activation runs nothing once");
    let web = service.container("web", "{{.Id}}");
    let answer = run_once(&service, &second, "1.2");
    answer.expect("ok", 0).runs(&first).says("migrate ran once");
    let name = format!("{}-migrate-once-1.2", service.project);
    let image = service.run(&["docker", "inspect", "--format", "{{.Config.Image}}", &name]);
    assert!(image.trim().ends_with(&second), "{image}");
    run_once(&service, &second, "1.2").expect("ok", 0);
    assert_eq!((runs(&service), service.container("web", "{{.Id}}")), (1, web));
    let seen = service.inspect();
    seen.expect("ok", 0).runs(&first);
    assert_eq!((seen.text("health"), &seen.value["containers"]), ("healthy", &1.into()), "{seen}");
    service.roll_out(&second, "1.3");
    service.order("activate", &second, "1.4").with("Mode", "restart").run().expect("ok", 0);
    service.activate("snapshot@1.3", "1.5").expect("ok", 0).runs(&first);
    assert_eq!(runs(&service), 1, "neither an activation, a restart nor the way back runs it");
    run_once(&service, &second, "1.6").expect("ok", 0);
    assert_eq!(runs(&service), 2, "a new order does");
    let left = service.containers().into_iter().filter(|it| it.contains("-once-")).count();
    assert_eq!(left, 1, "the container of the order before makes room");
    assert!(!service.path("esclusa.once.yaml").exists());
}

fn fails(world: &World) {
    let script = "echo ran >>/out/ran; echo connecting as $$PASSWORD; echo \"$$KEY\"; \
                  echo no table users; exit 3";
    let service = with_migration(world, "once/fails", script);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    let web = service.container("web", "{{.Id}}");
    for _ in 0..2 {
        let answer = run_once(&service, &second, "1.2");
        answer.expect("once.failed", 13).runs(&first).says("exit code 3").says("no table users");
        let all = format!("{} {}", answer.value, answer.log);
        assert!(all.contains("connecting as ***"), "{answer}");
        assert!(!all.contains("correct-horse") && !all.contains("battery-staple"), "{answer}");
    }
    assert_eq!((runs(&service), service.container("web", "{{.Id}}")), (1, web));
    assert_eq!(service.inspect().text("health"), "healthy");
    run_once(&service, &second, "1.3").expect("once.failed", 13);
    assert_eq!(runs(&service), 2, "a new order tries again");
}

/// Runs until the test says so.
const UNTIL: &str = "echo ran >>/out/ran; until [ -e /out/go ]; do /bin/busybox sleep 0.2; done";

/// Gives the order, and kills it once `migrate` runs.
fn kill_in_the_middle(service: &Service, image: &str, fence: &str) {
    let order = service.order("activate", image, fence).with("Mode", "once");
    let mut command = order.command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_mins(1);
    while runs(service) == 0 {
        assert!(Instant::now() < end, "it never ran");
        sleep(Duration::from_millis(10));
    }
    killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

fn killed(world: &World) {
    let service = with_migration(world, "once/killed", UNTIL);
    let image = service.push("idle1", "v1");
    kill_in_the_middle(&service, &image, "1.1");
    service.write("out/go", "");
    // Late as it comes, and whatever the files have become.
    service.write("compose.yaml", "services: {}\n");
    let late = service.order("activate", &image, "1.1").with("Mode", "once").valid_for(-60);
    late.run().expect("once.failed", 13).says("No service in");
    assert_eq!(runs(&service), 1, "the order that was cut off finds its container");
}

fn gone(world: &World) {
    let service = with_migration(world, "once/gone", UNTIL);
    let image = service.push("idle1", "v1");
    kill_in_the_middle(&service, &image, "1.1");
    let busy = run_once(&service, &image, "1.2");
    busy.expect("order.busy", 10).says("-migrate-once-1.1 of an order before still runs");
    let name = format!("{}-migrate-once-1.1", service.project);
    service.run(&["docker", "rm", "--force", &name]);
    let again = with_migration(world, "once/lost", UNTIL);
    let image = again.push("idle1", "v1");
    kill_in_the_middle(&again, &image, "1.1");
    again.run(&["docker", "rm", "--force", &format!("{}-migrate-once-1.1", again.project)]);
    for _ in 0..2 {
        run_once(&again, &image, "1.1").expect("once.unknown", 13).says("its container is gone");
    }
    assert_eq!(runs(&again), 1, "nobody knows how it ended, so it is not begun again");
}

fn fresh(world: &World) {
    let service = Service::new(
        world,
        "once/fresh",
        "  web: {image: IMAGE, restart: always}\n  \
         store: {image: esclusa-test/other}\n  \
         migrate: {image: IMAGE, command: ['exit 0'], depends_on: [store], \
         labels: {esclusa.run: once}}\n",
    );
    let image = service.push("idle1", "v1");
    run_once(&service, &image, "1.1").expect("ok", 0).runs("none");
    let named = |name: &str| format!("{}-{name}", service.project);
    assert_eq!(service.containers(), [named("migrate-once-1.1"), named("store-1")]);
    service.roll_out(&image, "1.2");
}

fn shipped(world: &World) {
    let service = Service::bare(world, "once/shipped");
    service.write(".env", "HERE=IMAGE\n");
    let image = service.push("preparing1", "v1");
    fs::create_dir_all(service.path("out")).unwrap();
    let order = |verb: &str, fence: &str| {
        service.order(verb, &image, fence).with("Compose", "auto").with("Allow", "")
    };
    let answer = order("prefetch", "1.1").run();
    assert_eq!(answer.expect("ok", 0).text("once"), "yes", "{answer}");
    order("activate", "1.2").with("Mode", "once").run().expect("ok", 0);
    order("activate", "1.3").run().expect("ok", 0).runs(&image);
    assert_eq!(runs(&service), 1);
}

fn refused(world: &World) {
    for (name, label, image, says) in [
        ("once/word", "always", "IMAGE", "esclusa.run=\"always\": it can be \"once\""),
        ("once/other", "once", "esclusa-test/other", "its image is not"),
    ] {
        let service = Service::new(
            world,
            name,
            &format!(
                "  web: {{image: IMAGE, restart: always}}\n  \
                 other: {{image: '{image}', labels: {{esclusa.run: {label}}}}}\n"
            ),
        );
        let pushed = service.push("idle1", "v1");
        service.prefetch(&pushed, "1.1").expect("hosts.compose", 11).says(says);
        run_once(&service, &pushed, "1.2").expect("hosts.compose", 11).says(says);
    }
}
