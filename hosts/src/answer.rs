//! The one line that an order is answered with.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use esclusa_core::host::{Report, exit_code, shorten};
use esclusa_core::order::Verb;
use serde_json::{Map, Value, json};

/// What an answer may weigh: the agent cuts standard output to 1,215 bytes once both streams are
/// long.
const LONGEST: usize = 1100;

/// An answer: the line, and the exit code that goes with it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The line, without its end.
    pub line: String,
    /// The exit code.
    pub exit: u8,
}

/// What was seen of the service, for the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    /// The fence that the host keeps.
    pub fence: String,
    /// What runs now.
    pub now: String,
    /// The project's name.
    pub project: String,
    /// How many containers are judged, and how many are well.
    pub containers: (usize, usize),
    /// How they are, in one word.
    pub health: &'static str,
    /// What the engine runs.
    pub platform: String,
    /// The availability zone; empty where it is not known, or not asked for.
    pub zone: String,
    /// How long each part took, in seconds.
    pub seconds: BTreeMap<&'static str, u64>,
    /// What only some verbs tell.
    pub extra: Map<String, Value>,
}

impl Answer {
    /// An answer of a host that could be looked at.
    pub(crate) fn new(verb: Verb, lane: (&str, &str), report: &Report, sight: &Sight) -> Self {
        let code = report.reason.code.as_str();
        let before = report.before.as_ref().map_or_else(|| sight.now.clone(), ToString::to_string);
        let mut value = json!({
            "v": 1, "verb": verb.to_string(), "service": lane.0, "environment": lane.1,
            "code": code,
            "text": shorten(&report.reason.text, 300), "fence": sight.fence,
            "before": before, "now": sight.now, "restored": report.restored.word(),
            "project": sight.project, "containers": sight.containers.0,
            "healthy": sight.containers.1, "health": sight.health, "platform": sight.platform,
            "zone": sight.zone,
            "warnings": report.warnings.iter().map(|it| shorten(it, 200)).collect::<Vec<_>>(),
            "seconds": sight.seconds, "at": seconds_now(),
        });
        if let Some(members) = value.as_object_mut() {
            members.extend(sight.extra.clone());
        }
        fit(&mut value);
        let exit = exit_code(code, report.changed, report.restored);
        Self { line: value.to_string(), exit }
    }

    /// An answer that was given before.
    pub(crate) fn again(line: String, exit: u8) -> Self {
        Self { line, exit }
    }

    /// An answer of a host that could not look.
    pub(crate) fn without_a_look(
        verb: Verb,
        service: &str,
        environment: &str,
        report: &Report,
    ) -> Self {
        let sight = Sight { now: "none".to_owned(), health: "none", ..Sight::default() };
        Self::new(verb, (service, environment), report, &sight)
    }

    /// Writes the line and returns the exit code.
    pub(crate) fn write(&self) -> ExitCode {
        let _written = print(&self.line);
        ExitCode::from(self.exit)
    }
}

/// Writes to standard output, where nothing but data goes. Nobody is left to tell where it is
/// closed.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Leaves out what does not fit: the digests on the host first, then warnings, then the sentence's
/// middle. The whole answer is kept on the host.
fn fit(value: &mut Value) {
    let shorten_warning = |value: &mut Value| {
        let Some(first) = value.pointer_mut("/warnings/0") else { return false };
        let text = first.as_str().unwrap_or_default().to_owned();
        *first = Value::from(shorten(&text, 60));
        text.chars().count() > 60
    };
    let shorten_text = |value: &mut Value| {
        let text = value["text"].as_str().unwrap_or_default().to_owned();
        value["text"] = Value::from(shorten(&text, 100));
        text.chars().count() > 100
    };
    while value.to_string().len() > LONGEST {
        let shortened = shorten_list(value, "present", 3)
            || shorten_list(value, "warnings", 1)
            || shorten_warning(value)
            || shorten_text(value)
            || shorten_list(value, "warnings", 0)
            || shorten_list(value, "present", 0);
        if !shortened {
            return;
        }
    }
}

fn shorten_list(value: &mut Value, name: &str, least: usize) -> bool {
    let list = value.get_mut(name).and_then(Value::as_array_mut);
    let Some(list) = list.filter(|it| it.len() > least) else { return false };
    list.pop().is_some()
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}
