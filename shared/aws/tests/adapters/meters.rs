//! What containers take, at the requests and answers of Systems Manager.

use esclusa_core::measure::usage::UsageError;
use esclusa_core::order::CommandId;
use esclusa_shell::measure::ports::Meters;
use serde_json::{Value, json};

use crate::aws::{gauges, ok};

const ONE: &str = "esclusa-usage 1\ntickets production a 1% 2% 0 healthy\nend 1\n";

fn invocation(host: &str, status: &str, output: &str) -> Value {
    json!({
        "InstanceId": host, "Status": status, "StatusDetails": status,
        "CommandPlugins": [{ "Output": output }],
    })
}

#[tokio::test]
async fn all_managed_hosts_are_asked_with_one_call() {
    let (aws, calls) = gauges(|_, _| ok(&json!({ "Command": { "CommandId": "c" } })));
    assert_eq!(aws.ask().await.unwrap(), CommandId("c".to_owned()));
    let sent = calls.one("SendCommand");
    assert_eq!(sent["DocumentName"], "Esclusa-Measure");
    let all = json!([{ "Key": "tag:esclusa:managed", "Values": ["true"] }]);
    assert_eq!((&sent["Targets"], &sent["Parameters"]), (&all, &Value::Null));
}

#[tokio::test]
async fn what_a_listing_cuts_off_is_read_by_itself() {
    let (aws, calls) = gauges(|call, _| match call.name.as_str() {
        "ListCommandInvocations" => ok(&json!({ "CommandInvocations": [
            invocation("i-00000001", "Success", ONE),
            invocation("i-00000002", "Success", &ONE[..30]),
            invocation("i-00000003", "Failed", ONE),
            invocation("i-00000004", "Success", "what?"),
        ] })),
        _ => ok(&json!({ "StandardOutputContent": ONE })),
    });
    let answers = aws.answers(&CommandId("c".to_owned())).await.unwrap();
    let given = answers.given.iter().map(|(host, said)| {
        let said = said.as_ref().map(Vec::len);
        format!("{host} {}", said.map_or_else(ToString::to_string, |it| it.to_string()))
    });
    let head = UsageError::Head.to_string();
    let expected = ["i-00000001 1", "i-00000002 1", &format!("i-00000004 {head}")];
    assert_eq!(given.collect::<Vec<_>>(), expected);
    assert!(!answers.pending);
    assert_eq!(calls.one("GetCommandInvocation")["InstanceId"], "i-00000002");
}

#[tokio::test]
async fn a_host_that_may_still_answer_is_pending() {
    for (status, pending) in
        [("Pending", true), ("InProgress", true), ("Delayed", true), ("TimedOut", false)]
    {
        let (aws, _) = gauges(move |_, _| {
            ok(&json!({ "CommandInvocations": [invocation("i-00000001", status, "")] }))
        });
        let answers = aws.answers(&CommandId("c".to_owned())).await.unwrap();
        assert_eq!((answers.pending, answers.given.len()), (pending, 0), "{status}");
    }
}
