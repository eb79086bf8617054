//! Systems Manager: documents, Run Command and the agents that it talks to.

mod agent;
mod cancel;
mod command;
mod content;
mod documents;
mod instances;
mod invocations;
mod list;
mod outcome;
mod parameters;
mod send;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::Settings;
use super::error::{ApiError, ApiResult};
use super::events::Bus;
use super::fleet::Fleet;
use super::json::parse;
use super::runner::HostRunner;
use super::store::Snapshot;
use command::Command;
use documents::Documents;

/// The service.
pub(crate) struct Ssm {
    settings: Settings,
    fleet: Arc<Fleet>,
    events: Bus,
    runner: Arc<dyn HostRunner>,
    snapshot: Snapshot,
    documents: Mutex<Documents>,
    /// In the order in which they were sent.
    commands: Mutex<Vec<Command>>,
}

impl Ssm {
    /// Starts with the documents that were saved last.
    pub(crate) fn open(
        settings: Settings,
        fleet: Arc<Fleet>,
        events: Bus,
        runner: Arc<dyn HostRunner>,
    ) -> std::io::Result<Self> {
        let snapshot = Snapshot::new(&settings.state_dir, "ssm.json");
        let documents = Mutex::new(snapshot.load()?.unwrap_or_default());
        let commands = Mutex::default();
        Ok(Self { settings, fleet, events, runner, snapshot, documents, commands })
    }

    /// Carries out one operation.
    pub(crate) fn call(self: &Arc<Self>, operation: &str, body: &[u8]) -> ApiResult<Value> {
        match operation {
            "CreateDocument" => self.create_document(parse(body)?),
            "UpdateDocument" => self.update_document(parse(body)?),
            "UpdateDocumentDefaultVersion" => self.update_default_version(&parse(body)?),
            "DescribeDocument" => self.describe_document(&parse(body)?),
            "GetDocument" => self.get_document(&parse(body)?),
            "DeleteDocument" => self.delete_document(&parse(body)?),
            "ListDocuments" => self.list_documents(&parse(body)?),
            "DescribeInstanceInformation" => self.describe_instances(parse(body)?),
            "SendCommand" => self.send_command(parse(body)?),
            "ListCommands" => self.list_commands(&parse(body)?),
            "ListCommandInvocations" => self.list_invocations(&parse(body)?),
            "GetCommandInvocation" => self.get_invocation(&parse(body)?),
            "CancelCommand" => self.cancel_command(&parse(body)?),
            other => Err(ApiError::unknown_operation(other)),
        }
    }

    /// So many of AWS's seconds.
    fn seconds(&self, count: u64) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.settings.timing.second.saturating_mul(count)
    }
}
