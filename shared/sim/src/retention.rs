//! Retention's ports as one invocation sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::retention::{Contents, Id, Image, Memory, Rule};
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::Unavailable;
use esclusa_shell::retain::ports::{Begun, Listeners, Memories, Refused, Repository, Shelf, Tasks};
use esclusa_shell::retain::{Report, Task};

use crate::adversary::Adversary;
use crate::ports::Caller;
use crate::world::{Job, Late, World};

/// What a write is answered when another has taken the lease over.
fn lost() -> Unavailable {
    Unavailable { doing: "store".to_owned(), source: "the lease is over".into() }
}

impl Shelf for Caller {
    async fn images(&self, service: &Service) -> Result<Option<Vec<Image>>, Unavailable> {
        let list =
            |world: &mut World, adversary: &mut Adversary| Some(world.listed(service, adversary));
        self.call("list images", list).await
    }

    async fn contents(
        &self,
        _: &Service,
        indexes: &[Digest],
    ) -> Result<BTreeMap<Digest, Contents>, Unavailable> {
        self.call("read indexes", |world, _| {
            indexes.iter().map(|it| (it.clone(), world.contents_of(it))).collect()
        })
        .await
    }

    async fn again(&self, _: &Service, digests: &[Digest]) -> Result<Vec<Image>, Unavailable> {
        self.call("look again", |world, adversary| world.looked_at(digests, adversary)).await
    }

    async fn delete(&self, _: &Service, ids: &[Id]) -> Result<Vec<(Id, Refused)>, Unavailable> {
        let afterwards = || Some(Late::Delete(ids.to_vec()));
        self.change("delete", afterwards, |world, _| world.delete(ids)).await
    }

    async fn survivors(
        &self,
        _: &Service,
        digests: &[Digest],
    ) -> Result<BTreeSet<Digest>, Unavailable> {
        self.call("see what is gone", |world, _| {
            digests.iter().filter(|it| world.shelf.images.contains_key(it)).cloned().collect()
        })
        .await
    }

    async fn lifecycle(&self, _: &Service) -> Result<Vec<Rule>, Unavailable> {
        self.call("read the lifecycle policy", |_, _| Vec::new()).await
    }
}

impl Memories for Caller {
    async fn repository(&self, _: &Service) -> Result<Repository, Unavailable> {
        self.call("read the repository", |world, _| world.shelf.repository.clone()).await
    }

    async fn set_due(&self, _: &Service, due_at: Timestamp) -> Result<(), Unavailable> {
        self.call("set due", |world, _| world.shelf.repository.due_at = Some(due_at)).await
    }

    async fn begin(
        &self,
        _: &Service,
        owner: &str,
        until: Timestamp,
    ) -> Result<Begun, Unavailable> {
        self.call("begin", |world, _| world.begin_retention(owner, until)).await
    }

    async fn store(&self, _: &Service, owner: &str, it: &Repository) -> Result<(), Unavailable> {
        let stored = self.call("store", |world, _| world.store_retention(owner, it, false)).await?;
        stored.then_some(()).ok_or_else(lost)
    }

    async fn finish(&self, _: &Service, owner: &str, it: &Repository) -> Result<(), Unavailable> {
        let stored = self.call("finish", |world, _| world.store_retention(owner, it, true)).await?;
        stored.then_some(()).ok_or_else(lost)
    }

    async fn memories(&self, _: &Service) -> Result<BTreeMap<Digest, Memory>, Unavailable> {
        self.call("read memories", |world, _| world.shelf.memories.clone()).await
    }

    async fn remember(
        &self,
        _: &Service,
        memories: &BTreeMap<Digest, Memory>,
    ) -> Result<(), Unavailable> {
        self.call("remember", |world, _| {
            for (digest, new) in memories {
                let known = world.shelf.memories.entry(digest.clone()).or_default();
                for (environment, at) in &new.promoted {
                    known.promoted.entry(environment.clone()).or_insert(*at);
                }
                known.children = new.children.clone().or(known.children.take());
                known.read_at = new.read_at.or(known.read_at);
                known.pulled_before = new.pulled_before.or(known.pulled_before);
            }
        })
        .await
    }

    async fn forget(&self, _: &Service, digests: &BTreeSet<Digest>) -> Result<(), Unavailable> {
        self.call("forget", |world, _| {
            world.shelf.memories.retain(|digest, _| !digests.contains(digest));
        })
        .await
    }

    async fn claim(
        &self,
        _: &Service,
        owner: &str,
        digests: &BTreeSet<Digest>,
        lanes: &BTreeMap<LaneId, u64>,
    ) -> Result<bool, Unavailable> {
        self.call("claim", |world, _| world.claim(owner, digests, lanes)).await
    }

    async fn lanes_of(&self, service: &Service) -> Result<Vec<LaneId>, Unavailable> {
        self.call("list lanes", |world, _| {
            world.lanes.keys().filter(|lane| lane.service == *service).cloned().collect()
        })
        .await
    }
}

impl Tasks for Caller {
    async fn send(&self, task: &Task, delay: Duration) -> Result<(), Unavailable> {
        let job = Job::Task(task.clone());
        self.call("send a task", |world, _| world.enqueue_job(job, delay)).await
    }
}

impl Listeners for Caller {
    async fn tell(&self, report: &Report) -> bool {
        let told = self.call("tell", |world, _| {
            world.shelf.told.insert(report.run.clone(), report.clone());
        });
        told.await.is_ok()
    }
}
