//! The registry's images, as retention lists, reads and deletes them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::operation::batch_get_image::{BatchGetImageError, BatchGetImageOutput};
use aws_sdk_ecr::operation::describe_images::DescribeImagesError;
use aws_sdk_ecr::operation::get_lifecycle_policy::GetLifecyclePolicyError;
use aws_sdk_ecr::types::{
    Image as Handed, ImageDetail, ImageFailure, ImageFailureCode, ImageIdentifier,
};
use esclusa_core::digest::Digest;
use esclusa_core::name::Service;
use esclusa_core::retention::{Contents, Id, Image, Kind, PER_CALL, Rule};
use esclusa_shell::ports::{BoxError, Unavailable};
use esclusa_shell::retain::ports::{Refused, Shelf};
use serde::Deserialize;

use crate::ecr::{any_status, availability, bytes, instant};
use crate::failure::{Missing, chain, unavailable};
use crate::{Aws, Shelves, lifecycle};

/// Images on one page of a listing: the most that ECR gives.
const PAGE: i32 = 1000;

/// Indexes, as what they are: ECR may hand out one of their parts otherwise.
const INDEXES: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// Everything that ECR stores, so that nothing is missing for its type alone.
const ANYTHING: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

impl Shelf for Aws<Shelves> {
    async fn images(&self, service: &Service) -> Result<Option<Vec<Image>>, Unavailable> {
        let doing = || unavailable(format!("list the images of `{service}` in ECR"));
        let mut pages = (self.ecr.describe_images())
            .repository_name(service.as_str())
            .filter(any_status())
            .max_results(PAGE)
            .into_paginator()
            .send();
        // A repository may hold 100,000 images: of each page only what counts is kept.
        let mut images = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page.image_details.unwrap_or_default(),
                Err(error) if is_no_repository(&error) => return Ok(None),
                Err(error) => return Err(doing()(error.into())),
            };
            for seen in page {
                images.push(image(seen).map_err(doing())?);
            }
        }
        Ok(Some(images))
    }

    async fn contents(
        &self,
        service: &Service,
        indexes: &[Digest],
    ) -> Result<BTreeMap<Digest, Contents>, Unavailable> {
        let doing = || unavailable(format!("read indexes of `{service}` in ECR"));
        let mut contents = BTreeMap::new();
        for some in indexes.chunks(PER_CALL) {
            contents.extend(self.read(service, some).await.map_err(doing())?);
        }
        Ok(contents)
    }

    async fn again(
        &self,
        service: &Service,
        digests: &[Digest],
    ) -> Result<Vec<Image>, Unavailable> {
        let doing = || unavailable(format!("look again at images of `{service}` in ECR"));
        let mut there = Vec::new();
        let mut asking: Vec<&[Digest]> = digests.chunks(PER_CALL).rev().collect();
        while let Some(some) = asking.pop() {
            match self.describe(service, some).await {
                Ok(found) => {
                    for seen in found {
                        there.push(image(seen).map_err(doing())?);
                    }
                }
                Err(error) if is_no_repository(&error) => return Ok(Vec::new()),
                // ECR says that one of them is gone, and not which.
                Err(error) if is_no_image(&error) => {
                    let (first, second) = some.split_at(some.len() / 2);
                    if !first.is_empty() {
                        asking.extend([second, first]);
                    }
                }
                Err(error) => return Err(doing()((*error).into())),
            }
        }
        Ok(there)
    }

    async fn delete(
        &self,
        service: &Service,
        ids: &[Id],
    ) -> Result<Vec<(Id, Refused)>, Unavailable> {
        let doing = || unavailable(format!("delete images of `{service}` in ECR"));
        let mut refused = Vec::new();
        for some in ids.chunks(PER_CALL) {
            let call = (self.ecr.batch_delete_image())
                .repository_name(service.as_str())
                .set_image_ids(Some(some.iter().map(identifier).collect()));
            let done = call.send().await.map_err(|error| doing()(error.into()))?;
            for failure in done.failures.unwrap_or_default() {
                refused.extend(concerned(some, &failure).map_err(doing())?);
            }
        }
        Ok(refused)
    }

    /// In one call, whose answer says of each that is gone that it is. To hand out the others
    /// counts as a pull of theirs: they are few, and someone has just given them a tag.
    async fn survivors(
        &self,
        service: &Service,
        digests: &[Digest],
    ) -> Result<BTreeSet<Digest>, Unavailable> {
        let got = match self.get(service, digests, ANYTHING).await {
            Ok(got) => got,
            Err(error) if is_gone(&error) => return Ok(BTreeSet::new()),
            Err(error) => {
                let doing = format!("see which images of `{service}` are gone from ECR");
                return Err(unavailable(doing)((*error).into()));
            }
        };
        let mut there: BTreeSet<Digest> = digests.iter().cloned().collect();
        for failure in got.failures.unwrap_or_default() {
            let id = failure.image_id().and_then(ImageIdentifier::image_digest);
            if let (Refused::Gone, Some(gone)) = (refused(&failure), id) {
                there.retain(|digest| digest.as_str() != gone);
            }
        }
        Ok(there)
    }

    /// Never fails: what it is for is a warning, which is not worth a run.
    async fn lifecycle(&self, service: &Service) -> Result<Vec<Rule>, Unavailable> {
        let call = self.ecr.get_lifecycle_policy().repository_name(service.as_str());
        let rules = match call.send().await {
            Ok(got) => lifecycle::rules(&got.lifecycle_policy_text.unwrap_or_default()),
            Err(error) if is_no_policy(&error) => return Ok(Vec::new()),
            Err(error) => Err(error.into()),
        };
        Ok(rules.unwrap_or_else(|error: BoxError| {
            let error = chain(error.as_ref());
            tracing::warn!(%service, %error, "the lifecycle policy is not checked");
            Vec::new()
        }))
    }
}

