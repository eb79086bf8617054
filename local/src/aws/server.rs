//! The HTTP server: which protocol a request speaks, which service it is for, how it is answered.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use uuid::Uuid;

use super::admin;
use super::calls::When;
use super::clock::Moment;
use super::error::{ApiError, ApiResult};
use super::plane::Services;
use super::query::Params;
use super::xml::Xml;

/// Manifests are up to 4 MiB, and JSON may escape each of their bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

const ECR_TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.";
const SSM_TARGET: &str = "AmazonSSM.";
const ELB_NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

/// Which service a request is for, and in what words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    Ecr(String),
    Ssm(String),
    Elb(String, Params),
}

impl Request {
    fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
        if let Some(target) = header("x-amz-target") {
            let ecr = target.strip_prefix(ECR_TARGET).map(|it| Self::Ecr(it.to_owned()));
            return ecr.or_else(|| Some(Self::Ssm(target.strip_prefix(SSM_TARGET)?.to_owned())));
        }
        let params = Params::parse(body);
        let action = params.text("Action")?.to_owned();
        Some(Self::Elb(action, params))
    }

    /// The name by which the call is counted.
    fn name(&self) -> String {
        match self {
            Self::Ecr(operation) => format!("ecr:{operation}"),
            Self::Ssm(operation) => format!("ssm:{operation}"),
            Self::Elb(operation, _) => format!("elasticloadbalancing:{operation}"),
        }
    }
}

/// The server's routes.
pub(crate) fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/", post(call))
        .nest("/_esclusa", admin::router())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(services)
}

async fn call(State(services): State<Arc<Services>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(request) = Request::read(&headers, &body) else {
        let error = ApiError::client("UnknownOperationException", "no service takes this request");
        return json_error(&error);
    };
    let name = request.name();
    let started = Moment::now();
    services.calls.count(&name);
    let answer = answer(&services, &request, &body).await;
    let (status, code) = match &answer {
        Ok(_) => (200, None),
        Err(error) => (error.status, Some(error.code.as_str())),
    };
    services.calls.log(&name, started, status, code);
    match (answer, matches!(request, Request::Elb(..))) {
        (Ok(body), true) => respond(StatusCode::OK, "text/xml", body),
        (Ok(body), false) => respond(StatusCode::OK, "application/x-amz-json-1.1", body),
        (Err(error), true) => xml_error(&error),
        (Err(error), false) => json_error(&error),
    }
}

/// What the service answers, faults before and after it included.
async fn answer(services: &Services, request: &Request, body: &[u8]) -> ApiResult<String> {
    let name = request.name();
    services.calls.strike(&name, When::Before).await?;
    let answer = match request {
        Request::Ecr(operation) => Box::pin(services.ecr.call(operation, body)).await?.to_string(),
        Request::Ssm(operation) => services.ssm.call(operation, body)?.to_string(),
        Request::Elb(operation, params) => {
            let result = Box::pin(services.elb.call(operation, params)).await?;
            xml_answer(operation, result)
        }
    };
    services.calls.strike(&name, When::After).await?;
    Ok(answer)
}

fn request_id() -> String {
    Uuid::new_v4().to_string()
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [("content-type", kind.to_owned()), ("x-amzn-requestid", request_id())], body)
        .into_response()
}

fn status(error: &ApiError) -> StatusCode {
    StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An error as the JSON protocols have it.
pub(crate) fn json_error(error: &ApiError) -> Response {
    let body = json!({ "__type": error.code, "message": error.message }).to_string();
    let mut response = respond(status(error), "application/x-amz-json-1.1", body);
    if let Ok(code) = error.code.parse() {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

fn xml_answer(operation: &str, result: Vec<Xml>) -> String {
    let metadata = Xml::node("ResponseMetadata", vec![Xml::text("RequestId", request_id())]);
    let result = Xml::node(&format!("{operation}Result"), result);
    let tag = format!("{operation}Response xmlns=\"{ELB_NAMESPACE}\"");
    Xml::node(&tag, vec![result, metadata]).to_string()
}

fn xml_error(error: &ApiError) -> Response {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    let details = vec![
        Xml::text("Type", kind),
        Xml::text("Code", &error.code),
        Xml::text("Message", &error.message),
    ];
    let tag = format!("ErrorResponse xmlns=\"{ELB_NAMESPACE}\"");
    let body =
        Xml::node(&tag, vec![Xml::node("Error", details), Xml::text("RequestId", request_id())]);
    respond(status(error), "text/xml", body.to_string())
}
