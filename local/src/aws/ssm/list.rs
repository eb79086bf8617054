//! `ListCommands`, and the filters that it shares with `ListCommandInvocations`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Ssm;
use super::cancel::unknown_command;
use super::command::{Command, State};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;
use crate::aws::json::{page, set};

/// What both listings take.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listing {
    pub(super) command_id: Option<String>,
    pub(super) instance_id: Option<String>,
    max_results: Option<usize>,
    pub(super) next_token: Option<String>,
    #[serde(default)]
    filters: Vec<CommandFilter>,
    #[serde(default)]
    pub(super) details: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommandFilter {
    key: String,
    value: String,
}

impl Listing {
    /// The page size that was asked for.
    pub(super) fn size(&self) -> ApiResult<usize> {
        match self.max_results.unwrap_or(50) {
            size @ 1..=50 => Ok(size),
            _ => Err(ApiError::validation("MaxResults must be between 1 and 50")),
        }
    }

    /// Whether the command, or one of its invocations in `state`, is asked for.
    pub(super) fn selects(&self, command: &Command, state: State) -> bool {
        let wanted = |filter: &CommandFilter| {
            let time = || Moment::parse(&filter.value);
            match filter.key.as_str() {
                "InvokedAfter" => time().is_some_and(|at| command.requested_at > at),
                "InvokedBefore" => time().is_some_and(|at| command.requested_at < at),
                "Status" => filter.value == state.status || filter.value == state.details,
                "DocumentName" => filter.value == command.document_name,
                _ => true,
            }
        };
        self.command_id.as_ref().is_none_or(|id| *id == command.id)
            && self.filters.iter().all(wanted)
    }

    fn check(&self, commands: &[Command]) -> ApiResult<()> {
        const KEYS: [&str; 5] =
            ["InvokedAfter", "InvokedBefore", "Status", "ExecutionStage", "DocumentName"];
        if let Some(filter) = self.filters.iter().find(|it| !KEYS.contains(&it.key.as_str())) {
            return Err(ApiError::client("InvalidFilterKey", format!("`{}`", filter.key)));
        }
        match &self.command_id {
            Some(id) if !commands.iter().any(|it| it.id == *id) => Err(unknown_command(id)),
            _ => Ok(()),
        }
    }
}

impl Ssm {
    /// Commands that a listing asks for, newest first, without those that AWS would not show yet.
    pub(super) fn visible(&self, listing: &Listing) -> ApiResult<Vec<Command>> {
        let commands = guard(&self.commands);
        listing.check(&commands)?;
        Ok(commands.iter().rev().filter(|it| self.is_visible(it)).cloned().collect())
    }

    /// Run Command is eventually consistent: what was just sent is not found for a moment.
    pub(super) fn is_visible(&self, command: &Command) -> bool {
        Moment::now().since(command.requested_at) >= self.settings.timing.visible_after
    }

    pub(super) fn list_commands(&self, input: &Listing) -> ApiResult<Value> {
        let size = input.size()?;
        let mut commands = self.visible(input)?;
        commands.retain(|command| {
            let on = |id: &String| command.invocations.contains_key(id);
            input.selects(command, command.state()) && input.instance_id.as_ref().is_none_or(on)
        });
        let shown = page(commands, |it| it.id.clone(), input.next_token.as_deref(), size)
            .map_err(|text| ApiError::client("InvalidNextToken", text))?;
        let items: Vec<Value> = shown.items.iter().map(Command::describe).collect();
        let mut answer = json!({ "Commands": items });
        set(&mut answer, "NextToken", shown.next);
        Ok(answer)
    }
}
