//! What is stored for retention, and what each call of it was for.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::digest::Digest;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::retention::Memory;
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::Unavailable;
use esclusa_shell::retain::ports::{Begun, Memories, Repository};

use crate::failure::unavailable;
use crate::{Aws, Shelves};

impl Memories for Aws<Shelves> {
    async fn repository(&self, service: &Service) -> Result<Repository, Unavailable> {
        let doing = format!("read what is stored of the retention of `{service}`");
        self.stored(service).await.map_err(unavailable(doing))
    }

    async fn set_due(&self, service: &Service, due_at: Timestamp) -> Result<(), Unavailable> {
        let doing = format!("store when the next retention of `{service}` is due");
        self.store_due(service, due_at).await.map_err(unavailable(doing))
    }

    async fn begin(
        &self,
        service: &Service,
        owner: &str,
        until: Timestamp,
    ) -> Result<Begun, Unavailable> {
        let doing = format!("take the lease of the retention of `{service}`");
        self.take_lease(service, owner, until).await.map_err(unavailable(doing))
    }

    async fn store(
        &self,
        service: &Service,
        owner: &str,
        repository: &Repository,
    ) -> Result<(), Unavailable> {
        let doing = format!("store what the retention of `{service}` came to");
        self.store_known(service, owner, repository).await.map_err(unavailable(doing))
    }

    async fn finish(
        &self,
        service: &Service,
        owner: &str,
        repository: &Repository,
    ) -> Result<(), Unavailable> {
        let doing = format!("give up the lease of the retention of `{service}`");
        self.give_up_lease(service, owner, repository).await.map_err(unavailable(doing))
    }

    async fn memories(&self, service: &Service) -> Result<BTreeMap<Digest, Memory>, Unavailable> {
        let doing = format!("read what is remembered of the images of `{service}`");
        self.remembered(service).await.map_err(unavailable(doing))
    }

    async fn remember(
        &self,
        service: &Service,
        memories: &BTreeMap<Digest, Memory>,
    ) -> Result<(), Unavailable> {
        let doing = format!("remember images of `{service}`");
        self.store_memories(service, memories).await.map_err(unavailable(doing))
    }

    async fn forget(
        &self,
        service: &Service,
        digests: &BTreeSet<Digest>,
    ) -> Result<(), Unavailable> {
        let doing = format!("forget images of `{service}` that are gone");
        self.delete_memories(service, digests).await.map_err(unavailable(doing))
    }

    async fn claim(
        &self,
        service: &Service,
        owner: &str,
        digests: &BTreeSet<Digest>,
        lanes: &BTreeMap<LaneId, u64>,
    ) -> Result<bool, Unavailable> {
        let doing = format!("claim images of `{service}` to delete them");
        self.store_claim(service, owner, digests, lanes).await.map_err(unavailable(doing))
    }

    async fn lanes_of(&self, service: &Service) -> Result<Vec<LaneId>, Unavailable> {
        let doing = format!("list the lanes of `{service}`");
        self.listed(&format!("{service}#")).await.map_err(unavailable(doing))
    }
}
