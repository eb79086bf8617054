//! `examples/host/prepare`, from user data to the first healthy rollout. Needs root.
//!
//! Each host is a fresh root file system of a distribution's own packages, in namespaces. Real are
//! the packages, the engine, Compose, ECR's login helper, the documents' bootstrap and the host
//! program. These are not:
//!
//! * systemd, which needs a machine of its own: `systemctl` is a small program that starts and
//!   stops the engine, and the engine starts its own containerd.
//! * the SSM agent, which needs AWS: a small program says its version. Its download is not played,
//!   nor is that of Compose, where no package of the distribution has it.
//! * instance metadata, ECR's login and CloudWatch Logs, and the registry behind ECR's name.
//! * the way to the packages, which is a proxy, and their documentation, which is left out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected shall end there"
)]

#[path = "../hosts/endpoints.rs"]
mod endpoints;
mod host;
mod stand_ins;
mod system;
mod world;

use std::fs;
use std::thread;
use std::time::Instant;

use host::{GROUP, Prepared, USER_DATA};
use serde_json::{Value, json};
use world::{REGISTRY, SERVICE, World, busybox};

#[test]
fn user_data_leads_to_the_first_healthy_rollout() {
    let from = Instant::now();
    let Some(world) = World::start() else {
        println!("scripts/versions names no release to make hosts of on this system: left out");
        return;
    };
    println!("{:>5.1} s  until the hosts can begin", from.elapsed().as_secs_f32());
    thread::scope(|scope| {
        for case in [a_fresh_host, a_host_with_an_older_engine] {
            let world = &world;
            scope.spawn(move || {
                case(world);
                println!("{:>5.1} s  a host is done", from.elapsed().as_secs_f32());
            });
        }
    });
}

fn a_fresh_host(world: &World) {
    let host = world.new_host(2);
    host.give_user_data();
    bad_input_is_refused_before_anything_changes(&host);
    let said = host.prepare();
    for sentence in
        ["ready: Docker ", "need a metadata hop limit of 2", "needs esclusa:managed = true"]
    {
        assert!(said.contains(sentence), "{said}");
    }
    let settings: Value = serde_json::from_str(&host.read("/etc/docker/daemon.json")).unwrap();
    assert_eq!(settings["insecure-registries"], json!([REGISTRY]), "{settings}");
    assert_eq!(settings["log-opts"]["awslogs-group"], GROUP, "{settings}");
    // Nothing is put onto the host by hand.
    host.roll_out("auto");
    let files = host.run("cd /srv/acme--tickets; ls --almost-all; cat .env");
    let listed = [".env", "esclusa.compose.yaml", "esclusa.release.yaml"];
    assert!(files.starts_with(&listed.join("\n")), "{files}");
    assert!(files.contains(&format!("REGISTRY={REGISTRY}\n")), "{files}");
    let logs = host.container("{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config}}");
    assert!(logs.starts_with("awslogs ") && logs.contains(GROUP), "{logs}");
    host.prepare_again();
    what_cannot_be_mended_is_said(&host);
}

fn a_host_with_an_older_engine(world: &World) {
    let host = world.new_host(3);
    install_older_engine(&host);
    let place = host.host.path("/root/image/busybox").unwrap();
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, busybox()).unwrap();
    host.run(
        "chmod 755 /root/image/busybox
         tar -C /root/image -c . | docker import - theirs
         docker run --detach --name theirs theirs /busybox sleep 100000",
    );
    let question = "docker inspect --format '{{.Id}} {{.State.Pid}} {{.State.StartedAt}}' theirs
                    docker version --format '{{.Server.Version}}'
                    dpkg-query --show docker.io containerd runc";
    let before = host.run(question);
    host.give_user_data();
    let said = host.prepare();
    assert!(said.contains("the engine takes the log driver when you restart it"), "{said}");
    assert_eq!(host.run(question), before, "{said}");
    let own = format!("services: {{web: {{image: \"{REGISTRY}/{SERVICE}:v1\"}}}}\n");
    host.write("/srv/acme--tickets/compose.yaml", 0o644, &own);
    host.roll_out("host");
    host.prepare_again();
    assert_eq!(host.run(question), before, "the rollout touched another container");
}

/// Gives the host the engine of an older release, and leaves only the newer one's packages to find.
fn install_older_engine(host: &Prepared<'_>) {
    let list = "/etc/apt/sources.list.d/older.list";
    let older = &host.world.system.older;
    host.write(list, 0o644, &host.world.system.older_source());
    host.run(&format!(
        "apt-get -qq update
         DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends \
           docker.io/{older} containerd/{older} runc/{older}
         rm {list}; apt-get -qq update"
    ));
    assert!(host.run("docker compose version 2>&1 || :").contains("not a docker command"));
}

fn bad_input_is_refused_before_anything_changes(host: &Prepared<'_>) {
    refused(host, &[], &["Tickets!"], "`Tickets!` is no name of an ECR repository: ");
    let address = "2s|REGISTRY=[^ ]*|REGISTRY=https://example.com/x|";
    host.run(&format!("cp -a {USER_DATA} /root/right; sed -i '{address}' {USER_DATA}"));
    refused(host, &[], &[], "write the registry's address, without https://");
    host.run(&format!("mv /root/right {USER_DATA}"));
    let nobody = ["setpriv", "--reuid=65534", "--clear-groups"];
    refused(host, &nobody, &[], "run this with sudo");
    host.run(
        "mv /etc/os-release /root/; echo 'ID=alpine PRETTY_NAME=\"Alpine Linux\"' >/etc/os-release",
    );
    refused(host, &[], &[], "this is Alpine Linux: start the instance from Amazon Linux 2023");
    host.run("mv /root/os-release /etc/");
    assert_eq!(host.run("type -P docker jq || :"), "");
}

fn what_cannot_be_mended_is_said(host: &Prepared<'_>) {
    host.run("cp -a /etc/docker/daemon.json /root/; echo '{' >/etc/docker/daemon.json");
    refused(host, &[], &[], "/etc/docker/daemon.json is no JSON object: correct it");
    host.run("cp -a /root/daemon.json /etc/docker/");
    host.write("/usr/bin/amazon-ssm-agent", 0o755, &stand_ins::agent("3.2.0.0"));
    let sentence = "the SSM agent could not be downloaded: give this host a way to https://s3.eu";
    refused(host, &[], &[], sentence);
}

fn refused(host: &Prepared<'_>, before: &[&str], after: &[&str], sentence: &str) {
    let done = host.try_to_prepare(before, after);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.code, Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("prepare: ") && last.contains(sentence), "{said}");
}
