//! A command and its invocations, and what their states amount to.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::outcome::Plugin;
use super::parameters::Values;
use crate::aws::clock::Moment;
use crate::aws::json::set;

/// A state as the API names it, with the detail that tells its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// `Status`.
    pub(crate) status: &'static str,
    /// `StatusDetails`.
    pub(crate) details: &'static str,
}

impl State {
    pub(crate) const PENDING: Self = Self::of("Pending", "Pending");
    pub(crate) const IN_PROGRESS: Self = Self::of("InProgress", "InProgress");
    pub(crate) const SUCCESS: Self = Self::of("Success", "Success");
    pub(crate) const FAILED: Self = Self::of("Failed", "Failed");
    pub(crate) const INCOMPLETE: Self = Self::of("Failed", "Incomplete");
    pub(crate) const UNDELIVERABLE: Self = Self::of("Failed", "Undeliverable");
    pub(crate) const DELIVERY_TIMED_OUT: Self = Self::of("TimedOut", "DeliveryTimedOut");
    pub(crate) const EXECUTION_TIMED_OUT: Self = Self::of("TimedOut", "ExecutionTimedOut");
    pub(crate) const CANCELLING: Self = Self::of("Cancelling", "Cancelling");
    pub(crate) const CANCELLED: Self = Self::of("Cancelled", "Cancelled");

    const fn of(status: &'static str, details: &'static str) -> Self {
        Self { status, details }
    }

    /// Whether nothing follows it.
    pub(crate) fn is_final(self) -> bool {
        !matches!(self.status, "Pending" | "InProgress" | "Cancelling")
    }
}

/// One host's part of a command.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub(crate) instance_id: String,
    pub(crate) host_name: String,
    pub(crate) state: State,
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) started_at: Option<Moment>,
    pub(crate) ended_at: Option<Moment>,
}

/// A command.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) id: String,
    pub(crate) document_name: String,
    /// As it was asked for, for example `$DEFAULT` or `3`.
    pub(crate) document_version: String,
    pub(crate) comment: String,
    pub(crate) parameters: Values,
    pub(crate) targets: Vec<Value>,
    pub(crate) instance_ids: Vec<String>,
    pub(crate) requested_at: Moment,
    pub(crate) expires_at: Moment,
    pub(crate) timeout_seconds: u64,
    pub(crate) max_concurrency: String,
    pub(crate) max_errors: String,
    pub(crate) invocations: BTreeMap<String, Invocation>,
    pub(crate) cancelled: watch::Sender<bool>,
}

impl Command {
    /// The state of the whole, by AWS's rules: only failures and execution timeouts count as
    /// errors, and what was never delivered does not keep the rest from being a success.
    pub(crate) fn state(&self) -> State {
        let states: Vec<State> = self.invocations.values().map(|it| it.state).collect();
        if !states.iter().all(|it| it.is_final()) {
            return self.unfinished(&states);
        }
        let count = |wanted: &[State]| states.iter().filter(|it| wanted.contains(it)).count();
        let errors = count(&[State::FAILED, State::EXECUTION_TIMED_OUT]);
        if errors > self.allowed_errors(states.len()) {
            return State::FAILED;
        }
        if count(&[State::CANCELLED]) > 0 {
            return State::CANCELLED;
        }
        if !states.is_empty() && count(&[State::DELIVERY_TIMED_OUT]) == states.len() {
            return State::DELIVERY_TIMED_OUT;
        }
        if !states.is_empty() && count(&[State::UNDELIVERABLE]) == states.len() {
            return State::UNDELIVERABLE;
        }
        if errors > 0 || count(&[State::DELIVERY_TIMED_OUT]) > 0 {
            return State::INCOMPLETE;
        }
        State::SUCCESS
    }

    fn unfinished(&self, states: &[State]) -> State {
        if *self.cancelled.borrow() {
            State::CANCELLING
        } else if states.iter().all(|it| *it == State::PENDING) {
            State::PENDING
        } else {
            State::IN_PROGRESS
        }
    }

    /// `MaxErrors` is a count or a share of all.
    fn allowed_errors(&self, of: usize) -> usize {
        match self.max_errors.strip_suffix('%') {
            Some(share) => {
                of.saturating_mul(share.parse().unwrap_or(0)).checked_div(100).unwrap_or(0)
            }
            None => self.max_errors.parse().unwrap_or(0),
        }
    }

