//! Elastic Container Registry: AWS's control plane over a real registry.

mod age;
mod archive;
mod catalog;
mod delete;
mod describe;
mod images;
mod layers;
mod manifest;
mod policy;
mod push;
mod registry;
mod repositories;
mod scan;
mod sync;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;

use super::Settings;
use super::error::{ApiError, ApiResult};
use super::events::Bus;
use super::guard;
use super::json::parse;
use super::store::Snapshot;
use catalog::Catalog;
pub(crate) use manifest::TYPES as MANIFEST_TYPES;
use registry::Registry;
pub use registry::RegistryAccess;
pub use scan::ScanResult;

/// How long pushes are gathered before they are saved: the catalog is saved whole, and the registry
/// has what a killed server did not save.
const GATHERED: Duration = Duration::from_millis(500);

/// The service.
pub(crate) struct Ecr {
    settings: Settings,
    events: Bus,
    registry: Registry,
    snapshot: Snapshot,
    catalog: Mutex<Catalog>,
    /// Whether the catalog holds pushes that are still to be saved.
    unsaved: AtomicBool,
    /// Pushes are taken in one after the other, in the order in which the registry tells them.
    intake: AsyncMutex<()>,
    /// Layers that are being uploaded by ECR's own calls.
    uploads: Mutex<layers::Uploads>,
}

impl Ecr {
    /// Starts with the state that was saved last.
    pub(crate) fn open(
        settings: Settings,
        events: Bus,
        access: RegistryAccess,
    ) -> std::io::Result<Self> {
        let snapshot = Snapshot::new(&settings.state_dir, "ecr.json");
        let catalog = Mutex::new(snapshot.load()?.unwrap_or_default());
        let registry = Registry::new(access);
        let (intake, uploads) = (AsyncMutex::new(()), Mutex::default());
        let unsaved = AtomicBool::new(false);
        Ok(Self { settings, events, registry, snapshot, catalog, unsaved, intake, uploads })
    }

    /// Saves the catalog soon, together with what is pushed meanwhile.
    fn save_soon(self: &Arc<Self>) {
        if self.unsaved.swap(true, Ordering::AcqRel) {
            return;
        }
        let ecr = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(GATHERED).await;
            ecr.save_gathered();
        });
    }

    /// Saves what waits to be saved.
    pub(crate) fn save_gathered(&self) {
        if self.unsaved.swap(false, Ordering::AcqRel) {
            self.snapshot.save(&*guard(&self.catalog));
        }
    }

    /// Carries out one operation.
    pub(crate) async fn call(self: &Arc<Self>, operation: &str, body: &[u8]) -> ApiResult<Value> {
        match operation {
            "GetAuthorizationToken" => Ok(self.authorization_token()),
            "CreateRepository" => self.create_repository(parse(body)?),
            "DescribeRepositories" => self.describe_repositories(&parse(body)?),
            "DeleteRepository" => self.delete_repository(&parse(body)?),
            "DescribeImages" => self.describe_images(&parse(body)?),
            "ListImages" => self.list_images(&parse(body)?),
            "BatchGetImage" => self.batch_get_image(parse(body)?).await,
            "BatchDeleteImage" => self.batch_delete_image(&parse(body)?),
            "PutImage" => self.put_image(parse(body)?).await,
            "DescribeImageScanFindings" => self.describe_findings(&parse(body)?),
            "StartImageScan" => self.start_scan(&parse(body)?),
            "UpdateImageStorageClass" => self.update_storage_class(&parse(body)?),
            other => self.call_on_repository(other, body).await,
        }
    }

    async fn call_on_repository(&self, operation: &str, body: &[u8]) -> ApiResult<Value> {
        match operation {
            "PutImageTagMutability" => self.put_tag_mutability(parse(body)?),
            "PutImageScanningConfiguration" => self.put_scanning(&parse(body)?),
            "BatchGetRepositoryScanningConfiguration" => self.scanning(&parse(body)?),
            "GetLifecyclePolicy" => self.get_lifecycle_policy(&parse(body)?),
            "PutLifecyclePolicy" => self.put_lifecycle_policy(parse(body)?),
            "DeleteLifecyclePolicy" => self.delete_lifecycle_policy(&parse(body)?),
            "ListTagsForResource" => self.list_resource_tags(&parse(body)?),
            "TagResource" => self.tag_resource(parse(body)?),
            "UntagResource" => self.untag_resource(&parse(body)?),
            other => self.call_on_layers(other, body).await,
        }
    }

    async fn call_on_layers(&self, operation: &str, body: &[u8]) -> ApiResult<Value> {
        match operation {
            "BatchCheckLayerAvailability" => self.check_layers(parse(body)?).await,
            "InitiateLayerUpload" => self.initiate_upload(&parse(body)?),
            "UploadLayerPart" => self.upload_part(&parse(body)?),
            "CompleteLayerUpload" => self.complete_upload(parse(body)?).await,
            other => Err(ApiError::unknown_operation(other)),
        }
    }

    fn account(&self) -> &str {
        &self.settings.account
    }

    fn arn(&self, repository: &str) -> String {
        let Settings { account, region, .. } = &self.settings;
        format!("arn:aws:ecr:{region}:{account}:repository/{repository}")
    }
}

/// A parameter that ECR refuses.
fn invalid(message: impl std::fmt::Display) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}

/// The registry, or a file of it, failed.
fn broken(cause: impl std::fmt::Display) -> ApiError {
    ApiError { code: "ServerException".to_owned(), ..ApiError::internal(cause) }
}
