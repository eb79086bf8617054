//! The life of commands.

use std::time::Duration;

use aws_sdk_ssm::operation::send_command::builders::SendCommandFluentBuilder;
use aws_sdk_ssm::types::{
    CommandFilter, CommandFilterKey, CommandInvocation, CommandPlugin, DocumentHashType,
};
use esclusa_local::aws::Timing;
use serde_json::json;

use crate::refusal;
use crate::world::{ONE, TWO, World, eventually, timing};

const INVOCATION_EVENT: &str = "EC2 Command Invocation Status-change Notification";
const COMMAND_EVENT: &str = "EC2 Command Status-change Notification";

fn parameters() -> serde_json::Value {
    json!({
        "Service": { "type": "String", "allowedPattern": "^[a-z/]+$",
                     "interpolationType": "ENV_VAR" },
        "Mode": { "type": "String", "allowedValues": ["change", "restart"], "default": "change" },
    })
}

fn with_second(millis: u64) -> Timing {
    Timing { second: Duration::from_millis(millis), ..timing() }
}

impl World {
    fn send(&self, hosts: &[&str]) -> SendCommandFluentBuilder {
        let hosts = hosts.iter().map(|it| (*it).to_owned()).collect();
        let send = self.ssm().send_command().set_instance_ids(Some(hosts));
        send.document_name("Esclusa-Test").parameters("Service", vec!["acme/web".to_owned()])
    }

    /// Sends, and returns the command's id.
    async fn sent(&self, hosts: &[&str]) -> String {
        let answer = self.send(hosts).send().await.unwrap();
        answer.command().unwrap().command_id().unwrap().to_owned()
    }

    async fn invocations(&self, id: &str) -> Vec<CommandInvocation> {
        let list = self.ssm().list_command_invocations().command_id(id).details(true);
        list.send().await.unwrap().command_invocations().to_vec()
    }

    /// Sends what is to be delivered within the shortest time that can be asked for.
    async fn sent_briefly(&self, host: &str) -> String {
        let answer = self.send(&[host]).timeout_seconds(30).send().await.unwrap();
        answer.command().unwrap().command_id().unwrap().to_owned()
    }

    /// The only invocation's state, once it is this one.
    async fn reaches(&self, id: &str, details: &str) -> CommandInvocation {
        eventually(details, async || {
            let all = self.invocations(id).await;
            all.into_iter().find(|it| it.status_details() == Some(details))
        })
        .await
    }

    async fn command_state(&self, id: &str) -> String {
        let list = self.ssm().list_commands().command_id(id).send().await.unwrap();
        list.commands()[0].status_details().unwrap().to_owned()
    }

    async fn agent(&self, host: &str, state: &str) {
        self.admin("PUT", &format!("/hosts/{host}/agent"), json!({ "state": state })).await;
    }
}

#[tokio::test]
async fn a_script_runs_with_its_parameters_in_the_environment_and_its_output_is_kept() {
    let mut timing = timing();
    timing.visible_after = Duration::from_secs(2);
    let world = World::with_timing("run", timing).await;
    let script = [
        "echo \"$SSM_Service {{ Mode }} $AWS_SSM_INSTANCE_ID $AWS_SSM_REGION_NAME\"",
        "echo \"$HOME $AWS_ENDPOINT_URL\"",
        "echo oops >&2",
        "test \"$AWS_SSM_INSTANCE_ID\" = i-0000000000000000a",
    ];
    world.document("Esclusa-Test", &script, parameters()).await;
    let send = world.send(&[ONE, TWO]).comment("r-1 wave 1").send().await.unwrap();
    let command = send.command().unwrap();
    assert_eq!(
        (command.status().unwrap().as_str(), command.comment()),
        ("Pending", Some("r-1 wave 1"))
    );
    let id = command.command_id().unwrap();
    let early = world.ssm().get_command_invocation().command_id(id).instance_id(ONE).send().await;
    assert_eq!(refusal!(early).0, "InvocationDoesNotExist");
    assert_eq!(world.invocations(id).await.len(), 0);
    world.reaches(id, "Success").await;
    world.reaches(id, "Failed").await;
    let got = world.ssm().get_command_invocation().command_id(id).instance_id(ONE);
    let got = got.send().await.unwrap();
    let expected = format!("acme/web change {ONE} eu-south-1\n/root http://here\n");
    assert_eq!(got.standard_output_content(), Some(expected.as_str()));
    assert_eq!(got.standard_error_content(), Some("oops\n"));
    assert_eq!((got.response_code(), got.plugin_name()), (0, Some("script")));
    let all = world.invocations(id).await;
    let failed = all.iter().find(|it| it.instance_id() == Some(TWO)).unwrap();
    assert_eq!(failed.instance_name(), Some("two"));
    assert_eq!(failed.command_plugins()[0].response_code(), 1);
    let output = failed.command_plugins()[0].output().unwrap();
    assert!(output.contains("----------ERROR-------\noops"), "{output}");
    assert_eq!(world.command_state(id).await, "Failed");
}

