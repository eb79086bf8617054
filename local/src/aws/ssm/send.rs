//! `SendCommand`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::Ssm;
use super::command::{Command, Invocation, State};
use super::content::Content;
use super::documents::{Version, missing};
use super::parameters::{Values, execution_seconds, resolve};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::fleet::Power;
use crate::aws::guard;

/// How long a command waits for its host when the caller does not say.
const DEFAULT_DELIVERY_SECONDS: u64 = 3600;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send {
    #[serde(default)]
    instance_ids: Vec<String>,
    #[serde(default)]
    targets: Vec<Target>,
    document_name: String,
    document_version: Option<String>,
    document_hash: Option<String>,
    document_hash_type: Option<String>,
    timeout_seconds: Option<u64>,
    comment: Option<String>,
    #[serde(default)]
    parameters: Values,
    max_concurrency: Option<String>,
    max_errors: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Send {
    fn check(&self) -> ApiResult<()> {
        if self.instance_ids.is_empty() == self.targets.is_empty() {
            return Err(ApiError::validation("name InstanceIds or Targets, and not both"));
        }
        if self.instance_ids.len() > 50 {
            return Err(too_long("instanceIds", 50));
        }
        if self.comment.as_ref().is_some_and(|it| it.chars().count() > 100) {
            return Err(too_long("comment", 100));
        }
        if !(30..=2_592_000).contains(&self.timeout_seconds.unwrap_or(DEFAULT_DELIVERY_SECONDS)) {
            let message = "Value at 'timeoutSeconds' must be between 30 and 2592000";
            return Err(ApiError::validation(message));
        }
        let distinct: BTreeSet<&String> = self.instance_ids.iter().collect();
        if distinct.len() == self.instance_ids.len() {
            return Ok(());
        }
        Err(ApiError::client("DuplicateInstanceId", "an instance id is there twice"))
    }

    fn check_hash(&self, version: &Version) -> ApiResult<()> {
        let Some(hash) = self.document_hash.as_deref() else { return Ok(()) };
        if !matches!(self.document_hash_type.as_deref(), None | Some("Sha256")) {
            let message = "only documents' Sha256 hashes are kept here";
            return Err(ApiError::validation(message));
        }
        if hash.eq_ignore_ascii_case(&version.hash) {
            return Ok(());
        }
        let message = "The provided document hash does not match the document's.";
        Err(ApiError::client("InvalidDocument", message))
    }
}

fn too_long(name: &str, most: usize) -> ApiError {
    ApiError::validation(format!(
        "Value at '{name}' failed to satisfy constraint: Member must have length less than or \
         equal to {most}"
    ))
}

impl Ssm {
    pub(super) fn send_command(self: &Arc<Self>, input: Send) -> ApiResult<Value> {
        input.check()?;
        let content = self.pinned_content(&input)?;
        let values = resolve(&content, &input.parameters)?;
        let instances = self.addressed(&input)?;
        let command = self.command(input, &instances, execution_seconds(&content, &values));
        let answer = json!({ "Command": command.describe() });
        let id = command.id.clone();
        let hosts: Vec<String> = command.invocations.keys().cloned().collect();
        guard(&self.commands).push(command);
        let content = Arc::new(content);
        for host in hosts {
            let (content, values) = (Arc::clone(&content), values.clone());
            tokio::spawn(Arc::clone(self).attend(id.clone(), host, content, values));
        }
        Ok(answer)
    }

    /// The document's content, read once: a later version must not change what was sent.
    fn pinned_content(&self, input: &Send) -> ApiResult<Content> {
        let documents = guard(&self.documents);
        let document = documents.get(&input.document_name);
        let document = document.ok_or_else(|| missing(&input.document_name))?;
        let version = document.version(input.document_version.as_deref())?;
        input.check_hash(version)?;
        Content::read(&version.text)
    }

    /// One id that is unknown or not running refuses the whole call.
    fn addressed(&self, input: &Send) -> ApiResult<Vec<String>> {
        if !input.targets.is_empty() {
            return Ok(self.targeted(&input.targets));
        }
        let runs =
            |id: &String| self.fleet.machine(id).is_some_and(|it| it.power == Power::Running);
        let bad: Vec<&String> = input.instance_ids.iter().filter(|id| !runs(id)).collect();
        if bad.is_empty() {
            return Ok(input.instance_ids.clone());
        }
        let message =
            format!("Instances {bad:?} not in a valid state for account {}", self.settings.account);
        Err(ApiError::client("InvalidInstanceId", message.replace('"', "")))
    }

    fn targeted(&self, targets: &[Target]) -> Vec<String> {
        let machines = self.fleet.machines();
        let wanted = machines.iter().filter(|machine| {
            machine.power == Power::Running
                && targets.iter().all(|target| match target.key.strip_prefix("tag:") {
                    Some(tag) => machine
                        .entry
                        .tags
                        .get(tag)
                        .is_some_and(|value| target.values.contains(value)),
                    None => target.values.contains(&machine.entry.instance_id),
                })
        });
        wanted.map(|it| it.entry.instance_id.clone()).collect()
    }

    fn command(&self, input: Send, instances: &[String], execution: u64) -> Command {
        let delivery = input.timeout_seconds.unwrap_or(DEFAULT_DELIVERY_SECONDS);
        let requested_at = Moment::now();
        let invocation = |id: &String| (id.clone(), self.waiting(id));
        let invocations: BTreeMap<_, _> = instances.iter().map(invocation).collect();
        let targets = input.targets.iter();
        Command {
            id: Uuid::new_v4().to_string(),
            document_name: input.document_name,
            document_version: input.document_version.unwrap_or_else(|| "$DEFAULT".to_owned()),
            comment: input.comment.unwrap_or_default(),
            parameters: input.parameters,
            targets: targets.map(|it| json!({ "Key": it.key, "Values": it.values })).collect(),
            instance_ids: input.instance_ids,
            requested_at,
            expires_at: requested_at.plus(self.seconds(delivery.saturating_add(execution))),
            timeout_seconds: delivery,
            max_concurrency: input.max_concurrency.unwrap_or_else(|| "50".to_owned()),
            max_errors: input.max_errors.unwrap_or_else(|| "0".to_owned()),
            invocations,
            cancelled: watch::Sender::new(false),
        }
    }

    fn waiting(&self, id: &str) -> Invocation {
        let machine = self.fleet.machine(id);
        Invocation {
            instance_id: id.to_owned(),
            host_name: machine.map(|it| it.entry.name).unwrap_or_default(),
            state: State::PENDING,
            plugins: Vec::new(),
            started_at: None,
            ended_at: None,
        }
    }
}
