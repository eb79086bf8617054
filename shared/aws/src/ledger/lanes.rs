//! Lanes and their rollouts: one item per lane, one per ended rollout, and the list of lanes.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, TransactWriteItem};
use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_core::rollout::Rollout;
use esclusa_shell::ports::{BoxError, Ledger, SaveError, Unavailable};

use super::{LANE, LANES, cancelled, is_conflict, is_failed_condition, lane_key, named, partition};
use crate::failure::{Missing, unavailable};
use crate::packed::{Item, pack, unpack};
use crate::{Aws, record};

/// What the sort keys of a lane's rollouts begin with; a ULID follows, so they sort by time.
const ROLLOUT: &str = "ROLLOUT#";

impl<M: Send + Sync> Ledger for Aws<M> {
    async fn load(&self, id: &LaneId) -> Result<Option<Lane>, Unavailable> {
        let Some(item) = self.item(id).await.map_err(unavailable(format!("read lane `{id}`")))?
        else {
            self.journal.begin(id, None);
            return Ok(None);
        };
        let read = unpack(&item, "lane").and_then(|text| Ok(record::read_lane(&text)?));
        let lane = read.map_err(unavailable(format!("read what is stored of lane `{id}`")))?;
        self.journal.begin(id, Some(&lane));
        Ok(Some(lane))
    }

    async fn save(&self, lane: &Lane) -> Result<(), SaveError> {
        let doing = || format!("save lane `{}` at revision {}", lane.id, lane.revision);
        let failed = |error: BoxError| SaveError::Unavailable(unavailable(doing())(error));
        let text = record::write_lane(lane).map_err(|error| failed(error.into()))?;
        let puts = self.puts(lane, &text).map_err(failed)?;
        let wanted = self.wanted(lane).map_err(failed)?;
        let written = match <[Put; 1]>::try_from(puts) {
            Ok([put]) if wanted.is_empty() => self.put(put).await,
            Ok(puts) => self.transact(puts.into(), wanted).await,
            Err(puts) => self.transact(puts, wanted).await,
        };
        match written.map_err(failed)? {
            Written::Yes => {}
            Written::Claimed => return Err(SaveError::Claimed { lane: lane.id.clone() }),
            Written::Conflict if self.is_stored(&lane.id, &text).await.map_err(failed)? => {}
            Written::Conflict => {
                let (lane, revision) = (lane.id.clone(), lane.revision);
                return Err(SaveError::Conflict { lane, revision });
            }
        }
        self.journal.saved(lane);
        Ok(())
    }

