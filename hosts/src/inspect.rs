//! Telling what the host runs, without a lock: a look must not wait for an order that is carried
//! out.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use esclusa_core::host::{
    Observation, Order, Refusal, Report, check_time, find_elsewhere, inspect,
};
use esclusa_core::order::Verb;
use esclusa_core::reason::Reason;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::answer::{Answer, Sight, print};
use crate::carry_out::see;
use crate::engine::Engine;
use crate::observe::{Observer, now};
use crate::parameters;

/// How long containers that are just starting are waited for: longer than one without a healthcheck
/// takes to be known as steady, shorter than the document's minute.
const SETTLE: Duration = Duration::from_secs(25);

/// Of a container's log, at most.
const LINES: usize = 20;
/// Of all logs together, in bytes: the agent keeps 24,000.
const LOGS: usize = 16_000;

/// Inspects the host, and returns the exit code of the answer.
pub(crate) async fn run(order: Order) -> ExitCode {
    let lane = (order.lane.service.to_string(), order.lane.environment.to_string());
    match Box::pin(try_run(order)).await {
        Ok((answer, logs)) => {
            let code = answer.write();
            if let Some(logs) = logs {
                let _written = print(&logs.to_string());
            }
            code
        }
        Err(reason) => {
            let report = Report::refused(Refusal(reason), Vec::new());
            Answer::without_a_look(Verb::Inspect, &lane.0, &lane.1, &report).write()
        }
    }
}

async fn try_run(order: Order) -> Result<(Answer, Option<Value>), Reason> {
    check_time(&order, now()).map_err(|it| it.0)?;
    let mut observer = Observer::new(Engine::connect().await?, order.clone());
    let engine = observer.engine.clone();
    let (seen, room) = tokio::try_join!(look_until_settled(&mut observer, &order), engine.room())?;
    let found = inspect(&order, &seen);
    let report = report_look(&order, &seen, &found.running.to_string(), found.tally.bad.clone());
    let mut extra = Map::new();
    extra.insert("order".to_owned(), Value::from(seen.kept.last_change(&order.lane).word()));
    extra.insert("disk_free_bytes".to_owned(), Value::from(room.1));
    extra.insert("has_healthcheck".to_owned(), Value::from(found.has_healthcheck));
    extra.insert("present".to_owned(), json!(present(&order, &seen)));
    let sight = Sight { extra, ..see(&order, &seen, &found, &BTreeMap::new()) };
    let lane = (order.lane.service.as_str(), order.lane.environment.as_str());
    let answer = Answer::new(Verb::Inspect, lane, &report, &sight);
    let logs = if parameters::wants_logs() {
        Some(read_logs(&observer, &found.unwell).await)
    } else {
        None
    };
    Ok((answer, logs))
}

/// Looks until no container is just starting, or that took too long.
async fn look_until_settled(observer: &mut Observer, order: &Order) -> Result<Observation, Reason> {
    let began = Instant::now();
    loop {
        let seen = observer.look().await?;
        let found = inspect(order, &seen);
        let settles = found.tally.bad.is_none() && found.tally.waiting.is_some();
        if !settles || began.elapsed() > SETTLE {
            return Ok(seen);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn report_look(order: &Order, seen: &Observation, running: &str, bad: Option<String>) -> Report {
    let mut warnings: Vec<String> = bad.into_iter().collect();
    if let Err(problem) = &seen.definition {
        warnings.push(problem.text.clone());
    }
    if let Some(refusal) = find_elsewhere(order, seen) {
        return Report::refused(refusal, warnings);
    }
    let text = format!("This host runs {running} of {}.", order.lane.service);
    Report { changed: false, is_activated: false, ..Report::done(text, None, warnings) }
}

/// The digests of this repository's images on the host, shortened: a person reads them.
fn present(order: &Order, seen: &Observation) -> BTreeSet<String> {
    let prefix = format!("{}@", order.repository);
    let names = seen.images.values().flat_map(|it| &it.digests);
    let digests = names.filter_map(|it| it.strip_prefix(&prefix));
    digests.map(|it| it.trim_start_matches("sha256:").chars().take(12).collect()).collect()
}

/// Application logs can hold secrets: they are read only when a person asks, and never stored here.
async fn read_logs(observer: &Observer, names: &[String]) -> Value {
    let mut logs = Vec::new();
    for name in names {
        let lines = observer.engine.last_lines(name, LINES).await;
        logs.push((name.clone(), lines));
    }
    loop {
        let all: Vec<Value> =
            logs.iter().map(|(name, lines)| json!({"container": name, "lines": lines})).collect();
        let value = json!({ "logs": all });
        if value.to_string().len() <= LOGS || logs.iter().all(|(_, lines)| lines.is_empty()) {
            return value;
        }
        for (_, lines) in &mut logs {
            if !lines.is_empty() {
                lines.remove(0);
            }
        }
    }
}
