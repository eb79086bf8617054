//! What a project was started with, and is started with again.

use std::thread::sleep;
use std::time::Duration;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("a project that was started without its override stays without it", fewer_files),
    ("a file with variables that the project was started with counts", environment_file),
    ("such a file that is gone is named", lost_environment_file),
    ("a variable of the shell is refused by its name", shell_variable),
    ("a command of the shell's making is refused", shell_command),
    ("a port of the shell's making is refused", shell_port),
    ("what somebody scaled stays, and the files' own number counts when it changes", scaled),
    ("nothing of ours reaches a container through .env", env_file),
    ("an edit is an edit, whatever time the file claims", old_edit),
    ("a pin in .env that somebody's own list follows stays readable", listed_later),
    ("a person's own up in between is seen and kept", up_in_between),
];

/// Puts an image on the host under the service's tag, as a team's own `docker pull` does.
fn pull(service: &Service, kind: &str) {
    let image = service.push(kind, "latest");
    let name = service.image();
    service.prefetch(&image, "0.1").expect("ok", 0);
    service.run(&["docker", "tag", &format!("{name}@{}", &image[7..]), &format!("{name}:latest")]);
}

const HERE: &str = "{{index .Config.Labels \"here\"}}";

fn fewer_files(world: &World) {
    let service = Service::bare(world, "with/fewer");
    service.write("docker-compose.yml", "services:\n  web: {image: IMAGE, restart: always}\n");
    service.write(
        "docker-compose.override.yml",
        "services: {web: {labels: {here: development}, command: ['sleep 5']}}\n",
    );
    pull(&service, "idle1");
    service.compose("-f docker-compose.yml up --detach");
    let (second, third) = (service.push("idle2", "v2"), service.push("idle3", "v3"));
    for (image, fence) in [(second, "1.1"), (third, "1.2")] {
        service.roll_out(&image, fence);
        assert_eq!(service.container("web", HERE), "");
    }
}

const MODE: &str = "services:\n  web:\n    image: IMAGE\n    restart: always\n    \
     environment: {MODE: '${MODE:-}'}\n    labels: {here: '${MODE:-}'}\n";

fn environment_file(world: &World) {
    let service = Service::bare(world, "with/env-file");
    service.write("compose.yaml", MODE);
    service.write("prod.env", "MODE=prod\n");
    pull(&service, "idle1");
    service.compose("--env-file prod.env up --detach");
    let (second, sick) = (service.push("idle2", "v2"), service.push("sick", "v3"));
    service.roll_out(&second, "1.1");
    assert_eq!(service.container("web", HERE), "prod");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    service.activate(&sick, "1.2").expect("health.container", 13).restored("yes");
    assert_eq!(service.container("web", HERE), "prod");
}

fn lost_environment_file(world: &World) {
    let service = Service::bare(world, "with/lost-env");
    service.write("compose.yaml", MODE);
    service.write("prod.env", "MODE=prod\n");
    pull(&service, "idle1");
    service.compose("--env-file prod.env up --detach");
    std::fs::remove_file(service.path("prod.env")).unwrap();
    let second = service.push("idle2", "v2");
    service.prefetch(&second, "1.1").expect("hosts.compose", 11).says("prod.env");
}

/// Starts a project from the shell with a variable that no file holds, and expects the refusal.
fn refuses(world: &World, name: &str, services: &str, line: &str, names: &str) {
    let service = Service::new(world, name, services);
    pull(&service, "idle1");
    sleep(Duration::from_millis(50));
    let line = format!("cd /srv/{} && {line} docker compose up --detach", service.project);
    service.run(&["bash", "-c", &line]);
    let before = service.container("web", "{{.Id}}");
    let second = service.push("idle2", "v2");
    for verb in ["prefetch", "activate"] {
        service.order(verb, &second, "1.1").run().expect("hosts.compose", 11).says(names);
    }
    assert_eq!(service.container("web", "{{.Id}} {{.State.Running}}"), format!("{before} true"));
    // Once it is written into the files, it goes.
    let (variable, value) = line.split("&& ").nth(1).unwrap().split_once('=').unwrap();
    let value = value.split(" docker").next().unwrap();
    service.write(".env", &format!("{variable}={value}\n"));
    service.roll_out(&second, "1.2");
}

