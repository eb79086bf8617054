//! Images: what is there, what names lead to it, and fetching what is not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ImageInspect, ImageSummary};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptionsBuilder, ListImagesOptions, RemoveImageOptions,
    TagImageOptionsBuilder,
};
use esclusa_core::host::{
    COMPOSE_LABEL, Command, Image, ROLLBACK_LABEL, explain_pull, was_lost_in_store,
};
use esclusa_core::reason::Reason;
use futures_util::StreamExt as _;
use futures_util::future::join_all;

use super::read::{read_environment, read_patience};
use super::{Engine, is_absent, refused};
use crate::error::{self, reason};

/// Of a pull; the document ends after 30 minutes.
const PULL: Duration = Duration::from_mins(25);

/// How often a pull is made that the engine's own store undoes.
const PULLS: usize = 3;

impl Engine {
    /// Every image by every name that leads to it: its id, its tags, its digests. Those that are
    /// asked for are described whole.
    ///
    /// # Errors
    ///
    /// `hosts.docker`.
    pub(crate) async fn images(
        &self,
        whole: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Image>, Reason> {
        let listed = self.docker.list_images(None::<ListImagesOptions>).await;
        let listed = listed.map_err(|it| refused("list the images", &it))?;
        // Some engines list an image once for each of its names.
        let mut by_id: BTreeMap<String, Image> = BTreeMap::new();
        for image in listed.into_iter().map(of_summary) {
            let known = by_id.entry(image.id.clone()).or_default();
            known.id = image.id;
            known.tags.extend(image.tags);
            known.digests.extend(image.digests);
        }
        let mut images = BTreeMap::new();
        for image in by_id.values() {
            add_names(&mut images, image);
        }
        let asked = whole.iter().map(async |it| (it, self.docker.inspect_image(it).await));
        for (name, answer) in join_all(asked).await {
            match answer {
                Ok(described) => {
                    let mut image = of_inspection(described);
                    if let Some(listed) = by_id.get(&image.id) {
                        image.tags.extend(listed.tags.iter().cloned());
                        image.digests.extend(listed.digests.iter().cloned());
                    }
                    add_names(&mut images, &image);
                    images.insert(name.clone(), image);
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(refused("look at an image", &error)),
            }
        }
        Ok(images)
    }

    /// Where images are stored, and how many bytes are free there.
    ///
    /// # Errors
    ///
    /// `hosts.docker`.
    pub(crate) async fn room(&self) -> Result<(PathBuf, u64), Reason> {
        let about = self.docker.info().await.map_err(|it| refused("ask the engine", &it))?;
        let status = about.driver_status.unwrap_or_default();
        let snapshotter =
            status.iter().flatten().any(|it| it.contains("io.containerd.snapshotter"));
        let containerd = PathBuf::from("/var/lib/containerd");
        let root = PathBuf::from(about.docker_root_dir.unwrap_or_default());
        let at = if snapshotter && containerd.is_dir() { containerd } else { root };
        let free = nix::sys::statvfs::statvfs(&at)
            .map_or(u64::MAX, |it| it.blocks_available().saturating_mul(it.fragment_size()));
        Ok((at, free))
    }

    /// Refuses a pull that the disk has no room for.
    ///
    /// # Errors
    ///
    /// `hosts.disk`, `hosts.docker`.
    pub(crate) async fn check_room(&self, need: u64) -> Result<(), Reason> {
        let (at, free) = self.room().await?;
        if free >= need {
            return Ok(());
        }
        let text = format!(
            "{} has {} MiB free and this image needs {}: remove what is not needed there, or \
             enlarge the \
             volume.",
            at.display(),
            free >> 20,
            need >> 20
        );
        Err(reason(error::DISK, text))
    }

    /// Makes a container that never runs, to copy a file out of an image; its id.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(crate) async fn create_temporary(&self, reference: &str) -> Result<String, Reason> {
        let body = ContainerCreateBody {
            image: Some(reference.to_owned()),
            cmd: Some(vec!["none".to_owned()]),
            labels: Some(HashMap::from([("esclusa.temporary".to_owned(), "yes".to_owned())])),
            ..ContainerCreateBody::default()
        };
        let made = self.docker.create_container(None::<CreateContainerOptions>, body).await;
        made.map(|it| it.id).map_err(|it| refused("look into the image", &it))
    }

    /// Gives an image one more name.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(crate) async fn tag(&self, image: &str, tag: &str) -> Result<(), Reason> {
        let (name, tag) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
        let options = TagImageOptionsBuilder::new().repo(name).tag(tag).build();
        let tagged = self.docker.tag_image(image, Some(options)).await;
        tagged.map_err(|it| refused(&format!("keep the image {image} by a tag"), &it))
    }

