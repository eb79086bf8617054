//! What a change touches, and what it leaves alone.

use std::fs;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("several services on one image change together, in their order", several),
    ("what a service depends on is started where it never ran", depends_on),
    ("services of other images are told of, not touched", others),
    ("a service behind a profile stays out, and one that runs is brought along", profiles),
    ("a port that is taken turns the release back", port_conflict),
    ("a pull policy of the team's does not undo the pin", pull_policy),
    ("bind mounts and volumes keep their data", data),
    ("nothing is one of the things to run", nothing),
    ("the current image and two before it stay, prunes notwithstanding", kept_images),
    ("a service taken out of the Compose files is told of", removed_service),
    ("a service that came with a failed release goes with it", new_service),
];

fn several(world: &World) {
    let service = Service::new(
        world,
        "change/several",
        "  web: {image: IMAGE, restart: always, depends_on: {migrate: {condition: \
         service_completed_successfully}}}\n  worker: {image: 'IMAGE:latest', restart: always}\n  \
         migrate: {image: IMAGE, command: ['/bin/busybox sleep 1']}\n",
    );
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    let answer = service.roll_out(&first, "1.1");
    assert_eq!(answer.value["containers"], 3, "{answer}");
    service.roll_out(&second, "1.2");
    for name in ["web", "worker", "migrate"] {
        assert!(service.container(name, "{{.Config.Image}}").ends_with(&second), "{name}");
    }
    let ended = service.container("migrate", "{{.State.FinishedAt}}");
    let started = service.container("web", "{{.State.StartedAt}}");
    assert!(ended < started, "web started at {started}, migrate ended at {ended}");
}

const WITH_STORE: &str = "  web: {image: IMAGE, restart: always, depends_on: [store]}\n  \
     store: {image: esclusa-test/other, environment: {A: one}}\n";

fn depends_on(world: &World) {
    let service = Service::new(world, "change/needs", WITH_STORE);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    let store = service.container("store", "{{.Id}}");
    service.roll_out(&second, "1.2");
    assert_eq!(service.container("store", "{{.Id}}"), store);
}

fn others(world: &World) {
    let service = Service::new(world, "change/others", WITH_STORE);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    let store = service.container("store", "{{.Id}}");
    let edited = service.read("compose.yaml").replace("A: one", "A: two");
    service.write("compose.yaml", &edited);
    service.roll_out(&second, "1.2").warns("up -d store");
    assert_eq!(service.container("store", "{{.Id}}"), store);
}

fn profiles(world: &World) {
    let service = Service::new(
        world,
        "change/profiles",
        "  web: {image: IMAGE, restart: always}\n  \
         tool: {image: IMAGE, restart: always, profiles: [tools]}\n",
    );
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    assert_eq!(service.containers(), [format!("{}-web-1", service.project)]);
    service.compose("--profile tools up --detach tool");
    assert!(service.container("tool", "{{.Config.Image}}").ends_with(&first), "pinned as well");
    service.roll_out(&second, "1.2");
    assert!(service.container("tool", "{{.Config.Image}}").ends_with(&second));
}

fn port_conflict(world: &World) {
    let service = Service::new(world, "change/port", "  web: {image: IMAGE, restart: always}\n");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.write(
        "compose.yaml",
        "services:\n  web: {image: IMAGE, restart: always, ports: ['18102:80']}\n",
    );
    service.prefetch(&second, "1.2").expect("ok", 0);
    // By a process that is no container: only the engine can tell, once it tries.
    let listen = ["/bin/busybox", "nc", "-l", "-p", "18102"];
    let mut holder = service.host.command(&listen).unwrap().spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let answer = service.activate(&second, "1.2");
    answer.expect("hosts.up", 13).restored("yes").runs(&first).says("in use");
    killpg(Pid::from_raw(holder.id().cast_signed()), Signal::SIGKILL).unwrap();
    holder.wait().unwrap();
    service.activate(&second, "1.3").expect("ok", 0).runs(&second);
}

