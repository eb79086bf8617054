//! `BatchGetImage`, `PutImage` and `GetAuthorizationToken`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::{ImageId, Repository};
use super::manifest::{Manifest, digest_of};
use super::registry::Stored;
use super::{Ecr, invalid};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;

/// How long an authorization token lives, in AWS's seconds.
const TOKEN_SECONDS: u32 = 12 * 60 * 60;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Get {
    repository_name: String,
    image_ids: Vec<ImageId>,
    #[serde(default)]
    accepted_media_types: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Put {
    repository_name: String,
    image_manifest: String,
    image_manifest_media_type: Option<String>,
    image_tag: Option<String>,
    image_digest: Option<String>,
}

impl Ecr {
    pub(super) fn authorization_token(&self) -> Value {
        let token = STANDARD.encode(format!("AWS:{}", self.registry.token()));
        let life = self.settings.timing.second.saturating_mul(TOKEN_SECONDS);
        json!({ "authorizationData": [{
            "authorizationToken": token, "expiresAt": Moment::now().plus(life).epoch(),
            "proxyEndpoint": format!("http://{}", self.registry.host()),
        }] })
    }

    pub(super) async fn batch_get_image(&self, input: Get) -> ApiResult<Value> {
        check_count(input.image_ids.len())?;
        let repository = self.repository(&input.repository_name)?;
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for id in input.image_ids {
            match self.image(&repository, &id, &input.accepted_media_types).await? {
                Ok(image) => images.push(image),
                Err((code, reason)) => failures.push(failure(&id, code, reason)),
            }
        }
        Ok(json!({ "images": images, "failures": failures }))
    }

    async fn image(
        &self,
        repository: &Repository,
        id: &ImageId,
        accepted: &[String],
    ) -> ApiResult<Result<Value, (&'static str, &'static str)>> {
        const GONE: (&str, &str) = ("ImageNotFound", "Requested image not found");
        let digest = match repository.resolve(id) {
            Ok(digest) => digest,
            Err(failure) => return Ok(Err(failure)),
        };
        let pullable = repository.images.get(&digest).is_some_and(|it| {
            it.is_active() && (accepted.is_empty() || accepted.contains(&it.manifest.media_type))
        });
        if !pullable {
            return Ok(Err(GONE));
        }
        let stored = self.registry.manifest(&repository.name, &digest).await;
        let Some(stored) = stored.map_err(super::broken)? else { return Ok(Err(GONE)) };
        self.pulled(&repository.name, &digest);
        Ok(Ok(self.describe(repository, &digest, id.image_tag.as_deref(), &stored)))
    }

    fn describe(&self, at: &Repository, digest: &str, tag: Option<&str>, it: &Stored) -> Value {
        json!({
            "registryId": self.account(), "repositoryName": at.name,
            "imageId": ImageId::of(digest, tag),
            "imageManifest": String::from_utf8_lossy(&it.bytes),
            "imageManifestMediaType": it.media_type,
        })
    }

    pub(super) async fn put_image(self: &Arc<Self>, input: Put) -> ApiResult<Value> {
        let _in_order = self.intake.lock().await;
        let bytes = input.image_manifest.clone().into_bytes();
        let digest = digest_of(&bytes);
        let tag = input.image_tag.as_deref();
        let repository = self.repository(&input.repository_name)?;
        check_put(&repository, &input, &digest)?;
        let named = input.image_manifest_media_type.as_deref().unwrap_or_default();
        let manifest = Manifest::read(&bytes, named);
        let manifest = manifest.ok_or_else(|| invalid("the manifest is not one ECR supports"))?;
        if let Some(child) =
            manifest.children.iter().find(|it| !repository.images.contains_key(*it))
        {
            let message = format!(
                "Images with digests '[{child}]' required for pushing image \
                 into repository with name '{}' do not exist",
                repository.name
            );
            return Err(ApiError::client("ReferencedImagesNotFoundException", message));
        }
        let stored = Stored { bytes, media_type: manifest.media_type.clone() };
        let reference = tag.unwrap_or(&digest);
        let kept = self.registry.put(&repository.name, reference, stored.clone()).await;
        kept.map_err(|cause| ApiError::client("LayersNotFoundException", cause))?;
        self.take_in(&repository.name, manifest, tag, Moment::now());
        self.emit_action("PUSH", &repository.name, &digest, tag);
        Ok(json!({ "image": self.describe(&repository, &digest, tag, &stored) }))
    }

    /// A copy of a repository, for reading across waits.
    pub(super) fn repository(&self, name: &str) -> ApiResult<Repository> {
        guard(&self.catalog).repository(self.account(), name).cloned()
    }
}

fn check_put(repository: &Repository, input: &Put, digest: &str) -> ApiResult<()> {
    if input.image_digest.as_ref().is_some_and(|it| it != digest) {
        let message = "Provided image digest does not match calculated image digest";
        return Err(ApiError::client("ImageDigestDoesNotMatchException", message));
    }
    let Some(tag) = input.image_tag.as_deref() else {
        if repository.images.contains_key(digest) {
            return Err(already_there(&repository.name, digest, "null"));
        }
        return Ok(());
    };
    match repository.tags.get(tag) {
        Some(at) if at == digest => Err(already_there(&repository.name, digest, tag)),
        Some(_) if repository.is_fixed(tag) => {
            let message = format!(
                "The image tag '{tag}' already exists in the '{}' repository and cannot be \
                 overwritten because the tag is immutable.",
                repository.name
            );
            Err(ApiError::client("ImageTagAlreadyExistsException", message))
        }
        _ => Ok(()),
    }
}

fn already_there(repository: &str, digest: &str, tag: &str) -> ApiError {
    let message = format!(
        "Image with digest '{digest}' and tag '{tag}' already exists in the repository with name \
         '{repository}'"
    );
    ApiError::client("ImageAlreadyExistsException", message)
}

/// Operations on several images take 1 to 100 of them.
pub(super) fn check_count(count: usize) -> ApiResult<()> {
    if (1..=100).contains(&count) {
        return Ok(());
    }
    Err(invalid(
        "Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must have length \
         less than or equal to 100, and greater than or equal to 1'",
    ))
}

/// The `ImageFailure` structure of answers.
pub(super) fn failure(id: &ImageId, code: &str, reason: &str) -> Value {
    json!({ "imageId": id, "failureCode": code, "failureReason": reason })
}
