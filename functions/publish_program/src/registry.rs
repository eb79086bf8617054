//! ECR as the registry that programs are put into, by its own calls for uploads: each is granted
//! for one repository, where the token of a registry login would be good for all.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::config::timeout::TimeoutConfig;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::primitives::Blob as Bytes;
use aws_sdk_ecr::types::{ImageIdentifier, LayerAvailability};
use esclusa_aws::setup::AwsConfig;
use tokio::time::sleep;

use crate::image::Blob;
use crate::publish::Registry;

/// One try of a call: a part of a layer is megabytes.
const ATTEMPT: Duration = Duration::from_secs(20);

/// How often a refusal is tried again, for the permissions of a role that was made with the same
/// stack take seconds to hold everywhere.
const REFUSALS: u32 = 6;
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// The calls, as far as ECR takes them.
#[derive(Debug, Clone)]
pub(crate) struct EcrRegistry {
    ecr: Client,
}

/// What ECR refused.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub(crate) struct EcrError {
    operation: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn failed<E>(operation: &'static str) -> impl FnOnce(E) -> EcrError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |source| EcrError { operation, source: source.into() }
}

fn has_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(code)
}

impl EcrRegistry {
    /// ECR with a function's configuration, and more time for an upload.
    pub(crate) fn new(sdk: &AwsConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(ATTEMPT)
            .build();
        let config = aws_sdk_ecr::config::Builder::from(sdk).timeout_config(timeouts).build();
        Self { ecr: Client::from_conf(config) }
    }

    async fn complete_upload(
        &self,
        repository: &str,
        upload: &str,
        blob: &Blob,
    ) -> Result<(), EcrError> {
        let call = self.ecr.complete_layer_upload().repository_name(repository).upload_id(upload);
        match call.layer_digests(&blob.digest).send().await {
            // Another deployment was faster.
            Err(error) if has_code(&error, "LayerAlreadyExistsException") => Ok(()),
            ended => ended.map(drop).map_err(failed("ecr:CompleteLayerUpload")),
        }
    }
}

impl Registry for EcrRegistry {
    type Error = EcrError;

    async fn find_tag(&self, repository: &str, tag: &str) -> Result<Option<String>, EcrError> {
        let id = ImageIdentifier::builder().image_tag(tag).build();
        let call = self.ecr.batch_get_image().repository_name(repository).image_ids(id);
        let mut refusals = 0;
        let found = loop {
            match call.clone().send().await {
                Err(error) if refusals < REFUSALS && has_code(&error, "AccessDeniedException") => {
                    refusals = refusals.saturating_add(1);
                    sleep(AFTER_REFUSAL).await;
                }
                ended => break ended.map_err(failed("ecr:BatchGetImage"))?,
            }
        };
        let image = found.images.unwrap_or_default().into_iter().next();
        Ok(image.and_then(|it| it.image_id).and_then(|it| it.image_digest))
    }

    async fn find_blobs(
        &self,
        repository: &str,
        digests: &[&str],
    ) -> Result<BTreeSet<String>, EcrError> {
        let digests = digests.iter().map(|it| (*it).to_owned()).collect();
        let call = self.ecr.batch_check_layer_availability().repository_name(repository);
        let found = call.set_layer_digests(Some(digests)).send().await;
        let found = found.map_err(failed("ecr:BatchCheckLayerAvailability"))?;
        let present = found.layers.unwrap_or_default().into_iter();
        let present =
            present.filter(|it| it.layer_availability == Some(LayerAvailability::Available));
        Ok(present.filter_map(|it| it.layer_digest).collect())
    }

    async fn upload_blob(&self, repository: &str, blob: &Blob) -> Result<(), EcrError> {
        let begun = self.ecr.initiate_layer_upload().repository_name(repository).send().await;
        let begun = begun.map_err(failed("ecr:InitiateLayerUpload"))?;
        let upload = begun.upload_id.unwrap_or_default();
        let size = begun.part_size.and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
        let mut first = 0_usize;
        for part in blob.bytes.chunks(size.max(1)) {
            let next = first.saturating_add(part.len());
            let byte = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
            let call = self.ecr.upload_layer_part().repository_name(repository).upload_id(&upload);
            let call =
                call.part_first_byte(byte(first)).part_last_byte(byte(next.saturating_sub(1)));
            let sent = call.layer_part_blob(Bytes::new(part)).send().await;
            sent.map_err(failed("ecr:UploadLayerPart"))?;
            first = next;
        }
        self.complete_upload(repository, &upload, blob).await
    }

    async fn put_manifest(
        &self,
        repository: &str,
        manifest: &Blob,
        tag: Option<&str>,
    ) -> Result<(), EcrError> {
        let text = String::from_utf8_lossy(&manifest.bytes);
        let call = self.ecr.put_image().repository_name(repository).image_manifest(text);
        let call = call.image_manifest_media_type(manifest.media_type);
        let call = call.image_digest(&manifest.digest).set_image_tag(tag.map(str::to_owned));
        match call.send().await {
            Err(error) if has_code(&error, "ImageAlreadyExistsException") => Ok(()),
            ended => ended.map(drop).map_err(failed("ecr:PutImage")),
        }
    }
}
