//! A function is killed at every call that changes something, before its effect and after it.

use esclusa_local::environment::{Kill, Moment};
use esclusa_local::stage::Stage;

use crate::told::Told;
use crate::{eventually, on_stage};

/// Every call of `rollout` that changes something, in the order in which a rollout makes them.
const CALLS: [(&str, &str); 7] = [
    ("dynamodb", "TransactWriteItems"),
    ("dynamodb", "PutItem"),
    ("ssm", "SendCommand"),
    ("elasticloadbalancing", "DeregisterTargets"),
    ("elasticloadbalancing", "RegisterTargets"),
    ("sqs", "SendMessage"),
    ("events", "PutEvents"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_ends_right_whatever_kills_its_function() {
    on_stage("kills", async |stage| {
        let mut told = Told::from_now(&stage).await;
        stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
        stage.until_ended(1).await.unwrap();
        told.expect_a_rollout("v1.0.0").await;
        let mut ended = 1;
        for (when, minor) in [(Moment::Before, 1), (Moment::After, 2)] {
            ended += 1;
            killed_all_the_way(&stage, when, &format!("v1.{minor}.0"), ended).await;
        }
        killed_at_the_end(&stage, Moment::Before, "v1.3.0", 4).await;
        killed_at_the_end(&stage, Moment::After, "v1.4.0", 5).await;
        told.expect_everything(&["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0"]).await;
        stage
    })
    .await;
}

/// One rollout whose function dies at each kind of call in turn.
async fn killed_all_the_way(stage: &Stage, when: Moment, version: &str, ended: usize) {
    stage.environment.disarm().await.unwrap();
    let mut pushed = false;
    for (number, (service, action)) in CALLS.iter().enumerate() {
        arm(stage, service, action, 1, when).await;
        if !pushed {
            stage.push(version, &[version, "latest"]).await.unwrap();
            pushed = true;
        }
        let died = || async {
            let killed = stage.environment.killed().await.unwrap();
            (killed.len() > number).then_some(())
        };
        eventually(&format!("the death at {action}"), died).await;
        nudge(stage).await;
    }
    expect(stage, version, ended).await;
    let killed = stage.environment.killed().await.unwrap();
    assert_eq!(killed.len(), CALLS.len(), "{killed:?}");
    assert!(killed.iter().all(|it| it.function.contains("rollout")), "{killed:?}");
}

/// One rollout whose function dies when it writes the end, in its second transaction: the first
/// notes what the lane has come to want.
async fn killed_at_the_end(stage: &Stage, when: Moment, version: &str, ended: usize) {
    stage.environment.disarm().await.unwrap();
    arm(stage, "dynamodb", "TransactWriteItems", 2, when).await;
    stage.push(version, &[version, "latest"]).await.unwrap();
    let died = || async {
        let killed = stage.environment.killed().await.unwrap();
        (!killed.is_empty()).then_some(())
    };
    eventually("the death at the end", died).await;
    nudge(stage).await;
    expect(stage, version, ended).await;
}

async fn arm(stage: &Stage, service: &str, action: &str, nth: u32, when: Moment) {
    let (service, action) = (service.to_owned(), action.to_owned());
    let kill = Kill { service, action, nth, when, function: "rollout".to_owned() };
    stage.environment.arm(&kill).await.unwrap();
}

/// The sweep, which comes every five minutes by itself.
async fn nudge(stage: &Stage) {
    stage.sweep().await.unwrap();
}

async fn expect(stage: &Stage, version: &str, ended: usize) {
    let ends = stage.until_ended(ended).await.unwrap();
    assert_eq!(ends.len(), ended, "{ends:?}");
    assert_eq!(ends.first().unwrap(), &format!("{version} succeeded"));
    for (host, running) in stage.running().unwrap() {
        assert_eq!(running, format!("{version} healthy"), "{host}");
    }
}
