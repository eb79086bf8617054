//! What depends on a service, and what it depends on.

use std::thread::sleep;
use std::time::Duration;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("what shares a network is made again with it, forward and back", shared_network),
    ("what shares with a service that is only started again is made again", shared_stopped),
    ("what shares processes or volumes is made again as well", shared_others),
    ("a dependant that is to be restarted is restarted", restarted),
    ("a prefetch fetches what an activation will start", private_dependency),
    ("a dependency that cannot be had is refused before anything stops", missing_dependency),
    ("only active dependencies are started", optional_dependencies),
    ("what is off does not count", broken_inactive),
    ("a long migration is not cut by the deadline of the health", long_migration),
    ("an external network that is missing is named", external_network),
    ("an external volume that is missing is named", external_volume),
    ("a chain of dependencies is started from its end", chain),
];

fn read(service: &Service, name: &str) -> String {
    let name = format!("{}-{name}-1", service.project);
    let get = "/bin/busybox wget -qO- http://127.0.0.1:80/";
    service.run(&["docker", "exec", &name, "/bin/busybox", "sh", "-c", get]).trim().to_owned()
}

fn shared_network(world: &World) {
    let service = Service::new(
        world,
        "dep/network",
        "  web: {image: IMAGE, restart: always}\n  \
         side: {image: esclusa-test/other, network_mode: 'service:web'}\n",
    )
    .patient();
    let (first, second) = (service.push("web1", "v1"), service.push("web2", "v2"));
    let sick = service.push("sick", "v3");
    service.roll_out(&first, "1.1");
    service.compose("up --detach --no-deps side");
    assert_eq!(read(&service, "side"), "web1");
    service.roll_out(&second, "1.2");
    assert_eq!(read(&service, "side"), "web2");
    service.run(&["docker", "restart", "--time=1", &format!("{}-side-1", service.project)]);
    service.prefetch(&sick, "1.3").expect("ok", 0);
    service.activate(&sick, "1.3").expect("health.container", 13).restored("yes");
    assert_eq!(read(&service, "side"), "web2");
}

fn shared_stopped(world: &World) {
    let service = Service::new(
        world,
        "dep/stopped",
        "  web: {image: IMAGE, restart: always}\n  \
         side: {image: esclusa-test/other, restart: always, network_mode: 'service:web'}\n",
    )
    .patient();
    let first = service.push("web1", "v1");
    service.roll_out(&first, "1.1");
    service.compose("up --detach --no-deps side");
    let stop = |name| {
        service.run(&["docker", "stop", "--time=1", &format!("{}-{name}-1", service.project)]);
    };
    // As an order leaves it that is cut off after it stopped a container.
    stop("web");
    service.activate(&first, "1.2").expect("ok", 0).runs(&first);
    assert_eq!(read(&service, "side"), "web1");
    // As a start of the host leaves it that began with the wrong one.
    stop("side");
    service.activate(&first, "1.3").expect("ok", 0).runs(&first);
    assert_eq!(read(&service, "side"), "web1");
}

fn shared_others(world: &World) {
    let service = Service::new(
        world,
        "dep/others",
        "  web: {image: IMAGE, restart: always, volumes: ['/data']}\n  \
         peek: {image: esclusa-test/other, pid: 'service:web'}\n  \
         copy: {image: esclusa-test/other, volumes_from: [web]}\n",
    );
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.compose("up --detach --no-deps peek copy");
    service.roll_out(&second, "1.2");
    for name in ["peek", "copy"] {
        assert_eq!(service.container(name, "{{.State.Running}}"), "true");
    }
    let web = service.container("web", "{{.Id}}");
    assert_eq!(service.container("peek", "{{.HostConfig.PidMode}}"), format!("container:{web}"));
    service.run(&["docker", "restart", "--time=1", &format!("{}-peek-1", service.project)]);
}

fn restarted(world: &World) {
    let service = Service::new(
        world,
        "dep/restart",
        "  web: {image: IMAGE, restart: always}\n  proxy:\n    image: esclusa-test/other\n    \
         depends_on: {web: {condition: service_started, restart: true}}\n",
    );
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    service.compose("up --detach --no-deps proxy");
    let started = || service.container("proxy", "{{.Id}} {{.State.StartedAt}}");
    let before = started();
    sleep(Duration::from_millis(20));
    service.activate(&first, "1.2").expect("ok", 0);
    assert_eq!(started(), before, "nothing changed, so nothing restarts");
    service.roll_out(&second, "1.3");
    let after = started();
    assert_eq!(before.split(' ').next(), after.split(' ').next(), "restarted, not made again");
    assert_ne!(before, after);
}

