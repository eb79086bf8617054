//! What a manifest's bytes say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::sha256;

/// The types of manifest that a push may bring; anything else that is pushed is a layer.
pub(crate) const TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A manifest, as far as ECR tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    /// Of what the manifest describes: the artifact type, else the configuration's type.
    pub(crate) artifact_type: Option<String>,
    /// Configuration and layers; for an index, worked out from its children.
    pub(crate) bytes: u64,
    /// The manifests that an index names.
    pub(crate) children: Vec<String>,
    /// The manifest that this one refers to.
    pub(crate) subject: Option<String>,
}

impl Manifest {
    /// Reads a manifest; [`None`] if the bytes are not one.
    pub(crate) fn read(bytes: &[u8], content_type: &str) -> Option<Self> {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        let own_type = document.get("mediaType").and_then(Value::as_str);
        let media_type = own_type.unwrap_or(content_type).to_owned();
        if !TYPES.contains(&media_type.as_str()) {
            return None;
        }
        let config_type = || text(&document, "/config/mediaType");
        Some(Self {
            digest: digest_of(bytes),
            media_type,
            artifact_type: text(&document, "/artifactType").or_else(config_type),
            bytes: size(&document),
            children: children(&document),
            subject: text(&document, "/subject/digest"),
        })
    }

    /// Whether it is an index or a manifest list.
    pub(crate) fn is_index(&self) -> bool {
        TYPES.iter().take(2).any(|it| *it == self.media_type)
    }
}

/// The digest of some bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

fn text(document: &Value, pointer: &str) -> Option<String> {
    document.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn size(document: &Value) -> u64 {
    let of = |it: &Value| it.get("size").and_then(Value::as_u64).unwrap_or(0);
    let layers = document.get("layers").and_then(Value::as_array);
    let layers = layers.map_or(0, |it| it.iter().map(of).fold(0, u64::saturating_add));
    document.get("config").map_or(0, of).saturating_add(layers)
}

fn children(document: &Value) -> Vec<String> {
    let list = document.get("manifests").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|it| text(it, "/digest")).collect()
}
