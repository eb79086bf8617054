//! Uploads of layers by ECR's own calls, in parts, beside those of the registry's protocol.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::manifest::digest_of;
use super::{Ecr, invalid};
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;

/// What ECR asks for in a part, and the least that it takes of one that is not the last.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Uploads that were begun, by their id.
pub(super) type Uploads = BTreeMap<String, Upload>;

/// A layer that has not arrived as a whole.
#[derive(Debug)]
pub(super) struct Upload {
    repository: String,
    bytes: Vec<u8>,
    /// Whether the last part was too small to be followed by another.
    is_short: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initiate {
    repository_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    repository_name: String,
    upload_id: String,
    #[serde(rename = "partFirstByte")]
    first: usize,
    #[serde(rename = "partLastByte")]
    last: usize,
    layer_part_blob: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complete {
    repository_name: String,
    upload_id: String,
    layer_digests: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    repository_name: String,
    layer_digests: Vec<String>,
}

impl Ecr {
    pub(super) async fn check_layers(&self, input: Check) -> ApiResult<Value> {
        let name = self.repository(&input.repository_name)?.name;
        let (mut layers, mut failures) = (Vec::new(), Vec::new());
        for digest in input.layer_digests {
            if self.registry.has_blob(&name, &digest).await.map_err(super::broken)? {
                layers.push(json!({ "layerDigest": digest, "layerAvailability": "AVAILABLE" }));
            } else {
                failures.push(json!({ "layerDigest": digest, "failureCode": "MissingLayerDigest",
                    "failureReason": "Missing layer digest" }));
            }
        }
        Ok(json!({ "layers": layers, "failures": failures }))
    }

    pub(super) fn initiate_upload(&self, input: &Initiate) -> ApiResult<Value> {
        let repository = self.repository(&input.repository_name)?.name;
        let id = Uuid::new_v4().to_string();
        let upload = Upload { repository, bytes: Vec::new(), is_short: false };
        guard(&self.uploads).insert(id.clone(), upload);
        Ok(json!({ "uploadId": id, "partSize": PART_BYTES }))
    }

    pub(super) fn upload_part(&self, input: &Part) -> ApiResult<Value> {
        let part = STANDARD.decode(&input.layer_part_blob).map_err(invalid)?;
        let mut uploads = guard(&self.uploads);
        let upload = uploads.get_mut(&input.upload_id);
        let upload = upload.filter(|it| it.repository == input.repository_name);
        let upload = upload.ok_or_else(|| unknown_upload(&input.upload_id))?;
        let size = input.last.saturating_add(1).checked_sub(input.first);
        if input.first != upload.bytes.len() || size != Some(part.len()) {
            let message = "The layer part is not the one that follows the last byte received";
            return Err(ApiError::client("InvalidLayerPartException", message));
        }
        if upload.is_short {
            let message = "Layer parts must be at least 5 MiB in size, but for the last";
            return Err(ApiError::client("LayerPartTooSmallException", message));
        }
        upload.is_short = part.len() < PART_BYTES;
        upload.bytes.extend(part);
        Ok(json!({ "registryId": self.account(), "repositoryName": upload.repository,
            "uploadId": input.upload_id, "lastByteReceived": input.last }))
    }

    pub(super) async fn complete_upload(&self, input: Complete) -> ApiResult<Value> {
        let id = &input.upload_id;
        let upload = guard(&self.uploads).remove(id).ok_or_else(|| unknown_upload(id))?;
        if upload.bytes.is_empty() {
            let message = "The upload has no parts";
            return Err(ApiError::client("EmptyUploadException", message));
        }
        let digest = digest_of(&upload.bytes);
        if !input.layer_digests.contains(&digest) {
            let message = format!("The layer has digest '{digest}', which is not the one given");
            return Err(ApiError::client("InvalidLayerException", message));
        }
        let name = self.repository(&input.repository_name)?.name;
        if self.registry.has_blob(&name, &digest).await.map_err(super::broken)? {
            let message = format!("Layer with digest '{digest}' already exists");
            return Err(ApiError::client("LayerAlreadyExistsException", message));
        }
        self.registry.put_blob(&name, &digest, upload.bytes).await.map_err(super::broken)?;
        Ok(json!({ "registryId": self.account(), "repositoryName": name, "uploadId": id,
            "layerDigest": digest }))
    }
}

fn unknown_upload(id: &str) -> ApiError {
    ApiError::client("UploadNotFoundException", format!("There is no upload with id '{id}'"))
}
