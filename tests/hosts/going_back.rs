//! Going back means what ran before, service by service, whatever the files say by then.

use std::thread::sleep;
use std::time::Duration;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("a migration that had ended is not run again to go back", ended_migration),
    ("a job that is never awaited is not run again either", ended_job),
    ("a network that others use is not taken away", changed_network),
    ("services that ran different images get their own back", mixed_images),
    ("an older container that had ended changes nothing", older_ended),
    ("only what the order made is removed", renamed_service),
    ("what was unhealthy before comes back as unhealthy as before", unhealthy_before),
    ("an edited file is no obstacle to going back", edited_file),
    ("a file that became unreadable is no obstacle to going back", broken_file),
    ("a snapshot can be ordered later, and twice", ordered_snapshot),
    ("a snapshot of an order that never began changes nothing", unknown_snapshot),
    ("replicas come back in their number", replicas),
    ("a paused container and a stopped one come back as they were", stopped_beside),
    ("an image whose only name was taken away is found by its keep tag", lost_name),
];

const WEB: &str = "  web: {image: IMAGE, restart: always}\n";

/// Gives the service's tag to an image that is on the host, as a team's own `docker pull` does.
fn adopt(service: &Service, kind: &str) -> String {
    let image = service.push(kind, &format!("adopted-{kind}"));
    service.prefetch(&image, "0.1").expect("ok", 0);
    let name = service.image();
    let (_, digest) = image.split_once('@').unwrap();
    service.run(&["docker", "tag", &format!("{name}@{digest}"), &format!("{name}:latest")]);
    image
}

fn ended_migration(world: &World) {
    let service = Service::new(
        world,
        "back/migration",
        "  migrate:\n    image: IMAGE\n    volumes: ['state:/state']\n    command: ['\
         if [ \"$$VERSION\" = idle1 ] && [ -e /state/new ]; then exit 1; fi; \
         if [ \"$$VERSION\" = sick ]; then /bin/busybox touch /state/new; fi; exit 0']\n  \
         web:\n    image: IMAGE\n    restart: always\n    \
         depends_on: {migrate: {condition: service_completed_successfully}}\n\
         volumes: {state: {}}\n",
    )
    .patient();
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    let answer = service.activate(&sick, "1.2");
    answer.expect("health.container", 13).restored("yes").runs(&first);
    assert_eq!(service.container("web", "{{.State.Running}}"), "true");
}

fn ended_job(world: &World) {
    let service = Service::new(
        world,
        "back/job",
        "  once: {image: IMAGE, command: ['exit 0']}\n  web: {image: IMAGE, restart: always}\n",
    );
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    let answer = service.activate(&sick, "1.2");
    answer.expect("health.container", 13).restored("yes").runs(&first);
}

fn changed_network(world: &World) {
    let with = |options: &str| {
        format!(
            "services:\n  web: {{image: IMAGE, restart: always}}\n  \
             db: {{image: esclusa-test/other}}\n{options}"
        )
    };
    let service = Service::bare(world, "back/network");
    service.write("compose.yaml", &with(""));
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.compose("up --detach db");
    service.roll_out(&first, "1.1");
    let before = service.container("web", "{{.Id}}");
    service.write(
        "compose.yaml",
        &with("networks: {default: {driver_opts: {com.docker.network.driver.mtu: '1400'}}}\n"),
    );
    for verb in ["prefetch", "activate"] {
        let answer = service.order(verb, &second, "1.2").run();
        answer.expect("hosts.compose", 11).says("network").says("db").runs(&first);
    }
    assert_eq!(service.container("web", "{{.Id}}"), before);
    assert_eq!(service.container("web", "{{.State.Running}}"), "true");
}

const TWO: &str =
    "  web: {image: IMAGE, restart: always}\n  worker: {image: IMAGE, restart: always}\n";

fn mixed_images(world: &World) {
    let service = Service::new(world, "back/mixed", TWO);
    adopt(&service, "idle1");
    service.compose("up --detach web");
    adopt(&service, "idle2");
    service.compose("up --detach --no-deps worker");
    let images = || ["web", "worker"].map(|it| service.container(it, "{{.Image}}"));
    let before = images();
    assert_ne!(before[0], before[1]);
    service.inspect().expect("ok", 0).runs("mixed");
    let sick = service.push("sick", "v2");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    let answer = service.activate(&sick, "1.2");
    answer.expect("health.container", 13).restored("yes").runs("mixed");
    assert_eq!(images(), before);
}

fn older_ended(world: &World) {
    let service = Service::new(
        world,
        "back/older",
        "  web: {image: IMAGE, restart: always}\n  task: {image: IMAGE, command: ['exit 0']}\n",
    );
    adopt(&service, "idle1");
    service.compose("up --detach task");
    let newer = adopt(&service, "idle2");
    service.compose("up --detach --no-deps web");
    sleep(Duration::from_millis(500));
    service.inspect().expect("ok", 0).runs(&newer);
    let sick = service.push("sick", "v2");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    let answer = service.activate(&sick, "1.2");
    answer.expect("health.container", 13).restored("yes").runs(&newer);
}

