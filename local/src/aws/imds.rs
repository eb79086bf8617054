//! The instance metadata service, version 2.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use serde_json::json;
use uuid::Uuid;

use super::clock::Moment;
use super::guard;
use super::plane::Services;

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// Keys of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The session's token.
    pub session_token: String,
    /// When they end, `2026-07-10T21:51:32Z`.
    pub expiration: String,
}

/// Gives the keys of a host's role.
pub trait CredentialsSource: Send + Sync + 'static {
    /// Keys for `role` on the host; an error is a sentence for the log.
    fn credentials(
        &self,
        instance_id: &str,
        role: &str,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, String>> + Send + '_>>;
}

struct Imds {
    services: Arc<Services>,
    instance_id: String,
    credentials: Arc<dyn CredentialsSource>,
    tokens: Mutex<BTreeMap<String, Moment>>,
}

/// The routes of one host's service.
pub(crate) fn imds(
    services: Arc<Services>,
    instance_id: String,
    credentials: Arc<dyn CredentialsSource>,
) -> Router {
    let tokens = Mutex::default();
    let state = Arc::new(Imds { services, instance_id, credentials, tokens });
    Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/meta-data/{*path}", get(metadata))
        .route("/latest/dynamic/instance-identity/document", get(identity))
        .with_state(state)
}

async fn token(State(imds): State<Arc<Imds>>, headers: HeaderMap) -> Response {
    let ttl = headers.get(TTL).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let Some(seconds @ 1..=21_600) = ttl else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let token = Uuid::new_v4().to_string();
    let now = Moment::now();
    let mut tokens = guard(&imds.tokens);
    tokens.retain(|_, end| *end > now);
    tokens.insert(token.clone(), now.plus(Duration::from_secs(seconds)));
    ([(TTL, seconds.to_string())], token).into_response()
}

impl Imds {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let token = headers.get(TOKEN).and_then(|it| it.to_str().ok()).unwrap_or_default();
        guard(&self.tokens).get(token).is_some_and(|end| *end > Moment::now())
    }

    async fn keys(&self, role: &str) -> Response {
        match self.credentials.credentials(&self.instance_id, role).await {
            Ok(keys) => json!({
                "Code": "Success", "LastUpdated": Moment::now().iso(), "Type": "AWS-HMAC",
                "AccessKeyId": keys.access_key_id, "SecretAccessKey": keys.secret_access_key,
                "Token": keys.session_token, "Expiration": keys.expiration,
            })
            .to_string()
            .into_response(),
            Err(error) => {
                tracing::warn!(role, error, "a host asked for keys that cannot be given");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

async fn metadata(
    State(imds): State<Arc<Imds>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !imds.admits(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(machine) = imds.services.fleet.machine(&imds.instance_id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let entry = machine.entry;
    let role_path = path.strip_prefix("iam/security-credentials/");
    match (path.as_str(), role_path) {
        ("instance-id", _) => entry.instance_id.into_response(),
        ("local-ipv4", _) => entry.address.to_string().into_response(),
        ("hostname" | "local-hostname", _) => entry.name.into_response(),
        ("placement/region", _) => imds.services.settings.region.clone().into_response(),
        ("placement/availability-zone", _) => entry.availability_zone.into_response(),
        ("iam/security-credentials", _) | (_, Some("")) => entry.role.into_response(),
        (_, Some(role)) if role == entry.role => imds.keys(role).await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn identity(State(imds): State<Arc<Imds>>, headers: HeaderMap) -> Response {
    if !imds.admits(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(machine) = imds.services.fleet.machine(&imds.instance_id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let entry = machine.entry;
    json!({
        "accountId": imds.services.settings.account, "architecture": "x86_64",
        "availabilityZone": entry.availability_zone, "imageId": "ami-0123456789abcdef0",
        "instanceId": entry.instance_id, "instanceType": "t3.small",
        "pendingTime": machine.registered_at.iso(), "privateIp": entry.address.to_string(),
        "region": imds.services.settings.region, "version": "2017-09-30",
    })
    .to_string()
    .into_response()
}
