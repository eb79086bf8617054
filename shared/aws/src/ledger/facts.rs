//! What is remembered of facts, so that each is counted once: items that DynamoDB forgets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use esclusa_core::digest::Digest;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::order::CommandId;
use esclusa_core::time::Timestamp;
use esclusa_shell::measure::ports::{Facts, LastLook};
use esclusa_shell::ports::{BoxError, Unavailable};
use serde::{Deserialize, Serialize};

use super::{at, millis, named};
use crate::failure::unavailable;
use crate::packed::{Item, pack, unpack};
use crate::{Aws, Gauges, clock};

/// The sort key of a fact.
const FACT: &str = "FACT";

/// How long it is remembered when a commit was made: a release may be rolled out long after it
/// was built.
const COMMIT: Duration = Duration::from_hours(90 * 24);

/// How long it is remembered what people were told of an image, after the last time.
const TOLD: Duration = Duration::from_hours(365 * 24);

/// How long it is remembered what hosts were asked last: no answer is read that late.
const FRESH: Duration = Duration::from_hours(1);

/// The name of what hosts were asked last.
const LOOK: &str = "usage";

/// The attribute that a note is in.
const NOTE: &str = "note";

impl Facts for Aws<Gauges> {
    async fn mark(&self, identity: &str, until: Timestamp) -> Result<bool, Unavailable> {
        let marked = self.marked(identity, until).await;
        marked.map_err(unavailable(format!("mark that `{identity}` is counted")))
    }

    async fn is_marked(&self, identity: &str) -> Result<bool, Unavailable> {
        let found = self.fact(identity).await;
        let doing = format!("see whether `{identity}` is marked");
        found.map(|it| it.is_some()).map_err(unavailable(doing))
    }

    async fn note_commit(
        &self,
        service: &Service,
        digest: &Digest,
        committed: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut item = fact(&commit_of(service, digest), clock::now().after(COMMIT));
        item.insert("committed".to_owned(), millis(committed));
        let put = self.dynamodb.put_item().table_name(&self.names.table).set_item(Some(item));
        let doing = unavailable(format!("remember the commit of `{service}@{digest}`"));
        put.send().await.map(drop).map_err(|error| doing(error.into()))
    }

    async fn committed(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Option<Timestamp>, Unavailable> {
        let read = self.commit(&commit_of(service, digest)).await;
        read.map_err(unavailable(format!("read when `{service}@{digest}` was committed")))
    }

    async fn told(&self, lane: &LaneId, digest: &Digest) -> Result<BTreeSet<String>, Unavailable> {
        let text = self.text(&told_of(lane, digest)).await;
        let read = text.and_then(|text| match text {
            Some(text) => Ok(serde_json::from_str(&text)?),
            None => Ok(BTreeSet::new()),
        });
        read.map_err(unavailable(format!("read what was found in `{digest}` of `{lane}`")))
    }

    async fn note_told(
        &self,
        lane: &LaneId,
        digest: &Digest,
        told: &BTreeSet<String>,
    ) -> Result<(), Unavailable> {
        let noted = self.note(&told_of(lane, digest), told, TOLD).await;
        noted.map_err(unavailable(format!("remember what was found in `{digest}` of `{lane}`")))
    }

    async fn last_look(&self) -> Result<LastLook, Unavailable> {
        let doing = || unavailable("read what the hosts were asked last".to_owned());
        let Some(text) = self.text(LOOK).await.map_err(doing())? else {
            return Ok(LastLook::default());
        };
        let stored: StoredLook = serde_json::from_str(&text).map_err(|e| doing()(e.into()))?;
        let host = |(host, restarts): (String, _)| Some((host.parse().ok()?, restarts));
        Ok(LastLook {
            asked: stored.asked.map(CommandId),
            at: Timestamp::from_millis(stored.at),
            restarts: stored.restarts.into_iter().filter_map(host).collect(),
        })
    }

    async fn note_look(&self, look: &LastLook) -> Result<(), Unavailable> {
        let restarts = look.restarts.iter().map(|(host, it)| (host.to_string(), it.clone()));
        let asked = look.asked.as_ref().map(|it| it.0.clone());
        let at = look.at.as_millis();
        let stored = StoredLook { asked, at, restarts: restarts.collect() };
        let noted = self.note(LOOK, &stored, FRESH).await;
        noted.map_err(unavailable("remember what the hosts are asked".to_owned()))
    }
}

/// What was asked of the hosts, as it is stored.
#[derive(Deserialize, Serialize)]
struct StoredLook {
    asked: Option<String>,
    at: u64,
    restarts: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Aws<Gauges> {
    async fn marked(&self, identity: &str, until: Timestamp) -> Result<bool, BoxError> {
        let put = (self.dynamodb.put_item())
            .table_name(&self.names.table)
            .set_item(Some(fact(identity, until)))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn commit(&self, identity: &str) -> Result<Option<Timestamp>, BoxError> {
        match self.fact(identity).await? {
            Some(item) => at(&item, "committed"),
            None => Ok(None),
        }
    }

    async fn fact(&self, identity: &str) -> Result<Option<Item>, BoxError> {
        let got = (self.dynamodb.get_item())
            .table_name(&self.names.table)
            .set_key(Some(key(identity)))
            .consistent_read(true);
        Ok(got.send().await?.item)
    }

    /// What is noted under a name.
    async fn text(&self, identity: &str) -> Result<Option<String>, BoxError> {
        let Some(item) = self.fact(identity).await? else { return Ok(None) };
        Ok(Some(unpack(&item, NOTE)?.into_owned()))
    }

    async fn note(
        &self,
        identity: &str,
        what: &impl Serialize,
        remembered: Duration,
    ) -> Result<(), BoxError> {
        let mut item = fact(identity, clock::now().after(remembered));
        item.extend([pack(NOTE, &serde_json::to_string(what)?)?]);
        let put = self.dynamodb.put_item().table_name(&self.names.table).set_item(Some(item));
        put.send().await?;
        Ok(())
    }
}

fn told_of(lane: &LaneId, digest: &Digest) -> String {
    format!("told#{lane}#{digest}")
}

fn commit_of(service: &Service, digest: &Digest) -> String {
    format!("commit#{service}#{digest}")
}

fn key(identity: &str) -> Item {
    let pk = AttributeValue::S(format!("FACT#{identity}"));
    named([("pk", pk), ("sk", AttributeValue::S(FACT.to_owned()))])
}

/// A fact that DynamoDB forgets after `until`: its time to live is in seconds.
fn fact(identity: &str, until: Timestamp) -> Item {
    let mut item = key(identity);
    let expires = AttributeValue::N(until.as_secs().to_string());
    item.insert("expires".to_owned(), expires);
    item
}
