//! The way to EventBridge.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use esclusa_local::aws::{Event, EventBridge, EventSink};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::world::free_port;

fn event(detail: Value) -> Event {
    Event {
        source: "aws.ecr",
        detail_type: "ECR Image Action",
        time: "2026-07-10T21:51:32Z".to_owned(),
        resources: Vec::new(),
        detail,
    }
}

#[tokio::test]
async fn an_event_waits_until_event_bridge_is_there_and_takes_it() {
    let port = free_port();
    let sink = EventBridge::new(&format!("http://127.0.0.1:{port}"), "eu-south-1");
    let delivery = tokio::spawn(async move {
        sink.deliver(event(json!({ "image-tag": "v1" }))).await;
        sink.deliver(event(json!({ "image-tag": "v2" }))).await;
    });
    sleep(Duration::from_millis(100)).await;
    let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
    let entries = Arc::clone(&taken);
    let mut refusals = 1;
    let gate = Arc::new(Mutex::new(move || {
        refusals -= 1;
        refusals >= 0
    }));
    let routes = Router::new().route(
        "/",
        post(async move |body: String| {
            if gate.lock().unwrap()() {
                let entry = json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "" });
                let answer = json!({ "FailedEntryCount": 1, "Entries": [entry] });
                return (StatusCode::OK, answer.to_string()).into_response();
            }
            let request: Value = serde_json::from_str(&body).unwrap();
            entries.lock().unwrap().push(request["Entries"][0].clone());
            let answer = json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "1" }] });
            (StatusCode::OK, answer.to_string()).into_response()
        }),
    );
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    delivery.await.unwrap();
    let taken = taken.lock().unwrap();
    let details: Vec<_> = taken.iter().map(|it| it["Detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["{\"image-tag\":\"v1\"}", "{\"image-tag\":\"v2\"}"]);
    assert_eq!(taken[0]["Source"], "aws.ecr");
    assert_eq!(taken[0]["DetailType"], "ECR Image Action");
    assert_eq!(taken[0]["Time"].as_f64(), Some(1_783_720_292.0));
}
