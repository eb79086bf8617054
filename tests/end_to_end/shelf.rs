//! Images written as manifests through the registry's HTTP API, as pipelines leave them.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_local::stage::{Stage, digest_of};
use serde_json::{Value, json};

use crate::eventually;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A repository that is being filled, and what was put there.
pub(crate) struct Shelf<'a> {
    stage: &'a Stage,
    service: String,
    password: String,
    number: usize,
    digests: BTreeSet<String>,
    by_tag: BTreeMap<String, Vec<String>>,
    manifests: BTreeMap<String, (String, String)>,
    parts: BTreeMap<String, Vec<String>>,
    signatures: BTreeMap<String, String>,
}

impl<'a> Shelf<'a> {
    /// An empty repository, with the one blob that all its images share.
    pub(crate) async fn open(stage: &'a Stage, service: &str) -> Self {
        let password = stage.environment.registry_password().await.unwrap();
        let blob = (digest_of(b"{}"), b"{}".to_vec());
        stage.environment.put_blob(&password, service, (&blob.0, blob.1)).await.unwrap();
        Self {
            stage,
            service: service.to_owned(),
            password,
            number: 0,
            digests: BTreeSet::new(),
            by_tag: BTreeMap::new(),
            manifests: BTreeMap::new(),
            parts: BTreeMap::new(),
            signatures: BTreeMap::new(),
        }
    }

    async fn put(&mut self, media_type: &str, manifest: &Value, tag: Option<&str>) -> String {
        let text = manifest.to_string();
        let digest = digest_of(text.as_bytes());
        let reference = tag.unwrap_or(&digest);
        let environment = &self.stage.environment;
        let manifest = (media_type, text.clone());
        let put = environment.put_manifest(&self.password, &self.service, reference, manifest);
        put.await.unwrap();
        self.digests.insert(digest.clone());
        self.manifests.insert(digest.clone(), (media_type.to_owned(), text));
        if let Some(tag) = tag {
            self.by_tag.entry(tag.to_owned()).or_default().push(digest.clone());
        }
        digest
    }

    fn manifest(&mut self, media_type: &str, config: &str) -> Value {
        self.number += 1;
        let blob = digest_of(b"{}");
        json!({
            "schemaVersion": 2, "mediaType": media_type,
            "config": { "mediaType": config, "digest": blob, "size": 2 },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": blob, "size": 2,
            }],
            "annotations": { "number": self.number.to_string() },
        })
    }

    /// One manifest, with a tag or without.
    pub(crate) async fn push_image(&mut self, tag: Option<&str>) -> String {
        let manifest = self.manifest(MANIFEST, CONFIG);
        self.put(MANIFEST, &manifest, tag).await
    }

    /// What a push of buildx leaves: a platform, its provenance, and the index that names both. As
    /// Docker writes it, or as OCI does.
    pub(crate) async fn push_index(&mut self, tags: &[&str], docker: bool) -> String {
        let (of_parts, of_index) = if docker { (DOCKER, LIST) } else { (MANIFEST, INDEX) };
        let platform = self.manifest(of_parts, CONFIG);
        let attestation = self.manifest(of_parts, CONFIG);
        let mut parts = Vec::new();
        for part in [&platform, &attestation] {
            parts.push((self.put(of_parts, part, None).await, part.to_string().len()));
        }
        let named = parts.iter().zip(["amd64", "unknown"]).map(|((digest, size), architecture)| {
            json!({
                "mediaType": of_parts, "digest": digest, "size": size,
                "platform": { "architecture": architecture, "os": "linux" },
            })
        });
        let index = json!({
            "schemaVersion": 2, "mediaType": of_index, "manifests": named.collect::<Vec<_>>(),
        });
        let mut digest = String::new();
        for tag in tags {
            digest = self.put(of_index, &index, Some(tag)).await;
        }
        let parts = parts.into_iter().map(|(digest, _)| digest).collect();
        self.parts.insert(digest.clone(), parts);
        digest
    }

    /// A signature: of the kind that names its subject, or of the kind whose tag does.
    pub(crate) async fn sign(&mut self, subject: &str, by_tag: bool) {
        let mut manifest =
            self.manifest(MANIFEST, "application/vnd.dev.cosign.simplesigning.v1+json");
        let tag = subject.replace(':', "-") + ".sig";
        let tag = Some(tag.as_str()).filter(|_| by_tag);
        if !by_tag {
            manifest["subject"] = json!({ "mediaType": INDEX, "digest": subject, "size": 2 });
        }
        let signature = self.put(MANIFEST, &manifest, tag).await;
        self.signatures.insert(signature, subject.to_owned());
    }

    /// Gives an image that has one tag another one.
    pub(crate) async fn tag_again(&mut self, tag: &str, more: &str) {
        let digest = self.by_tag[tag].last().unwrap().clone();
        let (media_type, manifest) = self.manifests[&digest].clone();
        let environment = &self.stage.environment;
        let manifest = (media_type.as_str(), manifest);
        environment.put_manifest(&self.password, &self.service, more, manifest).await.unwrap();
        self.by_tag.entry(more.to_owned()).or_default().push(digest);
    }

    /// Waits until ECR knows of everything.
    pub(crate) async fn settle(&self, stage: &Stage) {
        let known = || async {
            let listed = stage.listed(&self.service).await.unwrap();
            (listed.len() == self.count()).then_some(())
        };
        eventually("ECR's knowledge of every image", known).await;
    }

    pub(crate) fn count(&self) -> usize {
        self.digests.len()
    }

    pub(crate) fn indexes(&self) -> usize {
        self.parts.len()
    }

    pub(crate) fn indexes_tagged(&self, tag: &str) -> &[String] {
        &self.by_tag[tag]
    }

    pub(crate) fn parts(&self) -> &BTreeMap<String, Vec<String>> {
        &self.parts
    }

    pub(crate) fn signatures(&self) -> &BTreeMap<String, String> {
        &self.signatures
    }
}
