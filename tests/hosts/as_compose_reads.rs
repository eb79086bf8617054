//! Files are read as Compose reads them, and failures are told by their cause.

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("profiles made of variables count as Compose says", computed_profiles),
    ("a byte order mark in .env hides no line", byte_order_mark),
    ("a value over several lines in .env is no line of its own", multi_line),
    ("a project with a name of its own is measured", measured_name),
    ("included and extended files are followed", included),
    ("an anchor and a long syntax are read", anchors),
    ("a schema error beside warnings is told as the cause", schema_error),
    ("a migration that fails is told as the cause", failed_migration),
    ("two tags of one repository are refused", two_tags),
    ("a container name for several containers is refused", named_replicas),
    ("a name that another container has is refused", taken_name),
    ("a service that is named like an option is a service", named_like_option),
    ("a repository in a comment or another's value is no service", only_images_count),
];

fn computed_profiles(world: &World) {
    let service = Service::new(
        world,
        "read/profiles",
        "  web: {image: IMAGE, restart: always, profiles: [weaviate]}\n  \
         other: {image: IMAGE, restart: always, profiles: [never]}\n",
    );
    service.write(".env", "MODE=x\nCOMPOSE_PROFILES=${VECTOR:-weaviate},collab-${MODE}\n");
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    assert_eq!(service.containers(), [format!("{}-web-1", service.project)]);
}

fn byte_order_mark(world: &World) {
    let service = Service::bare(world, "read/bom");
    service.write(
        "base.yml",
        "services:\n  web: {image: IMAGE, restart: always, labels: {here: base}}\n",
    );
    service.write("compose.yaml", "services:\n  decoy: {image: IMAGE, restart: always}\n");
    service.write(".env", "\u{feff}COMPOSE_FILE=base.yml\nCOLOUR=blue\n");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.roll_out(&second, "1.2");
    assert_eq!(service.containers(), [format!("{}-web-1", service.project)]);
    assert!(service.compose("up --detach").is_empty(), "a person's `up` has nothing to do");
}

fn multi_line(world: &World) {
    let service = Service::new(world, "read/lines", "  web: {image: IMAGE, restart: always}\n");
    let mine = "KEY=\"first\nCOMPOSE_FILE=nowhere.yml\nlast\"\nCOLOUR=blue\n";
    service.write(".env", mine);
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    assert!(service.read(".env").starts_with(mine), "{}", service.read(".env"));
}

fn measured_name(world: &World) {
    let service = Service::bare(world, "read/named");
    service.write(
        "compose.yaml",
        "name: team-of-its-own\nservices:\n  web: {image: IMAGE, restart: always}\n",
    );
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    let id = service.run(&["docker", "inspect", "--format", "{{.Id}}", "team-of-its-own-web-1"]);
    let measured = service.run(&[crate::order::PROGRAM, "measure"]);
    let line = measured.lines().find(|it| it.starts_with("read/named production "));
    let line = line.unwrap_or_else(|| panic!("not measured: {measured}"));
    assert!(line.contains(&id[..12]) && line.contains('%'), "{line}");
    service.run(&["docker", "rm", "--force", "team-of-its-own-web-1"]);
}

fn included(world: &World) {
    let service = Service::bare(world, "read/included");
    service.write("compose.yaml", "include: [parts/web.yml]\n");
    service.write(
        "parts/web.yml",
        "services:\n  web:\n    extends: {file: base.yml, service: base}\n    labels: {here: \
         web}\n",
    );
    service.write("parts/base.yml", "services:\n  base: {image: IMAGE, restart: always}\n");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.roll_out(&second, "1.2");
    assert_eq!(service.container("web", "{{index .Config.Labels \"here\"}}"), "web");
}

fn anchors(world: &World) {
    let service = Service::bare(world, "read/anchors");
    service.write(
        "compose.yaml",
        "x-common: &common\n  restart: always\n  logging: {driver: json-file}\n\
         services:\n  web:\n    <<: *common\n    image: IMAGE\n    tmpfs: [/scratch]\n    \
         volumes:\n      \
         - {type: tmpfs, target: /more}\n      \
         - {type: volume, source: store, target: /store}\n    \
         configs: [{source: motd, target: /etc/motd}]\n\
         configs: {motd: {file: ./motd}}\nvolumes: {store: {}}\n",
    );
    service.write("motd", "hello\n");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.roll_out(&second, "1.2");
}

fn schema_error(world: &World) {
    let service = Service::new(
        world,
        "read/schema",
        "  web:\n    image: IMAGE\n    labels: {a: '${UNSET_ONE}', b: '${UNSET_TWO}'}\n    \
         ports: 8080\n",
    );
    let first = service.push("idle1", "v1");
    let answer = service.prefetch(&first, "1.1");
    answer.expect("hosts.compose", 11).says("ports");
    assert!(!answer.text("text").contains("UNSET_ONE"), "{answer}");
}

fn failed_migration(world: &World) {
    let service = Service::new(
        world,
        "read/migration",
        "  migrate: {image: IMAGE, command: ['exit 1']}\n  web:\n    image: IMAGE\n    \
         restart: always\n    depends_on: {migrate: {condition: service_completed_successfully}}\n",
    );
    let first = service.push("idle1", "v1");
    service.prefetch(&first, "1.1").expect("ok", 0);
    let answer = service.activate(&first, "1.1");
    answer.expect("hosts.up", 13).restored("not-needed").says("migrate").says("exit 1");
    assert_eq!(service.containers(), Vec::<String>::new());
}

fn two_tags(world: &World) {
    let service = Service::new(
        world,
        "read/tags",
        "  web: {image: 'IMAGE:web-7', restart: always}\n  \
         worker: {image: 'IMAGE:worker-7', restart: always}\n",
    );
    let first = service.push("idle1", "v1");
    let answer = service.prefetch(&first, "1.1");
    answer.expect("hosts.compose", 11).says("web-7").says("worker-7");
}

fn named_replicas(world: &World) {
    let service = Service::new(
        world,
        "read/replicas",
        "  web: {image: IMAGE, container_name: only-one, deploy: {replicas: 2}}\n",
    );
    let first = service.push("idle1", "v1");
    let answer = service.prefetch(&first, "1.1");
    answer.expect("hosts.compose", 11).says("container_name");
}

fn taken_name(world: &World) {
    let service = Service::new(
        world,
        "read/taken",
        "  web: {image: IMAGE, container_name: esclusa-test-taken}\n",
    );
    let run = ["docker", "run", "--detach", "--name=esclusa-test-taken", "esclusa-test/other"];
    service.run(&run);
    let first = service.push("idle1", "v1");
    let answer = service.prefetch(&first, "1.1");
    answer.expect("hosts.compose", 11).says("esclusa-test-taken");
    service.run(&["docker", "rm", "--force", "esclusa-test-taken"]);
    service.roll_out(&first, "1.2");
}

fn named_like_option(world: &World) {
    let service = Service::new(world, "read/option", "  --help: {image: IMAGE, restart: always}\n");
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    assert_eq!(service.containers(), [format!("{}---help-1", service.project)]);
}

fn only_images_count(world: &World) {
    let service = Service::new(
        world,
        "read/only",
        "  # image: IMAGE\n  web: {image: IMAGE, restart: always}\n  \
         db: {image: esclusa-test/other, environment: {IMAGE: 'IMAGE'}}\n",
    );
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    assert_eq!(service.containers(), [format!("{}-web-1", service.project)]);
}
