//! The registry's control plane.

use std::collections::BTreeSet;

use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::operation::describe_images::DescribeImagesError;
use aws_sdk_ecr::operation::describe_repositories::DescribeRepositoriesError;
use aws_sdk_ecr::primitives::DateTime;
use aws_sdk_ecr::types::{
    DescribeImagesFilter, ImageDetail, ImageIdentifier, ImageStatus, ImageStatusFilter,
};
use esclusa_core::digest::Digest;
use esclusa_core::name::{Service, Tag};
use esclusa_core::release::{Availability, Release};
use esclusa_core::scan::Scanned;
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::{BoxError, Registry, Unavailable, Wanted};

use crate::failure::{Missing, unavailable};
use crate::{Aws, lock};

impl<M: Send + Sync> Registry for Aws<M> {
    async fn resolve(
        &self,
        service: &Service,
        wanted: &Wanted,
    ) -> Result<Option<Release>, Unavailable> {
        let name = match wanted {
            Wanted::Tag(tag) => format!("{service}:{tag}"),
            Wanted::Digest(digest) => format!("{service}@{digest}"),
        };
        let found = self.described(service, wanted).await;
        found.map_err(unavailable(format!("look up the image `{name}` in ECR")))
    }

    async fn scans(&self, service: &Service, digest: &Digest) -> Result<Vec<Scanned>, Unavailable> {
        let scanned = self.scanned(service, digest).await;
        scanned.map_err(unavailable(format!("read the scan of `{service}@{digest}` in ECR")))
    }
}

impl<M> Aws<M> {
    async fn described(
        &self,
        service: &Service,
        wanted: &Wanted,
    ) -> Result<Option<Release>, BoxError> {
        let id = ImageIdentifier::builder();
        let id = match wanted {
            Wanted::Tag(tag) => id.image_tag(tag.as_str()),
            Wanted::Digest(digest) => id.image_digest(digest.as_str()),
        };
        let call = (self.ecr.describe_images())
            .repository_name(service.as_str())
            .image_ids(id.build())
            .filter(any_status());
        let detail = match call.send().await {
            Ok(found) => found.image_details.and_then(|it| it.into_iter().next()),
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(detail) = detail else { return Ok(None) };
        let Some(repository) = self.repository(service).await? else { return Ok(None) };
        release(repository, wanted, &detail).map(Some)
    }

    /// Where hosts pull a service from; nothing if the repository is gone.
    pub(crate) async fn repository(&self, service: &Service) -> Result<Option<String>, BoxError> {
        if let Some(known) = lock(&self.repositories).get(service) {
            return Ok(Some(known.clone()));
        }
        let call = self.ecr.describe_repositories().repository_names(service.as_str());
        let found = match call.send().await {
            Ok(found) => found.repositories.unwrap_or_default(),
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let uri = found.into_iter().next().and_then(|it| it.repository_uri);
        let uri = uri.ok_or(Missing("repositoryUri"))?;
        lock(&self.repositories).insert(service.clone(), uri.clone());
        Ok(Some(uri))
    }
}

fn is_absent(error: &SdkError<DescribeImagesError>) -> bool {
    error.as_service_error().is_some_and(|it| {
        it.is_image_not_found_exception() || it.is_repository_not_found_exception()
    })
}

fn is_gone(error: &SdkError<DescribeRepositoriesError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(DescribeRepositoriesError::is_repository_not_found_exception)
}

/// Without this, an archived image is answered as one that never was.
pub(crate) fn any_status() -> DescribeImagesFilter {
    DescribeImagesFilter::builder().image_status(ImageStatusFilter::Any).build()
}

pub(crate) fn instant(at: &DateTime) -> Option<Timestamp> {
    u64::try_from(at.to_millis().ok()?).ok().map(Timestamp::from_millis)
}

pub(crate) fn bytes(seen: &ImageDetail) -> u64 {
    seen.image_size_in_bytes().and_then(|it| u64::try_from(it).ok()).unwrap_or(0)
}

pub(crate) fn availability(seen: &ImageDetail) -> Availability {
    match seen.image_status() {
        None | Some(ImageStatus::Active) => Availability::Active,
        Some(_) => Availability::Archived,
    }
}

fn release(repository: String, wanted: &Wanted, seen: &ImageDetail) -> Result<Release, BoxError> {
    let digest: Digest = seen.image_digest().ok_or(Missing("imageDigest"))?.parse()?;
    // A tag that no Docker client could have made (ECR allows longer ones) names nothing for us.
    let tags: BTreeSet<Tag> = seen.image_tags().iter().filter_map(|tag| tag.parse().ok()).collect();
    Ok(Release {
        label: label(wanted, &digest, &tags)?,
        digest,
        repository,
        tags,
        bytes: bytes(seen),
        pushed_at: seen.image_pushed_at().and_then(instant).unwrap_or_default(),
        availability: availability(seen),
    })
}

/// What a person calls an image.
///
/// Its version tag: what a version looks like is configured per environment, which the registry
/// does not know, so it is the greatest tag of the form `v<digit>…`. Else the tag that was asked
/// for; else any tag; else, for an untagged image that is asked for by digest, the beginning of
/// the digest in the form of a tag (`sha256-0af90af90af9`).
fn label(wanted: &Wanted, digest: &Digest, tags: &BTreeSet<Tag>) -> Result<Tag, BoxError> {
    if let Some(version) = tags.iter().filter(|tag| is_version(tag)).max_by_key(|it| rank(it)) {
        return Ok(version.clone());
    }
    match (wanted, tags.first()) {
        (Wanted::Tag(tag), _) | (Wanted::Digest(_), Some(tag)) => Ok(tag.clone()),
        (Wanted::Digest(_), None) => Ok(format!("sha256-{}", digest.short()).parse()?),
    }
}

fn is_version(tag: &Tag) -> bool {
    let rest = tag.as_str().strip_prefix('v');
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Sorts `v1.10.0` after `v1.9.0`, and a release after its own candidates (`v1.9.0-rc1`).
fn rank(tag: &Tag) -> (Vec<u64>, bool, String) {
    let text = tag.as_str().trim_start_matches('v');
    let (numbers, rest) = text.split_once('-').map_or((text, None), |(n, rest)| (n, Some(rest)));
    let numbers = numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    (numbers, rest.is_none(), rest.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_calls_an_image_by_its_version() {
        let digest: Digest = format!("sha256:{}", "0af9".repeat(16)).parse().unwrap();
        let by_tag = Wanted::Tag("latest".parse().unwrap());
        let by_digest = Wanted::Digest(digest.clone());
        for (wanted, tags, expected) in [
            (&by_tag, &["latest", "v1.9.0", "v1.10.0"][..], "v1.10.0"),
            (&by_tag, &["latest", "v1.9.0-rc1", "v1.9.0"], "v1.9.0"),
            (&by_tag, &["latest", "abc", "version"], "latest"),
            (&by_tag, &["latest"], "latest"),
            (&by_digest, &["staging"], "staging"),
            (&by_digest, &["v2"], "v2"),
            (&by_digest, &[], "sha256-0af90af90af9"),
        ] {
            let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
            let seen = label(wanted, &digest, &tags).unwrap();
            assert_eq!(seen.as_str(), expected, "{wanted:?} {tags:?}");
        }
    }
}
