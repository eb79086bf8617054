//! From CloudFormation's request to the answer that it waits for.

use std::path::PathBuf;
use std::time::Duration;

use esclusa_aws::{chain, cloudformation};
use lambda_runtime::Error;
use tokio::time::timeout;

use crate::image::{ImageError, Index};
use crate::publish::{Registry, publish_index};
use crate::request::{Answer, Published, Request, RequestType};

/// What sending the answer may take of an invocation's time.
const ANSWERING: Duration = Duration::from_secs(20);

/// Publishes the programs of a folder.
#[derive(Debug)]
pub(crate) struct Publisher<R> {
    pub(crate) registry: R,
    /// The folder that holds `<architecture>/esclusa-host`.
    pub(crate) programs: PathBuf,
}

/// Why the program was not published.
#[derive(Debug, thiserror::Error)]
enum PublishError<E: std::error::Error + 'static> {
    #[error("the image of the host program cannot be made")]
    Image(#[source] ImageError),
    #[error("the host program cannot be put into repository `{repository}`")]
    Registry {
        repository: String,
        #[source]
        source: E,
    },
}

impl<R: Registry> Publisher<R> {
    /// Carries out a request and tells CloudFormation how it ended: a failure, too, for without an
    /// answer the stack would wait until its time is over.
    ///
    /// # Errors
    ///
    /// When the answer cannot be sent.
    pub(crate) async fn handle(&self, request: Request, left: Duration) -> Result<(), Error> {
        let ended = self.carry_out(&request, left.saturating_sub(ANSWERING)).await;
        match &ended {
            Ok(Some(published)) => tracing::info!(?published, "the host program is published"),
            Ok(None) => tracing::info!("the repository goes with the stack: nothing to do"),
            Err(reason) => tracing::error!(reason, "the host program is not published"),
        }
        let answer = serde_json::to_string(&Answer::new(&request, ended))?;
        cloudformation::send_answer(&request.response_url, &answer).await?;
        Ok(())
    }

    /// What the answer says of a request: the program's digest, or a sentence why there is none.
    pub(crate) async fn carry_out(
        &self,
        request: &Request,
        limit: Duration,
    ) -> Result<Option<Published>, String> {
        if request.kind == RequestType::Delete {
            return Ok(None);
        }
        let repository = &request.resource_properties.repository;
        match timeout(limit, self.publish(repository)).await {
            Ok(published) => published.map(Some).map_err(|error| chain(&error)),
            Err(_) => Err(format!(
                "the host program was not in repository `{repository}` after {} s: deploy again",
                limit.as_secs()
            )),
        }
    }

    async fn publish(&self, repository: &str) -> Result<Published, PublishError<R::Error>> {
        let index = Index::read(&self.programs).map_err(PublishError::Image)?;
        let published = publish_index(&self.registry, repository, &index).await;
        published.map_err(|source| PublishError::Registry {
            repository: repository.to_owned(),
            source,
        })?;
        Ok(Published { digest: index.manifest.digest, tag: index.tag })
    }
}