    fn count(&self, wanted: impl Fn(State) -> bool) -> usize {
        self.invocations.values().filter(|it| wanted(it.state)).count()
    }

    /// The `Command` structure of answers.
    pub(crate) fn describe(&self) -> Value {
        let state = self.state();
        let undelivered = |it| matches!(it, State::DELIVERY_TIMED_OUT | State::UNDELIVERABLE);
        let failed = |it| matches!(it, State::FAILED | State::EXECUTION_TIMED_OUT);
        json!({
            "CommandId": self.id, "DocumentName": self.document_name,
            "DocumentVersion": self.document_version, "Comment": self.comment,
            "ExpiresAfter": self.expires_at.epoch(), "Parameters": self.parameters,
            "InstanceIds": self.instance_ids, "Targets": self.targets,
            "RequestedDateTime": self.requested_at.epoch(),
            "Status": state.status, "StatusDetails": state.details,
            "OutputS3BucketName": "", "OutputS3KeyPrefix": "",
            "MaxConcurrency": self.max_concurrency, "MaxErrors": self.max_errors,
            "TargetCount": self.invocations.len(), "CompletedCount": self.count(State::is_final),
            "ErrorCount": self.count(failed), "DeliveryTimedOutCount": self.count(undelivered),
            "ServiceRole": "", "TimeoutSeconds": self.timeout_seconds,
        })
    }

    /// The `CommandInvocation` structure of answers.
    pub(crate) fn describe_invocation(&self, of: &Invocation, details: bool) -> Value {
        let mut answer = json!({
            "CommandId": self.id, "InstanceId": of.instance_id, "InstanceName": of.host_name,
            "Comment": self.comment, "DocumentName": self.document_name,
            "DocumentVersion": self.document_version,
            "RequestedDateTime": self.requested_at.epoch(), "Status": of.state.status,
            "StatusDetails": of.state.details, "StandardOutputUrl": "", "StandardErrorUrl": "",
            "ServiceRole": "",
        });
        let plugins =
            if details { of.plugins.iter().map(Plugin::describe).collect() } else { vec![] };
        set(&mut answer, "CommandPlugins", Some(plugins));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(states: &[State], max_errors: &str) -> Command {
        let invocation = |(number, state): (usize, &State)| {
            let id = format!("i-{number}");
            let it = Invocation {
                instance_id: id.clone(),
                host_name: String::new(),
                state: *state,
                plugins: Vec::new(),
                started_at: None,
                ended_at: None,
            };
            (id, it)
        };
        Command {
            id: String::new(),
            document_name: String::new(),
            document_version: String::new(),
            comment: String::new(),
            parameters: Values::new(),
            targets: Vec::new(),
            instance_ids: Vec::new(),
            requested_at: Moment::now(),
            expires_at: Moment::now(),
            timeout_seconds: 30,
            max_concurrency: "50".to_owned(),
            max_errors: max_errors.to_owned(),
            invocations: states.iter().enumerate().map(invocation).collect(),
            cancelled: watch::Sender::new(false),
        }
    }

    #[test]
    fn the_parent_hides_what_its_invocations_say() {
        const OK: State = State::SUCCESS;
        const LOST: State = State::UNDELIVERABLE;
        const LATE: State = State::DELIVERY_TIMED_OUT;
        for (states, max_errors, expected) in [
            (vec![OK, OK], "0", State::SUCCESS),
            (vec![OK, LOST, LOST, LOST, LOST], "0", State::SUCCESS),
            (vec![OK, State::FAILED], "0", State::FAILED),
            (vec![OK, State::EXECUTION_TIMED_OUT], "0", State::FAILED),
            (vec![OK, State::FAILED], "50%", State::INCOMPLETE),
            (vec![OK, LATE], "0", State::INCOMPLETE),
            (vec![LATE, LATE], "0", State::DELIVERY_TIMED_OUT),
            (vec![LOST], "0", State::UNDELIVERABLE),
            (vec![OK, State::CANCELLED], "0", State::CANCELLED),
            (vec![State::PENDING, State::PENDING], "0", State::PENDING),
            (vec![State::PENDING, OK], "0", State::IN_PROGRESS),
        ] {
            assert_eq!(command(&states, max_errors).state(), expected, "{states:?} {max_errors}");
        }
    }
}
