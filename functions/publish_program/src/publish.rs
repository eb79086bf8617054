//! What is put into the repository, and in which order.

use std::collections::BTreeSet;
use std::future::Future;

use crate::image::{Blob, Index};

/// The repository, as far as publishing needs it.
pub(crate) trait Registry {
    /// What it refuses with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The digest that a tag names, if it is there.
    fn find_tag(
        &self,
        repository: &str,
        tag: &str,
    ) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// The blobs of these that are there already.
    fn find_blobs(
        &self,
        repository: &str,
        digests: &[&str],
    ) -> impl Future<Output = Result<BTreeSet<String>, Self::Error>> + Send;

    /// Uploads a layer or a configuration.
    fn upload_blob(
        &self,
        repository: &str,
        blob: &Blob,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Stores a manifest, with a tag or without; one that is there already is no error.
    fn put_manifest(
        &self,
        repository: &str,
        manifest: &Blob,
        tag: Option<&str>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Puts an index with everything that it names into a repository. What is there already is not
/// uploaded again; the tag comes last, so a tag that is there says that all of it is.
///
/// # Errors
///
/// What the repository refused.
pub(crate) async fn publish_index<R: Registry>(
    registry: &R,
    repository: &str,
    index: &Index,
) -> Result<(), R::Error> {
    let Index { images, manifest, tag } = index;
    if registry.find_tag(repository, tag).await?.as_ref() == Some(&manifest.digest) {
        return Ok(());
    }
    let blobs: Vec<&Blob> = images.iter().flat_map(|it| [&it.layer, &it.config]).collect();
    let digests: Vec<&str> = blobs.iter().map(|blob| blob.digest.as_str()).collect();
    let present = registry.find_blobs(repository, &digests).await?;
    for blob in blobs.into_iter().filter(|blob| !present.contains(&blob.digest)) {
        registry.upload_blob(repository, blob).await?;
    }
    for image in images {
        registry.put_manifest(repository, &image.manifest, None).await?;
    }
    registry.put_manifest(repository, manifest, Some(tag)).await
}