fn renamed_service(world: &World) {
    let service = Service::new(world, "back/renamed", TWO);
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    let worker = service.container("worker", "{{.Id}}");
    service.write(
        "compose.yaml",
        "services:\n  web: {image: IMAGE, restart: always}\n  jobs: {image: IMAGE, restart: \
         always}\n",
    );
    service.prefetch(&sick, "1.2").expect("ok", 0);
    service.activate(&sick, "1.2").expect("health.container", 13).restored("yes");
    assert_eq!(service.container("worker", "{{.Id}} {{.State.Running}}"), format!("{worker} true"));
    let names = ["web", "worker"].map(|name| format!("{}-{name}-1", service.project));
    assert_eq!(service.containers(), names);
}

fn unhealthy_before(world: &World) {
    let service = Service::new(world, "back/unwell", WEB);
    let adopted = adopt(&service, "sick");
    service.compose("up --detach");
    sleep(Duration::from_secs(4));
    let crash = service.push("crash", "v2");
    service.prefetch(&crash, "1.1").expect("ok", 0);
    let answer = service.activate(&crash, "1.1");
    answer.expect("health.container", 13).restored("yes").runs(&adopted);
    answer.warns("as unhealthy as before");
}

const EDITABLE: &str = "  web:\n    image: IMAGE\n    restart: always\n    \
     environment: {COLOUR: blue}\n    labels: {here: before}\n";

fn edited_file(world: &World) {
    let service = Service::new(world, "back/edited", EDITABLE);
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    let edited = service.read("compose.yaml").replace("blue", "red").replace("before", "after");
    service.write("compose.yaml", &edited);
    service.prefetch(&sick, "1.2").expect("ok", 0);
    service.activate(&sick, "1.2").expect("health.container", 13).restored("yes").runs(&first);
    let runs = "{{index .Config.Labels \"here\"}} {{.Config.Env}}";
    let runs = service.container("web", runs);
    assert!(runs.starts_with("before") && runs.contains("COLOUR=blue"), "{runs}");
}

fn broken_file(world: &World) {
    let service = Service::new(world, "back/broken", WEB);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.roll_out(&second, "1.2");
    service.write("compose.yaml", "services: [this is no map\n");
    service.activate("snapshot@1.2", "1.3").expect("ok", 0).restored("yes").runs(&first);
    service.inspect().expect("ok", 0).runs(&first);
}

fn ordered_snapshot(world: &World) {
    let service = Service::new(world, "back/ordered", TWO);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    let pin = service.read("esclusa.release.yaml");
    service.roll_out(&second, "1.2");
    service.prefetch("snapshot@1.2", "1.3").expect("ok", 0);
    service.activate("snapshot@1.2", "1.3").expect("ok", 0).restored("yes").runs(&first);
    assert_eq!(service.read("esclusa.release.yaml"), pin);
    let ids = || ["web", "worker"].map(|it| service.container(it, "{{.Id}}"));
    let once = ids();
    service.activate("snapshot@1.2", "1.4").expect("ok", 0).runs(&first);
    assert_eq!(ids(), once);
    assert!(service.compose("up --detach").is_empty(), "a person's `up` has nothing to do");
    // What was before the very first order: nothing.
    service.activate("snapshot@1.1", "1.5").expect("ok", 0).restored("not-needed").runs("none");
    assert_eq!(service.containers(), Vec::<String>::new());
    assert!(!service.path("esclusa.release.yaml").exists());
}

fn unknown_snapshot(world: &World) {
    let service = Service::new(world, "back/unknown", WEB);
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    let before = service.container("web", "{{.Id}}");
    let answer = service.activate("snapshot@1.2", "1.3");
    answer.expect("ok", 0).runs(&first).says("never began");
    assert_eq!(service.container("web", "{{.Id}}"), before);
}

fn replicas(world: &World) {
    let service = Service::new(
        world,
        "back/replicas",
        "  web: {image: IMAGE, restart: always, deploy: {replicas: 2}}\n",
    );
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    service.activate(&sick, "1.2").expect("health.container", 13).restored("yes").runs(&first);
    let names = [1, 2].map(|number| format!("{}-web-{number}", service.project));
    assert_eq!(service.containers(), names);
    assert!(service.compose("up --detach").is_empty(), "a person's `up` has nothing to do");
}

fn stopped_beside(world: &World) {
    let service = Service::new(world, "back/stopped", TWO);
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    service.compose("stop worker");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    service.activate(&sick, "1.2").expect("health.container", 13).restored("yes");
    assert_eq!(service.container("web", "{{.State.Running}}"), "true");
}

fn lost_name(world: &World) {
    let service = Service::new(world, "back/name", WEB);
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    let second = service.push("idle2", "v2");
    service.roll_out(&second, "1.2");
    let (_, digest) = first.split_once('@').unwrap();
    service.run(&["docker", "rmi", &format!("{}@{digest}", service.image())]);
    service.activate(&first, "1.3").expect("ok", 0);
    assert_eq!(service.container("web", "{{.State.Running}}"), "true");
    service.prefetch(&second, "1.4").expect("ok", 0);
}
