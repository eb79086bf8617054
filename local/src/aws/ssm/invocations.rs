//! `ListCommandInvocations` and `GetCommandInvocation`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Ssm;
use super::command::{Command, Invocation};
use super::list::Listing;
use super::outcome::Plugin;
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;
use crate::aws::json::{page, set};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    command_id: String,
    instance_id: String,
    plugin_name: Option<String>,
}

impl Ssm {
    pub(super) fn list_invocations(&self, input: &Listing) -> ApiResult<Value> {
        let size = input.size()?;
        let commands = self.visible(input)?;
        let all = commands.iter().flat_map(|it| it.invocations.values().map(move |of| (it, of)));
        let wanted = all.filter(|(command, of)| {
            input.selects(command, of.state)
                && input.instance_id.as_ref().is_none_or(|id| *id == of.instance_id)
        });
        let key =
            |(command, of): &(&Command, &Invocation)| format!("{}/{}", command.id, of.instance_id);
        let shown = page(wanted.collect(), key, input.next_token.as_deref(), size)
            .map_err(|text| ApiError::client("InvalidNextToken", text))?;
        let describe = |(command, of): &(&Command, &Invocation)| {
            command.describe_invocation(of, input.details)
        };
        let items: Vec<Value> = shown.items.iter().map(describe).collect();
        let mut answer = json!({ "CommandInvocations": items });
        set(&mut answer, "NextToken", shown.next);
        Ok(answer)
    }

    pub(super) fn get_invocation(&self, input: &Get) -> ApiResult<Value> {
        let commands = guard(&self.commands);
        let command = commands.iter().find(|it| it.id == input.command_id);
        let found = command.filter(|it| self.is_visible(it)).and_then(|command| {
            command.invocations.get(&input.instance_id).map(|of| (command, of))
        });
        let (command, of) = found.ok_or_else(|| ApiError::client("InvocationDoesNotExist", ""))?;
        let mut answer = json!({
            "CommandId": command.id, "InstanceId": of.instance_id, "Comment": command.comment,
            "DocumentName": command.document_name, "Status": of.state.status,
            "DocumentVersion": command.document_version, "StatusDetails": of.state.details,
            "ExecutionStartDateTime": iso(of.started_at), "ExecutionEndDateTime": iso(of.ended_at),
            "ExecutionElapsedTime": elapsed(of), "ResponseCode": -1,
            "StandardOutputContent": "", "StandardErrorContent": "", "PluginName": "",
            "StandardOutputUrl": "", "StandardErrorUrl": "",
        });
        if let Some(plugin) = plugin(of, input.plugin_name.as_deref())? {
            set(&mut answer, "PluginName", Some(plugin.name.as_str()));
            set(&mut answer, "ResponseCode", Some(plugin.code));
            set(&mut answer, "StandardOutputContent", Some(plugin.stdout.as_str()));
            set(&mut answer, "StandardErrorContent", Some(plugin.stderr.as_str()));
        }
        Ok(answer)
    }
}

/// The step that is asked for; with several steps one has to be named.
fn plugin<'a>(of: &'a Invocation, name: Option<&str>) -> ApiResult<Option<&'a Plugin>> {
    match (name, of.plugins.as_slice()) {
        (None, [] | [_]) => Ok(of.plugins.first()),
        (None, _) => {
            let message = "the document has several steps: name one in PluginName";
            Err(ApiError::client("InvalidPluginName", message))
        }
        (Some(name), plugins) => match plugins.iter().find(|it| it.name == name) {
            None if !plugins.is_empty() => Err(ApiError::client("InvalidPluginName", name)),
            found => Ok(found),
        },
    }
}

fn iso(at: Option<Moment>) -> String {
    at.map(Moment::iso_millis).unwrap_or_default()
}

fn elapsed(of: &Invocation) -> String {
    let span = of.started_at.zip(of.ended_at).map(|(from, to)| to.since(from));
    span.map(|it: Duration| format!("PT{:.3}S", it.as_secs_f64())).unwrap_or_default()
}
