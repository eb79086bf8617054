//! What AWS does by itself and a test or a demo must be able to do on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::calls::Fault;
use super::ecr::ScanResult;
use super::error::{ApiError, ApiResult};
use super::fleet::{Agent, HostEntry, Power};
use super::json::parse;
use super::plane::Services;
use super::server::json_error;

type Plane = State<Arc<Services>>;

/// The routes below `/_esclusa`.
pub(crate) fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .route("/registry", post(notified))
        .route("/scans", put(set_scan))
        .route("/images/storage-class", put(set_storage_class))
        .route("/images/age", put(age_images))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/ping-lag", put(set_ping_lag))
        .route("/hosts", get(hosts).post(add_host))
        .route("/hosts/{id}", delete(terminate))
        .route("/hosts/{id}/agent", put(set_agent))
        .route("/hosts/{id}/power", put(set_power))
        .route("/hosts/{id}/tags", put(set_tags))
}

fn reply(result: ApiResult<impl Serialize>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => json_error(&error),
    }
}

async fn notified(State(plane): Plane, body: Bytes) -> Response {
    let taken = match parse(&body) {
        Ok(envelope) => plane.ecr.notified(envelope).await,
        Err(error) => Err(error),
    };
    reply(taken)
}

async fn set_scan(State(plane): Plane, body: Bytes) -> Response {
    let result = parse::<ScanResult>(&body).and_then(|it| plane.ecr.set_scan(it));
    reply(result)
}

async fn set_storage_class(State(plane): Plane, body: Bytes) -> Response {
    reply(parse(&body).and_then(|it| plane.ecr.update_storage_class(&it)))
}

async fn age_images(State(plane): Plane, body: Bytes) -> Response {
    reply(parse(&body).and_then(|it| plane.ecr.age(&it)))
}

async fn calls(State(plane): Plane) -> Response {
    Json(plane.calls.counts()).into_response()
}

async fn forget_calls(State(plane): Plane) -> Response {
    plane.calls.reset();
    reply(Ok(()))
}

async fn faults(State(plane): Plane) -> Response {
    Json(plane.calls.faults()).into_response()
}

async fn add_fault(State(plane): Plane, body: Bytes) -> Response {
    let fault = parse::<Fault>(&body).map(|it| plane.calls.add_fault(it));
    reply(fault)
}

async fn clear_faults(State(plane): Plane) -> Response {
    plane.calls.clear_faults();
    reply(Ok(()))
}

#[derive(Debug, Deserialize)]
struct Millis {
    millis: u64,
}

async fn set_ping_lag(State(plane): Plane, body: Bytes) -> Response {
    let lag = parse::<Millis>(&body).map(|it| Duration::from_millis(it.millis));
    reply(lag.map(|lag| plane.fleet.set_ping_lag(lag)))
}

async fn hosts(State(plane): Plane) -> Response {
    let describe = |it: super::fleet::Machine| {
        json!({
            "host": it.entry, "power": it.power, "agent": it.agent,
        })
    };
    let hosts: Vec<Value> = plane.fleet.machines().into_iter().map(describe).collect();
    Json(hosts).into_response()
}

async fn add_host(State(plane): Plane, body: Bytes) -> Response {
    let added = parse::<HostEntry>(&body).map(|it| plane.fleet.add(it));
    reply(added)
}

fn known(found: bool, id: &str) -> ApiResult<()> {
    if found { Ok(()) } else { Err(ApiError::client("UnknownHost", format!("no host `{id}`"))) }
}

async fn terminate(State(plane): Plane, Path(id): Path<String>) -> Response {
    reply(known(plane.fleet.set_power(&id, Power::Terminated), &id))
}

#[derive(Debug, Deserialize)]
struct Set<T> {
    state: T,
}

async fn set_agent(State(plane): Plane, Path(id): Path<String>, body: Bytes) -> Response {
    let set = parse::<Set<Agent>>(&body);
    reply(set.and_then(|it| known(plane.fleet.set_agent(&id, it.state), &id)))
}

async fn set_power(State(plane): Plane, Path(id): Path<String>, body: Bytes) -> Response {
    let set = parse::<Set<Power>>(&body);
    reply(set.and_then(|it| known(plane.fleet.set_power(&id, it.state), &id)))
}

async fn set_tags(State(plane): Plane, Path(id): Path<String>, body: Bytes) -> Response {
    let tags = parse::<BTreeMap<String, String>>(&body);
    reply(tags.and_then(|tags| known(plane.fleet.set_tags(&id, tags), &id)))
}
