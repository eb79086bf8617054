//! What a document runs before the program: it is pulled, kept and run, and what is missing is
//! said. Needs root, as the local environment does.

mod world;

use esclusa_local::host::HostOptions;

use world::{Ran, World, command_line};

/// One host for all that leaves it whole.
#[test]
fn a_host_pulls_the_program_once_and_says_what_is_missing() {
    let world = World::start("program", HostOptions::default());
    let first = world.publish("first", 0);
    a_program_that_is_missing_is_an_answer(&world, &first);
    a_login_that_is_missing_is_an_answer(&world, &first);
    the_program_is_pulled_once_and_run(&world, &first);
    it_goes_on_without_engine_and_registry(&world, &first);
    the_command_line_is_a_login_too(&world);
    the_two_newest_programs_stay(&world, &first);
    a_cut_off_copy_is_no_program(&world);
    an_engine_that_is_missing_or_stopped_is_an_answer(&world);
}

#[test]
fn a_full_disk_is_an_answer() {
    let world = World::start("disk", HostOptions { disk_mib: Some(24), ..HostOptions::default() });
    // The engine's disk takes the image once it is packed, but not both forms of it.
    let program = world.publish("large", 4_000_000);
    world.shell("fallocate -l 20M /var/lib/docker/ballast || true");
    refused(&world.run("prefetch", &program), "hosts.disk", "The disk of this host is full");
    world.shell("rm /var/lib/docker/ballast");
    assert_eq!(world.run("prefetch", &program).answer["program"], "large");
}

#[test]
fn a_document_is_a_page_that_a_person_can_read() {
    let hosts = esclusa_local::places::tested_checkout().join("hosts");
    let text = esclusa_local::documents::bootstrap(&hosts, "prefetch", "x@sha256:1").unwrap();
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    assert!(!text.contains("{{"), "Systems Manager would put a parameter there");
    assert!(!text.contains("${"), "CloudFormation would be thought to put something there");
}

fn refused(ran: &Ran, code: &str, text: &str) {
    assert_eq!(ran.answer["code"], code, "{ran:?}");
    assert!(ran.answer["text"].as_str().unwrap().contains(text), "{ran:?}");
    assert_eq!(ran.code, Some(11), "{ran:?}");
    let members = ["v", "before", "now", "restored", "service", "environment"];
    let members = members.map(|name| ran.answer[name].to_string());
    let expected =
        ["1", "\"mixed\"", "\"mixed\"", "\"not-needed\"", "\"acme/tickets\"", "\"production\""];
    assert_eq!(members, expected);
}

fn a_program_that_is_missing_is_an_answer(world: &World, program: &str) {
    let (repository, _) = program.split_once('@').unwrap();
    let other = format!("{repository}@sha256:{}", "0".repeat(64));
    refused(&world.run("inspect", &other), "hosts.program", "again with sam deploy.");
}

fn a_login_that_is_missing_is_an_answer(world: &World, program: &str) {
    world.shell("mv /root/tools/docker-credential-ecr-login /root/helper");
    refused(&world.run("inspect", program), "hosts.registry", "install amazon-ecr-credential");
    world.write("aws", &command_line(false));
    refused(&world.run("inspect", program), "hosts.registry", "ecr:GetAuthorizationToken");
    world.shell("rm /root/tools/aws; mv /root/helper /root/tools/docker-credential-ecr-login");
}

fn the_program_is_pulled_once_and_run(world: &World, program: &str) {
    for _ in 0..2 {
        let ran = world.run("activate", program);
        assert_eq!(ran.code, Some(7), "{ran:?}");
        assert_eq!(ran.answer["program"], "first");
        assert_eq!(ran.answer["verb"], "activate");
        assert_eq!(ran.answer["service"], "acme/tickets");
        assert!(ran.log.contains("said to the log"), "{ran:?}");
        // The program gets no other file of the bootstrap's.
        let fds = ran.answer["fds"].as_str().unwrap();
        assert!(!fds.contains("/9"), "{fds}");
    }
    let left =
        world.shell("docker ps --all --quiet; docker images --quiet; ls /run | grep esc || :");
    assert_eq!(left, "");
}

fn it_goes_on_without_engine_and_registry(world: &World, program: &str) {
    world.shell("mv /root/tools/docker /root/docker");
    assert_eq!(world.run("inspect", program).answer["verb"], "inspect");
    world.shell("mv /root/docker /root/tools/docker");
}

fn the_command_line_is_a_login_too(world: &World) {
    let program = world.publish("second", 10);
    world.shell("mv /root/tools/docker-credential-ecr-login /root/helper");
    world.write("aws", &command_line(true));
    assert_eq!(world.run("inspect", &program).answer["program"], "second");
    world.shell("rm /root/tools/aws; mv /root/helper /root/tools/docker-credential-ecr-login");
}

fn the_two_newest_programs_stay(world: &World, first: &str) {
    // It is older than the second, but was used since.
    world.run("inspect", first);
    let third = world.publish("third", 20);
    world.run("inspect", &third);
    let mut expected = vec![".lock".to_owned()];
    expected.extend([first, &third].map(|it| it.split_once('@').unwrap().1.to_owned()));
    expected.sort();
    let mut kept = world.kept();
    kept.sort();
    assert_eq!(kept, expected);
}

fn a_cut_off_copy_is_no_program(world: &World) {
    let program = world.publish("fourth", 30);
    // What a power cut leaves: half a program, and the container that it was copied from.
    world.shell("printf '#!/bin/bas' >/var/lib/esclusa/bin/.new");
    world.shell(&format!(
        "export DOCKER_CONFIG=/root/push PATH=/root/tools:$PATH; \
         docker create --quiet --name esclusa-program {program} >/dev/null"
    ));
    assert_eq!(world.run("inspect", &program).answer["program"], "fourth");
    // A file that is no program at all is said to be none.
    let digest = program.split_once('@').unwrap().1;
    world.shell(&format!("printf '\\x7fELF' >/var/lib/esclusa/bin/{digest}"));
    refused(&world.run("inspect", &program), "hosts.program", "cannot be started");
}

fn an_engine_that_is_missing_or_stopped_is_an_answer(world: &World) {
    let program = world.publish("fifth", 40);
    world.shell("mv /root/tools/docker /root/docker");
    refused(&world.run("inspect", &program), "hosts.docker", "no Docker Engine");
    world.shell("mv /root/docker /root/tools/docker");
    world.host.kill_engine().unwrap();
    refused(&world.run("inspect", &program), "hosts.docker", "systemctl start docker");
}
