//! The registry behind ECR: its HTTP API for manifests, its storage for what the API lacks.

use std::fs;
use std::io;
use std::path::PathBuf;

use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;

use super::manifest::TYPES;

/// Marks our own requests, so that they are not taken for pulls and pushes of a user's.
pub(crate) const AGENT: &str = "esclusa-local-ecr";

/// The most repositories that the registry lists in one answer.
const CATALOG_PAGE: usize = 1000;

/// How to reach the registry.
#[derive(Debug, Clone)]
pub struct RegistryAccess {
    /// Its port on the loopback.
    pub port: u16,
    /// The password of its user `AWS`.
    pub token: String,
    /// The root of its `filesystem` storage driver.
    pub storage: PathBuf,
}

/// The registry.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    access: RegistryAccess,
    client: Client,
}

/// A manifest as the registry has it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: String,
}

#[derive(Deserialize)]
struct CatalogPage {
    repositories: Vec<String>,
}

#[derive(Deserialize)]
struct TagsPage {
    tags: Option<Vec<String>>,
}

impl Registry {
    /// A client of the registry.
    pub(crate) fn new(access: RegistryAccess) -> Self {
        Self { access, client: Client::new() }
    }

    /// The registry's host and port, the start of every repository URI.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.access.port)
    }

    /// The password of the user `AWS`.
    pub(crate) fn token(&self) -> &str {
        &self.access.token
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("http://{}/v2/{path}", self.host()))
            .basic_auth("AWS", Some(&self.access.token))
            .header("user-agent", AGENT)
            .header("accept", TYPES.join(", "))
    }

    async fn get(&self, path: &str) -> Result<Option<Response>, String> {
        let answer = self.request(Method::GET, path).send().await;
        let answer = answer.map_err(|e| format!("the registry does not answer: {e}"))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            status => Err(format!("the registry answers {status} to {path}")),
        }
    }

    /// The manifest that a tag or digest names.
    pub(crate) async fn manifest(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<Stored>, String> {
        let Some(answer) = self.get(&format!("{repository}/manifests/{reference}")).await? else {
            return Ok(None);
        };
        let media_type = answer.headers().get("content-type").and_then(|it| it.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let bytes = answer.bytes().await.map_err(|e| format!("a manifest was cut short: {e}"))?;
        Ok(Some(Stored { bytes: bytes.to_vec(), media_type }))
    }

    /// Stores a manifest under a tag or its digest.
    pub(crate) async fn put(
        &self,
        repository: &str,
        reference: &str,
        manifest: Stored,
    ) -> Result<(), String> {
        let answer = self
            .request(Method::PUT, &format!("{repository}/manifests/{reference}"))
            .header("content-type", manifest.media_type)
            .body(manifest.bytes)
            .send()
            .await
            .map_err(|e| format!("the registry does not answer: {e}"))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(format!("{status}: {}", answer.text().await.unwrap_or_default()))
    }

    /// Whether a layer or configuration is there.
    pub(crate) async fn has_blob(&self, repository: &str, digest: &str) -> Result<bool, String> {
        let answer = self.request(Method::HEAD, &format!("{repository}/blobs/{digest}")).send();
        let answer = answer.await.map_err(|e| format!("the registry does not answer: {e}"))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            status => Err(format!("the registry answers {status} about {digest}")),
        }
    }

    /// Stores a layer or configuration.
    pub(crate) async fn put_blob(
        &self,
        repository: &str,
        digest: &str,
        bytes: Vec<u8>,
    ) -> Result<(), String> {
        let silent = |e: reqwest::Error| format!("the registry does not answer: {e}");
        let begun = self.request(Method::POST, &format!("{repository}/blobs/uploads/")).send();
        let begun = begun.await.map_err(silent)?;
        let place = begun.headers().get("location").and_then(|it| it.to_str().ok());
        let place = place.ok_or_else(|| format!("the registry answers {}", begun.status()))?;
        let ended = (self.client.put(place))
            .basic_auth("AWS", Some(&self.access.token))
            .header("user-agent", AGENT)
            .header("content-type", "application/octet-stream")
            .query(&[("digest", digest)])
            .body(bytes)
            .send()
            .await
            .map_err(silent)?;
        match ended.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("{status}: {}", ended.text().await.unwrap_or_default())),
        }
    }

    /// Every repository that has a folder in the registry.
    pub(crate) async fn repositories(&self) -> Result<Vec<String>, String> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let last = all.last().map(|it| format!("&last={it}")).unwrap_or_default();
            let answer = self.get(&format!("_catalog?n={CATALOG_PAGE}{last}")).await?;
            let Some(answer) = answer else { return Ok(all) };
            let page: CatalogPage = answer.json().await.map_err(|e| e.to_string())?;
            let is_last = page.repositories.len() < CATALOG_PAGE;
            all.extend(page.repositories);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// The tags of a repository.
    pub(crate) async fn tags(&self, repository: &str) -> Result<Vec<String>, String> {
        let Some(answer) = self.get(&format!("{repository}/tags/list")).await? else {
            return Ok(Vec::new());
        };
        let page: TagsPage = answer.json().await.map_err(|e| e.to_string())?;
        Ok(page.tags.unwrap_or_default())
    }

    fn folder(&self, repository: &str) -> PathBuf {
        self.access.storage.join("docker/registry/v2/repositories").join(repository)
    }

    fn revision(&self, repository: &str, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.folder(repository).join("_manifests/revisions/sha256").join(hex)
    }

    /// Removes a tag and nothing else. The registry's API cannot: it removes the manifest, and
    /// every other tag of it with it.
    pub(crate) fn untag(&self, repository: &str, tag: &str) -> io::Result<()> {
        gone(fs::remove_dir_all(self.folder(repository).join("_manifests/tags").join(tag)))
    }

    /// Removes a manifest; its tags must be removed before.
    pub(crate) fn remove(&self, repository: &str, digest: &str) -> io::Result<()> {
        gone(fs::remove_dir_all(self.revision(repository, digest)))
    }

    /// Removes a repository.
    pub(crate) fn remove_repository(&self, repository: &str) -> io::Result<()> {
        gone(fs::remove_dir_all(self.folder(repository)))
    }

    /// Makes a manifest unreachable, to be brought back later.
    pub(crate) fn archive(&self, repository: &str, digest: &str) -> io::Result<()> {
        let revision = self.revision(repository, digest);
        gone(fs::rename(revision.join("link"), revision.join("archived")))
    }

    /// Brings back what was archived.
    pub(crate) fn restore(&self, repository: &str, digest: &str) -> io::Result<()> {
        let revision = self.revision(repository, digest);
        gone(fs::rename(revision.join("archived"), revision.join("link")))
    }
}

/// What is not there needs no removal.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