impl Aws<Shelves> {
    async fn describe(
        &self,
        service: &Service,
        digests: &[Digest],
    ) -> Result<Vec<ImageDetail>, Box<SdkError<DescribeImagesError>>> {
        let call = (self.ecr.describe_images())
            .repository_name(service.as_str())
            .set_image_ids(Some(digests.iter().map(by_digest).collect()))
            .filter(any_status());
        Ok(call.send().await?.image_details.unwrap_or_default())
    }

    /// What ECR hands out of these, in one call.
    async fn get(
        &self,
        service: &Service,
        digests: &[Digest],
        types: &[&str],
    ) -> Result<BatchGetImageOutput, Box<SdkError<BatchGetImageError>>> {
        let call = (self.ecr.batch_get_image())
            .repository_name(service.as_str())
            .set_image_ids(Some(digests.iter().map(by_digest).collect()))
            .set_accepted_media_types(Some(types.iter().map(ToString::to_string).collect()));
        call.send().await.map_err(Box::new)
    }

    /// What these indexes name.
    async fn read(
        &self,
        service: &Service,
        indexes: &[Digest],
    ) -> Result<BTreeMap<Digest, Contents>, BoxError> {
        let got = self.get(service, indexes, INDEXES).await.map_err(|error| *error)?;
        let unanswered = || Contents::Unreadable("ECR did not answer for it".to_owned());
        let mut contents: BTreeMap<Digest, Contents> =
            indexes.iter().map(|digest| (digest.clone(), unanswered())).collect();
        let failures = got.failures.unwrap_or_default().into_iter().map(|failure| {
            let why = format!("ECR does not hand it out: {}", said(&failure));
            (failure.image_id, Contents::Unreadable(why))
        });
        let images = got.images.unwrap_or_default().into_iter();
        for (id, found) in
            failures.chain(images.map(|image| (image.image_id.clone(), named(&image))))
        {
            let digest = id.and_then(|id| id.image_digest?.parse::<Digest>().ok());
            if let Some(known) = digest.and_then(|digest| contents.get_mut(&digest)) {
                *known = found;
            }
        }
        Ok(contents)
    }
}

fn is_no_repository(error: &SdkError<DescribeImagesError>) -> bool {
    error.as_service_error().is_some_and(DescribeImagesError::is_repository_not_found_exception)
}

