//! Images as the registry lists them, and what they are.

use crate::digest::Digest;
use crate::release::Availability;
use crate::time::Timestamp;

/// What a manifest describes, as far as its types tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An OCI index or a Docker manifest list: it names other manifests.
    Index,
    /// A container image of one platform, or an attestation, which looks like one.
    Image,
    /// A manifest that is no image: a chart, a bill of materials, a cache.
    Artifact,
    /// A type that is not known; which.
    Unknown(Box<str>),
}

impl Kind {
    /// Reads the media type of a manifest, and that of what it describes where ECR tells it.
    #[must_use]
    pub fn of(media_type: Option<&str>, artifact_type: Option<&str>) -> Self {
        match media_type.unwrap_or_default() {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json"
            | "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws" => match artifact_type {
                None
                | Some(
                    ""
                    | "application/vnd.oci.image.config.v1+json"
                    | "application/vnd.docker.container.image.v1+json",
                ) => Self::Image,
                Some(_) => Self::Artifact,
            },
            other => Self::Unknown(other.into()),
        }
    }
}

/// One image as ECR lists it: an index, or a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its only identity.
    pub digest: Digest,
    /// Its tags, sorted. Any text that ECR allows, which is more than Docker's clients make.
    pub tags: Vec<Box<str>>,
    /// What it is.
    pub kind: Kind,
    /// Compressed size in bytes: configuration and layers, and of an index its largest child.
    pub bytes: u64,
    /// When it was pushed first, or restored from the archive, whichever is later.
    pub pushed_at: Timestamp,
    /// When it was last pulled, where ECR knows; up to a day late.
    pub pulled_at: Option<Timestamp>,
    /// The manifest that it refers to, as a signature does (OCI 1.1).
    pub subject: Option<Digest>,
    /// Whether it can be pulled.
    pub availability: Availability,
}

impl Image {
    /// The images that this one belongs to: its subject, and those that its tags name in the way
    /// of cosign and of OCI's fallback, `sha256-<digest>` with or without an ending. Equal bills
    /// of materials of several images are one manifest with a tag for each.
    pub fn refers_to(&self) -> impl Iterator<Item = Digest> {
        self.subject.iter().cloned().chain(self.tags.iter().filter_map(|tag| named_by(tag)))
    }

    /// Whether it stands for itself too, whatever it refers to by tags: another tag says so.
    #[must_use]
    pub fn has_a_tag_of_its_own(&self) -> bool {
        self.subject.is_none() && self.tags.iter().any(|tag| named_by(tag).is_none())
    }
}

/// The digest in a tag such as `sha256-….sig`.
fn named_by(tag: &str) -> Option<Digest> {
    let rest = tag.strip_prefix("sha256-")?;
    let hex = rest.split_once('.').map_or(rest, |(hex, _)| hex);
    format!("sha256:{hex}").parse().ok()
}

/// What an index names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// These manifests.
    Children(Vec<Digest>),
    /// What cannot be told, because it is gone or does not parse; why.
    Unreadable(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_what_its_types_say() {
        let oci = "application/vnd.oci.image.manifest.v1+json";
        let unknown = |it: &str| Kind::Unknown(it.into());
        for (media_type, artifact_type, expected) in [
            (Some("application/vnd.oci.image.index.v1+json"), None, Kind::Index),
            (
                Some("application/vnd.docker.distribution.manifest.list.v2+json"),
                Some("application/vnd.oci.image.config.v1+json"),
                Kind::Index,
            ),
            (Some(oci), None, Kind::Image),
            (Some(oci), Some("application/vnd.oci.image.config.v1+json"), Kind::Image),
            (Some(oci), Some("application/vnd.cncf.helm.config.v1+json"), Kind::Artifact),
            (Some(oci), Some("application/vnd.amazon.soci.index.v1+json"), Kind::Artifact),
            (Some("application/vnd.docker.distribution.manifest.v2+json"), None, Kind::Image),
            (Some("application/vnd.example+json"), None, unknown("application/vnd.example+json")),
            (None, None, unknown("")),
        ] {
            let seen = Kind::of(media_type, artifact_type);
            assert_eq!(seen, expected, "{media_type:?} {artifact_type:?}");
        }
    }

    #[test]
    fn a_tag_may_name_the_image_that_it_is_about() {
        let hex = "0af9".repeat(16);
        let digest = Some(format!("sha256:{hex}").parse().unwrap());
        for (tag, expected) in [
            (format!("sha256-{hex}.sig"), digest.clone()),
            (format!("sha256-{hex}.att"), digest.clone()),
            (format!("sha256-{hex}.sbom"), digest.clone()),
            (format!("sha256-{hex}"), digest),
            ("sha256-0af90af90af9".to_owned(), None),
            ("v1.0.0".to_owned(), None),
        ] {
            assert_eq!(named_by(&tag), expected, "{tag}");
        }
    }
}