fn shell_variable(world: &World) {
    let services = "  web: {image: IMAGE, restart: always, environment: {MODE: '${MODE:-}'}}\n";
    refuses(world, "with/shell", services, "MODE=shell", "MODE");
}

fn shell_command(world: &World) {
    let services = "  web: {image: IMAGE, restart: always, command: ['sleep ${LONG:-1000}']}\n";
    refuses(world, "with/command", services, "LONG=2000", "another command");
}

fn shell_port(world: &World) {
    let services = "  web: {image: IMAGE, restart: always, ports: ['${PORT:-18121}:80']}\n";
    refuses(world, "with/port", services, "PORT=18122", "18122");
}

fn scaled(world: &World) {
    let service = Service::new(world, "with/scale", "  web: {image: IMAGE, restart: always}\n");
    pull(&service, "idle1");
    service.compose("up --detach --scale web=3");
    let (second, third) = (service.push("idle2", "v2"), service.push("idle3", "v3"));
    service.roll_out(&second, "1.1").warns("3 are kept");
    assert_eq!(service.containers().len(), 3);
    service.write(
        "compose.yaml",
        "services:\n  web: {image: IMAGE, restart: always, deploy: {replicas: 2}}\n",
    );
    service.roll_out(&third, "1.2");
    assert_eq!(service.containers().len(), 2);
}

fn env_file(world: &World) {
    let service = Service::new(
        world,
        "with/dotenv",
        "  web: {image: IMAGE, restart: always, env_file: .env}\n  \
         db: {image: esclusa-test/other, env_file: [.env]}\n",
    );
    service.write(".env", "COLOUR=blue\n");
    service.compose("up --detach db");
    let before = service.container("db", "{{.Id}}");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    for (image, fence) in [(&first, "1.1"), (&second, "1.2")] {
        let answer = service.roll_out(image, fence);
        assert!(!answer.value["warnings"].to_string().contains("up -d db"), "{answer}");
    }
    for name in ["web", "db"] {
        let variables = service.container(name, "{{.Config.Env}}");
        assert!(variables.contains("COLOUR=blue"), "{variables}");
        assert!(!variables.contains("COMPOSE"), "{variables}");
    }
    assert_eq!(service.read(".env"), "COLOUR=blue\n");
    assert_eq!(service.container("db", "{{.Id}}"), before);
}

fn old_edit(world: &World) {
    let service = Service::new(world, "with/edit", "  web: {image: IMAGE, restart: always}\n");
    pull(&service, "idle1");
    service.compose("up --detach");
    sleep(Duration::from_millis(50));
    service.write(
        "compose.yaml",
        "services:\n  web: {image: IMAGE, restart: always, environment: {COLOUR: red}}\n",
    );
    let touch = format!("touch -d '1 hour ago' /srv/{}/compose.yaml", service.project);
    service.run(&["bash", "-c", &touch]);
    let second = service.push("idle2", "v2");
    service.roll_out(&second, "1.1");
    assert!(service.container("web", "{{.Config.Env}}").contains("COLOUR=red"));
}

fn listed_later(world: &World) {
    let service = Service::bare(world, "with/later");
    service.write("base.yml", "services:\n  web: {image: IMAGE, restart: always}\n");
    service.write("more.yml", "services:\n  web: {labels: {here: more}}\n");
    service.write(".env", "COMPOSE_FILE=base.yml\n");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    let edited = service.read(".env").replace("base.yml:", "base.yml:more.yml:");
    service.write(".env", &edited);
    service.roll_out(&second, "1.2");
    assert_eq!(service.container("web", HERE), "more");
}

fn up_in_between(world: &World) {
    let service = Service::new(world, "with/between", "  web: {image: IMAGE, restart: always}\n");
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.compose("up --detach --force-recreate");
    service.inspect().expect("ok", 0).runs(&first);
    service.roll_out(&second, "1.2");
}
