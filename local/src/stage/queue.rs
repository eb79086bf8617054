//! The queue of notices, as EventBridge and a curious person reach it.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::QueueAttributeName;

use super::{Stage, StageError};
use crate::environment::Follow;

impl Stage {
    /// Sends a message to the queue that `rollout` reads.
    ///
    /// # Errors
    ///
    /// When SQS refuses it.
    pub async fn send(&self, body: &str) -> Result<(), StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let send = client.send_message().queue_url(self.output("Lanes")).message_body(body);
        send.send().await.map(drop).map_err(|error| refused("SendMessage", &error))
    }

    /// Sends what the schedule sends every five minutes.
    ///
    /// # Errors
    ///
    /// When SQS refuses it.
    pub async fn sweep(&self) -> Result<(), StageError> {
        self.send(r#"{"esclusa":"sweep"}"#).await
    }

    /// How many messages nobody could deal with.
    ///
    /// # Errors
    ///
    /// When SQS does not say.
    pub async fn dead_letters(&self) -> Result<usize, StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let ask = client.get_queue_attributes().queue_url(self.output("LanesDead"));
        let answer = ask.attribute_names(name.clone()).send().await;
        let answer = answer.map_err(|error| refused("GetQueueAttributes", &error))?;
        let count = answer.attributes().and_then(|it| it.get(&name)?.parse().ok());
        Ok(count.unwrap_or(0))
    }

    /// What a part has written to its log so far.
    ///
    /// # Errors
    ///
    /// When there is no such part, or its log cannot be read.
    pub async fn log(&self, part: &str) -> Result<String, StageError> {
        let mut text = Vec::new();
        self.environment.logs(part, Follow::No, &mut text).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn output(&self, name: &str) -> String {
        self.environment.record().outputs.get(name).cloned().unwrap_or_default()
    }
}

fn refused<E: std::error::Error>(call: &str, error: &E) -> StageError {
    let output = DisplayErrorContext(error).to_string();
    StageError::Command { what: call.to_owned(), output }
}
