//! Lifecycle policies and resource tags: kept and given back, never acted on.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::Repository;
use super::{Ecr, invalid};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Select {
    repository_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutPolicy {
    repository_name: String,
    lifecycle_policy_text: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfResource {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Value", default)]
    value: String,
}

/// Tags as they are kept.
pub(super) fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|it| (it.key, it.value)).collect()
}

impl Ecr {
    pub(super) fn get_lifecycle_policy(&self, input: &Select) -> ApiResult<Value> {
        let repository = self.repository(&input.repository_name)?;
        let text = repository.lifecycle_policy.as_ref();
        let text = text.ok_or_else(|| self.no_policy(&input.repository_name))?;
        Ok(self.policy_answer(&input.repository_name, text))
    }

    pub(super) fn put_lifecycle_policy(&self, input: PutPolicy) -> ApiResult<Value> {
        let text = input.lifecycle_policy_text;
        let rules: Option<Value> = serde_json::from_str(&text).ok();
        if !rules.is_some_and(|it| it.get("rules").is_some_and(Value::is_array)) {
            return Err(invalid("the lifecycle policy is not a JSON object with `rules`"));
        }
        let answer = self.policy_answer(&input.repository_name, &text);
        self.change(&input.repository_name, |it| it.lifecycle_policy = Some(text))?;
        Ok(answer)
    }

    pub(super) fn delete_lifecycle_policy(&self, input: &Select) -> ApiResult<Value> {
        let name = &input.repository_name;
        let text = self.change(name, |it| it.lifecycle_policy.take())?;
        let text = text.ok_or_else(|| self.no_policy(name))?;
        Ok(self.policy_answer(name, &text))
    }

    fn policy_answer(&self, name: &str, text: &str) -> Value {
        json!({
            "registryId": self.account(), "repositoryName": name, "lifecyclePolicyText": text,
            "lastEvaluatedAt": Moment::now().epoch(),
        })
    }

    fn no_policy(&self, name: &str) -> ApiError {
        let message = format!(
            "Lifecycle policy does not exist for the repository with name '{name}' in the \
             registry with id '{}'",
            self.account()
        );
        ApiError::client("LifecyclePolicyNotFoundException", message)
    }

    pub(super) fn list_resource_tags(&self, input: &OfResource) -> ApiResult<Value> {
        let repository = self.repository(self.named_by(&input.resource_arn)?)?;
        let tags = repository.resource_tags.iter();
        let tags: Vec<Value> = tags.map(|(k, v)| json!({ "Key": k, "Value": v })).collect();
        Ok(json!({ "tags": tags }))
    }

    pub(super) fn tag_resource(&self, input: OfResource) -> ApiResult<Value> {
        let name = self.named_by(&input.resource_arn)?;
        self.change(name, |it| it.resource_tags.extend(tag_map(input.tags)))?;
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&self, input: &OfResource) -> ApiResult<Value> {
        let name = self.named_by(&input.resource_arn)?;
        self.change(name, |it| it.resource_tags.retain(|key, _| !input.tag_keys.contains(key)))?;
        Ok(json!({}))
    }

    fn named_by<'a>(&self, arn: &'a str) -> ApiResult<&'a str> {
        let start = self.arn("");
        arn.strip_prefix(&start).ok_or_else(|| invalid(format!("`{arn}` is not a repository")))
    }

    /// Changes a repository and saves.
    pub(super) fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Repository) -> T,
    ) -> ApiResult<T> {
        let mut catalog = guard(&self.catalog);
        let result = change(catalog.repository_mut(&self.settings.account, name)?);
        self.snapshot.save(&*catalog);
        Ok(result)
    }
}
