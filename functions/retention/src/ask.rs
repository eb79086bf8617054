//! What a person asks, as it is written, and the one sentence for whatever is wrong with it.

use esclusa_core::digest::Digest;
use esclusa_core::name::Service;
use esclusa_shell::retain::{Mode, Run};
use serde::Deserialize;
use serde_json::Value;

/// Images that one answer lists, at most: Lambda's answers are bounded.
pub(crate) const PAGE: usize = 5000;

/// A question, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    service: String,
    #[serde(default)]
    apply: bool,
    #[serde(default)]
    force: bool,
    /// Where the list of images goes on, after an answer that did not hold all of them.
    after: Option<String>,
    /// Who asks, for the log.
    #[serde(default)]
    actor: String,
    /// Why, for the log.
    #[serde(default)]
    reason: String,
}

/// A question that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) run: Run,
    /// Images up to this one are not listed.
    pub(crate) after: Option<Digest>,
    pub(crate) actor: String,
    pub(crate) reason: String,
}

impl Question {
    /// Reads a question; `id` names its run.
    pub(crate) fn read(payload: &Value, id: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_value(payload.clone())
            .map_err(|error| format!("the question cannot be read: {error}; {}", example()))?;
        let service: Service =
            written.service.parse().map_err(|error| format!("{error}; correct `service`"))?;
        let mode = match (written.apply, written.force) {
            (false, false) => Mode::Plan,
            (true, false) => Mode::Apply,
            (true, true) => Mode::Force,
            (false, true) => {
                return Err(
                    "`force` lifts the cap of a run that deletes: add \"apply\": true, or \
                            leave `force` out to see the plan"
                        .to_owned(),
                );
            }
        };
        let after = written.after.as_deref().map(str::parse).transpose();
        let after = after.map_err(|error: esclusa_core::digest::DigestError| {
            format!("{error}; `after` is the digest that the answer before named as `more`")
        })?;
        let run = Run { id: id.to_owned(), service, mode, deleted: 0, bytes: 0 };
        Ok(Self { run, after, actor: written.actor, reason: written.reason })
    }
}

fn example() -> &'static str {
    r#"send one such as {"service":"tickets","apply":false}"#
}
