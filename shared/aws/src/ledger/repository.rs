//! What is stored of a repository's retention: one item, under a lease.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use esclusa_core::digest::Digest;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::BoxError;
use esclusa_shell::retain::Report;
use esclusa_shell::retain::ports::{Begun, Repository};

use super::{
    at, cancelled, is_conflict, is_failed_condition, lane_key, millis, repository_key, update,
};
use crate::failure::{Missing, chain};
use crate::packed::{Item, pack, unpack};
use crate::{Aws, Shelves, clock, record};

/// Where the last run is kept until it has been published: itself, or compressed.
const UNTOLD: [&str; 2] = ["untold", "untold_gz"];

/// Another invocation has the lease by now.
#[derive(Debug, thiserror::Error)]
#[error("the lease has gone to another invocation")]
struct LeaseLost;

impl Aws<Shelves> {
    pub(super) async fn stored(&self, service: &Service) -> Result<Repository, BoxError> {
        let got = (self.dynamodb.get_item())
            .table_name(&self.names.table)
            .set_key(Some(repository_key(service)))
            .consistent_read(true)
            .send();
        read(&got.await?.item.unwrap_or_default())
    }

    pub(super) async fn store_due(
        &self,
        service: &Service,
        due: Timestamp,
    ) -> Result<(), BoxError> {
        let call = (self.change(service))
            .update_expression("SET due_at = :due")
            .expression_attribute_values(":due", millis(due));
        update(call).await?;
        Ok(())
    }

    /// Takes the lease that no one has, or that is over. What a run that died had claimed is free
    /// with it: a new lease must not make an old claim count again.
    pub(super) async fn take_lease(
        &self,
        service: &Service,
        owner: &str,
        until: Timestamp,
    ) -> Result<Begun, BoxError> {
        let call = (self.change(service))
            .update_expression("SET lease_owner = :me, lease_until = :until REMOVE claimed")
            .condition_expression(
                "attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :me",
            )
            .expression_attribute_values(":me", AttributeValue::S(owner.to_owned()))
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":now", millis(clock::now()))
            .return_values(ReturnValue::AllNew);
        match conditional(call).await? {
            Changed::Yes(item) => Ok(Begun::Alone(read(&item)?)),
            Changed::No(item) => {
                let until = at(&item, "lease_until")?.ok_or(Missing("lease_until"))?;
                Ok(Begun::Busy(until))
            }
        }
    }

    pub(super) async fn store_known(
        &self,
        service: &Service,
        owner: &str,
        repository: &Repository,
    ) -> Result<(), BoxError> {
        match conditional(self.known(service, owner, repository, &[])?).await? {
            Changed::Yes(_) => Ok(()),
            Changed::No(_) => Err(LeaseLost.into()),
        }
    }

    pub(super) async fn give_up_lease(
        &self,
        service: &Service,
        owner: &str,
        repository: &Repository,
    ) -> Result<(), BoxError> {
        let lease = ["lease_owner", "lease_until", "claimed"];
        match conditional(self.known(service, owner, repository, &lease)?).await? {
            Changed::Yes(_) => Ok(()),
            // Our own call did it, whose answer was lost and which the SDK then repeated.
            Changed::No(item) if !item.contains_key("lease_owner") => Ok(()),
            Changed::No(_) => Err(LeaseLost.into()),
        }
    }

    /// Replaces the claim, unless the lease is lost or a lane has moved on.
    pub(super) async fn store_claim(
        &self,
        service: &Service,
        owner: &str,
        digests: &BTreeSet<Digest>,
        lanes: &BTreeMap<LaneId, u64>,
    ) -> Result<bool, BoxError> {
        let claimed = digests.iter().map(ToString::to_string).collect();
        let claim = Update::builder()
            .table_name(&self.names.table)
            .set_key(Some(repository_key(service)))
            .update_expression("SET claimed = :claimed")
            .condition_expression("lease_owner = :me AND lease_until > :now")
            .expression_attribute_values(":claimed", AttributeValue::Ss(claimed))
            .expression_attribute_values(":me", AttributeValue::S(owner.to_owned()))
            .expression_attribute_values(":now", millis(clock::now()))
            .build()?;
        let mut items = vec![TransactWriteItem::builder().update(claim).build()];
        for (lane, revision) in lanes {
            let check = ConditionCheck::builder()
                .table_name(&self.names.table)
                .set_key(Some(lane_key(lane)));
            let check = match revision {
                0 => check.condition_expression("attribute_not_exists(pk)"),
                _ => {
                    check.condition_expression("revision = :revision").expression_attribute_values(
                        ":revision",
                        AttributeValue::N(revision.to_string()),
                    )
                }
            };
            items.push(TransactWriteItem::builder().condition_check(check.build()?).build());
        }
        let call = self.dynamodb.transact_write_items().set_transact_items(Some(items));
        let Err(error) = call.send().await else { return Ok(true) };
        let reasons = cancelled(&error).unwrap_or_default();
        if reasons.iter().any(|it| is_failed_condition(it) || is_conflict(it)) {
            return Ok(false);
        }
        Err(error.into())
    }

    fn change(&self, service: &Service) -> UpdateItemFluentBuilder {
        let key = Some(repository_key(service));
        self.dynamodb.update_item().table_name(&self.names.table).set_key(key)
    }

    /// Stores what is known, but for when a run is due, and removes more.
    fn known(
        &self,
        service: &Service,
        owner: &str,
        repository: &Repository,
        more: &[&str],
    ) -> Result<UpdateItemFluentBuilder, BoxError> {
        let untold = repository.untold.as_ref().map(packed).transpose()?;
        let stored = untold.as_ref().map(|(name, _)| name.as_str());
        let mut set = "SET applies = :applies".to_owned();
        let mut call = self.change(service);
        if let Some((name, value)) = untold.clone() {
            set = format!("{set}, {name} = :untold");
            call = call.expression_attribute_values(":untold", value);
        }
        let unset = UNTOLD.iter().filter(|name| stored != Some(**name));
        let removed: Vec<&str> = unset.chain(more).copied().collect();
        Ok(call
            .update_expression(format!("{set} REMOVE {}", removed.join(", ")))
            .condition_expression("lease_owner = :me")
            .expression_attribute_values(":applies", AttributeValue::Bool(repository.applies))
            .expression_attribute_values(":me", AttributeValue::S(owner.to_owned())))
    }
}

