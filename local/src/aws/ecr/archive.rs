//! `UpdateImageStorageClass`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::ImageId;
use super::{Ecr, invalid};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::events::Event;
use crate::aws::guard;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateStorageClass {
    repository_name: String,
    image_id: ImageId,
    target_storage_class: String,
}

impl Ecr {
    /// An archived image is listed, but cannot be pulled. A restore is done at once here.
    pub(crate) fn update_storage_class(&self, input: &UpdateStorageClass) -> ApiResult<Value> {
        let archive = match input.target_storage_class.as_str() {
            "ARCHIVE" => true,
            "STANDARD" => false,
            other => return Err(invalid(format!("`{other}` is not a storage class"))),
        };
        let name = &input.repository_name;
        let mut catalog = guard(&self.catalog);
        let repository = catalog.repository_mut(&self.settings.account, name)?;
        let digest = repository.resolve(&input.image_id);
        let digest = digest.map_err(|_| input.image_id.not_found(name, self.account()))?;
        if archive && repository.referenced().contains(&digest) {
            let message = "The image is referenced by a manifest list: archive that one first";
            return Err(ApiError::client("ImageStorageClassUpdateNotSupportedException", message));
        }
        let moved = if archive {
            self.registry.archive(name, &digest)
        } else {
            self.registry.restore(name, &digest)
        };
        moved.map_err(super::broken)?;
        let now = Moment::now();
        let image = repository.images.get_mut(&digest);
        let image = image.ok_or_else(|| input.image_id.not_found(name, self.account()))?;
        if archive {
            image.archived_at = Some(now);
            image.scan = None;
        } else {
            image.activated_at = Some(now);
        }
        let status = if archive { "ARCHIVED" } else { "ACTIVE" };
        status.clone_into(&mut image.status);
        self.snapshot.save(&*catalog);
        drop(catalog);
        self.emit_storage_class(name, &digest, archive, now);
        Ok(json!({
            "registryId": self.account(), "repositoryName": name, "imageStatus": status,
            "imageId": ImageId::of(&digest, input.image_id.image_tag.as_deref()),
        }))
    }

    fn emit_storage_class(&self, name: &str, digest: &str, archive: bool, at: Moment) {
        let mut detail = json!({
            "result": "SUCCESS", "repository-name": name, "image-digest": digest,
            "action-type": "UPDATE_STORAGE_CLASS",
            "target-storage-class": if archive { "ARCHIVE" } else { "STANDARD" },
        });
        let activated = (!archive).then(|| at.iso());
        crate::aws::json::set(&mut detail, "last-activated-at", activated);
        self.events.emit(Event::at_once("aws.ecr", "ECR Image Action", Vec::new(), detail));
    }
}
