//! The ledger: one table for all that is stored.
//!
//! | partition | sort key | what |
//! | --- | --- | --- |
//! | `LANES` | the lane | that it exists |
//! | `LANE#<lane>` | `LANE` | the lane |
//! | `LANE#<lane>` | `ROLLOUT#<rollout>` | a rollout that has ended |
//! | `IMAGE#<service>` | `REPOSITORY` | who deletes images, which, and when that is over |
//! | `IMAGE#<service>` | the digest | what is remembered of an image |
//! | `FACT#<identity>` | `FACT` | that something has been counted; a note, such as of a commit |

mod facts;
mod images;
mod lanes;
mod memories;
mod repository;
mod wanted;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};
use esclusa_core::digest::Digest;
use esclusa_core::name::{Environment, LaneId, Service};
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::BoxError;

use crate::Aws;
use crate::failure::Missing;
use crate::packed::Item;

/// The partition that lists every lane.
const LANES: &str = "LANES";

/// The sort key of a lane's own item.
const LANE: &str = "LANE";

/// The sort key of what is stored of a repository's retention.
const REPOSITORY: &str = "REPOSITORY";

/// What the attributes begin with that say when an environment came to want an image.
const PROMOTED: &str = "promoted#";

/// How often an update is sent that meets a transaction on its item, which takes milliseconds.
const ATTEMPTS: u32 = 4;

fn lane_key(id: &LaneId) -> Item {
    named([("pk", AttributeValue::S(partition(id))), ("sk", AttributeValue::S(LANE.to_owned()))])
}

fn partition(id: &LaneId) -> String {
    format!("LANE#{id}")
}

fn repository_key(service: &Service) -> Item {
    let sk = AttributeValue::S(REPOSITORY.to_owned());
    named([("pk", AttributeValue::S(images_of(service))), ("sk", sk)])
}

fn image_key(service: &Service, digest: &Digest) -> Item {
    let sk = AttributeValue::S(digest.to_string());
    named([("pk", AttributeValue::S(images_of(service))), ("sk", sk)])
}

fn images_of(service: &Service) -> String {
    format!("IMAGE#{service}")
}

fn promoted(environment: &Environment) -> String {
    format!("{PROMOTED}{environment}")
}

fn named<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn text<'a>(item: &'a Item, attribute: &'static str) -> Result<&'a str, BoxError> {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    value.map(String::as_str).ok_or_else(|| Missing(attribute).into())
}

/// The attribute that holds an instant.
fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millis().to_string())
}

/// What [`millis`] made of an instant.
fn instant(value: &AttributeValue) -> Option<Timestamp> {
    value.as_n().ok()?.parse().ok().map(Timestamp::from_millis)
}

/// The instant in an attribute; nothing where there is none.
fn at(item: &Item, attribute: &'static str) -> Result<Option<Timestamp>, BoxError> {
    let Some(value) = item.get(attribute) else { return Ok(None) };
    instant(value).map(Some).ok_or_else(|| Missing(attribute).into())
}

/// Why each action of a transaction was not carried out, in their order; nothing if the transaction
/// failed otherwise.
fn cancelled(error: &SdkError<TransactWriteItemsError>) -> Option<&[CancellationReason]> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            Some(cancelled.cancellation_reasons())
        }
        Some(_) | None => None,
    }
}

fn is_failed_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn is_conflict(reason: &CancellationReason) -> bool {
    reason.code() == Some("TransactionConflict")
}

/// Sends an update, again where a transaction on the same item was under way.
async fn update(
    call: UpdateItemFluentBuilder,
) -> Result<UpdateItemOutput, Box<SdkError<UpdateItemError>>> {
    for _ in 1..ATTEMPTS {
        match call.clone().send().await {
            Err(error) if is_in_transaction(&error) => {}
            done => return done.map_err(Box::new),
        }
    }
    call.send().await.map_err(Box::new)
}

fn is_in_transaction(error: &SdkError<UpdateItemError>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_transaction_conflict_exception)
}

impl<M> Aws<M> {
    /// The items of a partition, read with strong consistency; those whose sort key begins with
    /// `sk`, where something is given.
    fn items(&self, pk: &str, sk: &str) -> QueryFluentBuilder {
        let call = (self.dynamodb.query())
            .table_name(&self.names.table)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true);
        if sk.is_empty() {
            return call.key_condition_expression("pk = :pk");
        }
        call.key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
    }

    /// The lanes whose names begin with `name`.
    async fn listed(&self, name: &str) -> Result<Vec<LaneId>, BoxError> {
        let mut pages = self.items(LANES, name).into_paginator().items().send();
        let mut lanes = Vec::new();
        while let Some(item) = pages.next().await {
            lanes.push(text(&item?, "sk")?.parse()?);
        }
        Ok(lanes)
    }
}
