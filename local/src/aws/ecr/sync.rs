//! After a restart: what the registry holds is the truth, what was saved adds times and states.

use std::collections::BTreeSet;

use super::Ecr;
use super::catalog::Repository;
use crate::aws::clock::Moment;
use crate::aws::guard;

impl Ecr {
    /// Makes the catalog agree with the registry. Nothing that happened meanwhile is announced:
    /// ECR's events are best effort too.
    ///
    /// # Errors
    ///
    /// A sentence saying what the registry answered.
    pub(crate) async fn sync(&self) -> Result<(), String> {
        let _in_order = self.intake.lock().await;
        for name in self.registry.repositories().await? {
            let known = guard(&self.catalog).repositories.contains_key(&name);
            let tags = self.registry.tags(&name).await?;
            // A repository whose images were all deleted leaves its folder in the registry.
            if known || !tags.is_empty() {
                self.sync_repository(&name, tags).await?;
            }
        }
        self.snapshot.save(&*guard(&self.catalog));
        Ok(())
    }

    async fn sync_repository(&self, name: &str, tags: Vec<String>) -> Result<(), String> {
        self.with_repository(name, |it| {
            it.tags.retain(|tag, at| {
                tags.contains(tag) || it.images.get(at).is_some_and(|image| !image.is_active())
            });
        });
        for tag in tags {
            self.sync_reference(name, &tag, Some(&tag)).await?;
        }
        let mut looked_at = BTreeSet::new();
        while let Some(digest) = self.unseen(name, &looked_at) {
            self.sync_reference(name, &digest, None).await?;
            looked_at.insert(digest);
        }
        Ok(())
    }

    /// A manifest that is known, or named by an index, and was not looked at yet.
    fn unseen(&self, name: &str, looked_at: &BTreeSet<String>) -> Option<String> {
        let catalog = guard(&self.catalog);
        let repository = catalog.repositories.get(name)?;
        let active = repository.images.iter().filter(|(_, it)| it.is_active());
        let mut all: BTreeSet<String> = active.map(|(digest, _)| digest.clone()).collect();
        let archived =
            |digest: &String| repository.images.get(digest).is_some_and(|it| !it.is_active());
        all.extend(repository.referenced().into_iter().filter(|it| !archived(it)));
        all.into_iter().find(|digest| !looked_at.contains(digest))
    }

    async fn sync_reference(
        &self,
        name: &str,
        reference: &str,
        tag: Option<&str>,
    ) -> Result<(), String> {
        match self.registry.manifest(name, reference).await? {
            Some(stored) => {
                let manifest = Self::sized(&guard(&self.catalog), name, &stored);
                if let Some(manifest) = manifest {
                    self.with_repository(name, |it| it.push(manifest, tag, Moment::now()));
                }
            }
            None => self.with_repository(name, |it| {
                it.images.remove(reference);
            }),
        }
        Ok(())
    }

    fn with_repository(&self, name: &str, change: impl FnOnce(&mut Repository)) {
        let mut catalog = guard(&self.catalog);
        let entry = catalog.repositories.entry(name.to_owned());
        change(entry.or_insert_with(|| Repository::new(name)));
    }
}
