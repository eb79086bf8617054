//! Retention, as a test or a demo reaches it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_sdk_eventbridge::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::queue::{DUE, refused};
use super::{PATIENCE, SERVICE, Stage, StageError};
use crate::aws::sha256;

impl Stage {
    /// Asks `retention` for something about the example's repository.
    ///
    /// # Errors
    ///
    /// When the function failed; a refusal is an answer.
    pub async fn retain(&self, members: Value) -> Result<Value, StageError> {
        let mut question = json!({ "service": SERVICE, "actor": "the demo" });
        if let (Value::Object(question), Value::Object(members)) = (&mut question, members) {
            question.extend(members);
        }
        Ok(self.environment.invoke("retention", &question).await?)
    }

    /// Lets nobody hear of pushes, or lets them be heard again: what the events of a push would do
    /// is to be done by other means.
    ///
    /// # Errors
    ///
    /// When the rule cannot be found, or EventBridge refuses.
    pub async fn mute_pushes(&self, mute: bool) -> Result<(), StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let rules = client.list_rules().send().await.map_err(|it| refused("ListRules", &it))?;
        let mut names = rules.rules().iter().filter_map(|rule| rule.name());
        let Some(name) = names.find(|name| name.contains("ImagePushed")) else {
            let output = "no rule for pushes".to_owned();
            return Err(StageError::Command { what: "ListRules".to_owned(), output });
        };
        if mute {
            let done = client.disable_rule().name(name).send().await;
            done.map(drop).map_err(|error| refused("DisableRule", &error))
        } else {
            let done = client.enable_rule().name(name).send().await;
            done.map(drop).map_err(|error| refused("EnableRule", &error))
        }
    }

    /// Waits until no task is left for `retention`.
    ///
    /// # Errors
    ///
    /// [`StageError::Late`] after ten minutes.
    pub async fn until_tasks_are_done(&self) -> Result<(), StageError> {
        let begun = Instant::now();
        while !self.are_tasks_done().await? {
            if begun.elapsed() > PATIENCE {
                let what = "the end of retention's tasks".to_owned();
                return Err(StageError::Late { what, seconds: PATIENCE.as_secs() });
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Every image of a repository with its tags, as ECR lists them.
    ///
    /// # Errors
    ///
    /// When ECR refuses.
    pub async fn listed(
        &self,
        repository: &str,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, StageError> {
        let client = aws_sdk_ecr::Client::new(&self.environment.sdk_config());
        let pages = client.list_images().repository_name(repository).into_paginator();
        let mut pages = pages.items().send();
        let mut images: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        while let Some(id) = pages.next().await {
            let id = id.map_err(|error| refused("ListImages", &error))?;
            let tags = images.entry(id.image_digest.unwrap_or_default()).or_default();
            tags.extend(id.image_tag);
        }
        Ok(images)
    }

    /// Deletes an image from a repository, as a person does.
    ///
    /// # Errors
    ///
    /// When ECR refuses.
    pub async fn delete_image(&self, repository: &str, tag: &str) -> Result<(), StageError> {
        let client = aws_sdk_ecr::Client::new(&self.environment.sdk_config());
        let images = self.listed(repository).await?;
        let digest = images.iter().find(|(_, tags)| tags.contains(tag)).map(|(digest, _)| digest);
        let id = aws_sdk_ecr::types::ImageIdentifier::builder().set_image_digest(digest.cloned());
        let delete = client.batch_delete_image().repository_name(repository).image_ids(id.build());
        delete.send().await.map(drop).map_err(|error| refused("BatchDeleteImage", &error))
    }

    /// Whether no task waits for `retention`, and none is being dealt with.
    ///
    /// # Errors
    ///
    /// When SQS does not say.
    pub async fn are_tasks_done(&self) -> Result<bool, StageError> {
        let late = [QueueAttributeName::ApproximateNumberOfMessagesDelayed];
        Ok(self.is_empty("Images", &DUE).await? && self.is_empty("Images", &late).await?)
    }
}

/// The digest of a manifest, or of another blob.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}
