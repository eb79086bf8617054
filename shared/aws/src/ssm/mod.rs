//! The hosts, through Systems Manager's Run Command and our own documents.

mod answer;
mod meters;
mod outcome;
mod parameters;

use std::time::Duration;

use aws_sdk_ssm::config::Builder as Overrides;
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::list_command_invocations::ListCommandInvocationsError;
use aws_sdk_ssm::operation::send_command::SendCommandError;
use aws_sdk_ssm::types::{
    CommandFilter, CommandFilterKey, DocumentHashType, InstanceInformationStringFilter,
};
use esclusa_core::fingerprint::fingerprint;
use esclusa_core::name::{HostId, LaneId};
use esclusa_core::observation::{DocumentPin, Documents, Fleet, HostOrder, PartKey};
use esclusa_core::order::{CommandId, DELIVERY, Invocation, Verb};
use esclusa_core::time::Timestamp;
use esclusa_shell::ports::{BoxError, Hosts, SendError, Unavailable};

use crate::failure::{Missing, unavailable};
use crate::{Aws, Machines, clock, lock};

/// How long a document's version and hash are remembered: a deployment of the template changes
/// them, and a rollout that starts within minutes of it may well use what was there before.
const DOCUMENTS_FRESH: Duration = Duration::from_mins(5);

/// How far our clock and Systems Manager's may differ when a lost command is looked for.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// The documents as they were at some moment.
#[derive(Debug)]
pub(crate) struct CachedDocuments {
    at: Timestamp,
    documents: Documents,
}

impl Hosts for Aws<Machines> {
    async fn fleet(&self, lane: &LaneId) -> Result<Fleet, Unavailable> {
        let seen = tokio::try_join!(self.tagged(lane), self.documents());
        let (hosts, documents) =
            seen.map_err(unavailable(format!("list the hosts of lane `{lane}`")))?;
        Ok(Fleet { hosts: hosts.into_iter().collect(), documents })
    }

    async fn send(&self, lane: &LaneId, order: &HostOrder) -> Result<CommandId, SendError> {
        let doing = || unavailable(format!("send `{}` to hosts of lane `{lane}`", order.verb));
        let pin = order.document.as_ref();
        let call = (self.ssm.send_command())
            .document_name(document(order.verb))
            .set_document_version(pin.map(|it| it.version.clone()))
            .set_document_hash(pin.map(|it| it.hash.clone()))
            .set_document_hash_type(pin.map(|_| DocumentHashType::Sha256))
            .set_instance_ids(Some(order.hosts.iter().map(HostId::to_string).collect()))
            .set_parameters(Some(parameters::of(lane, order, clock::now())))
            .timeout_seconds(i32::try_from(DELIVERY.as_secs()).unwrap_or(60))
            .comment(comment(lane, order.key));
        match call.customize().config_override(once()).send().await {
            Ok(sent) => {
                let id = sent.command.and_then(|it| it.command_id);
                id.map(CommandId).ok_or_else(|| doing()(Missing("CommandId").into()).into())
            }
            Err(error) if is_unknown_host(&error) => Err(SendError::NoSuchHost(order.key)),
            Err(error) => Err(doing()(error.into()).into()),
        }
    }

    async fn find(
        &self,
        lane: &LaneId,
        key: PartKey,
        verb: Verb,
        since: Timestamp,
    ) -> Result<Option<CommandId>, Unavailable> {
        let doing = || unavailable(format!("look for a command to hosts of lane `{lane}`"));
        let skew = u64::try_from(CLOCK_SKEW.as_millis()).unwrap_or(0);
        let after = Timestamp::from_millis(since.as_millis().saturating_sub(skew));
        let mut pages = (self.ssm.list_commands())
            .filters(filter(CommandFilterKey::DocumentName, document(verb)).map_err(doing())?)
            .filters(filter(CommandFilterKey::InvokedAfter, &after.to_string()).map_err(doing())?)
            .into_paginator()
            .items()
            .send();
        let wanted = comment(lane, key);
        while let Some(command) = pages.next().await {
            let command = command.map_err(|e| doing()(e.into()))?;
            if command.comment.as_ref() == Some(&wanted) {
                return Ok(command.command_id.map(CommandId));
            }
        }
        Ok(None)
    }

