//! Answers to CloudFormation, which waits for a custom resource at a URL that its request names.

use std::time::Duration;

use aws_sdk_ecr::config::http::HttpRequest;
use aws_smithy_runtime_api::client::http::HttpConnector;
use tokio::time::{sleep, timeout};

use crate::setup;

/// One try, the pause after it, and how many there are.
const ATTEMPT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;

/// Why an answer did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No connection can be made at all.
    #[error("CloudFormation cannot be answered")]
    Setup(#[source] crate::SetupError),
    /// The request's URL is not one.
    #[error("CloudFormation's URL cannot be used")]
    Url(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Every attempt failed; the last says how.
    #[error("CloudFormation does not take the answer: {0}")]
    Refused(String),
}

/// Puts an answer to the URL. It is signed for a request without a content type.
///
/// # Errors
///
/// When no attempt arrives.
pub async fn send_answer(url: &str, answer: &str) -> Result<(), AnswerError> {
    let connector = setup::connector().map_err(AnswerError::Setup)?;
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let request = put(url, answer)?;
        last = match timeout(ATTEMPT, connector.call(request)).await {
            Ok(Ok(response)) if response.status().is_success() => return Ok(()),
            Ok(Ok(response)) => format!("status {}", response.status()),
            Ok(Err(error)) => crate::chain(&error),
            Err(_) => format!("nothing within {} s", ATTEMPT.as_secs()),
        };
        sleep(PAUSE).await;
    }
    Err(AnswerError::Refused(last))
}

fn put(url: &str, answer: &str) -> Result<HttpRequest, AnswerError> {
    let mut request = HttpRequest::new(answer.into());
    request.set_uri(url).map_err(|error| AnswerError::Url(error.into()))?;
    request.set_method("PUT").map_err(|error| AnswerError::Url(error.into()))?;
    request.headers_mut().insert("content-length", answer.len().to_string());
    Ok(request)
}