    async fn revision(&self, id: &LaneId) -> Result<u64, Unavailable> {
        let doing = || unavailable(format!("read the revision of lane `{id}`"));
        let got = (self.dynamodb.get_item())
            .table_name(&self.names.table)
            .set_key(Some(lane_key(id)))
            .projection_expression("revision")
            .consistent_read(true)
            .send()
            .await;
        let Some(item) = got.map_err(|e| doing()(e.into()))?.item else { return Ok(0) };
        let number = item.get("revision").and_then(|it| it.as_n().ok()?.parse().ok());
        number.ok_or_else(|| doing()(Missing("revision").into()))
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, Unavailable> {
        self.listed("").await.map_err(unavailable("list the lanes"))
    }

    async fn rollouts(&self, id: &LaneId, limit: usize) -> Result<Vec<Rollout>, Unavailable> {
        let doing = || unavailable(format!("read the rollouts of lane `{id}`"));
        let mut pages = (self.dynamodb.query())
            .table_name(&self.names.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :rollout)")
            .expression_attribute_values(":pk", AttributeValue::S(partition(id)))
            .expression_attribute_values(":rollout", AttributeValue::S(ROLLOUT.to_owned()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut rollouts = Vec::new();
        while rollouts.len() < limit {
            let Some(item) = pages.next().await else { break };
            let item = item.map_err(|e| doing()(e.into()))?;
            let text = unpack(&item, "rollout").map_err(doing())?;
            rollouts.push(record::read_rollout(id, &text).map_err(|e| doing()(e.into()))?);
        }
        Ok(rollouts)
    }
}

/// What became of a conditional write.
enum Written {
    Yes,
    /// Something else was stored before. It may be our own write, whose answer was lost and which
    /// the SDK then repeated.
    Conflict,
    /// Retention is deleting an image that the lane has come to need.
    Claimed,
}

impl<M> Aws<M> {
    async fn item(&self, id: &LaneId) -> Result<Option<Item>, BoxError> {
        let got = (self.dynamodb.get_item())
            .table_name(&self.names.table)
            .set_key(Some(lane_key(id)))
            .consistent_read(true);
        Ok(got.send().await?.item)
    }

    /// Everything that is written together with a lane, itself first.
    fn puts(&self, lane: &Lane, text: &str) -> Result<Vec<Put>, BoxError> {
        let item = [
            ("pk", AttributeValue::S(partition(&lane.id))),
            ("sk", AttributeValue::S(LANE.to_owned())),
            ("revision", AttributeValue::N(lane.revision.to_string())),
        ];
        let mut item = named(item);
        item.extend([pack("lane", text)?]);
        let put = Put::builder().table_name(&self.names.table).set_item(Some(item));
        let before = lane.revision.saturating_sub(1);
        let put = if before == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("revision = :before")
                .expression_attribute_values(":before", AttributeValue::N(before.to_string()))
        };
        let mut puts = vec![put.build()?];
        if before == 0 {
            let item = [
                ("pk", AttributeValue::S(LANES.to_owned())),
                ("sk", AttributeValue::S(lane.id.to_string())),
            ];
            puts.push(self.plain(named(item))?);
        }
        for rollout in &lane.ended {
            puts.push(self.plain(ended(&lane.id, rollout)?)?);
        }
        Ok(puts)
    }

    fn plain(&self, item: Item) -> Result<Put, BoxError> {
        Ok(Put::builder().table_name(&self.names.table).set_item(Some(item)).build()?)
    }

    async fn put(&self, put: Put) -> Result<Written, BoxError> {
        let sent = (self.dynamodb.put_item())
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_values(put.expression_attribute_values)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Written::Yes),
            Err(error) if lost_the_race(&error) => Ok(Written::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes everything or nothing: what is put first, the check for claims after it.
    async fn transact(
        &self,
        puts: Vec<Put>,
        wanted: Vec<TransactWriteItem>,
    ) -> Result<Written, BoxError> {
        let check = puts.len();
        let puts = puts.into_iter().map(|put| TransactWriteItem::builder().put(put).build());
        let items = puts.chain(wanted).collect();
        let call = self.dynamodb.transact_write_items().set_transact_items(Some(items));
        let Err(error) = call.send().await else { return Ok(Written::Yes) };
        let why_not = cancelled(&error).and_then(|reasons| why_not(reasons, check));
        why_not.ok_or_else(|| error.into())
    }

    /// Whether exactly this is stored: then it was our own write that ours conflicted with. A
    /// text names its revision, and whose lease it is under, so no one else's is ever taken for
    /// ours, unless it says the same.
    async fn is_stored(&self, id: &LaneId, written: &str) -> Result<bool, BoxError> {
        let item = self.item(id).await?;
        Ok(item.is_some_and(|item| unpack(&item, "lane").is_ok_and(|it| it == written)))
    }
}

/// What a cancelled transaction says of the lane, whose check for claims is at `check`; nothing if
/// it is not for the lane that it was cancelled.
fn why_not(reasons: &[CancellationReason], check: usize) -> Option<Written> {
    let (puts, rest) = reasons.split_at_checked(check).unwrap_or((reasons, &[]));
    if puts.iter().any(is_failed_condition) || reasons.iter().any(is_conflict) {
        return Some(Written::Conflict);
    }
    rest.first().is_some_and(is_failed_condition).then_some(Written::Claimed)
}

fn lost_the_race(error: &SdkError<PutItemError>) -> bool {
    error.as_service_error().is_some_and(|it| {
        it.is_conditional_check_failed_exception() || it.is_transaction_conflict_exception()
    })
}

fn ended(id: &LaneId, rollout: &Rollout) -> Result<Item, BoxError> {
    let mut item = named([
        ("pk", AttributeValue::S(partition(id))),
        ("sk", AttributeValue::S(format!("{ROLLOUT}{}", rollout.id))),
    ]);
    item.extend([pack("rollout", &record::write_rollout(rollout)?)?]);
    Ok(item)
}
