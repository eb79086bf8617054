//! What CloudFormation asks of a custom resource, and the answer that it waits for.

use serde::{Deserialize, Serialize};

/// A request of CloudFormation's.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Request {
    #[serde(rename = "RequestType")]
    pub(crate) kind: RequestType,
    #[serde(rename = "RequestId")]
    pub(crate) id: String,
    pub(crate) stack_id: String,
    pub(crate) logical_resource_id: String,
    /// Where the answer goes: a URL that is signed, and valid for an hour.
    #[serde(rename = "ResponseURL")]
    pub(crate) response_url: String,
    pub(crate) resource_properties: Properties,
}

/// What the stack does with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum RequestType {
    Create,
    Update,
    Delete,
}

/// The resource's properties in the template.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Properties {
    /// The repository's name.
    pub(crate) repository: String,
}

/// The resource's physical id. Always the same: another one would make CloudFormation delete the
/// resource that it takes for the old one.
const PHYSICAL_ID: &str = "esclusa-host";

/// The longest reason. CloudFormation takes an answer of at most 4,096 bytes.
const MAX_REASON: usize = 1_000;

/// The answer to a request.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: &'static str,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Published>,
}

/// What the template can read off the resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Published {
    /// The digest of the program's index: `sha256:…`.
    pub(crate) digest: String,
    /// Its tag.
    pub(crate) tag: String,
}

impl Answer {
    /// The answer that tells CloudFormation how a request ended.
    pub(crate) fn new(request: &Request, ended: Result<Option<Published>, String>) -> Self {
        let (status, reason, data) = match ended {
            Ok(data) => ("SUCCESS", None, data),
            Err(reason) => ("FAILED", Some(reason.chars().take(MAX_REASON).collect()), None),
        };
        Self {
            status,
            reason,
            physical_resource_id: PHYSICAL_ID,
            stack_id: request.stack_id.clone(),
            request_id: request.id.clone(),
            logical_resource_id: request.logical_resource_id.clone(),
            data,
        }
    }
}
