//! The images of an engine.

use std::collections::BTreeSet;

use esclusa_core::digest::Digest;
use esclusa_core::host::{Image, ROLLBACK_LABEL};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::time::Timestamp;

use super::container::PATIENCE;
use super::project::{DATABASE, PROXY};
use super::{Engine, Registry};
use crate::world::Behaviour;

/// The digest under which the registry knows an image, where it does.
pub(super) fn digest_of(image: &Image) -> Option<Digest> {
    let (_, digest) = image.digests.first()?.rsplit_once('@')?;
    digest.parse().ok()
}

/// The engine's own id of an image of the registry: that of its configuration.
fn id_of(digest: &Digest) -> String {
    let text = digest.as_str();
    format!("sha256:e{}", text.get(8..).unwrap_or_default())
}

impl Engine {
    /// Has an image, by its id and by these names.
    fn add_image(&mut self, image: Image, names: &[String]) {
        for name in names {
            self.seen.images.insert(name.clone(), image.clone());
        }
        self.seen.images.insert(image.id.clone(), image);
    }

    /// An image by any name; a tag beside a digest says nothing more.
    pub(super) fn find_image(&self, reference: &str) -> Option<&Image> {
        let found = self.seen.images.get(reference);
        found.or_else(|| {
            let (_, digest) = reference.rsplit_once('@')?;
            self.seen.images.get(&format!("{}@{digest}", self.repository))
        })
    }

    /// Has an image of the repository; the name that leads to it.
    pub(super) fn add_release(&mut self, digest: &Digest, behaviour: Option<Behaviour>) -> String {
        let name = format!("{}@{digest}", self.repository);
        if self.seen.images.contains_key(&name) {
            return name;
        }
        let mut image = Image {
            id: id_of(digest),
            digests: BTreeSet::from([name.clone()]),
            patience: Some(PATIENCE),
            platform: "linux/amd64".to_owned(),
            ..Image::default()
        };
        if behaviour.is_some_and(Behaviour::one_way) {
            image.labels.insert(ROLLBACK_LABEL.to_owned(), "unsafe".to_owned());
        }
        self.add_image(image, std::slice::from_ref(&name));
        name
    }

    /// Has an image that was built here, under the name that the files give; that name.
    pub(super) fn add_local(&mut self, id: &Digest) -> String {
        let name = format!("{}:latest", self.repository);
        let image = Image {
            id: id.to_string(),
            patience: Some(PATIENCE),
            platform: "linux/amd64".to_owned(),
            ..Image::default()
        };
        self.add_image(image, std::slice::from_ref(&name));
        name
    }

    /// Has an image of another repository.
    pub(super) fn add_other(&mut self, name: &str) {
        if self.seen.images.contains_key(name) {
            return;
        }
        let number: u32 = match name {
            PROXY => 1,
            DATABASE => 2,
            _ => 3,
        };
        let image = Image {
            id: format!("sha256:f{number:063x}"),
            patience: Some(PATIENCE),
            platform: "linux/amd64".to_owned(),
            ..Image::default()
        };
        self.add_image(image, &[name.to_owned()]);
    }

    /// Fetches an image by its name.
    pub(super) fn pull(
        &mut self,
        reference: &str,
        now: Timestamp,
        registry: Registry<'_>,
    ) -> Result<(), Reason> {
        if self.full_until > now {
            return Err(full());
        }
        if self.cut_off_until > now {
            let text = format!("The registry of {reference} does not answer.");
            return Err(Reason::new(Code::read("hosts.registry"), text));
        }
        let Some((_, digest)) = reference.rsplit_once('@') else {
            self.add_other(reference);
            return Ok(());
        };
        match digest.parse() {
            Ok(digest) if registry.hands_out(&digest) => {
                self.add_release(&digest, registry.behaviour(&digest));
                self.seen.kept.pulled.insert(reference.to_owned());
                Ok(())
            }
            _ => Err(Reason::new(Code::RELEASE_NOT_IN_REGISTRY, "manifest unknown")),
        }
    }

    pub(super) fn tag(&mut self, image: &str, tag: &str) -> Result<(), Reason> {
        let found = self.find_image(image).cloned();
        let Some(found) = found else {
            return Err(super::container::failed(format!("No such image: {image}")));
        };
        self.seen.images.insert(tag.to_owned(), found);
        Ok(())
    }

    /// Takes a name away; an image goes with its last one, unless a container uses it.
    pub(crate) fn remove_image_name(&mut self, name: &str) {
        let Some(image) = self.seen.images.remove(name) else { return };
        let is_used = self.seen.containers.iter().any(|it| it.image == image.id);
        let is_named = self.seen.images.iter().any(|(it, of)| of.id == image.id && *it != of.id);
        if !is_used && !is_named {
            self.seen.images.remove(&image.id);
        }
    }

    /// Loses every image that no container uses, whatever its names.
    pub(crate) fn prune_images(&mut self) {
        let used: BTreeSet<String> =
            self.seen.containers.iter().map(|it| it.image.clone()).collect();
        self.seen.images.retain(|_, it| used.contains(&it.id));
    }
}

/// Why nothing can be written.
pub(super) fn full() -> Reason {
    Reason::new(Code::read("hosts.disk"), "There is no room left on this host.")
}
