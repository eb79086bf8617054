//! Hosts as people leave them: full of containers, pruned, tagged, proxied, edited.

use std::thread::sleep;
use std::time::Duration;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("a hundred ended containers of a project are any number", many_containers),
    ("two lanes in one directory keep a pin each", two_lanes),
    ("an image that prints its usage and ends is no job", usage_text),
    ("a server that was stopped by hand is not well", stopped_server),
    ("a proxy in the agent's environment is not asked for this host", proxied),
    ("a credential store that is not there keeps nothing from being pulled", credential_store),
    ("an image's volume that keeps old files is told of", old_assets),
    ("a tag that a person made stays", own_tag),
    ("a crash loop passes no inspection", crash_loop),
    ("a container that is absent passes no inspection", absent),
    ("a healthcheck that is too patient is told of and bounded", patient_check),
    ("a port that another container has is refused before anything stops", taken_port),
    ("a container that removes itself is refused, since it could not come back", self_removing),
    ("half-written state is told of, and a newer form as well", odd_state),
    ("an order of the scripts that came before is carried on", old_order),
    ("a directory behind a link is the same directory", linked),
];

const WEB: &str = "  web: {image: IMAGE, restart: always}\n";

fn many_containers(world: &World) {
    let service = Service::new(world, "meddle/many", WEB);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    let make = format!(
        "for n in $(seq 100); do docker create --label com.docker.compose.project={0} \
         --label com.docker.compose.service=web --label com.docker.compose.oneoff=True \
         --label com.docker.compose.project.working_dir=/srv/{0} --name {0}-web-run-$n \
         {1}@{2} 'exit 0' >/dev/null & [ $((n % 10)) = 0 ] && wait; done; wait",
        service.project,
        service.image(),
        first.split_once('@').unwrap().1
    );
    service.run(&["bash", "-c", &make]);
    service.inspect().expect("ok", 0).runs(&first);
    service.roll_out(&second, "1.2");
}

fn two_lanes(world: &World) {
    let one = Service::bare(world, "meddle/one");
    let other = Service::bare(world, "meddle/two");
    service_link(&one, &other);
    let image = other.image();
    one.write(
        "compose.yaml",
        &format!(
            "name: shared-by-two\nservices:\n  web: {{image: IMAGE, restart: always}}\n  \
             api: {{image: '{image}', restart: always}}\n"
        ),
    );
    let (first, second) = (one.push("idle1", "v1"), one.push("idle2", "v2"));
    let api = other.push("idle3", "v1");
    one.roll_out(&first, "1.1");
    other.roll_out(&api, "1.1");
    one.roll_out(&second, "1.2");
    let pin = one.read("esclusa.release.yaml");
    assert!(pin.contains(&api) && pin.contains(&second), "{pin}");
    let sick = other.push("sick", "v2");
    other.prefetch(&sick, "1.2").expect("ok", 0);
    other.activate(&sick, "1.2").expect("health.container", 13).restored("yes").runs(&api);
    one.inspect().expect("ok", 0).runs(&second);
    assert_eq!(one.read("esclusa.release.yaml"), pin);
    one.run(&[
        "bash",
        "-c",
        "docker rm --force $(docker ps -aq --filter \
        label=com.docker.compose.project=shared-by-two)",
    ]);
}

/// Makes the second service's directory a link to the first's.
fn service_link(one: &Service, other: &Service) {
    let line = format!("rmdir /srv/{1} && ln -s /srv/{0} /srv/{1}", one.project, other.project);
    one.run(&["bash", "-c", &line]);
}

fn usage_text(world: &World) {
    let service =
        Service::new(world, "meddle/usage", "  web: {image: IMAGE, ports: ['18131:80']}\n");
    let (first, usage) = (service.push("web1", "v1"), service.push("usage", "v2"));
    service.prefetch(&first, "1.1").expect("ok", 0);
    let patient = |image: &str, fence: &str| {
        service.order("activate", image, fence).with("Deadline", "20").run()
    };
    patient(&first, "1.1").expect("ok", 0);
    service.prefetch(&usage, "1.2").expect("ok", 0);
    let answer = patient(&usage, "1.2");
    answer.expect("health.container", 13).restored("yes").runs(&first).says("exit code 0");
}

