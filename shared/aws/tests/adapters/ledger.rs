//! The ledger, at the requests and answers of DynamoDB.

use esclusa_aws::record::{write_lane, write_rollout};
use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_shell::ports::{Ledger, SaveError};
use serde_json::{Value, json};

use crate::aws::{aws, ok, refusal, said};
use crate::record_samples::{full, phases, rollout};

fn id() -> LaneId {
    "acme/boletos#production".parse().unwrap()
}

fn sample() -> Lane {
    full(phases().remove(0))
}

fn item(lane: &Lane) -> Value {
    json!({ "Item": { "lane": { "S": write_lane(lane).unwrap() } } })
}

fn cancelled(codes: [&str; 2]) -> (u16, String) {
    let reasons = codes.map(|code| json!({ "Code": code }));
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    (400, json!({ "__type": kind, "CancellationReasons": reasons }).to_string())
}

#[tokio::test]
async fn a_lane_is_read_with_strong_consistency() {
    let (aws, calls) = aws(|_, _| ok(&item(&sample())));
    assert_eq!(aws.load(&id()).await.unwrap(), Some(sample()));
    let key = json!({ "pk": { "S": "LANE#acme/boletos#production" }, "sk": { "S": "LANE" } });
    let expected = json!({ "TableName": "ledger", "Key": key, "ConsistentRead": true });
    assert_eq!(calls.one("GetItem"), expected);
}

#[tokio::test]
async fn a_lane_that_never_was_is_none() {
    let (aws, _) = aws(|_, _| ok(&json!({})));
    assert_eq!(aws.load(&id()).await.unwrap(), None);
    assert_eq!(aws.revision(&id()).await.unwrap(), 0);
}

#[tokio::test]
async fn only_the_revision_is_read_where_only_it_is_asked_for() {
    let (aws, calls) = aws(|_, _| ok(&json!({ "Item": { "revision": { "N": "17" } } })));
    assert_eq!(aws.revision(&id()).await.unwrap(), 17);
    let asked = calls.one("GetItem");
    assert_eq!(asked["ProjectionExpression"], "revision");
    assert_eq!(asked["ConsistentRead"], true);
}

#[tokio::test]
async fn a_save_is_conditional_on_the_revision_before() {
    let (aws, calls) = aws(|_, _| ok(&json!({})));
    aws.save(&sample()).await.unwrap();
    let expected = json!({
        "TableName": "ledger",
        "Item": {
            "pk": { "S": "LANE#acme/boletos#production" },
            "sk": { "S": "LANE" },
            "revision": { "N": "17" },
            "lane": { "S": write_lane(&sample()).unwrap() },
        },
        "ConditionExpression": "revision = :before",
        "ExpressionAttributeValues": { ":before": { "N": "16" } },
    });
    assert_eq!(calls.one("PutItem"), expected);
}

