//! How much of a chapter the hosts themselves took, from what Run Command says of their scripts.

use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::DisplayErrorContext;
use aws_sdk_ssm::primitives::DateTime;
use aws_sdk_ssm::types::CommandInvocation;

use super::{Stage, StageError};

impl Stage {
    /// How long, since `since` (Unix seconds), at least one host was carrying out an order.
    ///
    /// # Errors
    ///
    /// When Run Command does not answer.
    pub async fn host_time(&self, since: f64) -> Result<Duration, StageError> {
        let client = Client::new(&self.environment.sdk_config());
        let mut pages = client.list_command_invocations().details(true).into_paginator().send();
        let mut spans = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| StageError::Command {
                what: "ListCommandInvocations".to_owned(),
                output: DisplayErrorContext(&error).to_string(),
            })?;
            for plugin in
                page.command_invocations().iter().flat_map(CommandInvocation::command_plugins)
            {
                let begun = plugin.response_start_date_time().map(DateTime::as_secs_f64);
                let ended = plugin.response_finish_date_time().map(DateTime::as_secs_f64);
                if let (Some(begun), Some(ended)) = (begun, ended)
                    && begun >= since
                {
                    spans.push((begun, ended));
                }
            }
        }
        Ok(covered(spans))
    }
}

/// How much time these spans cover; what overlaps counts once.
fn covered(mut spans: Vec<(f64, f64)>) -> Duration {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut total, mut reached) = (0.0, 0.0_f64);
    for (begun, ended) in spans {
        total += (ended - reached.max(begun)).max(0.0);
        reached = reached.max(ended);
    }
    Duration::try_from_secs_f64(total).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_counts_once() {
        let spans = vec![(10.0, 12.0), (11.0, 13.0), (20.0, 21.0), (20.2, 20.8)];
        assert!((covered(spans).as_secs_f64() - 4.0).abs() < 1e-9);
    }
}
