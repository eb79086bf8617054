//! `BatchDeleteImage`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Ecr;
use super::catalog::{Catalog, ImageId, Repository};
use super::images::{check_count, failure};
use crate::aws::error::ApiResult;
use crate::aws::guard;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delete {
    repository_name: String,
    image_ids: Vec<ImageId>,
}

/// What deleting one id comes to.
#[derive(Debug, Default)]
struct Removal {
    /// Tags to take off.
    tags: Vec<String>,
    /// The image itself, if it goes with them.
    image: Option<String>,
    /// What the answer lists.
    ids: Vec<ImageId>,
}

const PROTECTED: (&str, &str) =
    ("ImageReferencedByManifestList", "Requested image referenced by manifest list");

impl Ecr {
    /// Answers 200 with the failures listed; what could be deleted is deleted.
    ///
    /// The children of an index stay until a call that comes after the index is gone.
    pub(super) fn batch_delete_image(&self, input: &Delete) -> ApiResult<Value> {
        check_count(input.image_ids.len())?;
        let mut catalog = guard(&self.catalog);
        let repository = catalog.repository_mut(&self.settings.account, &input.repository_name)?;
        let referenced = repository.referenced();
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for id in &input.image_ids {
            match removal(repository, id, &referenced) {
                Ok(removal) => {
                    self.carry_out(repository, &removal)?;
                    deleted.extend(removal.ids);
                }
                Err((code, reason)) => failures.push(failure(id, code, reason)),
            }
        }
        self.finish(&catalog, &input.repository_name, &deleted);
        Ok(json!({ "imageIds": deleted, "failures": failures }))
    }

    fn carry_out(&self, repository: &mut Repository, removal: &Removal) -> ApiResult<()> {
        for tag in &removal.tags {
            self.registry.untag(&repository.name, tag).map_err(super::broken)?;
            repository.tags.remove(tag);
        }
        if let Some(digest) = &removal.image {
            self.registry.remove(&repository.name, digest).map_err(super::broken)?;
            repository.images.remove(digest);
        }
        Ok(())
    }

    fn finish(&self, catalog: &Catalog, name: &str, deleted: &[ImageId]) {
        self.snapshot.save(catalog);
        for id in deleted {
            let digest = id.image_digest.as_deref().unwrap_or_default();
            self.emit_action("DELETE", name, digest, id.image_tag.as_deref());
        }
    }
}

/// By tag: the tag goes, and the image with its last one. By digest: the image and all its tags.
/// By both: the tag, if it still is that image's.
fn removal(
    repository: &Repository,
    id: &ImageId,
    referenced: &BTreeSet<String>,
) -> Result<Removal, (&'static str, &'static str)> {
    let digest = repository.resolve(id)?;
    let tags: Vec<String> = repository.tags_of(&digest).into_iter().map(str::to_owned).collect();
    let gone: Vec<String> = match &id.image_tag {
        Some(tag) => vec![tag.clone()],
        None => tags.clone(),
    };
    let all = id.image_tag.is_none() || tags.len() == 1;
    if all && referenced.contains(&digest) {
        return Err(PROTECTED);
    }
    let mut ids: Vec<ImageId> = gone.iter().map(|it| ImageId::of(&digest, Some(it))).collect();
    if ids.is_empty() {
        ids.push(ImageId::of(&digest, None));
    }
    Ok(Removal { tags: gone, image: all.then_some(digest), ids })
}
