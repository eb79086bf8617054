//! An order, out of the parameters that Systems Manager's agent passes as `SSM_<name>`.

use std::process::ExitCode;
use std::time::Duration;

use esclusa_core::configuration::{Compose, HttpProbe};
use esclusa_core::host::{Mode, Order, OrderError, Refusal, Report, Wanted, parse_fence};
use esclusa_core::name::LaneId;
use esclusa_core::order::{Fence, OnHostFailure, Verb};
use esclusa_core::time::Timestamp;

use crate::answer::Answer;

fn value(name: &str) -> String {
    std::env::var(format!("SSM_{name}")).unwrap_or_default()
}

fn read_one<T>(
    name: &'static str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, OrderError> {
    let value = value(name);
    parse(&value).ok_or(OrderError { name, value, expected })
}

/// What a document without this parameter means.
fn or_default(value: &str, default: &'static str) -> String {
    if value.is_empty() { default.to_owned() } else { value.to_owned() }
}

/// Reads the order.
///
/// # Errors
///
/// The first parameter that is missing or unreadable. An agent that passes none is too old.
pub(crate) fn read(verb: Verb) -> Result<Order, OrderError> {
    let lane = LaneId {
        service: read_one("Service", "an ECR repository's name", |it| it.parse().ok())?,
        environment: read_one("Environment", "an environment's name", |it| it.parse().ok())?,
    };
    let project = read_one("Project", "a directory's name below /srv", |it| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        (!it.is_empty() && it.bytes().all(plain)).then(|| it.to_owned())
    })?;
    let changes = verb != Verb::Inspect;
    let seconds =
        |it: &str| it.parse().ok().map(|it: u64| Timestamp::from_millis(it.saturating_mul(1000)));
    let nothing = Fence { epoch: 0, generation: 0 };
    Ok(Order {
        verb,
        lane,
        project,
        repository: read_one("Repository", "a registry and a repository", |it| {
            (!it.is_empty()).then(|| it.to_owned())
        })?,
        wanted: read_one(
            "Image",
            "none, tag@sha256:…, local@sha256:… or snapshot@fence",
            |it| or_default(it, "none").parse::<Wanted>().ok(),
        )?,
        image_bytes: read_one("ImageBytes", "a number of bytes", |it| {
            or_default(it, "0").parse().ok()
        })?,
        fence: if changes { read_one("Fence", "epoch.generation", parse_fence)? } else { nothing },
        issued_at: read_one("IssuedAt", "seconds since 1970", |it| seconds(&or_default(it, "0")))?,
        not_after: if changes {
            read_one("NotAfter", "seconds since 1970", seconds)?
        } else {
            Timestamp::default()
        },
        on_failure: read_one("OnFailure", "restore or leave", |it| match it {
            "restore" => Some(OnHostFailure::Restore),
            "leave" | "" => Some(OnHostFailure::Leave),
            _ => None,
        })?,
        mode: read_mode()?,
        deadline: read_one("Deadline", "auto or a number of seconds", |it| match it {
            "auto" | "" => Some(None),
            other => other.parse().ok().map(Some),
        })?,
        http: read_probe()?,
        compose: read_one("Compose", "auto, host or image", |it| match it {
            // An inspection, which says nothing, looks at what is in use.
            "auto" | "" => Some(Compose::Auto),
            "image" => Some(Compose::Image),
            "host" => Some(Compose::Host),
            _ => None,
        })?,
        allowed: value("Allow").split('+').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
    })
}

fn read_mode() -> Result<Mode, OrderError> {
    read_one("Mode", "change, restart or once", |it| match it {
        "once" => Some(Mode::Once),
        "restart" => Some(Mode::Restart),
        "change" | "" => Some(Mode::Change),
        _ => None,
    })
}

fn read_probe() -> Result<Option<HttpProbe>, OrderError> {
    if value("HttpPort").is_empty() {
        return Ok(None);
    }
    Ok(Some(HttpProbe {
        port: read_one("HttpPort", "a port", |it| it.parse().ok())?,
        path: read_one("HttpPath", "a path", |it| or_default(it, "/").parse().ok())?,
        expect: read_one("HttpExpect", "a range of status codes", |it| {
            or_default(it, "200-299").parse().ok()
        })?,
    }))
}

/// Whether an inspection is asked for the last log lines of containers that are not well.
pub(crate) fn wants_logs() -> bool {
    value("Logs") == "yes"
}

/// Answers for an order that cannot be read.
pub(crate) fn refuse(verb: Verb, error: &OrderError) -> ExitCode {
    let old_agent = value("Service").is_empty() || value("Project").is_empty();
    let refusal = if old_agent {
        let text =
            "The SSM agent is older than 3.3.2746 and passes no parameters: update it.".to_owned();
        Refusal::new("hosts.agent", text)
    } else {
        let text = format!("This order cannot be carried out: {error}. Nothing was changed.");
        Refusal::new("order.unreadable", text)
    };
    let report = Report::refused(refusal, Vec::new());
    Answer::without_a_look(verb, &value("Service"), &value("Environment"), &report).write()
}

/// How long the order may take, until the agent ends it.
pub(crate) fn time_limit(verb: Verb) -> Duration {
    verb.limit()
}
