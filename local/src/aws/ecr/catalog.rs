//! What ECR knows: repositories, images, tags.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::manifest::Manifest;
use super::scan::Scan;
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::json::set;

/// Every repository by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Catalog {
    pub(crate) repositories: BTreeMap<String, Repository>,
}

/// One repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) name: String,
    pub(crate) created_at: Moment,
    /// `MUTABLE`, `IMMUTABLE` or one of the two with exclusions.
    pub(crate) mutability: String,
    /// Wildcards of tags for which the opposite holds.
    pub(crate) exclusions: Vec<String>,
    pub(crate) scan_on_push: bool,
    pub(crate) resource_tags: BTreeMap<String, String>,
    pub(crate) lifecycle_policy: Option<String>,
    pub(crate) images: BTreeMap<String, Image>,
    /// Digest by tag.
    pub(crate) tags: BTreeMap<String, String>,
}

/// One image: a manifest or an index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    pub(crate) pushed_at: Moment,
    pub(crate) pulled_at: Option<Moment>,
    /// `ACTIVE` or `ARCHIVED`.
    pub(crate) status: String,
    pub(crate) archived_at: Option<Moment>,
    pub(crate) activated_at: Option<Moment>,
    pub(crate) scan: Option<Scan>,
}

impl Image {
    /// An image that was just pushed.
    pub(crate) fn new(manifest: Manifest, pushed_at: Moment) -> Self {
        Self {
            manifest,
            pushed_at,
            pulled_at: None,
            status: "ACTIVE".to_owned(),
            archived_at: None,
            activated_at: None,
            scan: None,
        }
    }

    /// Whether it can be pulled.
    pub(crate) fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }
}

impl Repository {
    /// A repository as `CreateRepository` makes it.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            created_at: Moment::now(),
            mutability: "MUTABLE".to_owned(),
            exclusions: Vec::new(),
            scan_on_push: false,
            resource_tags: BTreeMap::new(),
            lifecycle_policy: None,
            images: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    /// The tags of an image, in order.
    pub(crate) fn tags_of(&self, digest: &str) -> Vec<&str> {
        self.tags.iter().filter(|(_, at)| *at == digest).map(|(tag, _)| tag.as_str()).collect()
    }

    /// The tags of every image that has some, in order: for answers about many images.
    pub(crate) fn tags_by_digest(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut tags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tag, digest) in &self.tags {
            tags.entry(digest).or_default().push(tag);
        }
        tags
    }

    /// Digests that an index of this repository names.
    pub(crate) fn referenced(&self) -> BTreeSet<String> {
        self.images.values().flat_map(|it| it.manifest.children.iter().cloned()).collect()
    }

    /// Whether a tag, once set, stays where it is.
    pub(crate) fn is_fixed(&self, tag: &str) -> bool {
        let excluded = self.exclusions.iter().any(|pattern| matches_wildcard(pattern, tag));
        match self.mutability.as_str() {
            "IMMUTABLE" => true,
            "IMMUTABLE_WITH_EXCLUSION" => !excluded,
            "MUTABLE_WITH_EXCLUSION" => excluded,
            _ => false,
        }
    }

    /// Takes in a push. An image that was there keeps its push time; a tag that moves leaves its
    /// old image as it is, with one tag less.
    pub(crate) fn push(&mut self, manifest: Manifest, tag: Option<&str>, at: Moment) {
        let digest = manifest.digest.clone();
        let image = self.images.entry(digest.clone());
        let image = image.or_insert_with(|| Image::new(manifest, at));
        if !image.is_active() {
            "ACTIVE".clone_into(&mut image.status);
            image.activated_at = Some(at);
        }
        if let Some(tag) = tag {
            self.tags.insert(tag.to_owned(), digest);
        }
    }

    /// The digest that an id names.
    ///
    /// # Errors
    ///
    /// The failure code and reason: nothing named, malformed, not there, or not both of one image.
    pub(crate) fn resolve(&self, id: &ImageId) -> Result<String, (&'static str, &'static str)> {
        const GONE: (&str, &str) = ("ImageNotFound", "Requested image not found");
        match (id.image_digest.as_deref(), id.image_tag.as_deref()) {
            (None, None) => Err((
                "MissingDigestAndTag",
                "Invalid request parameters: both tag and digest cannot be null",
            )),
            (Some(digest), _) if !is_digest(digest) => Err((
                "InvalidImageDigest",
                "Invalid request parameters: image digest should satisfy the regex",
            )),
            (Some(digest), None) if self.images.contains_key(digest) => Ok(digest.to_owned()),
            (None, Some(tag)) => self.tags.get(tag).cloned().ok_or(GONE),
            (Some(digest), Some(tag)) if self.images.contains_key(digest) => {
                match self.tags.get(tag) {
                    Some(at) if at == digest => Ok(digest.to_owned()),
                    _ => Err(("ImageTagDoesNotMatchDigest", "Tag does not match digest")),
                }
            }
            (Some(_), _) => Err(GONE),
        }
    }

    /// The `ImageDetail` structure of answers.
    pub(crate) fn describe_image(&self, account: &str, image: &Image, tags: &[&str]) -> Value {
        let manifest = &image.manifest;
        let mut detail = json!({
            "registryId": account, "repositoryName": self.name, "imageDigest": manifest.digest,
            "imageSizeInBytes": manifest.bytes, "imagePushedAt": image.pushed_at.epoch(),
            "imageManifestMediaType": manifest.media_type, "imageStatus": image.status,
        });
        set(&mut detail, "imageTags", Some(tags).filter(|it| !it.is_empty()));
        set(&mut detail, "artifactMediaType", manifest.artifact_type.clone());
        set(&mut detail, "subjectManifestDigest", manifest.subject.clone());
        set(&mut detail, "lastRecordedPullTime", image.pulled_at.map(Moment::epoch));
        set(&mut detail, "lastArchivedAt", image.archived_at.map(Moment::epoch));
        set(&mut detail, "lastActivatedAt", image.activated_at.map(Moment::epoch));
        detail
    }
}

