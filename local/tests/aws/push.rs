//! Pushing to the registry as an OCI client does.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{TOKEN, World, eventually};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

impl World {
    fn registry(&self, method: Method, url: &str) -> RequestBuilder {
        let own = format!("http://127.0.0.1:{}/v2/{url}", self.registry_port);
        let url = if url.starts_with("http") { url } else { &own };
        Client::new().request(method, url).basic_auth("AWS", Some(TOKEN))
    }

    async fn push_blob(&self, repository: &str, bytes: Vec<u8>) -> Value {
        let (digest, size) = (digest_of(&bytes), bytes.len());
        let start = self.registry(Method::POST, &format!("{repository}/blobs/uploads/"));
        let begun = start.send().await.unwrap();
        let place = begun.headers()["location"].to_str().unwrap().to_owned();
        let put = self.registry(Method::PUT, &format!("{place}&digest={digest}"));
        let stored = put.body(bytes).send().await.unwrap();
        assert!(stored.status().is_success(), "{stored:?}");
        json!({ "digest": digest, "size": size })
    }

    /// Pushes a manifest under a tag, or by its digest; returns the digest.
    pub(crate) async fn push_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        manifest: &Value,
    ) -> String {
        let bytes = manifest.to_string().into_bytes();
        let digest = digest_of(&bytes);
        let reference = tag.unwrap_or(&digest);
        let put = self.registry(Method::PUT, &format!("{repository}/manifests/{reference}"));
        let answer = put.header("content-type", media_type).body(bytes).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        digest
    }

    /// Pushes an image of 10 bytes and its configuration; `content` tells images apart.
    pub(crate) async fn push(&self, repository: &str, tag: Option<&str>, content: &str) -> String {
        let mut config = self.push_blob(repository, format!("{{\"c\":{content:?}}}").into()).await;
        let mut layer = self.push_blob(repository, format!("{content:_<10}").into()).await;
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
        });
        let digest = self.push_manifest(repository, tag, MANIFEST, &manifest).await;
        self.seen(repository, &digest, tag).await;
        digest
    }

    /// Pushes an index of manifests that are there.
    pub(crate) async fn push_index(
        &self,
        repository: &str,
        tag: &str,
        children: &[&str],
    ) -> String {
        let child = |digest: &&str| json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 });
        let children: Vec<Value> = children.iter().map(child).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        let digest = self.push_manifest(repository, Some(tag), INDEX, &index).await;
        self.seen(repository, &digest, Some(tag)).await;
        digest
    }

    /// Whether the registry has a manifest.
    pub(crate) async fn can_pull(&self, repository: &str, reference: &str) -> bool {
        let get = self.registry(Method::GET, &format!("{repository}/manifests/{reference}"));
        let get = get.header("accept", format!("{MANIFEST}, {INDEX}"));
        get.send().await.unwrap().status().is_success()
    }

    /// Waits until ECR has taken in a push: the registry tells it a moment later.
    async fn seen(&self, repository: &str, digest: &str, tag: Option<&str>) {
        eventually("the push to arrive", async || {
            let events = self.events.all("ECR Image Action");
            events.into_iter().find(|it| {
                it.detail["image-digest"] == digest
                    && it.detail["repository-name"] == repository
                    && it.detail["image-tag"] == tag.unwrap_or_default()
            })
        })
        .await;
    }
}