#[tokio::test]
async fn every_change_of_state_is_an_event() {
    let world = World::bare("events").await;
    world.document("Esclusa-Test", &["true"], parameters()).await;
    let id = world.sent(&[ONE]).await;
    world.reaches(&id, "Success").await;
    let command = world.events.wait(COMMAND_EVENT, "status", "Success").await;
    assert_eq!(command.source, "aws.ssm");
    assert_eq!(command.detail["command-id"], id.as_str());
    assert_eq!(command.detail["document-name"], "Esclusa-Test");
    assert_eq!(command.detail["parameters"], json!({ "Service": ["acme/web"] }));
    let statuses = |kind| -> Vec<_> {
        world.events.all(kind).iter().map(|it| it.detail["status"].clone()).collect()
    };
    assert_eq!(statuses(INVOCATION_EVENT), ["InProgress", "Success"]);
    assert_eq!(statuses(COMMAND_EVENT), ["InProgress", "Success"]);
    let invocation = world.events.wait(INVOCATION_EVENT, "status", "Success").await;
    let mut members: Vec<_> = invocation.detail.as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(
        members,
        ["command-id", "document-name", "instance-id", "requested-date-time", "status"]
    );
    let arn = format!("arn:aws:ec2:eu-south-1:123456789012:instance/{ONE}");
    assert_eq!(invocation.resources, [arn]);
}