    /// Takes a name away; the image goes with its last one. One that is in use stays.
    pub(crate) async fn remove_image_name(&self, name: &str) {
        let options = RemoveImageOptions { noprune: false, ..RemoveImageOptions::default() };
        if let Err(error) = self.docker.remove_image(name, Some(options), None).await {
            eprintln!("the image {name} stays: {error}");
        }
    }

    /// Pulls an image from a registry that a login may be needed for.
    ///
    /// # Errors
    ///
    /// `release.not_in_registry`, `hosts.disk`, `hosts.registry`, decided on all that the engine
    /// says.
    pub(crate) async fn pull(
        &self,
        reference: &str,
        login: Option<DockerCredentials>,
    ) -> Result<(), Reason> {
        for _ in 1..PULLS {
            match self.try_pull(reference, login.clone()).await {
                Err(reason) if was_lost_in_store(&reason.text) => {}
                ended => return ended,
            }
        }
        self.try_pull(reference, login).await
    }

    async fn try_pull(
        &self,
        reference: &str,
        login: Option<DockerCredentials>,
    ) -> Result<(), Reason> {
        let options = CreateImageOptionsBuilder::new().from_image(reference);
        let options = match reference.rsplit_once('@') {
            Some((name, digest)) => options.from_image(name).tag(digest).build(),
            None => options.build(),
        };
        let docker = self.patient(PULL);
        let mut progress = std::pin::pin!(docker.create_image(Some(options), None, login));
        while let Some(line) = progress.next().await {
            let failed = match line {
                Ok(info) => info.error_detail.and_then(|it| it.message),
                Err(Error::DockerResponseServerError { message, .. }) => Some(message),
                Err(Error::DockerStreamError { error }) => Some(error),
                Err(other) => {
                    let doing = format!("pull {reference}");
                    return Err(refused(&doing, &other));
                }
            };
            if let Some(text) = failed {
                return Err(explain_pull(reference, &text));
            }
        }
        Ok(())
    }
}

/// An image that was described whole is not replaced by a brief one.
fn add_names(images: &mut BTreeMap<String, Image>, image: &Image) {
    let names = image.tags.iter().chain(&image.digests).chain(std::iter::once(&image.id));
    for name in names {
        images.insert(name.clone(), image.clone());
    }
}

/// Tags and digests that lead to an image. Some engines list what was pulled by digest among the
/// tags.
fn sort_names(tags: Vec<String>, digests: Vec<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    let names = tags.into_iter().chain(digests).filter(|it| !it.starts_with("<none>"));
    names.partition(|it| !it.contains('@'))
}

fn of_summary(summary: ImageSummary) -> Image {
    let (tags, digests) = sort_names(summary.repo_tags, summary.repo_digests);
    Image { id: summary.id, tags, digests, ..Image::default() }
}

fn of_inspection(seen: ImageInspect) -> Image {
    let config = seen.config.unwrap_or_default();
    let names = (seen.repo_tags.unwrap_or_default(), seen.repo_digests.unwrap_or_default());
    let (tags, digests) = sort_names(names.0, names.1);
    let known =
        |(name, _): &(String, String)| [COMPOSE_LABEL, ROLLBACK_LABEL].contains(&name.as_str());
    let parts = [seen.os, seen.architecture, seen.variant];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|it| !it.is_empty()).collect();
    Image {
        id: seen.id.unwrap_or_default(),
        tags,
        digests,
        labels: config.labels.unwrap_or_default().into_iter().filter(known).collect(),
        environment: read_environment(&config.env.unwrap_or_default()),
        runs: Command {
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
        },
        patience: config.healthcheck.as_ref().and_then(read_patience),
        volumes: config.volumes.unwrap_or_default().into_iter().collect(),
        platform: parts.join("/"),
    }
}