#[tokio::test]
async fn the_first_save_lists_the_lane_in_the_same_transaction() {
    let (aws, calls) = aws(|_, _| ok(&json!({})));
    let mut lane = Lane::new(id(), 1);
    lane.revision = 1;
    aws.save(&lane).await.unwrap();
    let puts = calls.one("TransactWriteItems")["TransactItems"].clone();
    assert_eq!(puts[0]["Put"]["ConditionExpression"], "attribute_not_exists(pk)");
    let listed = json!({ "pk": { "S": "LANES" }, "sk": { "S": "acme/boletos#production" } });
    assert_eq!(puts[1]["Put"]["Item"], listed);
    assert_eq!(puts.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn ended_rollouts_are_written_in_the_same_transaction() {
    let (aws, calls) = aws(|_, _| ok(&json!({})));
    let mut lane = sample();
    let ended = rollout(phases().pop().unwrap());
    lane.ended.push(ended.clone());
    aws.save(&lane).await.unwrap();
    let puts = calls.one("TransactWriteItems")["TransactItems"].clone();
    assert_eq!(puts[0]["Put"]["ConditionExpression"], "revision = :before");
    let expected = json!({
        "pk": { "S": "LANE#acme/boletos#production" },
        "sk": { "S": "ROLLOUT#01ARZ3NDEKTSV4RRFFQ69G5FAV" },
        "rollout": { "S": write_rollout(&ended).unwrap() },
    });
    assert_eq!(puts[1]["Put"]["Item"], expected);
}

/// What is stored decides between a lost race and a lost answer, which the SDK repeats.
#[tokio::test]
async fn a_lost_answer_is_not_taken_for_a_lost_race() {
    let mut other = sample();
    other.generation += 1;
    let refusals = [
        refusal("ConditionalCheckFailedException"),
        refusal("TransactionConflictException"),
        cancelled(["ConditionalCheckFailed", "None"]),
        cancelled(["TransactionConflict", "None"]),
    ];
    for refused in refusals {
        for (stored, saved) in [(Some(sample()), true), (Some(other.clone()), false), (None, false)]
        {
            let answer = refused.clone();
            let stored = stored.map_or_else(|| json!({}), |lane| item(&lane));
            let (aws, _) = aws(move |call, _| match call.name.as_str() {
                "GetItem" => ok(&stored),
                _ => answer.clone(),
            });
            let mut lane = sample();
            if refused.1.contains("Reasons") {
                lane.ended.push(rollout(phases().pop().unwrap()));
            }
            let result = aws.save(&lane).await;
            match (saved, result) {
                (true, Ok(())) | (false, Err(SaveError::Conflict { revision: 17, .. })) => {}
                (_, result) => panic!("{refused:?}: {result:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_that_is_throttled_is_no_conflict() {
    let (aws, _) = aws(|_, _| cancelled(["ThrottlingError", "None"]));
    let mut lane = Lane::new(id(), 1);
    lane.revision = 1;
    let error = aws.save(&lane).await.unwrap_err();
    let SaveError::Unavailable(error) = error else { panic!("{error:?}") };
    let text = said(&error);
    let expected = "cannot save lane `acme/boletos#production` at revision 1: service error";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again_a_few_times() {
    let (aws, calls) = aws(|_, before| match before {
        0 | 1 => (500, "{}".to_owned()),
        _ => ok(&item(&sample())),
    });
    assert_eq!(aws.load(&id()).await.unwrap(), Some(sample()));
    assert_eq!(calls.names(), ["GetItem"; 3]);
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    for (answer, expected) in [
        (
            json!({ "Item": { "lane": { "S": "{" } } }),
            "cannot read what is stored of lane `acme/boletos#production`: the stored form cannot \
             be read at `JSON`: EOF while parsing an object at line 1 column 1",
        ),
        (
            json!({ "Item": { "pk": { "S": "x" } } }),
            "cannot read what is stored of lane `acme/boletos#production`: AWS answered without a \
             usable lane",
        ),
    ] {
        let (aws, _) = aws(move |_, _| ok(&answer));
        assert_eq!(said(&aws.load(&id()).await.unwrap_err()), expected);
    }
    let (aws, _) = aws(|_, _| refusal("ResourceNotFoundException"));
    let text = said(&aws.load(&id()).await.unwrap_err());
    assert!(text.starts_with("cannot read lane `acme/boletos#production`: "), "{text}");
    assert!(text.contains("ResourceNotFoundException"), "{text}");
}

#[tokio::test]
async fn every_page_of_lanes_is_read() {
    let (aws, calls) = aws(|_, before| {
        let lane = format!("s{before}#production");
        let key = json!({ "pk": { "S": "LANES" }, "sk": { "S": lane } });
        let mut page = json!({ "Items": [key] });
        if before < 2 {
            page["LastEvaluatedKey"] = key;
        }
        ok(&page)
    });
    let lanes = aws.lanes().await.unwrap();
    let names: Vec<String> = lanes.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["s0#production", "s1#production", "s2#production"]);
    assert_eq!(calls.names(), ["Query"; 3]);
}

#[tokio::test]
async fn the_newest_rollouts_are_read_first_and_no_more_than_asked_for() {
    let ended = rollout(phases().pop().unwrap());
    let text = write_rollout(&ended).unwrap();
    let (aws, calls) = aws(move |_, _| {
        let item = json!({ "rollout": { "S": text } });
        let key = json!({ "pk": { "S": "x" }, "sk": { "S": "y" } });
        ok(&json!({ "Items": [item, item], "LastEvaluatedKey": key }))
    });
    assert_eq!(aws.rollouts(&id(), 2).await.unwrap(), [ended.clone(), ended]);
    let asked = calls.one("Query");
    assert_eq!(asked["ScanIndexForward"], false);
    assert_eq!(asked["Limit"], 2);
    assert_eq!(asked["KeyConditionExpression"], "pk = :pk AND begins_with(sk, :rollout)");
}