impl Catalog {
    /// The repository, or the exception that says that there is none.
    pub(crate) fn repository(&self, account: &str, name: &str) -> ApiResult<&Repository> {
        self.repositories.get(name).ok_or_else(|| no_repository(account, name))
    }

    /// The repository, to be changed.
    pub(crate) fn repository_mut(
        &mut self,
        account: &str,
        name: &str,
    ) -> ApiResult<&mut Repository> {
        self.repositories.get_mut(name).ok_or_else(|| no_repository(account, name))
    }
}

fn no_repository(account: &str, name: &str) -> ApiError {
    let message = format!(
        "The repository with name '{name}' does not exist in the registry with id '{account}'"
    );
    ApiError::client("RepositoryNotFoundException", message)
}

/// How a request names an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageId {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image_tag: Option<String>,
}

impl ImageId {
    /// An id of both kinds.
    pub(crate) fn of(digest: &str, tag: Option<&str>) -> Self {
        Self { image_digest: Some(digest.to_owned()), image_tag: tag.map(str::to_owned) }
    }

    /// The exception of operations that name one image and do not find it.
    pub(crate) fn not_found(&self, repository: &str, account: &str) -> ApiError {
        let digest = self.image_digest.as_deref().unwrap_or("null");
        let tag = self.image_tag.as_deref().unwrap_or("null");
        let message = format!(
            "The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist \
             within the repository with name '{repository}' in the registry with id '{account}'"
        );
        ApiError::client("ImageNotFoundException", message)
    }
}

/// Whether a text is `sha256:` and 64 lowercase hexadecimal digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
    })
}

fn matches_wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            let mut ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.any(|at| left.get(at..).is_some_and(|tail| matches_wildcard(rest, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(mutability: &str, exclusions: &[&str]) -> Repository {
        let mut it = Repository::new("web");
        mutability.clone_into(&mut it.mutability);
        it.exclusions = exclusions.iter().map(|it| (*it).to_owned()).collect();
        it
    }

    #[test]
    fn a_tag_is_fixed_as_its_repository_says() {
        for (mutability, exclusions, tag, expected) in [
            ("MUTABLE", &[][..], "v1", false),
            ("IMMUTABLE", &[][..], "latest", true),
            ("IMMUTABLE_WITH_EXCLUSION", &["latest", "prod*"][..], "latest", false),
            ("IMMUTABLE_WITH_EXCLUSION", &["latest", "prod*"][..], "production", false),
            ("IMMUTABLE_WITH_EXCLUSION", &["latest", "prod*"][..], "v1", true),
            ("MUTABLE_WITH_EXCLUSION", &["v*"][..], "v1", true),
            ("MUTABLE_WITH_EXCLUSION", &["v*.0"][..], "v1.1", false),
        ] {
            let fixed = repository(mutability, exclusions).is_fixed(tag);
            assert_eq!(fixed, expected, "{mutability} {exclusions:?} {tag}");
        }
    }
}