fn stopped_server(world: &World) {
    let service =
        Service::new(world, "meddle/stopped", "  web: {image: IMAGE, ports: ['18132:80']}\n");
    let first = service.push("web1", "v1");
    service.prefetch(&first, "1.1").expect("ok", 0);
    service.order("activate", &first, "1.1").with("Deadline", "20").run().expect("ok", 0);
    service.compose("stop");
    let seen = service.inspect();
    assert_eq!(seen.text("health"), "unhealthy", "{seen}");
}

fn proxied(world: &World) {
    let service = Service::new(
        world,
        "meddle/proxy",
        "  web: {image: IMAGE, restart: always, ports: ['18133:80']}\n",
    );
    let first = service.push("web1", "v1");
    let proxied = |verb: &str| {
        let order = service.order(verb, &first, "1.1").with("HttpPort", "18133");
        let order = order.with("Deadline", "10").variable("http_proxy", "http://127.0.0.1:9");
        order.variable("HTTP_PROXY", "http://127.0.0.1:9")
    };
    service.prefetch(&first, "1.1").expect("ok", 0);
    proxied("activate").run().expect("ok", 0);
    assert!(!service.container("web", "{{.Config.Env}}").contains("proxy"));
}

fn credential_store(world: &World) {
    let service = Service::new(world, "meddle/store", WEB);
    let first = service.push("idle1", "v1");
    let line = "mkdir -p /root/other/.docker && \
                ln -sf /root/.docker/cli-plugins /root/other/.docker/ \
                && echo '{\"credsStore\": \"secretservice\"}' >/root/other/.docker/config.json";
    service.run(&["bash", "-c", line]);
    let order = service.order("prefetch", &first, "1.1").variable("HOME", "/root/other");
    order.run().expect("ok", 0);
}

fn old_assets(world: &World) {
    let service = Service::new(world, "meddle/assets", WEB);
    let (first, second) = (service.push("assets1", "v1"), service.push("assets2", "v2"));
    service.roll_out(&first, "1.1");
    service.prefetch(&second, "1.2").expect("ok", 0).warns("/assets");
    let mounted = "  web: {image: IMAGE, restart: always, volumes: ['new:/assets']}\n\
         volumes: {new: {}}\n";
    service.write("compose.yaml", &format!("services:\n{mounted}"));
    let answer = service.prefetch(&second, "1.3");
    assert!(!answer.value["warnings"].to_string().contains("declares"), "{answer}");
}

fn own_tag(world: &World) {
    let service = Service::new(world, "meddle/tag", WEB);
    let images: Vec<_> = crate::images::IDLE
        .iter()
        .enumerate()
        .map(|(number, kind)| service.push(kind, &format!("v{number}")))
        .collect();
    service.roll_out(&images[0], "1.1");
    let (_, digest) = images[0].split_once('@').unwrap();
    let mine = format!("{}:before-the-sale", service.image());
    service.run(&["docker", "tag", &format!("{}@{digest}", service.image()), &mine]);
    for (number, image) in images.iter().enumerate().skip(1) {
        service.roll_out(image, &format!("1.{}", number + 1));
    }
    service.run(&["docker", "image", "inspect", &mine]);
}

fn crash_loop(world: &World) {
    let service = Service::new(world, "meddle/crash", WEB);
    let crash = service.push("crash", "v1");
    service.prefetch(&crash, "1.1").expect("ok", 0);
    service.order("activate", &crash, "1.1").with("OnFailure", "leave").run();
    let seen = service.inspect();
    assert_eq!(seen.text("health"), "unhealthy", "{seen}");
}

fn absent(world: &World) {
    let service = Service::new(
        world,
        "meddle/absent",
        "  web: {image: IMAGE, restart: always}\n  worker: {image: IMAGE, restart: always}\n",
    );
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    service.compose("rm --force --stop worker");
    let seen = service.inspect();
    assert_eq!(seen.text("health"), "unhealthy", "{seen}");
    seen.warns("worker");
}

fn patient_check(world: &World) {
    let service = Service::new(
        world,
        "meddle/patient",
        "  web:\n    image: IMAGE\n    restart: always\n    healthcheck:\n      \
         test: ['CMD', '/bin/busybox', 'true']\n      interval: 10m\n      retries: 3\n",
    )
    .patient();
    let first = service.push("idle1", "v1");
    service.prefetch(&first, "1.1").expect("ok", 0).warns("12 min");
}

