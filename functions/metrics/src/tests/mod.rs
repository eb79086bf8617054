//! Batches and reports, over ports in memory.

mod looks;
mod memory;

use esclusa_shell::invocation::Invocation;
use serde_json::{Value, json};

use crate::handler::handle;
use memory::{Memory, NOW};

async fn sent(memory: &Memory, payload: Value) -> Value {
    let ends_at = NOW.after(std::time::Duration::from_mins(1));
    let me = Invocation { id: "i".to_owned(), ends_at, stops_at: ends_at };
    handle(memory, payload, &me).await.unwrap()
}

fn batch(bodies: &[Value]) -> Value {
    let record = |(number, body): (usize, &Value)| {
        let (id, body) = (number.to_string(), body.to_string());
        json!({ "messageId": id, "body": body })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

fn ran(run: &str) -> Value {
    let detail = json!({
        "service": "tickets", "run": run, "stop": "done", "kept": 10, "deleted": 2, "bytes": 4096,
    });
    json!({ "source": "esclusa", "detail-type": "Retention Ran", "detail": detail })
}

const RUN: [(&str, f64); 4] = [
    ("ImagesKept", 10.0),
    ("ImagesDeleted", 2.0),
    ("BytesReclaimed", 4096.0),
    ("RetentionStopped", 0.0),
];

#[tokio::test]
async fn a_fact_counts_once_however_often_it_is_told_and_all_go_together() {
    let memory = Memory::default();
    let answer = sent(&memory, batch(&[ran("1"), ran("1"), ran("2")])).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(memory.counted(), [RUN, RUN].concat());
    assert_eq!(memory.put.lock().unwrap().len(), 1, "one call of CloudWatch");
    sent(&memory, batch(&[ran("2")])).await;
    assert_eq!(memory.counted().len(), 8);
}

#[tokio::test]
async fn one_message_that_cannot_be_read_costs_no_other() {
    let memory = Memory::default();
    let mut broken = ran("1");
    broken["detail"]["kept"] = json!("ten");
    let other = json!({ "source": "aws.s3", "detail-type": "Other", "detail": {} });
    let answer = sent(&memory, batch(&[broken, json!("what"), other, ran("2")])).await;
    let failed = answer["batchItemFailures"].as_array().unwrap();
    let failed: Vec<&str> = failed.iter().filter_map(|it| it["itemIdentifier"].as_str()).collect();
    assert_eq!(failed, ["0", "1"]);
    assert_eq!(memory.counted(), RUN);
}

#[tokio::test]
async fn what_cloudwatch_does_not_take_is_delivered_again_and_lost() {
    let memory = Memory { down: true, ..Memory::default() };
    let answer = sent(&memory, batch(&[ran("1")])).await;
    assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], json!("0"));
    let memory = Memory { down: false, ..memory };
    sent(&memory, batch(&[ran("1")])).await;
    assert_eq!(memory.counted(), [], "it is marked: a missing point misleads less than a double");
}

fn build() -> Value {
    json!({
        "service": "tickets", "build": "1042", "result": "succeeded",
        "started": "2026-09-21T13:00:00Z", "ended": "2026-09-21T13:03:10+00:00",
        "committed": "2026-09-21T14:58:00+02:00", "commit": "0af9",
        "digest": format!("sha256:{:064x}", 1),
    })
}

#[tokio::test]
async fn a_build_is_counted_once_and_its_commit_remembered() {
    let memory = Memory::default();
    for code in ["counted", "known"] {
        let answer = sent(&memory, build()).await;
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(true), &json!(code)), "{answer}");
    }
    assert_eq!(memory.counted(), [("BuildDuration", 190.0), ("BuildSucceeded", 1.0)]);
    let commits = memory.commits.lock().unwrap();
    let committed = commits.values().next().unwrap().to_string();
    assert_eq!(committed, "2026-09-21T12:58:00Z");
}

#[tokio::test]
async fn a_report_that_cannot_be_true_counts_nothing_and_says_why() {
    for (member, value, expected) in [
        ("service", json!("tikcets"), "ECR has no repository `tikcets` here; correct `service`"),
        ("service", json!("Not A Name"), "is not the name of a service"),
        ("result", json!("ok"), "`result` is `ok`, neither `succeeded` nor `failed`"),
        ("build", json!(""), "`build` is a name of 1 to 200 printable characters"),
        ("started", json!("yesterday"), "`started`: `yesterday` is no instant"),
        ("started", json!(-1), "the report cannot be read"),
        ("started", json!(null), "the report cannot be read"),
        ("started", json!("2026-09-21T13:03:11Z"), "is before `started`"),
        ("ended", json!("2031-01-01T00:00:00Z"), "more than 24 h"),
        ("committed", json!("2026-09-21T15:00:00Z"), "is after `ended`"),
        ("digest", json!("latest"), "`latest` does not start with `sha256:`"),
        ("duration", json!(9), "unknown field `duration`"),
    ] {
        let memory = Memory::default();
        let mut report = build();
        report[member] = value;
        let answer = sent(&memory, report).await;
        let text = answer["text"].as_str().unwrap();
        assert!(text.contains(expected) && text.ends_with("; nothing was counted"), "{text}");
        assert_eq!((&answer["ok"], memory.counted().len()), (&json!(false), 0));
    }
}
