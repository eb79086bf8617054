//! The ledger, at the requests and answers of DynamoDB.

use esclusa_aws::record::{write_lane, write_rollout};
use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_shell::ports::{Ledger, SaveError};
use serde_json::{Value, json};

use crate::aws::{aws, ok, refusal, said};
use crate::record_samples::{digest, full, phases, rollout};

fn id() -> LaneId {
    "acme/boletos#production".parse().unwrap()
}

fn sample() -> Lane {
    full(phases().remove(0))
}

fn item(lane: &Lane) -> Value {
    json!({ "Item": { "lane": { "S": write_lane(lane).unwrap() } } })
}

/// The sample, which has just come to want two images.
fn wanting() -> Lane {
    let mut lane = sample();
    lane.promoted = [digest(1), digest(2)].into();
    lane
}

fn cancelled<const N: usize>(codes: [&str; N]) -> (u16, String) {
    let reasons = codes.map(|code| json!({ "Code": code }));
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    (400, json!({ "__type": kind, "CancellationReasons": reasons[..] }).to_string())
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

/// An attribute of milliseconds that are those of the clock.
#[track_caller]
fn assert_now(value: &Value) {
    let millis: u64 = value["N"].as_str().unwrap().parse().unwrap();
    assert!(millis > 1_700_000_000_000, "{value}");
}

#[tokio::test]
async fn what_a_lane_comes_to_want_is_written_with_it_unless_it_is_claimed() {
    let (aws, calls) = aws(|_, _| ok(&json!({})));
    aws.save(&wanting()).await.unwrap();
    let all = calls.one("TransactWriteItems")["TransactItems"].clone();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all[0]["Put"]["ConditionExpression"], "revision = :before");
    let key = |sk: &str| json!({ "pk": { "S": "IMAGE#acme/boletos" }, "sk": { "S": sk } });
    let check = &all[1]["ConditionCheck"];
    assert_eq!(check["Key"], key("REPOSITORY"));
    assert_eq!(
        check["ConditionExpression"],
        "attribute_not_exists(lease_until) OR lease_until < :now OR \
         NOT (contains(claimed, :d0) OR contains(claimed, :d1))"
    );
    let values = &check["ExpressionAttributeValues"];
    assert_eq!(values[":d0"]["S"], digest(1).as_str());
    assert_eq!(values[":d1"]["S"], digest(2).as_str());
    assert_now(&values[":now"]);
    for (item, wanted) in all[2..].iter().zip([digest(1), digest(2)]) {
        let update = &item["Update"];
        assert_eq!(update["Key"], key(wanted.as_str()));
        assert_eq!(update["UpdateExpression"], "SET #promoted = :now");
        let names = json!({ "#promoted": "promoted#production" });
        assert_eq!(update["ExpressionAttributeNames"], names);
        assert_now(&update["ExpressionAttributeValues"][":now"]);
    }
}

/// A pin makes no version, and protects nothing that is being deleted.
#[tokio::test]
async fn what_a_person_pins_must_not_be_claimed_either() {
    let (aws, calls) = aws(|_, _| ok(&json!({})));
    let mut lane = sample();
    lane.pinned = [digest(3)].into();
    aws.save(&lane).await.unwrap();
    let all = calls.one("TransactWriteItems")["TransactItems"].clone();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let check = &all[1]["ConditionCheck"];
    let condition = check["ConditionExpression"].as_str().unwrap();
    assert!(condition.ends_with(" OR NOT (contains(claimed, :d0))"), "{condition}");
    assert_eq!(check["ExpressionAttributeValues"][":d0"]["S"], digest(3).as_str());
}

/// By its place in the transaction: a lost race weighs more, for the lane looks anew then.
#[tokio::test]
async fn what_stopped_a_save_is_told_by_its_place() {
    let (failed, conflict) = ("ConditionalCheckFailed", "TransactionConflict");
    for (codes, expected) in [
        (["None", failed, "None", "None"], "claimed"),
        ([failed, "None", "None", "None"], "conflict"),
        ([failed, failed, "None", "None"], "conflict"),
        (["None", conflict, "None", "None"], "conflict"),
        (["None", "None", conflict, "None"], "conflict"),
        (["None", failed, conflict, "None"], "conflict"),
        (["None", "ThrottlingError", "None", "None"], "unavailable"),
    ] {
        let (aws, _) = aws(move |call, _| match call.name.as_str() {
            "GetItem" => ok(&json!({})),
            _ => cancelled(codes),
        });
        let seen = match aws.save(&wanting()).await {
            Err(SaveError::Claimed { lane }) if lane == id() => "claimed",
            Err(SaveError::Conflict { revision: 17, .. }) => "conflict",
            Err(SaveError::Unavailable(_)) => "unavailable",
            other => panic!("{codes:?}: {other:?}"),
        };
        assert_eq!(seen, expected, "{codes:?}");
    }
}

#[tokio::test]
async fn the_check_for_claims_comes_after_everything_that_is_put() {
    let (aws, calls) = aws(|call, _| match call.name.as_str() {
        "GetItem" => ok(&json!({})),
        _ => cancelled(["None", "None", "None", "ConditionalCheckFailed", "None"]),
    });
    let mut lane = Lane::new(id(), 1);
    lane.revision = 1;
    lane.ended.push(rollout(phases().pop().unwrap()));
    lane.promoted = [digest(1)].into();
    let error = aws.save(&lane).await.unwrap_err();
    assert!(matches!(error, SaveError::Claimed { .. }), "{error:?}");
    let all = calls.one("TransactWriteItems")["TransactItems"].clone();
    let kinds: Vec<&String> =
        all.as_array().unwrap().iter().flat_map(|it| it.as_object().unwrap().keys()).collect();
    assert_eq!(kinds, ["Put", "Put", "Put", "ConditionCheck", "Update"]);
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
