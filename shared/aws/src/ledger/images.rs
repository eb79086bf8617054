//! What is remembered of images: one item per digest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use esclusa_core::digest::Digest;
use esclusa_core::name::Service;
use esclusa_core::retention::Memory;
use esclusa_shell::ports::BoxError;
use tokio::task::JoinSet;

use super::{PROMOTED, at, image_key, images_of, instant, millis, promoted, text, update};
use crate::failure::Missing;
use crate::packed::Item;
use crate::{Aws, Shelves};

/// Updates that are under way at once: an index a call, of which a first run meets thousands.
const AT_ONCE: usize = 10;

/// Children that are remembered of one index, so that its item stays far below DynamoDB's 400 KB.
/// Real ones have a few; one with more is read again by every run.
const CHILDREN: usize = 2000;

/// What `BatchWriteItem` takes.
const WRITES: usize = 25;

/// How often a batch is sent of which DynamoDB leaves something undone.
const ROUNDS: u32 = 5;

/// Half the wait before the second of these rounds; it doubles with each.
const WAIT: Duration = Duration::from_millis(20);

/// What DynamoDB leaves undone under load.
#[derive(Debug, thiserror::Error)]
#[error("DynamoDB has left {0} item(s) undone, however often it was asked")]
struct Undone(usize);

impl Aws<Shelves> {
    pub(super) async fn remembered(
        &self,
        service: &Service,
    ) -> Result<BTreeMap<Digest, Memory>, BoxError> {
        let mut pages = self.items(&images_of(service), "sha256:").into_paginator().items().send();
        let mut memories = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item?;
            memories.insert(text(&item, "sk")?.parse()?, memory(&item)?);
        }
        Ok(memories)
    }

    pub(super) async fn store_memories(
        &self,
        service: &Service,
        memories: &BTreeMap<Digest, Memory>,
    ) -> Result<(), BoxError> {
        let mut left = memories.iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && let Some((digest, memory)) = left.next()
            {
                if let Some(call) = self.news(service, digest, memory) {
                    running.spawn(update(call));
                }
            }
            let Some(done) = running.join_next().await else { return Ok(()) };
            done??;
        }
    }

    /// Stores what a memory brings; nothing where it brings nothing.
    fn news(
        &self,
        service: &Service,
        digest: &Digest,
        memory: &Memory,
    ) -> Option<UpdateItemFluentBuilder> {
        let key = Some(image_key(service, digest));
        let mut call = self.dynamodb.update_item().table_name(&self.names.table).set_key(key);
        let mut set = Vec::new();
        for (n, (environment, at)) in memory.promoted.iter().enumerate() {
            // A lane that has come to want it meanwhile knows better.
            set.push(format!("#p{n} = if_not_exists(#p{n}, :p{n})"));
            call = call
                .expression_attribute_names(format!("#p{n}"), promoted(environment))
                .expression_attribute_values(format!(":p{n}"), millis(*at));
        }
        let children = memory.children.as_ref().filter(|it| it.len() <= CHILDREN);
        let children = children.map(|children| {
            let texts = children.iter().map(|it| AttributeValue::S(it.to_string()));
            AttributeValue::L(texts.collect())
        });
        for (name, value) in [
            ("children", children),
            ("read_at", memory.read_at.map(millis)),
            ("pulled_before", memory.pulled_before.map(millis)),
        ] {
            if let Some(value) = value {
                set.push(format!("{name} = :{name}"));
                call = call.expression_attribute_values(format!(":{name}"), value);
            }
        }
        let set = set.join(", ");
        (!set.is_empty()).then(|| call.update_expression(format!("SET {set}")))
    }

    pub(super) async fn delete_memories(
        &self,
        service: &Service,
        digests: &BTreeSet<Digest>,
    ) -> Result<(), BoxError> {
        let mut requests = Vec::new();
        for digest in digests {
            let key = Some(image_key(service, digest));
            let delete = DeleteRequest::builder().set_key(key).build()?;
            requests.push(WriteRequest::builder().delete_request(delete).build());
        }
        for some in requests.chunks(WRITES) {
            self.write(some.to_vec()).await?;
        }
        Ok(())
    }

    async fn write(&self, requests: Vec<WriteRequest>) -> Result<(), BoxError> {
        let mut left = HashMap::from([(self.names.table.clone(), requests)]);
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(WAIT.saturating_mul(2_u32.saturating_pow(round))).await;
            }
            let call = self.dynamodb.batch_write_item().set_request_items(Some(left));
            left = call.send().await?.unprocessed_items.unwrap_or_default();
            if left.values().all(Vec::is_empty) {
                return Ok(());
            }
        }
        Err(Undone(left.values().map(Vec::len).sum()).into())
    }
}

fn memory(item: &Item) -> Result<Memory, BoxError> {
    let mut memory = Memory {
        children: item.get("children").map(children).transpose()?,
        read_at: at(item, "read_at")?,
        pulled_before: at(item, "pulled_before")?,
        ..Memory::default()
    };
    for (name, value) in item {
        if let Some(environment) = name.strip_prefix(PROMOTED) {
            let at = instant(value).ok_or(Missing("promoted"))?;
            memory.promoted.insert(environment.parse()?, at);
        }
    }
    Ok(memory)
}

fn children(value: &AttributeValue) -> Result<Vec<Digest>, BoxError> {
    let list = value.as_l().map_err(|_| Missing("children"))?;
    let text = |it: &AttributeValue| -> Result<Digest, BoxError> {
        Ok(it.as_s().map_err(|_| Missing("children"))?.parse()?)
    };
    list.iter().map(text).collect()
}
