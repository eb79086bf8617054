//! Hosts as Systems Manager lists them, and an agent in a real one.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::types::InstanceInformationStringFilter;
use esclusa_local::aws::{HostAgents, HostRunner, ScriptHost, ScriptJob};
use esclusa_local::host::{Host, HostOptions};
use esclusa_local::places::{make_scratch_directory, tested_checkout};
use serde_json::json;

use crate::refusal;
use crate::world::{ONE, TWO, World, eventually, host};

fn filter(key: &str, value: &str) -> InstanceInformationStringFilter {
    InstanceInformationStringFilter::builder().key(key).values(value).build().unwrap()
}

#[tokio::test]
async fn hosts_are_found_by_tag_and_id_while_they_run() {
    let world = World::bare("hosts").await;
    let ssm = world.ssm();
    let find = async |filters: Vec<InstanceInformationStringFilter>| {
        let list = ssm.describe_instance_information().set_filters(Some(filters));
        let answer = list.send().await.unwrap();
        let all = answer.instance_information_list().iter();
        all.map(|it| it.instance_id().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (filters, expected) in [
        (vec![], vec![ONE, TWO]),
        (vec![filter("tag:esclusa:web", "production")], vec![ONE]),
        (vec![filter("tag:esclusa:other", "production")], vec![]),
        (vec![filter("tag-key", "esclusa:web")], vec![ONE, TWO]),
        (vec![filter("InstanceIds", TWO)], vec![TWO]),
        (vec![filter("PingStatus", "ConnectionLost")], vec![]),
    ] {
        assert_eq!(find(filters.clone()).await, expected, "{filters:?}");
    }
    world.admin("PUT", &format!("/hosts/{ONE}/power"), json!({ "state": "stopped" })).await;
    assert_eq!(find(vec![]).await, [TWO]);
    let states = world.events.all("EC2 Instance State-change Notification");
    let of_one = states.iter().filter(|it| it.detail["instance-id"] == ONE);
    let of_one: Vec<_> = of_one.map(|it| it.detail["state"].clone()).collect();
    assert_eq!(of_one, ["running", "stopping", "stopped"]);
    let mixed = ssm.describe_instance_information();
    let mixed = mixed.filters(filter("tag-key", "x")).filters(filter("InstanceIds", ONE));
    let refused = refusal!(mixed.send().await);
    assert_eq!(refused.0, "InvalidInstanceInformationFilterValue");
    let small = ssm.describe_instance_information().max_results(4).send().await;
    assert_eq!(refusal!(small).0, "ValidationException");
}

#[tokio::test]
async fn a_new_host_registers_and_a_silent_one_is_lost_late() {
    let world = World::bare("register").await;
    for number in 0..10 {
        let id = format!("i-{number:017}");
        world.plane.add_host(host(&id, "new", "127.0.0.9", &[]));
    }
    let event = world
        .events
        .wait("SSM Managed Instance Registration", "instance-id", "i-00000000000000009")
        .await;
    assert_eq!(event.source, "aws.ssm");
    let ssm = world.ssm();
    let page = ssm.describe_instance_information().send().await.unwrap();
    assert_eq!(page.instance_information_list().len(), 10);
    let rest = ssm.describe_instance_information().next_token(page.next_token().unwrap());
    assert_eq!(rest.send().await.unwrap().instance_information_list().len(), 2);
    let status = async || {
        let one = ssm.describe_instance_information().filters(filter("InstanceIds", ONE));
        let one = one.send().await.unwrap().instance_information_list()[0].clone();
        one.ping_status().unwrap().as_str().to_owned()
    };
    world.admin("PUT", "/ping-lag", json!({ "millis": 1500 })).await;
    world.admin("PUT", &format!("/hosts/{ONE}/agent"), json!({ "state": "silent" })).await;
    assert_eq!(status().await, "Online");
    eventually("the loss to show", async || (status().await == "ConnectionLost").then_some(()))
        .await;
}

#[tokio::test]
async fn an_agent_runs_scripts_as_root_in_its_host_and_kills_them_at_their_time() {
    let state = make_scratch_directory(&tested_checkout(), "agent").unwrap();
    let made = state.clone();
    let made = tokio::task::spawn_blocking(move || Host::create(&made, 1, HostOptions::default()));
    let made = made.await.unwrap().unwrap();
    let agents = Arc::new(HostAgents::default());
    agents.insert(ONE, made.clone());
    let at = ScriptHost {
        instance_id: ONE.to_owned(),
        name: made.name().to_owned(),
        address: made.address().parse().unwrap(),
    };
    let job = |script: &str, millis: u64| ScriptJob {
        command_id: "command".to_owned(),
        script: script.as_bytes().to_vec(),
        environment: vec![("SSM_Service".to_owned(), "a b".to_owned())],
        timeout: Duration::from_millis(millis),
        directory: None,
    };
    let script = "#!/usr/bin/env bash\nset -euo pipefail\n[[ a == a ]] && id -u\n\
                  echo \"$SSM_Service $HOME\"\nhostname -I || ip -4 -o addr\n exit 3";
    let ran = agents.run(at.clone(), job(script, 5000)).await.unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    assert!(stdout.starts_with("0\na b /root\n"), "{stdout}");
    assert!(stdout.contains(&made.address()), "{stdout}");
    assert_eq!((ran.exit_code, ran.timed_out), (3, false));
    let slow = agents.run(at.clone(), job("echo begun; sleep 20", 300)).await.unwrap();
    assert_eq!((slow.exit_code, slow.timed_out), (137, true));
    assert_eq!(slow.stdout, b"begun\n");
    tokio::task::spawn_blocking(move || made.destroy()).await.unwrap().unwrap();
}