    async fn invocations(&self, command: &CommandId) -> Result<Vec<Invocation>, Unavailable> {
        let mut pages = (self.ssm.list_command_invocations())
            .command_id(&command.0)
            .details(true)
            .into_paginator()
            .items()
            .send();
        let mut seen = Vec::new();
        while let Some(invocation) = pages.next().await {
            match invocation {
                Ok(invocation) => seen.extend(outcome::of(&invocation)),
                // Run Command is eventually consistent: what was just sent may not be listed yet.
                Err(error) if is_unlisted(&error) => return Ok(Vec::new()),
                Err(error) => {
                    let doing = format!("see what has become of command `{}`", command.0);
                    return Err(unavailable(doing)(error.into()));
                }
            }
        }
        Ok(seen)
    }
}

impl Aws<Machines> {
    /// The hosts that bear the lane's tag. Stopped and terminated ones are not listed.
    async fn tagged(&self, lane: &LaneId) -> Result<Vec<HostId>, BoxError> {
        let filter = InstanceInformationStringFilter::builder()
            .key(format!("tag:esclusa:{}", lane.service))
            .values(lane.environment.as_str())
            .build()?;
        let mut pages = (self.ssm.describe_instance_information())
            .filters(filter)
            .max_results(50)
            .into_paginator()
            .items()
            .send();
        let mut hosts = Vec::new();
        while let Some(host) = pages.next().await {
            hosts.push(host?.instance_id.ok_or(Missing("InstanceId"))?.parse()?);
        }
        Ok(hosts)
    }

    async fn documents(&self) -> Result<Documents, BoxError> {
        let now = clock::now();
        if let Some(cached) = lock(&self.own.documents).as_ref()
            && now.since(cached.at) < DOCUMENTS_FRESH
        {
            return Ok(cached.documents.clone());
        }
        let (inspect, prefetch, activate) = tokio::try_join!(
            self.pin(Verb::Inspect),
            self.pin(Verb::Prefetch),
            self.pin(Verb::Activate),
        )?;
        let documents = Documents::from([inspect, prefetch, activate]);
        let cached = CachedDocuments { at: now, documents: documents.clone() };
        *lock(&self.own.documents) = Some(cached);
        Ok(documents)
    }

    /// The version of a document that a command without a version would run, and its hash.
    async fn pin(&self, verb: Verb) -> Result<(Verb, DocumentPin), BoxError> {
        let described = self.ssm.describe_document().name(document(verb)).send().await?;
        let document = described.document.ok_or(Missing("Document"))?;
        let version = document.document_version.ok_or(Missing("DocumentVersion"))?;
        let sha256 = document.hash_type == Some(DocumentHashType::Sha256);
        let hash = document.hash.filter(|_| sha256).ok_or(Missing("SHA-256 Hash"))?;
        Ok((verb, DocumentPin { version, hash }))
    }
}

/// `SendCommand` has no client token: what is repeated is done twice.
fn once() -> Overrides {
    Overrides::new().retry_config(RetryConfig::disabled())
}

/// The document that does what a verb says.
fn document(verb: Verb) -> &'static str {
    match verb {
        Verb::Inspect => "Esclusa-Inspect",
        Verb::Prefetch => "Esclusa-Prefetch",
        Verb::Activate => "Esclusa-Activate",
    }
}

/// Names one call for ever, so that it is found again when its answer was lost. A comment holds
/// 100 characters, fewer than the longest name of a lane, hence its fingerprint.
fn comment(lane: &LaneId, key: PartKey) -> String {
    format!("esclusa {:016x} {}/{}", fingerprint(&lane.to_string()), key.fence, key.number)
}

fn filter(key: CommandFilterKey, value: &str) -> Result<CommandFilter, BoxError> {
    Ok(CommandFilter::builder().key(key).value(value).build()?)
}

fn is_unknown_host(error: &SdkError<SendCommandError>) -> bool {
    error.as_service_error().is_some_and(SendCommandError::is_invalid_instance_id)
}

fn is_unlisted(error: &SdkError<ListCommandInvocationsError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(ListCommandInvocationsError::is_invalid_command_id)
}
