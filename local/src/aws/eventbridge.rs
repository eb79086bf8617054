//! The sink that puts events on MiniStack's default bus.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_eventbridge::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_eventbridge::{Client, Config};

use super::clock::Moment;
use super::events::{Event, EventSink};

/// How long an event that EventBridge does not take is tried again before it is dropped. AWS's
/// own services are "best effort" too, so a drop is a case the functions must survive anyway.
const GIVE_UP_AFTER: Duration = Duration::from_mins(2);

/// Puts events on the default bus of an EventBridge endpoint.
#[derive(Clone)]
pub struct EventBridge {
    client: Client,
}

impl fmt::Debug for EventBridge {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.debug_struct("EventBridge").finish_non_exhaustive()
    }
}

impl EventBridge {
    /// A sink for the EventBridge at `endpoint`, signing with MiniStack's root keys.
    #[must_use]
    pub fn new(endpoint: &str, region: &str) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new("test", "test", None, None, "local"))
            .build();
        Self { client: Client::from_conf(config) }
    }

    async fn put(&self, event: &Event) -> Result<(), String> {
        let entry = PutEventsRequestEntry::builder()
            .source(event.source)
            .detail_type(event.detail_type)
            .detail(event.detail.to_string())
            .set_resources(Some(event.resources.clone()))
            .set_time(time_of(event))
            .build();
        let answer = self.client.put_events().entries(entry).send().await;
        let answer = answer.map_err(|error| {
            format!("{}", aws_sdk_eventbridge::error::DisplayErrorContext(error))
        })?;
        match answer.entries().iter().find_map(|entry| entry.error_code()) {
            Some(code) => Err(format!("EventBridge refused the event: {code}")),
            None => Ok(()),
        }
    }

    async fn put_until_taken(&self, event: Event) {
        let started = Moment::now();
        let mut pause = Duration::from_millis(100);
        while let Err(error) = self.put(&event).await {
            if Moment::now().since(started) > GIVE_UP_AFTER {
                tracing::error!(kind = event.detail_type, %error, "an event was dropped");
                return;
            }
            tracing::warn!(kind = event.detail_type, %error, "an event waits for EventBridge");
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(2));
        }
    }
}

impl EventSink for EventBridge {
    fn deliver(&self, event: Event) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.put_until_taken(event))
    }
}

fn time_of(event: &Event) -> Option<aws_sdk_eventbridge::primitives::DateTime> {
    let at = Moment::parse(&event.time)?;
    Some(aws_sdk_eventbridge::primitives::DateTime::from_secs_f64(at.epoch()))
}