fn private_dependency(world: &World) {
    let service = Service::bare(world, "dep/private");
    world.push("idle3", "dep/private-side", "v7");
    let side = service.image().replace("dep/private", "dep/private-side");
    service.write(
        "compose.yaml",
        &format!(
            "services:\n  web: {{image: IMAGE, restart: always, depends_on: [side]}}\n  \
             side: {{image: '{side}:v7', restart: always}}\n"
        ),
    );
    let first = service.push("idle1", "v1");
    service.prefetch(&first, "1.1").expect("ok", 0);
    service.run(&["docker", "image", "inspect", &format!("{side}:v7")]);
    // Nothing is fetched by the activation, so no login is needed for it.
    let order = service.order("activate", &first, "1.1").endpoint("http://127.0.0.1:1");
    order.run().expect("ok", 0).runs(&first);
    assert_eq!(service.container("side", "{{.State.Running}}"), "true");
}

fn missing_dependency(world: &World) {
    let service = Service::bare(world, "dep/missing");
    let side = service.image().replace("dep/missing", "dep/not-there");
    service.write(
        "compose.yaml",
        &format!(
            "services:\n  web: {{image: IMAGE, restart: always, depends_on: [side]}}\n  \
             side: {{image: '{side}:v7', restart: always}}\n"
        ),
    );
    let first = service.push("idle1", "v1");
    let answer = service.prefetch(&first, "1.1");
    answer.expect("release.not_in_registry", 12).says("dep/not-there");
    assert_eq!(service.containers(), Vec::<String>::new());
}

fn optional_dependencies(world: &World) {
    let service = Service::new(
        world,
        "dep/optional",
        "  web:\n    image: IMAGE\n    restart: always\n    depends_on:\n      \
         pg: {condition: service_started, required: false}\n      \
         my: {condition: service_started, required: false}\n  \
         pg: {image: esclusa-test/other, profiles: [postgresql]}\n  \
         my: {image: esclusa-test/other, profiles: [mysql]}\n",
    );
    service.write(".env", "COMPOSE_PROFILES=postgresql\n");
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    let names = ["pg", "web"].map(|name| format!("{}-{name}-1", service.project));
    assert_eq!(service.containers(), names);
}

fn broken_inactive(world: &World) {
    let service = Service::new(
        world,
        "dep/inactive",
        "  web: {image: IMAGE, restart: always}\n  \
         dev: {image: IMAGE, profiles: [dev], env_file: absent.env}\n",
    );
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    assert_eq!(service.containers(), [format!("{}-web-1", service.project)]);
}

fn long_migration(world: &World) {
    let service = Service::new(
        world,
        "dep/long",
        "  migrate: {image: IMAGE, command: ['/bin/busybox sleep 4']}\n  \
         web:\n    image: IMAGE\n    restart: always\n    \
         depends_on: {migrate: {condition: service_completed_successfully}}\n",
    );
    let first = service.push("idle1", "v1");
    service.prefetch(&first, "1.1").expect("ok", 0);
    let order = service.order("activate", &first, "1.1").with("Deadline", "2");
    order.run().expect("ok", 0).runs(&first);
}

fn external_network(world: &World) {
    let service = Service::new(
        world,
        "dep/external",
        "  web: {image: IMAGE, restart: always, networks: [shared]}\n\
         networks: {shared: {external: true, name: esclusa-test-absent}}\n",
    );
    let first = service.push("idle1", "v1");
    let answer = service.prefetch(&first, "1.1");
    answer.expect("hosts.compose", 11).says("docker network create esclusa-test-absent");
}

fn external_volume(world: &World) {
    let service = Service::new(
        world,
        "dep/volume",
        "  web: {image: IMAGE, restart: always, volumes: ['store:/store']}\n\
         volumes: {store: {external: true, name: esclusa-test-absent}}\n",
    );
    let first = service.push("idle1", "v1");
    let answer = service.prefetch(&first, "1.1");
    answer.expect("hosts.compose", 11).says("docker volume create esclusa-test-absent");
}

fn chain(world: &World) {
    let service = Service::new(
        world,
        "dep/chain",
        "  web: {image: IMAGE, restart: always, depends_on: [queue]}\n  \
         queue: {image: esclusa-test/other, depends_on: [store]}\n  \
         store: {image: esclusa-test/other}\n",
    );
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    let started = |name: &str| service.container(name, "{{.State.StartedAt}}");
    assert!(started("store") < started("queue"));
    assert!(started("queue") < started("web"));
}
