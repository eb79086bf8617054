//! Faults, counts, and requests that nobody understands.

use serde_json::json;
use tokio::time::Instant;

use crate::refusal;
use crate::world::World;

#[tokio::test]
async fn a_fault_strikes_the_calls_that_it_was_laid_for() {
    let world = World::bare("faults").await;
    let ecr = world.ecr();
    let list = || ecr.describe_repositories().send();
    let error = json!({ "status": 400, "code": "ThrottlingException", "message": "Rate exceeded" });
    let fault = json!({
        "operation": "ecr:DescribeRepositories", "skip": 1, "times": 2,
        "action": { "error": error },
    });
    world.admin("POST", "/faults", fault).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(list().await.is_ok());
    }
    assert_eq!(codes, [true, false, false, true]);
    let error = json!({ "error": { "status": 500, "code": "ServerException", "message": "" } });
    let fault = json!({ "operation": "ecr:CreateRepository", "when": "after", "action": error });
    world.admin("POST", "/faults", fault).await;
    let create = || ecr.create_repository().repository_name("web").send();
    assert_eq!(refusal!(create().await).0, "ServerException");
    assert_eq!(refusal!(create().await).0, "RepositoryAlreadyExistsException");
    let delay = json!({ "operation": "*", "action": { "delay": { "millis": 200 } } });
    world.admin("POST", "/faults", delay).await;
    let since = Instant::now();
    list().await.unwrap();
    assert!(since.elapsed().as_millis() >= 200);
    let faults = world.admin("GET", "/faults", json!({})).await;
    assert_eq!(
        (faults["waiting"].as_array().unwrap().len(), faults["struck"].as_array().unwrap().len()),
        (0, 4)
    );
    let calls = world.admin("GET", "/calls", json!({})).await;
    assert_eq!(calls, json!({ "ecr:CreateRepository": 2, "ecr:DescribeRepositories": 5 }));
    world.admin("DELETE", "/calls", json!({})).await;
    assert_eq!(world.admin("GET", "/calls", json!({})).await, json!({}));
}

#[tokio::test]
async fn what_is_not_here_is_said_in_the_protocol_of_the_question() {
    let world = World::bare("unknown").await;
    let missing = world.ecr().describe_registry().send().await;
    assert_eq!(refusal!(missing).0, "UnknownOperationException");
    let missing = world.ssm().list_associations().send().await;
    assert_eq!(refusal!(missing).0, "UnknownOperationException");
    let missing = world.elb().describe_account_limits().send().await;
    assert_eq!(refusal!(missing).0, "InvalidAction");
    let client = reqwest::Client::new();
    let answer = client.post(world.endpoint()).body("nothing").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.headers().contains_key("x-amzn-requestid"));
}
