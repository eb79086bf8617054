//! Versions of the example as buildx pushes them: an index, an image for a platform, and the
//! attestation of how it was built.

use aws_sdk_ecr::types::ImageIdentifier;
use serde_json::{Value, json};

use super::queue::refused;
use super::retention::digest_of;
use super::{SERVICE, Stage, StageError};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Stage {
    /// Builds a version of the example, pushes it as an index under `tags`, in that order, and
    /// returns the digest of the image that the index names for this platform. For each of
    /// `others`, an architecture, the index names the image that bears a tag.
    ///
    /// # Errors
    ///
    /// What Docker, the registry or ECR refused.
    pub async fn push_index(
        &self,
        version: &str,
        tags: &[&str],
        others: &[(&str, &str)],
    ) -> Result<String, StageError> {
        let part = format!("{version}-amd64");
        self.push(version, &[&part]).await?;
        let (media_type, image) = self.manifest(&part).await?;
        let password = self.environment.registry_password().await?;
        let config = b"{}";
        let blob = (digest_of(config), config.to_vec());
        self.environment.put_blob(&password, SERVICE, (&blob.0, blob.1)).await?;
        let attestation = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest_of(config), "size": config.len(),
            },
            "annotations": { "version": version },
        });
        let attestation = attestation.to_string();
        self.put(&password, &digest_of(attestation.as_bytes()), (MANIFEST, &attestation)).await?;
        let mut parts =
            vec![part_of(&media_type, &image, "amd64"), part_of(MANIFEST, &attestation, "unknown")];
        for (architecture, tag) in others {
            let (media_type, image) = self.manifest(tag).await?;
            parts.push(part_of(&media_type, &image, architecture));
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": parts });
        for tag in tags {
            self.put(&password, tag, (INDEX, &index.to_string())).await?;
        }
        Ok(digest_of(image.as_bytes()))
    }

    async fn put(
        &self,
        password: &str,
        reference: &str,
        (media_type, text): (&str, &str),
    ) -> Result<(), StageError> {
        let manifest = (media_type, text.to_owned());
        Ok(self.environment.put_manifest(password, SERVICE, reference, manifest).await?)
    }

    /// The manifest of what bears a tag, and what kind it is.
    async fn manifest(&self, tag: &str) -> Result<(String, String), StageError> {
        let client = aws_sdk_ecr::Client::new(&self.environment.sdk_config());
        let id = ImageIdentifier::builder().image_tag(tag).build();
        let got = client.batch_get_image().repository_name(SERVICE).image_ids(id).send().await;
        let got = got.map_err(|error| refused("BatchGetImage", &error))?;
        let image = got.images().first();
        let kind = image.and_then(|it| it.image_manifest_media_type()).unwrap_or_default();
        let text = image.and_then(|it| it.image_manifest()).unwrap_or_default();
        Ok((kind.to_owned(), text.to_owned()))
    }
}

/// How an index names a manifest.
fn part_of(media_type: &str, manifest: &str, architecture: &str) -> Value {
    let system = if architecture == "unknown" { "unknown" } else { "linux" };
    json!({
        "mediaType": media_type, "digest": digest_of(manifest.as_bytes()),
        "size": manifest.len(), "platform": { "architecture": architecture, "os": system },
    })
}
