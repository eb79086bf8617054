//! `DescribeImages` and `ListImages`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::{Image, ImageId, Repository};
use super::images::check_count;
use super::{Ecr, invalid};
use crate::aws::error::ApiResult;
use crate::aws::guard;
use crate::aws::json::{page, set};

/// The tags of every image that has some.
type Tags<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// What both listings take.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing {
    repository_name: String,
    image_ids: Option<Vec<ImageId>>,
    next_token: Option<String>,
    max_results: Option<usize>,
    #[serde(default)]
    filter: Filter,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    tag_status: Option<String>,
    image_status: Option<String>,
}

impl Filter {
    fn check(&self) -> ApiResult<()> {
        let known = |value: &Option<String>, values: &[&str]| {
            value.as_deref().is_none_or(|it| values.contains(&it))
        };
        if !known(&self.tag_status, &["TAGGED", "UNTAGGED", "ANY"]) {
            return Err(invalid("filter.tagStatus is TAGGED, UNTAGGED or ANY"));
        }
        if !known(&self.image_status, &["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]) {
            return Err(invalid("filter.imageStatus is ACTIVE, ARCHIVED, ACTIVATING or ANY"));
        }
        Ok(())
    }

    /// Without a word about it, only what can be pulled is shown.
    fn selects(&self, image: &Image, tags: &Tags<'_>) -> bool {
        let tagged = tags.contains_key(image.manifest.digest.as_str());
        let by_tag = match self.tag_status.as_deref() {
            Some("TAGGED") => tagged,
            Some("UNTAGGED") => !tagged,
            _ => true,
        };
        let status = self.image_status.as_deref().unwrap_or("ACTIVE");
        by_tag && (status == "ANY" || status == image.status)
    }
}

impl Listing {
    fn size(&self) -> ApiResult<usize> {
        match self.max_results.unwrap_or(100) {
            size @ 1..=1000 => Ok(size),
            _ => Err(invalid(
                "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must \
                 have value less than or equal to 1000, and greater than or equal to 1'",
            )),
        }
    }
}

impl Ecr {
    pub(super) fn describe_images(&self, input: &Listing) -> ApiResult<Value> {
        let catalog = guard(&self.catalog);
        let repository = catalog.repository(self.account(), &input.repository_name)?;
        input.filter.check()?;
        if let Some(ids) = &input.image_ids {
            return self.describe_named(repository, ids, input);
        }
        let size = input.size()?;
        let tags = repository.tags_by_digest();
        let all = repository.images.values();
        let wanted: Vec<&Image> = all.filter(|it| input.filter.selects(it, &tags)).collect();
        let key = |it: &&Image| it.manifest.digest.clone();
        let shown = page(wanted, key, input.next_token.as_deref(), size).map_err(invalid)?;
        let mut answer = json!({ "imageDetails": self.details(repository, &shown.items, &tags) });
        set(&mut answer, "nextToken", shown.next);
        Ok(answer)
    }

    fn details(&self, of: &Repository, images: &[&Image], tags: &Tags<'_>) -> Vec<Value> {
        let tags = |image: &Image| tags.get(image.manifest.digest.as_str());
        let describe = |image: &&Image| {
            of.describe_image(self.account(), image, tags(image).map_or(&[], Vec::as_slice))
        };
        images.iter().map(describe).collect()
    }

    /// All of the images that are named, each once, or the exception for the first that is not.
    fn describe_named(
        &self,
        repository: &Repository,
        ids: &[ImageId],
        input: &Listing,
    ) -> ApiResult<Value> {
        check_count(ids.len())?;
        if input.max_results.is_some() || input.next_token.is_some() {
            return Err(invalid("imageIds cannot be combined with maxResults or nextToken"));
        }
        let tags = repository.tags_by_digest();
        let mut digests = Vec::new();
        for id in ids {
            let not_found = || id.not_found(&repository.name, self.account());
            let digest = repository.resolve(id).map_err(|(code, reason)| match code {
                "ImageNotFound" | "ImageTagDoesNotMatchDigest" => not_found(),
                _ => invalid(reason),
            })?;
            let image = repository.images.get(&digest);
            if !image.is_some_and(|it| input.filter.selects(it, &tags)) {
                return Err(not_found());
            }
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        let images = digests.iter().filter_map(|digest| repository.images.get(digest));
        let images: Vec<&Image> = images.collect();
        Ok(json!({ "imageDetails": self.details(repository, &images, &tags) }))
    }

    /// One entry for each tag, and one for an image without tags.
    pub(super) fn list_images(&self, input: &Listing) -> ApiResult<Value> {
        let catalog = guard(&self.catalog);
        let repository = catalog.repository(self.account(), &input.repository_name)?;
        input.filter.check()?;
        let size = input.size()?;
        let tags = repository.tags_by_digest();
        let mut ids = Vec::new();
        let all = repository.images.values();
        for image in all.filter(|it| input.filter.selects(it, &tags)) {
            let digest = &image.manifest.digest;
            match tags.get(digest.as_str()) {
                Some(tags) => ids.extend(tags.iter().map(|tag| ImageId::of(digest, Some(tag)))),
                None => ids.push(ImageId::of(digest, None)),
            }
        }
        let key = |it: &ImageId| {
            let (digest, tag) = (it.image_digest.as_deref(), it.image_tag.as_deref());
            format!("{} {}", digest.unwrap_or_default(), tag.unwrap_or_default())
        };
        let shown = page(ids, key, input.next_token.as_deref(), size).map_err(invalid)?;
        let mut answer = json!({ "imageIds": shown.items });
        set(&mut answer, "nextToken", shown.next);
        Ok(answer)
    }
}
