//! What a lane has come to need, written with it: that retention is deleting none of it, and which
//! images its environment wants from then on.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem, Update};
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::BoxError;

use super::{image_key, millis, promoted, repository_key};
use crate::{Aws, clock};

impl<M> Aws<M> {
    /// The check that nothing of it is claimed, and what is remembered of each image that the
    /// environment wants; nothing where the lane needs nothing new.
    pub(super) fn wanted(&self, lane: &Lane) -> Result<Vec<TransactWriteItem>, BoxError> {
        let (now, new) = (clock::now(), lane.newly_needed());
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let check = self.unclaimed(&lane.id.service, &new, now)?;
        let mut all = vec![TransactWriteItem::builder().condition_check(check).build()];
        for digest in &lane.promoted {
            let update = self.promotion(&lane.id, digest, now)?;
            all.push(TransactWriteItem::builder().update(update).build());
        }
        Ok(all)
    }

    /// A claim counts as long as its lease: a run that died has let go of it then.
    fn unclaimed(
        &self,
        service: &Service,
        digests: &BTreeSet<Digest>,
        now: Timestamp,
    ) -> Result<ConditionCheck, BoxError> {
        let contains = (0..digests.len()).map(|n| format!("contains(claimed, :d{n})"));
        let contains = contains.collect::<Vec<String>>().join(" OR ");
        let mut check = ConditionCheck::builder()
            .table_name(&self.names.table)
            .set_key(Some(repository_key(service)))
            .condition_expression(format!(
                "attribute_not_exists(lease_until) OR lease_until < :now OR NOT ({contains})"
            ))
            .expression_attribute_values(":now", millis(now));
        for (n, digest) in digests.iter().enumerate() {
            let digest = AttributeValue::S(digest.to_string());
            check = check.expression_attribute_values(format!(":d{n}"), digest);
        }
        Ok(check.build()?)
    }

    fn promotion(
        &self,
        lane: &LaneId,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Update, BoxError> {
        Ok(Update::builder()
            .table_name(&self.names.table)
            .set_key(Some(image_key(&lane.service, digest)))
            .update_expression("SET #promoted = :now")
            .expression_attribute_names("#promoted", promoted(&lane.environment))
            .expression_attribute_values(":now", millis(now))
            .build()?)
    }
}
