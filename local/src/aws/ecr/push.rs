//! The registry's notifications: how a `docker push` becomes an image and an event.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::Ecr;
use super::catalog::{Catalog, Repository};
use super::manifest::{Manifest, TYPES};
use super::registry::{AGENT, Stored};
use crate::aws::clock::Moment;
use crate::aws::error::ApiResult;
use crate::aws::events::Event;
use crate::aws::guard;

/// What the registry posts.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    events: Vec<Notification>,
}

#[derive(Debug, Deserialize)]
struct Notification {
    timestamp: String,
    action: String,
    target: Target,
    #[serde(default)]
    request: Request,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default)]
    media_type: String,
    digest: String,
    repository: String,
    #[serde(default)]
    tag: String,
}

#[derive(Debug, Default, Deserialize)]
struct Request {
    #[serde(default)]
    useragent: String,
}

impl Ecr {
    /// Takes in what the registry tells, in its order.
    ///
    /// # Errors
    ///
    /// The registry could not be read: it is to tell again.
    pub(crate) async fn notified(self: &Arc<Self>, envelope: Envelope) -> ApiResult<()> {
        let _in_order = self.intake.lock().await;
        for note in envelope.events.iter().filter(|it| it.request.useragent != AGENT) {
            let of_manifest = TYPES.contains(&note.target.media_type.as_str());
            match note.action.as_str() {
                "push" if of_manifest => self.pushed(note).await?,
                "pull" if of_manifest => self.pulled(&note.target.repository, &note.target.digest),
                _ => {}
            }
        }
        Ok(())
    }

    async fn pushed(self: &Arc<Self>, note: &Notification) -> ApiResult<()> {
        let Target { digest, repository, .. } = &note.target;
        let tag = Some(note.target.tag.as_str()).filter(|it| !it.is_empty());
        let stored = self.registry.manifest(repository, digest).await.map_err(super::broken)?;
        let manifest = stored.and_then(|it| Manifest::read(&it.bytes, &it.media_type));
        let Some(manifest) = manifest else {
            // Deleted between the push and its notification: there is nothing to tell of.
            tracing::warn!(repository, digest, "a pushed manifest is not in the registry");
            return Ok(());
        };
        if let Some(kept) = tag.and_then(|tag| self.fixed_elsewhere(repository, tag, digest)) {
            return self.refuse_push(repository, tag.unwrap_or_default(), digest, &kept).await;
        }
        let at = Moment::parse(&note.timestamp).unwrap_or_else(Moment::now);
        self.take_in(repository, manifest, tag, at);
        self.emit_action("PUSH", repository, digest, tag);
        Ok(())
    }

    /// Makes a pushed manifest an image; a repository that does not exist comes into being, as it
    /// does in ECR with a repository creation template for create on push.
    pub(super) fn take_in(
        self: &Arc<Self>,
        name: &str,
        manifest: Manifest,
        tag: Option<&str>,
        at: Moment,
    ) {
        let digest = manifest.digest.clone();
        let scan = {
            let mut catalog = guard(&self.catalog);
            let repository = catalog.repositories.entry(name.to_owned());
            let repository = repository.or_insert_with(|| {
                tracing::info!(repository = name, "a push created the repository");
                Repository::new(name)
            });
            let manifest = with_size(repository, manifest);
            repository.push(manifest, tag, at);
            catalog.repositories.get(name).is_some_and(|it| it.scan_on_push)
        };
        self.save_soon();
        if scan {
            // An index is refused; its children are scanned when they are pushed.
            if let Err(error) = self.begin_scan(name, &digest) {
                tracing::info!(repository = name, digest, reason = error.message, "not scanned");
            }
        }
    }

    fn fixed_elsewhere(&self, repository: &str, tag: &str, digest: &str) -> Option<String> {
        let catalog = guard(&self.catalog);
        let repository = catalog.repositories.get(repository)?;
        let at = repository.tags.get(tag).filter(|at| *at != digest)?;
        repository.is_fixed(tag).then(|| at.clone())
    }

    /// The registry cannot refuse to move an immutable tag, so it is moved back and no event is
    /// sent. Unlike with ECR, the push itself reported success.
    async fn refuse_push(&self, name: &str, tag: &str, new: &str, kept: &str) -> ApiResult<()> {
        tracing::warn!(repository = name, tag, "an immutable tag was pushed: moved back");
        let old = self.registry.manifest(name, kept).await.map_err(super::broken)?;
        if let Some(old) = old {
            self.registry.put(name, tag, old).await.map_err(super::broken)?;
        }
        let known = guard(&self.catalog)
            .repositories
            .get(name)
            .is_some_and(|it| it.images.contains_key(new));
        if known { Ok(()) } else { self.registry.remove(name, new).map_err(super::broken) }
    }

    /// Notes when an image was last pulled. The next change saves it: a catalog of thousands of
    /// images is too large to be saved at each pull, and ECR is late with these times too.
    pub(super) fn pulled(&self, repository: &str, digest: &str) {
        let mut catalog = guard(&self.catalog);
        let repository = catalog.repositories.get_mut(repository);
        if let Some(image) = repository.and_then(|it| it.images.get_mut(digest)) {
            image.pulled_at = Some(Moment::now());
        }
    }

    /// Tells of an `ECR Image Action`; an untagged image has an empty tag in it.
    pub(super) fn emit_action(&self, kind: &str, name: &str, digest: &str, tag: Option<&str>) {
        let detail = json!({
            "result": "SUCCESS", "repository-name": name, "image-digest": digest,
            "action-type": kind, "image-tag": tag.unwrap_or_default(),
        });
        self.events.emit(Event::at_once("aws.ecr", "ECR Image Action", Vec::new(), detail));
    }

    /// A manifest read from the registry, as an image of this repository.
    pub(super) fn sized(catalog: &Catalog, name: &str, stored: &Stored) -> Option<Manifest> {
        let manifest = Manifest::read(&stored.bytes, &stored.media_type)?;
        Some(match catalog.repositories.get(name) {
            Some(repository) => with_size(repository, manifest),
            None => manifest,
        })
    }
}

/// An index is as large as the largest of its children.
fn with_size(repository: &Repository, mut manifest: Manifest) -> Manifest {
    if manifest.is_index() {
        let children = manifest.children.iter().filter_map(|it| repository.images.get(it));
        manifest.bytes = children.map(|it| it.manifest.bytes).max().unwrap_or(0);
    }
    manifest
}
