//! What is stored for retention, at the requests and answers of DynamoDB.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_aws::record::write_report;
use esclusa_core::digest::Digest;
use esclusa_core::name::Service;
use esclusa_core::retention::Memory;
use esclusa_core::time::Timestamp;
use esclusa_shell::retain::Stop;
use esclusa_shell::retain::ports::{Begun, Memories, Repository};
use serde_json::{Map, Value, json};

use crate::aws::{Reply, ok, refusal, said, shelves};
use crate::record_samples::{digest, report};

const ME: &str = "request-1";

fn service() -> Service {
    "acme/boletos".parse().unwrap()
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn number(millis: u64) -> Value {
    json!({ "N": millis.to_string() })
}

fn key(sk: &str) -> Value {
    json!({ "pk": { "S": "IMAGE#acme/boletos" }, "sk": { "S": sk } })
}

/// A repository with something in every place, and its item.
fn known() -> (Repository, Value) {
    let untold = report(Stop::Nothing);
    let mut item = key("REPOSITORY");
    item["applies"] = json!({ "BOOL": true });
    item["due_at"] = number(7);
    item["untold"] = json!({ "S": write_report(&untold).unwrap() });
    (Repository { applies: true, due_at: Some(at(7)), untold: Some(untold) }, item)
}

fn conditional_failure(item: &Value) -> Reply {
    let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    (400, json!({ "__type": kind, "message": "no", "Item": item }).to_string())
}

/// A value that is now, which is not compared.
fn without_now(mut input: Value) -> Value {
    let values = input["ExpressionAttributeValues"].as_object_mut().unwrap();
    let now = values.remove(":now").unwrap();
    assert!(now["N"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000, "{now}");
    input
}

#[tokio::test]
async fn a_repository_is_read_with_strong_consistency() {
    let (aws, calls) = shelves(|_, _| ok(&json!({ "Item": known().1 })));
    assert_eq!(aws.repository(&service()).await.unwrap(), known().0);
    let expected =
        json!({ "TableName": "ledger", "Key": key("REPOSITORY"), "ConsistentRead": true });
    assert_eq!(calls.one("GetItem"), expected);
    let (aws, _) = shelves(|_, _| ok(&json!({})));
    assert_eq!(aws.repository(&service()).await.unwrap(), Repository::default());
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_in_nobodys_way() {
    let mut item = known().1;
    item["untold"] = json!({ "S": "{\"v\":9}" });
    let (aws, _) = shelves(move |_, _| ok(&json!({ "Item": item })));
    let expected = Repository { untold: None, ..known().0 };
    assert_eq!(aws.repository(&service()).await.unwrap(), expected);
}

#[tokio::test]
async fn when_a_run_is_due_is_stored_under_no_condition() {
    let (aws, calls) = shelves(|_, _| ok(&json!({})));
    aws.set_due(&service(), at(9)).await.unwrap();
    let expected = json!({
        "TableName": "ledger",
        "Key": key("REPOSITORY"),
        "UpdateExpression": "SET due_at = :due",
        "ExpressionAttributeValues": { ":due": number(9) },
    });
    assert_eq!(calls.one("UpdateItem"), expected);
}

#[tokio::test]
async fn a_lease_is_taken_in_one_call_which_frees_what_was_claimed() {
    let (aws, calls) = shelves(|_, _| ok(&json!({ "Attributes": known().1 })));
    let begun = aws.begin(&service(), ME, at(99)).await.unwrap();
    assert_eq!(begun, Begun::Alone(known().0));
    let expected = json!({
        "TableName": "ledger",
        "Key": key("REPOSITORY"),
        "UpdateExpression": "SET lease_owner = :me, lease_until = :until REMOVE claimed",
        "ConditionExpression":
            "attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :me",
        "ExpressionAttributeValues": { ":me": { "S": ME }, ":until": number(99) },
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    assert_eq!(without_now(calls.one("UpdateItem")), expected);
}

#[tokio::test]
async fn another_run_is_busy_until_its_lease_is_over() {
    let (aws, calls) = shelves(|_, _| {
        let mut item = known().1;
        item["lease_owner"] = json!({ "S": "other" });
        item["lease_until"] = number(1_790_000_000_000);
        conditional_failure(&item)
    });
    let begun = aws.begin(&service(), ME, at(99)).await.unwrap();
    assert_eq!(begun, Begun::Busy(at(1_790_000_000_000)));
    assert_eq!(calls.names(), ["UpdateItem"]);
}

/// A lane that is saved holds the item for milliseconds.
#[tokio::test]
async fn an_update_that_meets_a_transaction_is_sent_again() {
    let (aws, calls) = shelves(|_, before| match before {
        0 | 1 => refusal("TransactionConflictException"),
        _ => ok(&json!({ "Attributes": known().1 })),
    });
    assert!(matches!(aws.begin(&service(), ME, at(99)).await.unwrap(), Begun::Alone(_)));
    assert_eq!(calls.names(), ["UpdateItem"; 3]);
    let (aws, calls) = shelves(|_, _| refusal("TransactionConflictException"));
    assert!(aws.set_due(&service(), at(9)).await.is_err());
    assert_eq!(calls.names(), ["UpdateItem"; 4]);
}

#[tokio::test]
async fn what_is_known_is_stored_by_the_owner_of_the_lease_but_for_when_a_run_is_due() {
    let (told, untold) = (Repository { untold: None, ..known().0 }, known().0);
    let text = write_report(&report(Stop::Nothing)).unwrap();
    let mut big = report(Stop::Refused);
    big.notes = vec!["x".repeat(1000); 1000];
    let big = Repository { untold: Some(big), ..known().0 };
    let (sets, lease) = ("SET applies = :applies", ", lease_owner, lease_until, claimed");
    for (repository, finishes, expression) in [
        (&told, false, format!("{sets} REMOVE untold, untold_gz")),
        (&told, true, format!("{sets} REMOVE untold, untold_gz{lease}")),
        (&untold, false, format!("{sets}, untold = :untold REMOVE untold_gz")),
        (&untold, true, format!("{sets}, untold = :untold REMOVE untold_gz{lease}")),
        (&big, false, format!("{sets}, untold_gz = :untold REMOVE untold")),
    ] {
        let (aws, calls) = shelves(|_, _| ok(&json!({})));
        if finishes {
            aws.finish(&service(), ME, repository).await.unwrap();
        } else {
            aws.store(&service(), ME, repository).await.unwrap();
        }
        let sent = calls.one("UpdateItem");
        assert_eq!(sent["Key"], key("REPOSITORY"));
        assert_eq!(sent["UpdateExpression"], *expression);
        assert_eq!(sent["ConditionExpression"], "lease_owner = :me");
        let values = &sent["ExpressionAttributeValues"];
        assert_eq!(values[":me"], json!({ "S": ME }));
        assert_eq!(values[":applies"], json!({ "BOOL": true }));
        if *repository == untold {
            assert_eq!(values[":untold"], json!({ "S": text }));
        }
    }
}

#[tokio::test]
async fn a_lost_lease_is_told_from_a_lost_answer() {
    let others = || json!({ "lease_owner": { "S": "other" }, "lease_until": number(9) });
    for (stored, finishes, fine) in [
        (others(), false, false),
        (others(), true, false),
        (known().1, false, false),
        (known().1, true, true),
    ] {
        let answer = conditional_failure(&stored);
        let (aws, _) = shelves(move |_, _| answer.clone());
        let done = if finishes {
            aws.finish(&service(), ME, &known().0).await
        } else {
            aws.store(&service(), ME, &known().0).await
        };
        assert_eq!(done.is_ok(), fine, "{stored} {finishes}");
        if let Err(error) = done {
            let text = said(&error);
            assert!(text.ends_with("the lease has gone to another invocation"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_claim_is_one_transaction_with_every_lane_as_it_was() {
    let (aws, calls) = shelves(|_, _| ok(&json!({})));
    let digests = BTreeSet::from([digest(1), digest(2)]);
    let lanes = [("acme/boletos#production", 17), ("acme/boletos#staging", 3)];
    let lanes = lanes.map(|(lane, revision)| (lane.parse().unwrap(), revision));
    assert!(aws.claim(&service(), ME, &digests, &lanes.into()).await.unwrap());
    let all = calls.one("TransactWriteItems")["TransactItems"].clone();
    let check = |lane: &str, revision: u64| {
        json!({ "ConditionCheck": {
            "TableName": "ledger",
            "Key": { "pk": { "S": format!("LANE#{lane}") }, "sk": { "S": "LANE" } },
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeValues": { ":revision": number(revision) },
        }})
    };
    let claim = json!({
        "TableName": "ledger",
        "Key": key("REPOSITORY"),
        "UpdateExpression": "SET claimed = :claimed",
        "ConditionExpression": "lease_owner = :me AND lease_until > :now",
        "ExpressionAttributeValues": {
            ":claimed": { "SS": [digest(1).as_str(), digest(2).as_str()] },
            ":me": { "S": ME },
        },
    });
    assert_eq!(without_now(all[0]["Update"].clone()), claim);
    assert_eq!(all[1], check("acme/boletos#production", 17));
    assert_eq!(all[2], check("acme/boletos#staging", 3));
    assert_eq!(all.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_claim_that_comes_too_late_is_none() {
    for (codes, expected) in [
        (["ConditionalCheckFailed", "None"], Some(false)),
        (["None", "ConditionalCheckFailed"], Some(false)),
        (["TransactionConflict", "None"], Some(false)),
        (["None", "ThrottlingError"], None),
    ] {
        let (aws, _) = shelves(move |_, _| {
            let reasons = codes.map(|code| json!({ "Code": code }));
            let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
            (400, json!({ "__type": kind, "CancellationReasons": reasons }).to_string())
        });
        let lanes = [("acme/boletos#production".parse().unwrap(), 17)].into();
        let claimed = aws.claim(&service(), ME, &[digest(1)].into(), &lanes).await;
        assert_eq!(claimed.ok(), expected, "{codes:?}");
    }
}

/// Memories in which each field occurs, and their items.
fn memories() -> (BTreeMap<Digest, Memory>, Vec<Value>) {
    let environments = [("production", 5), ("staging", 6)];
    let promoted = environments.map(|(name, millis)| (name.parse().unwrap(), at(millis))).into();
    let index = Memory {
        promoted,
        children: Some(vec![digest(11), digest(12)]),
        read_at: Some(at(7)),
        pulled_before: Some(at(8)),
    };
    let mut item = key(digest(1).as_str());
    item["promoted#production"] = number(5);
    item["promoted#staging"] = number(6);
    let children = [digest(11), digest(12)].map(|child| json!({ "S": child.as_str() }));
    item["children"] = json!({ "L": children });
    item["read_at"] = number(7);
    item["pulled_before"] = number(8);
    let bare = Memory { children: Some(Vec::new()), ..Memory::default() };
    let mut empty = key(digest(2).as_str());
    empty["children"] = json!({ "L": [] });
    let all = [(digest(1), index), (digest(2), bare), (digest(3), Memory::default())];
    (all.into(), vec![item, empty, key(digest(3).as_str())])
}

#[tokio::test]
async fn every_page_of_memories_is_read() {
    let (aws, calls) = shelves(|_, before| {
        let mut page = json!({ "Items": [memories().1[before]] });
        if before < 2 {
            page["LastEvaluatedKey"] = key(&format!("page {before}"));
        }
        ok(&page)
    });
    assert_eq!(aws.memories(&service()).await.unwrap(), memories().0);
    assert_eq!(calls.names(), ["Query"; 3]);
    let asked = calls.all()[0].input.clone();
    let values = json!({ ":pk": { "S": "IMAGE#acme/boletos" }, ":sk": { "S": "sha256:" } });
    assert_eq!(asked["KeyConditionExpression"], "pk = :pk AND begins_with(sk, :sk)");
    assert_eq!(asked["ExpressionAttributeValues"], values);
    assert_eq!(asked["ConsistentRead"], true);
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_is_an_error() {
    for (member, value, expected) in [
        ("sk", json!({ "S": "sha256:1" }), "`sha256:1` is not `sha256:` and 64"),
        ("read_at", json!({ "S": "x" }), "AWS answered without a usable read_at"),
        ("promoted#production", json!({ "S": "x" }), "AWS answered without a usable promoted"),
        ("promoted#No", number(1), "`No` is not the name of an environment"),
        ("children", json!({ "L": [number(1)] }), "AWS answered without a usable children"),
    ] {
        let mut item = memories().1.remove(0);
        item[member] = value;
        let (aws, _) = shelves(move |_, _| ok(&json!({ "Items": [item] })));
        let text = said(&aws.memories(&service()).await.unwrap_err());
        let begins = "cannot read what is remembered of the images of `acme/boletos`: ";
        assert!(text.starts_with(&format!("{begins}{expected}")), "{member}: {text}");
    }
}

/// What an update leaves behind in an item that was not there.
fn applied(update: &Value) -> Value {
    let mut item: Map<String, Value> = update["Key"].as_object().unwrap().clone();
    let names = &update["ExpressionAttributeNames"];
    let sets = update["UpdateExpression"].as_str().unwrap().strip_prefix("SET ").unwrap();
    // The value comes last, also where it is one of a function's two arguments.
    let flat = sets.replace("if_not_exists(", "").replace([')', ',', '='], " ");
    let mut name = "";
    for word in flat.split_whitespace() {
        if word.starts_with(':') {
            let value = update["ExpressionAttributeValues"][word].clone();
            item.insert(names[name].as_str().unwrap_or(name).to_owned(), value);
        }
        name = word;
    }
    Value::Object(item)
}

#[tokio::test]
async fn what_is_remembered_is_what_is_read() {
    let (aws, calls) = shelves(|_, _| ok(&json!({})));
    aws.remember(&service(), &memories().0).await.unwrap();
    let mut written: Vec<Value> = calls.all().iter().map(|call| applied(&call.input)).collect();
    written.sort_by_key(|item| item["sk"]["S"].to_string());
    // Of one there is nothing to store.
    assert_eq!(written, memories().1[..2]);
}

#[tokio::test]
async fn a_memory_stores_what_it_brings_and_no_more() {
    let (aws, calls) = shelves(|_, _| ok(&json!({})));
    let promoted = [("production".parse().unwrap(), at(5))].into();
    let memory = Memory { promoted, read_at: Some(at(7)), ..Memory::default() };
    aws.remember(&service(), &[(digest(1), memory)].into()).await.unwrap();
    let expected = json!({
        "TableName": "ledger",
        "Key": key(digest(1).as_str()),
        // A lane that is saved meanwhile knows better when it came to want the image.
        "UpdateExpression": "SET #p0 = if_not_exists(#p0, :p0), read_at = :read_at",
        "ExpressionAttributeNames": { "#p0": "promoted#production" },
        "ExpressionAttributeValues": { ":p0": number(5), ":read_at": number(7) },
    });
    assert_eq!(calls.one("UpdateItem"), expected);
}

#[tokio::test]
async fn an_index_of_too_many_children_is_read_again_rather_than_remembered() {
    let (aws, calls) = shelves(|_, _| ok(&json!({})));
    let children = Some((0..2001).map(digest).collect());
    let memory = Memory { children, read_at: Some(at(7)), ..Memory::default() };
    aws.remember(&service(), &[(digest(1), memory)].into()).await.unwrap();
    assert_eq!(calls.one("UpdateItem")["UpdateExpression"], "SET read_at = :read_at");
}

#[tokio::test]
async fn every_one_of_many_is_remembered_and_a_failure_is_told() {
    let many: BTreeMap<Digest, Memory> = (0..95)
        .map(|number| (digest(number), Memory { read_at: Some(at(7)), ..Memory::default() }))
        .collect();
    let (aws, calls) = shelves(|_, _| ok(&json!({})));
    aws.remember(&service(), &many).await.unwrap();
    assert_eq!(calls.names(), ["UpdateItem"; 95]);
    let (aws, _) = shelves(|_, before| match before {
        50 => refusal("ValidationException"),
        _ => ok(&json!({})),
    });
    let text = said(&aws.remember(&service(), &many).await.unwrap_err());
    assert!(text.starts_with("cannot remember images of `acme/boletos`: "), "{text}");
}

/// The digests that a batch deletes.
fn deleted(input: &Value) -> Vec<String> {
    let requests = input["RequestItems"]["ledger"].as_array().unwrap().iter();
    let digest = |it: &Value| it["DeleteRequest"]["Key"]["sk"]["S"].as_str().unwrap().to_owned();
    requests.map(digest).collect()
}

#[tokio::test(start_paused = true)]
async fn images_are_forgotten_in_batches_and_what_is_left_undone_is_tried_again() {
    let (aws, calls) = shelves(|call, before| match before {
        1 => {
            let mut left = call.input["RequestItems"].clone();
            left["ledger"].as_array_mut().unwrap().truncate(3);
            ok(&json!({ "UnprocessedItems": left }))
        }
        _ => ok(&json!({ "UnprocessedItems": {} })),
    });
    let gone: BTreeSet<Digest> = (0..60).map(digest).collect();
    aws.forget(&service(), &gone).await.unwrap();
    let sent: Vec<Vec<String>> = calls.all().iter().map(|call| deleted(&call.input)).collect();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 3, 10]);
    assert_eq!(sent[2], sent[1][..3]);
    let all: BTreeSet<Digest> = sent.concat().iter().map(|it| it.parse().unwrap()).collect();
    assert_eq!(all, gone);
    assert_eq!(
        calls.all()[0].input["RequestItems"]["ledger"][0]["DeleteRequest"]["Key"],
        key(digest(0).as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn what_stays_undone_is_an_error() {
    let (aws, calls) =
        shelves(|call, _| ok(&json!({ "UnprocessedItems": call.input["RequestItems"] })));
    let text = said(&aws.forget(&service(), &[digest(1)].into()).await.unwrap_err());
    let expected = "cannot forget images of `acme/boletos` that are gone: DynamoDB has left 1 \
                    item(s) undone, however often it was asked";
    assert_eq!(text, expected);
    assert_eq!(calls.names(), ["BatchWriteItem"; 5]);
}

#[tokio::test]
async fn only_the_lanes_of_the_service_are_listed() {
    let (aws, calls) = shelves(|_, _| {
        let item = |lane: &str| json!({ "pk": { "S": "LANES" }, "sk": { "S": lane } });
        ok(&json!({ "Items": [item("acme/boletos#production"), item("acme/boletos#staging")] }))
    });
    let lanes = aws.lanes_of(&service()).await.unwrap();
    let names: Vec<String> = lanes.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["acme/boletos#production", "acme/boletos#staging"]);
    let asked = calls.one("Query");
    let values = json!({ ":pk": { "S": "LANES" }, ":sk": { "S": "acme/boletos#" } });
    assert_eq!(asked["ExpressionAttributeValues"], values);
    assert_eq!(asked["ConsistentRead"], true);
}
