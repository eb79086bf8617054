//! The queue of notices, as EventBridge and a curious person reach it.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::QueueAttributeName;

use serde_json::{Value, json};

use super::{SERVICE, Stage, StageError};
use crate::environment::Follow;

/// Messages that wait, or are being dealt with.
pub(super) const DUE: [QueueAttributeName; 2] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
];

impl Stage {
    /// Sends a message to the queue that `rollout` reads.
    ///
    /// # Errors
    ///
    /// When SQS refuses it.
    pub async fn send(&self, body: &str) -> Result<(), StageError> {
        self.send_to("Lanes", body).await
    }

    /// Sends a message to the queue that `metrics` reads.
    ///
    /// # Errors
    ///
    /// When SQS refuses it.
    pub async fn send_fact(&self, body: &str) -> Result<(), StageError> {
        self.send_to("Facts", body).await
    }

    async fn send_to(&self, queue: &str, body: &str) -> Result<(), StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let send = client.send_message().queue_url(self.output(queue)).message_body(body);
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

    /// Puts the event of a push on the bus: EventBridge may deliver any event again, and late.
    ///
    /// # Errors
    ///
    /// What EventBridge refused.
    pub async fn announce_push(&self, digest: &str, tag: &str) -> Result<(), StageError> {
        let detail = json!({
            "result": "SUCCESS",
            "repository-name": SERVICE,
            "image-digest": digest,
            "action-type": "PUSH",
            "image-tag": tag,
        });
        self.tell("aws.ecr", "ECR Image Action", &detail).await
    }

    /// Puts an event on the bus, as AWS would, or Esclusa.
    ///
    /// # Errors
    ///
    /// What EventBridge refused.
    pub async fn tell(&self, source: &str, kind: &str, detail: &Value) -> Result<(), StageError> {
        let entry = PutEventsRequestEntry::builder().source(source).detail_type(kind);
        let client = aws_sdk_eventbridge::Client::new(&self.environment.sdk_config());
        let put = client.put_events().entries(entry.detail(detail.to_string()).build());
        put.send().await.map(drop).map_err(|error| refused("PutEvents", &error))
    }

    /// How often `rollout` has asked the registry something: each time a lane looks for itself.
    ///
    /// # Errors
    ///
    /// When the environment does not answer.
    pub async fn looks(&self) -> Result<u64, StageError> {
        let called = self.environment.called().await?;
        let looks = called
            .iter()
            .filter(|it| it.service == "ecr" && it.caller.to_ascii_lowercase().contains("rollout"));
        Ok(looks.map(|it| it.count).sum())
    }

    /// Whether no message waits for `rollout`, and none is being dealt with.
    ///
    /// # Errors
    ///
    /// When SQS does not say.
    pub async fn is_quiet(&self) -> Result<bool, StageError> {
        // Lanes have wake-ups under way for as long as they wait for something.
        self.is_empty("Lanes", &DUE).await
    }

    /// Whether no message of these kinds is in a queue.
    pub(super) async fn is_empty(
        &self,
        queue: &str,
        kinds: &[QueueAttributeName],
    ) -> Result<bool, StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let ask = client.get_queue_attributes().queue_url(self.output(queue));
        let answer = ask.set_attribute_names(Some(kinds.to_vec())).send().await;
        let answer = answer.map_err(|error| refused("GetQueueAttributes", &error))?;
        let count = |name| answer.attributes().and_then(|it| it.get(name)).map(String::as_str);
        Ok(kinds.iter().all(|name| count(name) == Some("0")))
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

    pub(super) fn output(&self, name: &str) -> String {
        self.environment.record().outputs.get(name).cloned().unwrap_or_default()
    }
}

pub(super) fn refused<E: std::error::Error>(call: &str, error: &E) -> StageError {
    let output = DisplayErrorContext(error).to_string();
    StageError::Command { what: call.to_owned(), output }
}
