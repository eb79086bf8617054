//! Fetching versions of secrets: as few calls as Secrets Manager allows.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{ApiErrorType, SecretValueEntry};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::account::Account;
use super::refusal::explain_trouble;
use super::retry::{Trouble, call_until, is_passing, read_error};
use crate::fault::Failure;
use crate::render::Value;
use crate::request::{CURRENT, Version};
use crate::secret::Secret;

/// What became of each version.
pub(crate) type Fetched = BTreeMap<Version, Result<Value, Failure>>;

/// The most ids that `BatchGetSecretValue` takes.
const BATCH: usize = 20;

/// Calls that are under way at the same time.
const PARALLEL: usize = 8;

/// Pages of one batch: each has at least one secret, or there is something wrong.
const PAGES: usize = 40;

/// Secrets Manager in one region.
struct Store {
    client: Client,
    region: String,
    deadline: Instant,
}

/// Fetches each version once.
pub(crate) async fn fetch_versions(
    account: &Account,
    versions: BTreeSet<Version>,
    deadline: Instant,
) -> Fetched {
    let mut regions: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for version in versions {
        let region = version.id.region().unwrap_or(&account.region).to_owned();
        regions.entry(region).or_default().push(version);
    }
    let fetching = regions.into_iter().map(async |(region, versions)| {
        let store = Store { client: account.make_client(&region).await, region, deadline };
        store.fetch_all(versions).await
    });
    join_all(fetching).await.into_iter().flatten().collect()
}

impl Store {
    async fn fetch_all(&self, versions: Vec<Version>) -> Fetched {
        // A batch returns current versions only, and needs a permission more than a single call.
        let (current, mut single): (Vec<_>, Vec<_>) =
            versions.into_iter().partition(|version| version.stage == CURRENT);
        let mut fetched = Fetched::new();
        if current.len() > 1 {
            let batches = current.chunks(BATCH).map(|batch| self.fetch_batch(batch));
            let answers = stream::iter(batches).buffer_unordered(PARALLEL);
            fetched = answers.collect::<Vec<_>>().await.into_iter().flatten().collect();
        }
        single.extend(current.into_iter().filter(|version| !fetched.contains_key(version)));
        let calls = single.into_iter().map(async |version| {
            let answer = self.fetch_one(&version).await;
            (version, answer)
        });
        let answers = stream::iter(calls).buffer_unordered(PARALLEL).collect::<Vec<_>>().await;
        fetched.extend(answers);
        fetched
    }

    async fn fetch_one(&self, version: &Version) -> Result<Value, Failure> {
        let answer = call_until(self.deadline, async || {
            let mut call = self.client.get_secret_value().secret_id(version.id.as_str());
            if version.stage != CURRENT {
                call = call.version_stage(&version.stage);
            }
            let answer = call.send().await.map_err(|error| read_error(&error))?;
            let value = read_value(answer.secret_string, answer.secret_binary);
            value.ok_or_else(|| Trouble::Broken("an answer holds no value".to_owned()))
        });
        answer.await.map_err(|trouble| explain_trouble(trouble, version, &self.region))
    }

    /// Fetches current versions. What is missing in the result is to be fetched alone: then the
    /// role may not make batches, or Secrets Manager asks to call again.
    async fn fetch_batch(&self, versions: &[Version]) -> Fetched {
        let mut fetched = Fetched::new();
        let mut token: Option<String> = None;
        for _page in 0..PAGES {
            let page = call_until(self.deadline, async || {
                let ids = versions.iter().map(|version| version.id.as_str().to_owned()).collect();
                let call = self.client.batch_get_secret_value().set_secret_id_list(Some(ids));
                let call = call.set_next_token(token.clone());
                call.send().await.map_err(|error| read_error(&error))
            });
            let page = match page.await {
                Ok(page) => page,
                Err(Trouble::Refused { .. }) => break,
                Err(trouble) => {
                    for version in versions {
                        let failure =
                            || Err(explain_trouble(trouble.clone(), version, &self.region));
                        fetched.entry(version.clone()).or_insert_with(failure);
                    }
                    break;
                }
            };
            token = page.next_token;
            for entry in page.secret_values.unwrap_or_default() {
                fetched.extend(read_entry(versions, entry));
            }
            for error in page.errors.unwrap_or_default() {
                fetched.extend(self.read_refusal(versions, error));
            }
            if token.is_none() {
                break;
            }
        }
        fetched
    }

    /// The versions that a batch cannot have.
    fn read_refusal(&self, versions: &[Version], error: ApiErrorType) -> Fetched {
        let (id, code) =
            (error.secret_id.unwrap_or_default(), error.error_code.unwrap_or_default());
        let message = error.message.unwrap_or_default();
        if is_passing(&code) {
            return Fetched::new();
        }
        let concerned = versions.iter().filter(|version| version.id.is_answered_by(&id, &id));
        let trouble = Trouble::Refused { code, message };
        concerned
            .map(|it| (it.clone(), Err(explain_trouble(trouble.clone(), it, &self.region))))
            .collect()
    }
}

/// The versions that an entry of a batch is the value of.
fn read_entry(versions: &[Version], entry: SecretValueEntry) -> Fetched {
    let (arn, name) = (entry.arn.unwrap_or_default(), entry.name.unwrap_or_default());
    let Some(value) = read_value(entry.secret_string, entry.secret_binary) else {
        return Fetched::new();
    };
    let answered = versions.iter().filter(|version| version.id.is_answered_by(&arn, &name));
    answered.map(|version| (version.clone(), Ok(value.clone()))).collect()
}

fn read_value(text: Option<String>, binary: Option<Blob>) -> Option<Value> {
    let text = text.map(|text| Value::Text(Secret::from(text)));
    text.or_else(|| binary.map(|blob| Value::Binary(Secret::from(blob.into_inner()))))
}
