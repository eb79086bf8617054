//! `CancelCommand`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Ssm;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cancel {
    command_id: String,
    #[serde(default)]
    instance_ids: Vec<String>,
}

impl Ssm {
    /// Best effort, as AWS says: what has ended stays as it ended. Here a running script is killed.
    ///
    /// Only whole commands can be cancelled; naming all of a command's hosts is the same.
    pub(super) fn cancel_command(&self, input: &Cancel) -> ApiResult<Value> {
        let commands = guard(&self.commands);
        let command = commands.iter().find(|it| it.id == input.command_id);
        let command = command.ok_or_else(|| unknown_command(&input.command_id))?;
        let named = |id: &String| input.instance_ids.is_empty() || input.instance_ids.contains(id);
        if !command.invocations.keys().all(named) {
            let message = "here a command is cancelled on all of its hosts or on none";
            return Err(ApiError::validation(message));
        }
        command.cancelled.send_replace(true);
        Ok(json!({}))
    }
}

/// There is no such command.
pub(super) fn unknown_command(id: &str) -> ApiError {
    ApiError::client("InvalidCommandId", format!("Command {id} is not a command of this account"))
}