fn pull_policy(world: &World) {
    let services = "  web: {image: 'IMAGE:latest', restart: always, pull_policy: always}\n";
    let service = Service::new(world, "change/policy", services);
    let (first, second) = (service.push("idle1", "latest"), service.push("idle2", "latest"));
    service.roll_out(&first, "1.1");
    service.roll_out(&second, "1.2");
    service.roll_out(&first, "1.3");
}

fn data(world: &World) {
    let service = Service::new(
        world,
        "change/data",
        "  web:\n    image: IMAGE\n    restart: always\n    \
         volumes: ['./conf:/conf', 'store:/store']\n\
         volumes: {store: {}}\n",
    );
    let (first, second) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.write("conf/setting", "from the team");
    service.roll_out(&first, "1.1");
    let inside = |script: &str| {
        let name = format!("{}-web-1", service.project);
        world.run(&["docker", "exec", &name, "/bin/busybox", "sh", "-c", script])
    };
    inside("echo kept >/store/file");
    service.prefetch(&second, "1.2").expect("ok", 0);
    service.activate(&second, "1.2").expect("health.container", 13).restored("yes");
    let read = "/bin/busybox cat /store/file /conf/setting";
    assert_eq!(inside(read), "kept\nfrom the team");
    fs::remove_file(service.path("conf/setting")).unwrap();
    let refused = inside("/bin/busybox ls /conf");
    assert!(refused.is_empty(), "the bind mount is the directory itself");
}

fn nothing(world: &World) {
    let service = Service::new(world, "change/nothing", WITH_STORE);
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    service.prefetch("none", "1.2").expect("ok", 0);
    let answer = service.activate("none", "1.2");
    answer.expect("ok", 0).runs("none");
    assert_eq!(answer.text("before"), &first[3..], "{answer}");
    assert_eq!(service.containers(), [format!("{}-store-1", service.project)]);
    assert!(!service.path("esclusa.release.yaml").exists());
    service.activate("none", "1.3").expect("ok", 0).runs("none");
    service.roll_out(&first, "1.4");
}

fn kept_images(world: &World) {
    let service = Service::new(world, "change/kept", "  web: {image: IMAGE, restart: always}\n");
    let images: Vec<_> = crate::images::IDLE
        .iter()
        .enumerate()
        .map(|(number, kind)| service.push(kind, &format!("v{number}")))
        .collect();
    for (number, image) in images.iter().enumerate() {
        service.roll_out(image, &format!("1.{}", number + 1));
    }
    let name = service.image();
    let list = ["docker", "image", "ls", "--digests", "--no-trunc", "--format={{.Digest}}", &name];
    let present = service.run(&list);
    for (number, image) in images.iter().enumerate() {
        let (_, digest) = image.split_once('@').unwrap();
        assert_eq!(present.contains(digest), number >= 2, "v{number} in {present}");
    }
    // Without the tag that keeps it, Docker calls an image that was pulled by digest dangling.
    world.run(&["docker", "image", "prune", "--force"]);
    service.activate(&images[3], "1.9").expect("ok", 0).runs(&images[3]);
    // What was pruned is fetched again.
    service.activate(&images[0], "1.10").expect("ok", 0).runs(&images[0]);
}

fn removed_service(world: &World) {
    let both =
        "  web: {image: IMAGE, restart: always}\n  worker: {image: IMAGE, restart: always}\n";
    let service = Service::new(world, "change/removed", both);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.write("compose.yaml", "services:\n  web: {image: IMAGE, restart: always}\n");
    service.roll_out(&second, "1.2").warns("no longer in the Compose files");
}

fn new_service(world: &World) {
    let service = Service::new(world, "change/new", "  webapp: {image: IMAGE, restart: always}\n");
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    let both = "services:\n  webapp: {image: IMAGE, restart: always}\n  web: {image: IMAGE}\n";
    service.write("compose.yaml", both);
    service.prefetch(&sick, "1.2").expect("ok", 0);
    service.activate(&sick, "1.2").expect("health.container", 13).restored("yes").runs(&first);
    assert_eq!(service.containers(), [format!("{}-webapp-1", service.project)]);
}
