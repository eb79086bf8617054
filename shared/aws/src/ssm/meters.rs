//! What containers take, as hosts answer our read-only document.

use aws_sdk_ssm::types::{CommandInvocation, CommandInvocationStatus, Target};
use esclusa_core::measure::usage::{UsageError, read};
use esclusa_core::name::HostId;
use esclusa_core::order::CommandId;
use esclusa_shell::measure::ports::{Answered, Answers, Meters};
use esclusa_shell::ports::{BoxError, Unavailable};

use super::{is_unlisted, once};
use crate::failure::{Missing, unavailable};
use crate::{Aws, Gauges};

/// The document.
const DOCUMENT: &str = "Esclusa-Measure";

/// Hosts that have not taken the question by then, in seconds, are not asked: the least that Run
/// Command allows.
const DELIVERY: i32 = 30;

impl Meters for Aws<Gauges> {
    /// One call for all hosts, whatever their lanes. Hosts that are not there are not asked.
    async fn ask(&self) -> Result<CommandId, Unavailable> {
        let managed = Target::builder().key("tag:esclusa:managed").values("true").build();
        let call = (self.ssm.send_command())
            .document_name(DOCUMENT)
            .targets(managed)
            .max_concurrency("100%")
            .max_errors("100%")
            .timeout_seconds(DELIVERY)
            .comment("esclusa: what containers take");
        let doing = || unavailable("ask the hosts what their containers take".to_owned());
        let sent = call.customize().config_override(once()).send().await;
        let command = sent.map_err(|error| doing()(error.into()))?.command;
        let id = command.and_then(|it| it.command_id);
        id.map(CommandId).ok_or_else(|| doing()(Missing("CommandId").into()))
    }

    async fn answers(&self, asked: &CommandId) -> Result<Answers, Unavailable> {
        let read = self.answered(asked).await;
        read.map_err(unavailable(format!("read what hosts answered to command `{}`", asked.0)))
    }
}

impl Aws<Gauges> {
    async fn answered(&self, asked: &CommandId) -> Result<Answers, BoxError> {
        let mut pages = (self.ssm.list_command_invocations())
            .command_id(&asked.0)
            .details(true)
            .into_paginator()
            .items()
            .send();
        let mut answers = Answers::default();
        while let Some(invocation) = pages.next().await {
            match invocation {
                Ok(invocation) => {
                    answers.pending |= is_pending(&invocation);
                    answers.given.extend(self.answer(asked, &invocation).await?);
                }
                // It has forgotten it, or has not heard of it yet.
                Err(error) if is_unlisted(&error) => {
                    return Ok(Answers { pending: true, ..Answers::default() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(answers)
    }

    /// What a host answered, if it did. A listing keeps 2,500 characters of it; what is longer is
    /// read by itself, which gives 24,000.
    async fn answer(
        &self,
        asked: &CommandId,
        invocation: &CommandInvocation,
    ) -> Result<Option<Answered>, BoxError> {
        if invocation.status() != Some(&CommandInvocationStatus::Success) {
            return Ok(None);
        }
        let Some(host) = invocation.instance_id() else { return Ok(None) };
        let Ok(id) = host.parse::<HostId>() else { return Ok(None) };
        let output = invocation.command_plugins().first().and_then(|it| it.output());
        let listed = read(output.unwrap_or_default());
        if listed != Err(UsageError::CutOff) && !matches!(listed, Err(UsageError::Line(_))) {
            return Ok(Some((id, listed)));
        }
        let call = self.ssm.get_command_invocation().command_id(&asked.0).instance_id(host);
        let whole = call.send().await?.standard_output_content.unwrap_or_default();
        Ok(Some((id, read(&whole))))
    }
}

fn is_pending(invocation: &CommandInvocation) -> bool {
    matches!(
        invocation.status(),
        Some(
            CommandInvocationStatus::Pending
                | CommandInvocationStatus::InProgress
                | CommandInvocationStatus::Delayed
        )
    )
}