#[tokio::test]
async fn a_call_that_asks_for_something_wrong_is_refused_whole() {
    let world = World::bare("refused").await;
    world.document("Esclusa-Test", &["true"], parameters()).await;
    let gone = "i-0000000000000dead";
    let many: Vec<String> = (0..51).map(|it| format!("i-{it:017}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let value = |text: &str| vec![text.to_owned()];
    let ssm = world.ssm();
    let bare = || ssm.send_command().document_name("Esclusa-Test").instance_ids(ONE);
    let with_hash = |hash: &str| {
        world.send(&[ONE]).document_hash(hash).document_hash_type(DocumentHashType::Sha256)
    };
    for (name, send, expected) in [
        ("one bad id", world.send(&[ONE, gone]), "InvalidInstanceId"),
        ("the same id twice", world.send(&[ONE, ONE]), "DuplicateInstanceId"),
        ("51 ids", world.send(&many), "ValidationException"),
        ("no id", world.send(&[]), "ValidationException"),
        ("a long comment", world.send(&[ONE]).comment("x".repeat(101)), "ValidationException"),
        ("a short timeout", world.send(&[ONE]).timeout_seconds(29), "ValidationException"),
        ("no such document", world.send(&[ONE]).document_name("Other"), "InvalidDocument"),
        ("no such version", world.send(&[ONE]).document_version("9"), "InvalidDocumentVersion"),
        ("another hash", with_hash(&"0".repeat(64)), "InvalidDocument"),
        ("a missing parameter", bare(), "InvalidParameters"),
        ("an unknown one", world.send(&[ONE]).parameters("X", value("y")), "InvalidParameters"),
        ("a bad one", bare().parameters("Service", value("web; rm -rf /")), "InvalidParameters"),
        ("one with a line end", bare().parameters("Service", value("web\n")), "InvalidParameters"),
        (
            "two values",
            bare().parameters("Service", vec!["a".into(), "b".into()]),
            "InvalidParameters",
        ),
        ("not allowed", world.send(&[ONE]).parameters("Mode", value("other")), "InvalidParameters"),
    ] {
        assert_eq!(refusal!(send.send().await).0, expected, "{name}");
    }
    let described = ssm.describe_document().name("Esclusa-Test").send().await.unwrap();
    let hash = described.document().unwrap().hash().unwrap().to_owned();
    with_hash(&hash).document_version("1").comment("x".repeat(100)).send().await.unwrap();
    assert_eq!(world.admin("GET", "/calls", json!({})).await["ssm:SendCommand"], 16);
}

#[tokio::test]
async fn long_output_keeps_its_head() {
    let world = World::bare("output").await;
    let script = [
        "printf 'start'; head -c 60000 /dev/zero | tr '\\0' x",
        "head -c 20000 /dev/zero | tr '\\0' e >&2",
    ];
    world.document("Esclusa-Test", &script, parameters()).await;
    let id = world.sent(&[ONE]).await;
    let listed = world.reaches(&id, "Success").await;
    assert_eq!(listed.command_plugins()[0].output().unwrap().len(), 2500);
    let got = world.ssm().get_command_invocation().command_id(&id).instance_id(ONE);
    let got = got.send().await.unwrap();
    assert_eq!(got.standard_output_content().unwrap().len(), 24_000);
    assert!(got.standard_output_content().unwrap().starts_with("startxxx"));
    assert_eq!(got.standard_error_content().unwrap().len(), 8_000);
}

#[tokio::test]
async fn a_script_that_takes_too_long_is_killed() {
    let world = World::with_timing("timeout", with_second(1000)).await;
    world.document("Esclusa-Test", &["echo begun; exec sleep 30"], parameters()).await;
    let send = world.send(&[ONE]).parameters("Limit", vec!["1".to_owned()]).send().await.unwrap();
    let id = send.command().unwrap().command_id().unwrap();
    let killed = world.reaches(id, "ExecutionTimedOut").await;
    assert_eq!(killed.status().unwrap().as_str(), "TimedOut");
    assert_eq!(killed.command_plugins()[0].response_code(), 137);
    assert_eq!(world.command_state(id).await, "Failed");
}

#[tokio::test]
async fn a_command_ends_with_its_total_time_whatever_its_host_does() {
    let world = World::with_timing("total", with_second(100)).await;
    world.document("Esclusa-Test", &["exec sleep 30"], parameters()).await;
    let send = world.send(&[ONE]).timeout_seconds(30).parameters("Limit", vec!["1".to_owned()]);
    let send = send.send().await.unwrap();
    let id = send.command().unwrap().command_id().unwrap();
    world.reaches(id, "InProgress").await;
    world.admin("PUT", &format!("/hosts/{ONE}/power"), json!({ "state": "terminated" })).await;
    world.reaches(id, "ExecutionTimedOut").await;
}

#[tokio::test]
async fn a_silent_host_gets_its_command_late_or_never() {
    let world = World::with_timing("silent", with_second(100)).await;
    world.document("Esclusa-Test", &["true"], parameters()).await;
    world.agent(ONE, "silent").await;
    let never = world.sent_briefly(ONE).await;
    world.reaches(&never, "Pending").await;
    let ended = world.reaches(&never, "DeliveryTimedOut").await;
    assert_eq!(ended.status().unwrap().as_str(), "TimedOut");
    assert_eq!(world.command_state(&never).await, "DeliveryTimedOut");
    let late = world.sent_briefly(ONE).await;
    world.reaches(&late, "Pending").await;
    world.agent(ONE, "listening").await;
    world.reaches(&late, "Success").await;
    assert_eq!(world.invocations(&never).await[0].status_details(), Some("DeliveryTimedOut"));
}

#[tokio::test]
async fn what_a_host_did_in_silence_is_reported_when_it_is_back() {
    let world = World::with_timing("back", with_second(500)).await;
    let script = ["sleep 0.2; echo done"];
    world.document("Esclusa-Test", &script, parameters()).await;
    let id = world.sent(&[ONE]).await;
    world.reaches(&id, "InProgress").await;
    world.agent(ONE, "paused").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.invocations(&id).await[0].status_details(), Some("InProgress"));
    world.agent(ONE, "listening").await;
    let done = world.reaches(&id, "Success").await;
    assert_eq!(done.command_plugins()[0].output(), Some("done\n"));
}

#[tokio::test]
async fn a_lost_host_is_undeliverable_at_once_and_a_stopped_one_is_refused() {
    let world = World::bare("lost").await;
    world.document("Esclusa-Test", &["true"], parameters()).await;
    world.admin("PUT", "/ping-lag", json!({ "millis": 0 })).await;
    world.agent(ONE, "silent").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let id = world.sent(&[ONE]).await;
    let lost = world.reaches(&id, "Undeliverable").await;
    assert_eq!(lost.status().unwrap().as_str(), "Failed");
    world.admin("PUT", &format!("/hosts/{TWO}/power"), json!({ "state": "stopped" })).await;
    assert_eq!(refusal!(world.send(&[TWO]).send().await).0, "InvalidInstanceId");
}

#[tokio::test]
async fn a_cancelled_command_stops_waiting_and_running() {
    let world = World::bare("cancel").await;
    world.document("Esclusa-Test", &["exec sleep 30"], parameters()).await;
    world.agent(TWO, "paused").await;
    let id = world.sent(&[ONE, TWO]).await;
    world.reaches(&id, "InProgress").await;
    world.ssm().cancel_command().command_id(&id).send().await.unwrap();
    eventually("both to be cancelled", async || {
        let all = world.invocations(&id).await;
        all.iter().all(|it| it.status_details() == Some("Cancelled")).then_some(())
    })
    .await;
    assert_eq!(world.command_state(&id).await, "Cancelled");
    for invocation in world.invocations(&id).await {
        let codes: Vec<_> =
            invocation.command_plugins().iter().map(CommandPlugin::response_code).collect();
        let ran = invocation.instance_id() == Some(ONE);
        assert_eq!(codes, if ran { vec![137] } else { vec![] }, "{invocation:?}");
    }
    let unknown = world.ssm().cancel_command().command_id("e8d3c0e4-71f7-4491-898f-c9b35bee5f3b");
    assert_eq!(refusal!(unknown.send().await).0, "InvalidCommandId");
}

#[tokio::test]
async fn an_agent_works_on_five_commands_at_a_time() {
    let world = World::bare("workers").await;
    let gate = world.file("gate");
    let script = format!("until [[ -e {gate} ]]; do sleep 0.02; done");
    world.document("Esclusa-Test", &[&script], parameters()).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        let send = world.send(&[ONE]).send().await.unwrap();
        ids.push(send.command().unwrap().command_id().unwrap().to_owned());
    }
    let states = eventually("five at work", async || {
        let mut states = Vec::new();
        for id in &ids {
            let found = world.invocations(id).await;
            states.push(found.first()?.status_details()?.to_owned());
        }
        let at_work = states.iter().filter(|it| *it == "InProgress").count();
        (at_work == 5).then_some(states)
    })
    .await;
    assert!(states.contains(&"Pending".to_owned()), "{states:?}");
    std::fs::write(&gate, "").unwrap();
    for id in &ids {
        world.reaches(id, "Success").await;
    }
}