/// What became of a conditional change, and the item as it is now.
enum Changed {
    Yes(Item),
    No(Item),
}

async fn conditional(call: UpdateItemFluentBuilder) -> Result<Changed, BoxError> {
    let old = ReturnValuesOnConditionCheckFailure::AllOld;
    match update(call.return_values_on_condition_check_failure(old)).await {
        Ok(done) => Ok(Changed::Yes(done.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error().and_then(refused) {
            Some(refused) => Ok(Changed::No(refused.item.clone().unwrap_or_default())),
            None => Err(error),
        },
    }
}

fn refused(error: &UpdateItemError) -> Option<&ConditionalCheckFailedException> {
    let UpdateItemError::ConditionalCheckFailedException(refused) = error else { return None };
    Some(refused)
}

fn packed(report: &Report) -> Result<(String, AttributeValue), BoxError> {
    pack("untold", &record::write_report(report)?)
}

fn read(item: &Item) -> Result<Repository, BoxError> {
    let applies = item.get("applies").and_then(|it| it.as_bool().ok()).copied();
    Ok(Repository {
        applies: applies.unwrap_or(false),
        due_at: at(item, "due_at")?,
        untold: untold(item),
    })
}

/// The run that was not published yet. One that cannot be read is lost rather than in the way of
/// all that come after it.
fn untold(item: &Item) -> Option<Report> {
    if !UNTOLD.iter().any(|name| item.contains_key(*name)) {
        return None;
    }
    let report = unpack(item, "untold").and_then(|text| Ok(record::read_report(&text)?));
    match report {
        Ok(report) => Some(report),
        Err(error) => {
            let error = chain(error.as_ref());
            tracing::warn!(%error, "a run of retention cannot be read, and is not published");
            None
        }
    }
}
