//! What lanes tell, as people and programs hear it: each in a queue that listens from now on.

use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::queue::refused;
use super::{Stage, StageError};

/// The queues that listen.
#[derive(Debug)]
pub struct Notices {
    sqs: aws_sdk_sqs::Client,
    people: String,
    programs: String,
}

impl Stage {
    /// Listens to the topic that people subscribe to, and to every event of lanes on the bus.
    ///
    /// # Errors
    ///
    /// What SQS, SNS or EventBridge refused.
    pub async fn listen(&self) -> Result<Notices, StageError> {
        let sqs = aws_sdk_sqs::Client::new(&self.environment.sdk_config());
        let topic = self.output("Notices");
        let (people, queue) = self.make_queue(&sqs, "people", "sns", &topic).await?;
        self.environment.subscribe(&topic, &queue).await?;
        let record = self.environment.record();
        let rule = format!("arn:aws:events:{}:{}:rule/programs", record.region, record.account);
        let (programs, queue) = self.make_queue(&sqs, "programs", "events", &rule).await?;
        let events = aws_sdk_eventbridge::Client::new(&self.environment.sdk_config());
        let pattern = json!({ "source": ["esclusa"] }).to_string();
        let put = events.put_rule().name("programs").event_pattern(pattern).send().await;
        put.map_err(|error| refused("PutRule", &error))?;
        let target = Target::builder().id("programs").arn(queue).build();
        let target = target.map_err(|error| refused("PutTargets", &error))?;
        let put = events.put_targets().rule("programs").targets(target).send().await;
        put.map_err(|error| refused("PutTargets", &error))?;
        Ok(Notices { sqs, people, programs })
    }

    /// Makes a queue that takes what this one source of a service sends: its URL and its ARN.
    async fn make_queue(
        &self,
        sqs: &aws_sdk_sqs::Client,
        name: &str,
        service: &str,
        source: &str,
    ) -> Result<(String, String), StageError> {
        let record = self.environment.record();
        let arn = format!("arn:aws:sqs:{}:{}:{name}", record.region, record.account);
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": format!("{service}.amazonaws.com") },
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": { "ArnEquals": { "aws:SourceArn": source } },
            }],
        });
        let create = sqs.create_queue().queue_name(name);
        let create = create.attributes(QueueAttributeName::Policy, policy.to_string()).send();
        let made = create.await.map_err(|error| refused("CreateQueue", &error))?;
        Ok((made.queue_url.unwrap_or_default(), arn))
    }
}

impl Notices {
    /// The texts that people have been sent since the last call.
    ///
    /// # Errors
    ///
    /// When SQS does not answer.
    pub async fn texts(&self) -> Result<Vec<String>, StageError> {
        self.take(&self.people).await
    }

    /// The events that programs have been sent since the last call.
    ///
    /// # Errors
    ///
    /// When SQS does not answer.
    pub async fn events(&self) -> Result<Vec<Value>, StageError> {
        let texts = self.take(&self.programs).await?;
        Ok(texts.iter().map(|text| serde_json::from_str(text).unwrap_or_default()).collect())
    }

    async fn take(&self, queue: &str) -> Result<Vec<String>, StageError> {
        let mut taken = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
            let received = receive.send().await.map_err(|it| refused("ReceiveMessage", &it))?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(taken);
            }
            for message in messages {
                let delete = self.sqs.delete_message().queue_url(queue);
                let delete = delete.set_receipt_handle(message.receipt_handle).send();
                delete.await.map_err(|error| refused("DeleteMessage", &error))?;
                taken.extend(message.body);
            }
        }
    }
}