#[tokio::test]
async fn commands_are_found_again_by_document_and_time_newest_first() {
    let world = World::bare("found").await;
    world.document("Esclusa-Test", &["true"], parameters()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, world.sent(&[ONE, TWO]).await);
    }
    let ssm = world.ssm();
    let filter = |key, value: &str| CommandFilter::builder().key(key).value(value).build().unwrap();
    let by_document = filter(CommandFilterKey::DocumentName, "Esclusa-Test");
    let after = filter(CommandFilterKey::InvokedAfter, "2026-01-01T00:00:00Z");
    let listed = eventually("all three", async || {
        let list = ssm.list_commands().filters(by_document.clone()).filters(after.clone());
        let listed = list.send().await.unwrap().commands().to_vec();
        (listed.len() == 3).then_some(listed)
    })
    .await;
    let found: Vec<_> = listed.iter().map(|it| it.command_id().unwrap().to_owned()).collect();
    assert_eq!(found, ids);
    let late = filter(CommandFilterKey::InvokedAfter, "2999-01-01T00:00:00Z");
    let none = ssm.list_commands().filters(late).send().await.unwrap();
    assert_eq!(none.commands().len(), 0);
    let page = ssm.list_command_invocations().max_results(4).send().await.unwrap();
    assert_eq!(page.command_invocations().len(), 4);
    let rest = ssm.list_command_invocations().next_token(page.next_token().unwrap());
    assert_eq!(rest.send().await.unwrap().command_invocations().len(), 2);
    let too_many = ssm.list_command_invocations().max_results(51).send().await;
    assert_eq!(refusal!(too_many).0, "ValidationException");
}
