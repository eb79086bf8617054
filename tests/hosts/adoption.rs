//! Services that ran before Esclusa knew them.

use std::fs;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("a running project is seen with its digest, and a failure goes back to it", by_tag),
    ("an image that no registry knows can be gone back to as well", local_image),
    ("a project that was started under another name keeps it", other_name),
    ("files that the project was started with are found again", other_files),
    ("the same image running from another directory is refused", elsewhere),
    ("a mount that would be lost without reason is refused", lost_mount),
];

const WEB: &str = "  web: {image: 'IMAGE:latest', restart: always}\n";

/// Puts an image on the host under the service's tag, as a team's own `docker pull` does.
fn pull(service: &Service, kind: &str) -> String {
    let image = service.push(kind, "latest");
    service.prefetch(&image, "0.1").expect("ok", 0);
    let (pulled, name) = (format!("{}@{}", service.image(), &image[7..]), service.image());
    service.world.run(&["docker", "tag", &pulled, &format!("{name}:latest")]);
    image
}

fn by_tag(world: &World) {
    let service = Service::new(world, "adopt/tag", WEB);
    let adopted = pull(&service, "idle1");
    service.compose("up --detach");
    let seen = service.inspect();
    seen.expect("ok", 0).runs(&adopted);
    let sick = service.push("sick", "latest");
    service.prefetch(&sick, "1.1").expect("ok", 0).runs(&adopted);
    let answer = service.activate(&sick, "1.1");
    answer.expect("health.container", 13).restored("yes").runs(&adopted);
    let next = service.push("idle2", "v2");
    service.roll_out(&next, "1.2");
    service.roll_out(&adopted, "1.3");
}

fn local_image(world: &World) {
    let service = Service::new(world, "adopt/local", WEB);
    let tagged = format!("{}:latest", service.image());
    world.run(&["docker", "tag", "esclusa-test/other", &tagged]);
    let template = ["docker", "image", "inspect", "--format", "{{.Id}}", &tagged];
    let id = world.run(&template).trim().to_owned();
    service.compose("up --detach");
    // Some engines call an image by its manifest's digest, as if the registry had it.
    let digests = ["docker", "image", "inspect", "--format", "{{.RepoDigests}}", &tagged];
    let known = world.run(&digests).contains(&id);
    let adopted = if known { id.clone() } else { format!("local:{id}") };
    let seen = service.inspect();
    seen.expect("ok", 0).runs(&adopted);
    let sick = service.push("sick", "v1");
    service.prefetch(&sick, "1.1").expect("ok", 0);
    let answer = service.order("activate", &sick, "1.1").run();
    answer.expect("health.container", 13).restored("yes").runs(&adopted);
    let next = service.push("idle1", "v2");
    service.roll_out(&next, "1.2");
    // Only the tag that keeps it is left of the adopted image.
    world.run(&["docker", "rmi", &tagged]);
    let back = if known { format!("before@{id}") } else { format!("local@{id}") };
    service.prefetch(&back, "1.3").expect("ok", 0);
    let answer = service.order("activate", &back, "1.3").run();
    answer.expect("ok", 0).runs(&adopted);
}

fn other_name(world: &World) {
    let service = Service::new(world, "adopt/name", WEB);
    let adopted = pull(&service, "idle1");
    service.compose("--project-name oldname up --detach");
    let seen = service.inspect();
    seen.expect("ok", 0).runs(&adopted);
    assert_eq!(seen.text("project"), "oldname");
    let next = service.push("idle2", "v2");
    service.roll_out(&next, "1.1");
    assert!(service.read(".env").contains("COMPOSE_PROJECT_NAME=oldname\n"));
    assert_eq!(service.containers(), Vec::<String>::new(), "no second project beside it");
}

fn other_files(world: &World) {
    let service = Service::bare(world, "adopt/files");
    service.write("a.yml", &format!("services:\n{WEB}"));
    service.write("b.yml", "services: {web: {labels: {here: b}}}\n");
    let image = service.push("idle1", "latest");
    service.prefetch(&image, "0.1").expect("hosts.compose", 11).says("no Compose file");
    service.write("compose.yaml", &format!("services:\n{WEB}"));
    pull(&service, "idle1");
    fs::remove_file(service.path("compose.yaml")).unwrap();
    service.compose("-f a.yml -f b.yml up --detach");
    let next = service.push("idle2", "v2");
    service.roll_out(&next, "1.1");
    assert!(service.read(".env").contains("COMPOSE_FILE=a.yml:b.yml:esclusa.release.yaml"));
    assert_eq!(service.container("web", "{{index .Config.Labels \"here\"}}"), "b");
}

fn elsewhere(world: &World) {
    let service = Service::new(world, "adopt/elsewhere", WEB);
    let adopted = pull(&service, "idle1");
    let start = "mkdir -p /srv/old-place && \
                 cp /srv/adopt--elsewhere/compose.yaml /srv/old-place && \
                 cd /srv/old-place && docker compose up --detach";
    world.run(&["bash", "-c", start]);
    let next = service.push("idle2", "v2");
    for answer in [service.prefetch(&next, "1.1"), service.inspect()] {
        answer.expect("hosts.compose", 11).says("/srv/old-place");
    }
    world.run(&["bash", "-c", "cd /srv/old-place && docker compose down"]);
    service.roll_out(&adopted, "1.2");
}

fn lost_mount(world: &World) {
    let service = Service::new(
        world,
        "adopt/mount",
        "  web: {image: 'IMAGE:latest', restart: always, volumes: ['${WHERE:-plain}:/store']}\n\
         volumes: {plain: {}, store: {}}\n",
    );
    let adopted = pull(&service, "idle1");
    // File times have milliseconds here, and an edit after the start would explain the change.
    std::thread::sleep(std::time::Duration::from_millis(50));
    service.run(&["bash", "-c", "cd /srv/adopt--mount && WHERE=store docker compose up --detach"]);
    let next = service.push("idle2", "v2");
    let answer = service.prefetch(&next, "1.1");
    answer.expect("hosts.compose", 11).says("/store").runs(&adopted);
    service.activate(&next, "1.1").expect("hosts.compose", 11).runs(&adopted);
    service.run(&["touch", "/srv/adopt--mount/compose.yaml"]);
    service.roll_out(&next, "1.2").warns("/store");
}