fn taken_port(world: &World) {
    let service = Service::new(world, "meddle/port", WEB);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    let run = ["docker", "run", "--detach", "--publish=18134:80", "esclusa-test/other"];
    let holder = service.run(&run).trim().to_owned();
    service.write(
        "compose.yaml",
        "services:\n  web: {image: IMAGE, restart: always, ports: ['18134:80']}\n",
    );
    service.prefetch(&second, "1.2").expect("hosts.compose", 11).says("18134").runs(&first);
    service.run(&["docker", "rm", "--force", &holder]);
    service.roll_out(&second, "1.3");
}

fn self_removing(world: &World) {
    let service = Service::new(world, "meddle/rm", "  web: {image: IMAGE}\n");
    let first = service.push("idle1", "v1");
    service.prefetch(&first, "0.1").expect("ok", 0);
    let line = format!(
        "docker run --rm --detach --label com.docker.compose.project={0} \
         --label com.docker.compose.service=web --label com.docker.compose.oneoff=False \
         --label com.docker.compose.project.working_dir=/srv/{0} --name {0}-web-1 {1}@{2}",
        service.project,
        service.image(),
        first.split_once('@').unwrap().1
    );
    service.run(&["bash", "-c", &line]);
    let second = service.push("idle2", "v2");
    service.prefetch(&second, "1.1").expect("hosts.compose", 11).says("--rm");
}

fn odd_state(world: &World) {
    let service = Service::new(world, "meddle/state", WEB);
    let first = service.push("idle1", "v1");
    service.roll_out(&first, "1.1");
    let keep = |name: &str, text: &str| std::fs::write(service.kept(name), text).unwrap();
    keep("order", "{\"fence\":\"1.2\",\"ima");
    let answer = service.prefetch(&first, "1.3");
    answer.expect("hosts.state", 11).says("order").says("mv ");
    keep("order", "{\"v\":9,\"fence\":\"1.2\"}");
    service.prefetch(&first, "1.3").expect("hosts.state", 11).says("newer");
    std::fs::remove_file(service.kept("order")).unwrap();
    keep("fence", "nonsense\n");
    service.prefetch(&first, "1.3").expect("hosts.state", 11).says("fence");
    keep("fence", "meddle/state production 1.1\n");
    service.activate(&first, "1.3").expect("ok", 0).runs(&first);
}

fn old_order(world: &World) {
    let service = Service::new(world, "meddle/old", WEB);
    let (first, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&first, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    let baseline = format!("{}:{first}", service.image());
    let (_, digest) = first.split_once('@').unwrap();
    let text = format!(
        "{{\"fence\":\"1.2\",\"image\":\"{sick}\",\"mode\":\"change\",\"phase\":\"restoring\",\
         \"began\":1790000000,\"before\":\"{digest}\",\"good\":\"{digest}\",\
         \"files\":[\"compose.yaml\"],\"baseline\":{{\"web\":\"{baseline}\"}},\
         \"code\":\"health.container\",\"text\":\"The container web is unhealthy.\"}}"
    );
    std::fs::write(service.kept("order"), text).unwrap();
    std::fs::write(service.kept("fence"), "meddle/old production 1.2\n").unwrap();
    let answer = service.activate(&sick, "1.2");
    answer.expect("health.container", 13).restored("yes").runs(&first);
}

fn linked(world: &World) {
    let service = Service::bare(world, "meddle/linked");
    let line = format!(
        "mkdir -p /srv/real-place && rmdir /srv/{0} && ln -s /srv/real-place /srv/{0}",
        service.project
    );
    service.run(&["bash", "-c", &line]);
    service.run(&[
        "bash",
        "-c",
        &format!(
            "printf 'services:\\n{}' >/srv/real-place/compose.yaml",
            WEB.replace("IMAGE", &service.image()).trim_end()
        ),
    ]);
    let (first, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&first, "1.1");
    sleep(Duration::from_millis(10));
    service.roll_out(&second, "1.2");
    assert_eq!(service.containers(), [format!("{}-web-1", service.project)]);
}
