//! Events on their way to EventBridge.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::clock::Moment;

/// One event as AWS's services put it on the default bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// For example `aws.ecr`.
    pub source: &'static str,
    /// For example `ECR Image Action`.
    pub detail_type: &'static str,
    /// When it happened, `2026-07-10T21:51:32Z`.
    pub time: String,
    /// ARNs; empty for `ECR Image Action`.
    pub resources: Vec<String>,
    /// The payload.
    pub detail: Value,
}

impl Event {
    /// An event that happens at this moment.
    pub(crate) fn at_once(
        source: &'static str,
        detail_type: &'static str,
        resources: Vec<String>,
        detail: Value,
    ) -> Self {
        Self { source, detail_type, time: Moment::now().iso(), resources, detail }
    }
}

/// Where events go. Called for one event at a time, in the order in which they happened.
pub trait EventSink: Send + Sync + 'static {
    /// Delivers one event; retrying is the sink's own business.
    fn deliver(&self, event: Event) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The queue in front of the sink: services never wait for EventBridge.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    queue: mpsc::UnboundedSender<Event>,
}

impl Bus {
    /// Starts the task that hands events to `sink`.
    pub(crate) fn start(sink: Arc<dyn EventSink>) -> Self {
        let (queue, mut waiting) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = waiting.recv().await {
                sink.deliver(event).await;
            }
        });
        Self { queue }
    }

    /// Sends an event on its way.
    pub(crate) fn emit(&self, event: Event) {
        tracing::info!(kind = event.detail_type, detail = %event.detail, "event");
        if self.queue.send(event).is_err() {
            tracing::warn!("an event was dropped: the event task has ended");
        }
    }
}