fn is_no_image(error: &SdkError<DescribeImagesError>) -> bool {
    error.as_service_error().is_some_and(DescribeImagesError::is_image_not_found_exception)
}

fn is_gone(error: &SdkError<BatchGetImageError>) -> bool {
    error.as_service_error().is_some_and(BatchGetImageError::is_repository_not_found_exception)
}

fn is_no_policy(error: &SdkError<GetLifecyclePolicyError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(GetLifecyclePolicyError::is_lifecycle_policy_not_found_exception)
}

fn image(seen: ImageDetail) -> Result<Image, BoxError> {
    let pushed = seen.image_pushed_at().and_then(instant).ok_or(Missing("imagePushedAt"))?;
    let activated = seen.last_activated_at().and_then(instant);
    let digest = seen.image_digest().ok_or(Missing("imageDigest"))?.parse()?;
    let subject = seen.subject_manifest_digest().map(str::parse).transpose()?;
    let kind = Kind::of(seen.image_manifest_media_type(), seen.artifact_media_type());
    let pulled_at = seen.last_recorded_pull_time().and_then(instant);
    let (bytes, availability) = (bytes(&seen), availability(&seen));
    let tags = seen.image_tags.unwrap_or_default();
    let mut tags: Vec<Box<str>> = tags.into_iter().map(String::into_boxed_str).collect();
    tags.sort_unstable();
    let pushed_at = activated.map_or(pushed, |at| at.max(pushed));
    Ok(Image { digest, tags, kind, bytes, pushed_at, pulled_at, subject, availability })
}

fn by_digest(digest: &Digest) -> ImageIdentifier {
    ImageIdentifier::builder().image_digest(digest.as_str()).build()
}

fn identifier(id: &Id) -> ImageIdentifier {
    let tag = id.tag.as_ref().map(ToString::to_string);
    ImageIdentifier::builder().image_digest(id.digest.as_str()).set_image_tag(tag).build()
}

/// The manifests that an index names.
fn named(image: &Handed) -> Contents {
    #[derive(Deserialize)]
    struct Index {
        manifests: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Part {
        digest: String,
    }
    let manifest = image.image_manifest().unwrap_or_default();
    let index: Index = match serde_json::from_str(manifest) {
        Ok(index) => index,
        Err(error) => return Contents::Unreadable(format!("its manifest cannot be read: {error}")),
    };
    let parts = index.manifests.iter().map(|part| part.digest.parse());
    match parts.collect::<Result<Vec<Digest>, _>>() {
        Ok(children) => Contents::Children(children),
        Err(error) => Contents::Unreadable(format!("it names a part in no way we know: {error}")),
    }
}

/// The ids that a failure is about: whatever it does not name, it is about.
fn concerned(ids: &[Id], failure: &ImageFailure) -> Result<Vec<(Id, Refused)>, BoxError> {
    let named = failure.image_id();
    let digest = named.and_then(ImageIdentifier::image_digest);
    let tag = named.and_then(ImageIdentifier::image_tag);
    let about = |id: &&Id| {
        digest.is_none_or(|it| it == id.digest.as_str())
            && tag.is_none_or(|it| id.tag.as_deref() == Some(it))
    };
    let why = refused(failure);
    let all: Vec<(Id, Refused)> =
        ids.iter().filter(about).map(|id| (id.clone(), why.clone())).collect();
    if all.is_empty() {
        return Err(Missing("failures[].imageId").into());
    }
    Ok(all)
}

fn refused(failure: &ImageFailure) -> Refused {
    match failure.failure_code() {
        Some(ImageFailureCode::ImageNotFound) => Refused::Gone,
        Some(ImageFailureCode::ImageTagDoesNotMatchDigest) => Refused::Moved,
        Some(ImageFailureCode::ImageReferencedByManifestList) => Refused::Referenced,
        Some(_) | None => Refused::Other(said(failure)),
    }
}

fn said(failure: &ImageFailure) -> String {
    let code = failure.failure_code().map_or("no code", ImageFailureCode::as_str);
    format!("{code}: {}", failure.failure_reason().unwrap_or("no reason"))
}
