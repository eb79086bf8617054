//! Putting an environment back to the state after `up`, without stopping anything.

use serde_json::{Value, json};

use super::error::EnvironmentError;
use super::{Environment, calls, services, up};
use crate::host::{Host, Limits};

const ECR: &str = "AmazonEC2ContainerRegistry_V20150921";
const DYNAMODB: &str = "DynamoDB_20120810";

/// What the host scripts and Compose leave on a host, and every container and image.
const CLEAN_HOST: &str = "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force >&2
docker system prune --all --force --volumes >&2
rm -rf /var/lib/esclusa/* /srv/*";

impl Environment {
    /// Empties queues, ledger, repositories and hosts; the services' files are put on them again.
    ///
    /// # Errors
    ///
    /// What could not be emptied.
    pub async fn reset(&self) -> Result<(), EnvironmentError> {
        self.empty_queues().await?;
        for host in &self.record.hosts {
            self.clean_host(host.number).await?;
        }
        self.empty_repositories().await?;
        self.empty_ledger().await?;
        // Whatever the above woke.
        self.empty_queues().await
    }

    async fn empty_queues(&self) -> Result<(), EnvironmentError> {
        for output in ["Lanes", "LanesDead"] {
            let url = self.record.outputs.get(output).map_or("", String::as_str);
            let request = json!({ "QueueUrl": url });
            calls::json(&self.record, "sqs", "AmazonSQS.PurgeQueue", &request).await?;
        }
        Ok(())
    }

    async fn clean_host(&self, number: u8) -> Result<(), EnvironmentError> {
        let state = self.state.clone();
        let finished = up::blocking(move || {
            let host = Host::open(&state, number).map_err(EnvironmentError::Host)?;
            host.exec(&["bash", "-c", CLEAN_HOST], &[], &[], Limits::seconds(60))
                .map_err(EnvironmentError::Host)
        });
        let finished = finished.await?;
        if finished.code != Some(0) {
            return Err(EnvironmentError::Refused {
                what: format!("cleaning host {number}"),
                answer: String::from_utf8_lossy(&finished.stderr).trim().to_owned(),
            });
        }
        for service in &self.record.services {
            if let Some(files) = &service.files {
                services::copy_files(&self.state, number, service, files).await?;
            }
        }
        Ok(())
    }

    async fn empty_repositories(&self) -> Result<(), EnvironmentError> {
        let target = format!("{ECR}.DescribeRepositories");
        let known = calls::json(&self.record, "ecr", &target, &json!({})).await?;
        for repository in array(&known, "repositories") {
            let name = repository.get("repositoryName").cloned().unwrap_or_default();
            // The stack's own, which only a deployment fills.
            if name == "esclusa/host" {
                continue;
            }
            // An index goes before its children, so a second round takes what the first could not.
            while self.delete_images(&name).await? > 0 {}
        }
        Ok(())
    }

    /// Deletes up to a page of a repository's images and returns how many went.
    async fn delete_images(&self, name: &Value) -> Result<usize, EnvironmentError> {
        let list = json!({ "repositoryName": name, "maxResults": 100 });
        let page = calls::json(&self.record, "ecr", &format!("{ECR}.ListImages"), &list).await?;
        let ids = array(&page, "imageIds");
        if ids.is_empty() {
            return Ok(0);
        }
        let delete = json!({ "repositoryName": name, "imageIds": ids });
        let target = format!("{ECR}.BatchDeleteImage");
        let answer = calls::json(&self.record, "ecr", &target, &delete).await?;
        Ok(array(&answer, "imageIds").len())
    }

    /// Lets what `metrics` does once an hour be done again, as if the next hour had begun.
    ///
    /// # Errors
    ///
    /// When DynamoDB refuses.
    pub async fn begin_hour(&self) -> Result<(), EnvironmentError> {
        self.delete_items("hour#").await.map(drop)
    }

    async fn empty_ledger(&self) -> Result<(), EnvironmentError> {
        while self.delete_items("").await? > 0 {}
        Ok(())
    }

    /// Deletes what the ledger holds under keys with this in them, as far as one page shows it, and
    /// returns how many items went.
    async fn delete_items(&self, part: &str) -> Result<usize, EnvironmentError> {
        let table = self.record.outputs.get("Ledger").map_or("", String::as_str);
        let scan = json!({ "TableName": table, "ProjectionExpression": "pk, sk" });
        let target = format!("{DYNAMODB}.Scan");
        let mut items =
            array(&calls::json(&self.record, "dynamodb", &target, &scan).await?, "Items");
        items.retain(|key| key.to_string().contains(part));
        for some in items.chunks(25) {
            let requests: Vec<_> =
                some.iter().map(|key| json!({ "DeleteRequest": { "Key": key } })).collect();
            let write = json!({ "RequestItems": { table: requests } });
            let target = format!("{DYNAMODB}.BatchWriteItem");
            calls::json(&self.record, "dynamodb", &target, &write).await?;
        }
        Ok(items.len())
    }
}

fn array(answer: &Value, name: &str) -> Vec<Value> {
    answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}
