//! Scans, as a test or a demo sets them: no scanner runs here.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_ecr::types::ImageScanningConfiguration;
use serde_json::{Value, json};

use super::queue::refused;
use super::{SERVICE, Stage, StageError};

impl Stage {
    /// Lets every image of the example's repository be scanned when it is pushed.
    ///
    /// # Errors
    ///
    /// When ECR refuses.
    pub async fn scan_on_push(&self) -> Result<(), StageError> {
        let client = aws_sdk_ecr::Client::new(&self.environment.sdk_config());
        let on = ImageScanningConfiguration::builder().scan_on_push(true).build();
        let put = client.put_image_scanning_configuration().repository_name(SERVICE);
        let done = put.image_scanning_configuration(on).send().await;
        done.map(drop).map_err(|error| refused("PutImageScanningConfiguration", &error))
    }

    /// Lets the scan of what bears a tag end like this.
    ///
    /// # Errors
    ///
    /// When no image bears the tag.
    pub async fn scanned(
        &self,
        tag: &str,
        status: &str,
        findings: Value,
    ) -> Result<(), StageError> {
        let digest = self.digest(tag).await?;
        self.scanned_as(&digest, status, findings).await
    }

    /// Lets the scan of an image end like this.
    ///
    /// # Errors
    ///
    /// When there is no such image.
    pub async fn scanned_as(
        &self,
        digest: &str,
        status: &str,
        findings: Value,
    ) -> Result<(), StageError> {
        Ok(self.environment.set_scan(SERVICE, digest, (status, findings)).await?)
    }

    /// Lets every scan of the example's repository end well, for as long as this is awaited.
    ///
    /// # Errors
    ///
    /// When ECR refuses to list what is there.
    pub async fn scan_all(&self) -> Result<std::convert::Infallible, StageError> {
        let mut scanned = BTreeSet::new();
        loop {
            let images = self.listed(SERVICE).await?;
            let new: Vec<String> = images.into_keys().filter(|it| !scanned.contains(it)).collect();
            for digest in new {
                // An index has no scan of its own, nor has what is gone again.
                let _none = self.scanned_as(&digest, "COMPLETE", json!([])).await;
                scanned.insert(digest);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// The digest of what bears a tag.
    async fn digest(&self, tag: &str) -> Result<String, StageError> {
        let images = self.listed(SERVICE).await?;
        let mut found = images.into_iter().filter(|(_, tags)| tags.contains(tag));
        Ok(found.next().map(|(digest, _)| digest).unwrap_or_default())
    }
}
