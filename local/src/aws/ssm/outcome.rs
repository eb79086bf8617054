//! What a step of a document did, as far as Systems Manager keeps it.

use serde_json::{Value, json};

use super::command::State;
use crate::aws::clock::Moment;
use crate::aws::json::set;
use crate::aws::runner::ScriptOutcome;

/// Standard output that `GetCommandInvocation` keeps, in characters from the start.
const OUTPUT_KEPT: usize = 24_000;

/// Standard error that `GetCommandInvocation` keeps.
const ERROR_KEPT: usize = 8_000;

/// Both together, as `ListCommandInvocations` shows them.
const SUMMARY_KEPT: usize = 2_500;

/// The exit code of a script that was killed.
const KILLED: i32 = 137;

/// A step's result.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) state: State,
    /// -1 before it started.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) started_at: Option<Moment>,
    pub(crate) ended_at: Option<Moment>,
}

impl Plugin {
    /// A step that has not started.
    pub(crate) fn waiting(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: State::PENDING,
            code: -1,
            stdout: String::new(),
            stderr: String::new(),
            started_at: None,
            ended_at: None,
        }
    }

    /// Marks it as running.
    pub(crate) fn begin(&mut self) {
        self.state = State::IN_PROGRESS;
        self.started_at = Some(Moment::now());
    }

    /// Marks it as cut short; a script that was cancelled was killed.
    pub(crate) fn cut(&mut self, state: State) {
        self.state = state;
        if self.started_at.is_some() {
            self.ended_at = Some(Moment::now());
            self.code = if state == State::CANCELLED { KILLED } else { self.code };
        }
    }

    /// A step that ended by itself, at its timeout, or before it could start.
    pub(crate) fn ended(name: &str, from: Moment, result: Result<ScriptOutcome, String>) -> Self {
        let outcome = result.unwrap_or_else(|why| ScriptOutcome {
            stderr: why.into_bytes(),
            exit_code: 1,
            ..ScriptOutcome::default()
        });
        let state = match (outcome.timed_out, outcome.exit_code) {
            (true, _) => State::EXECUTION_TIMED_OUT,
            (false, 0) => State::SUCCESS,
            (false, _) => State::FAILED,
        };
        Self {
            name: name.to_owned(),
            state,
            code: outcome.exit_code,
            stdout: head(&String::from_utf8_lossy(&outcome.stdout), OUTPUT_KEPT),
            stderr: head(&String::from_utf8_lossy(&outcome.stderr), ERROR_KEPT),
            started_at: Some(from),
            ended_at: Some(Moment::now()),
        }
    }

    /// The `CommandPlugin` structure of answers.
    pub(crate) fn describe(&self) -> Value {
        let mut answer = json!({
            "Name": self.name, "Status": self.state.status, "StatusDetails": self.state.details,
            "ResponseCode": self.code, "Output": self.summary(), "StandardOutputUrl": "",
            "StandardErrorUrl": "", "OutputS3Region": "", "OutputS3BucketName": "",
            "OutputS3KeyPrefix": "",
        });
        set(&mut answer, "ResponseStartDateTime", self.started_at.map(Moment::epoch));
        set(&mut answer, "ResponseFinishDateTime", self.ended_at.map(Moment::epoch));
        answer
    }

    fn summary(&self) -> String {
        summarize(&self.stdout, &self.stderr)
    }
}

/// Both outputs as the agent sends them: whole where they fit; else the longer one is cut, and both
/// where both are long. What is cut says so.
fn summarize(stdout: &str, stderr: &str) -> String {
    const TITLE: &str = "\n----------ERROR-------\n";
    const OUTPUT_CUT: &str = "\n---Output truncated---";
    const ERROR_CUT: &str = "\n---Error truncated----";
    let title = if stderr.is_empty() { "" } else { TITLE };
    let space = SUMMARY_KEPT.saturating_sub(title.len());
    let (output, error) = (stdout.chars().count(), stderr.chars().count());
    if output.saturating_add(error) <= space {
        return format!("{stdout}{title}{stderr}");
    }
    let both = space.saturating_sub(OUTPUT_CUT.len()).saturating_sub(ERROR_CUT.len()) / 2;
    let (kept_output, kept_error) = match (output <= both, error <= both) {
        (_, true) => (space.saturating_sub(error).saturating_sub(OUTPUT_CUT.len()), error),
        (true, false) => (output, space.saturating_sub(output).saturating_sub(ERROR_CUT.len())),
        (false, false) => (both, both),
    };
    let cut = |text: &str, kept: usize, count: usize, mark: &str| {
        let mark = if count > kept { mark } else { "" };
        format!("{}{mark}", head(text, kept))
    };
    let output = cut(stdout, kept_output, output, OUTPUT_CUT);
    format!("{output}{title}{}", cut(stderr, kept_error, error, ERROR_CUT))
}

fn head(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_1100_bytes_survives_whatever_else_is_written() {
        let answer = format!("{}\n", "a".repeat(1100));
        for (what, stdout, stderr, whole) in [
            ("no errors", answer.clone(), String::new(), true),
            ("short errors", answer.clone(), "e".repeat(100), true),
            ("10,000 bytes of errors", answer.clone(), "e".repeat(10_000), true),
            ("both long", format!("{answer}{}", "b".repeat(20_000)), "e".repeat(10_000), true),
            ("a longer answer, both long", "a".repeat(1216), "e".repeat(10_000), false),
            ("a longer answer alone", "a".repeat(2400), String::new(), true),
        ] {
            let sent = summarize(&stdout, &stderr);
            assert!(sent.chars().count() <= SUMMARY_KEPT, "{what}");
            let first = stdout.lines().next().unwrap_or_default();
            assert_eq!(sent.starts_with(first), whole, "{what}");
        }
    }
}
