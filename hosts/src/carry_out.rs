//! Carrying out an order: look, decide, take the step, write down, and look again.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use esclusa_core::host::{
    Admission, Inspection, Kept, Mode, NEXT_SHIPPED, ONCE_FILE, Observation, Order, Refusal,
    Report, Step, Turn, admit, check_time, choose_prunable, finish, has_begun_once, history_after,
    inspect, is_last_word, is_one_way, next_activation_turn, next_prefetch_turn, runs_once,
};
use esclusa_core::order::Verb;
use esclusa_core::reason::{Code, Reason};
use serde_json::{Map, Value};

use crate::answer::{Answer, Sight};
use crate::engine::Engine;
use crate::observe::{Observer, now};
use crate::step::{Executor, with_made};
use crate::store::Lock;

/// The longest wait for another order of the service.
const BUSY: Duration = Duration::from_mins(1);

/// Carries out a prefetch or an activation, and returns the exit code of its answer.
pub(crate) async fn run(order: Order) -> ExitCode {
    let lane = (order.lane.service.to_string(), order.lane.environment.to_string());
    let verb = order.verb;
    match Box::pin(try_run(order)).await {
        Ok(answer) => answer.write(),
        Err(reason) => {
            let report = Report::refused(Refusal(reason), Vec::new());
            Answer::without_a_look(verb, &lane.0, &lane.1, &report).write()
        }
    }
}

async fn try_run(order: Order) -> Result<Answer, Reason> {
    let late = check_time(&order, now()).map_err(|it| it.0);
    let engine = Engine::connect().await?;
    let mut observer = Observer::new(engine, order.clone());
    // What has begun to run once is followed to its end, however late its order comes again.
    late.or_else(|reason| match observer.store.read() {
        Ok(kept) if has_begun_once(&order, &kept) => Ok(()),
        Ok(_) | Err(_) => Err(reason),
    })?;
    observer.compose.check().await?;
    observer.store.prepare()?;
    let patience = order.not_after.since(now()).min(BUSY);
    let locks = async {
        let own = observer.store.lock_path();
        let service = order.lane.service.to_string();
        let own = Lock::take(&own, patience, &service).await?;
        // Another lane may have its files in the same directory.
        let directory = observer.directory().canonicalize().ok();
        let shared = match directory {
            Some(at) => Some(Lock::take(&at, patience, &service).await?),
            None => None,
        };
        Ok::<_, Reason>((own, shared))
    };
    let _locks = match locks.await {
        Ok(locks) => locks,
        Err(reason) => return refuse(&mut observer, &order, reason).await,
    };
    let kept = observer.store.read()?;
    match admit(&order, &kept, now()) {
        Admission::Refused(refusal) => return refuse(&mut observer, &order, refusal.0).await,
        Admission::Repeated(finished) => return Ok(Answer::again(finished.answer, finished.exit)),
        Admission::CarriedOn => {
            observer.log("carries on: it was cut off");
            keep_old_way_back(&observer, &kept)?;
            watch_anew(&observer, &kept)?;
        }
        Admission::Begun => {
            observer.store.write_newest(&order, &kept)?;
            for left in [NEXT_SHIPPED, ONCE_FILE] {
                let _absent = std::fs::remove_file(observer.directory().join(left));
            }
        }
    }
    Box::pin(turn_by_turn(&mut observer, &order)).await
}

/// An order of the scripts that came before carries its way back in itself; from now on it lies
/// beside the others.
fn keep_old_way_back(observer: &Observer, kept: &Kept) -> Result<(), Reason> {
    let Some(journal) = &kept.journal else { return Ok(()) };
    match kept.snapshots.get(&journal.snapshot) {
        Some(snapshot) if !kept.remembered.contains(&snapshot.source) => {
            observer.store.write_snapshot(journal.snapshot, snapshot, None)
        }
        _ => Ok(()),
    }
}

/// What was being watched when an order was cut off is watched from now on: a machine that was off
/// says nothing about the release.
fn watch_anew(observer: &Observer, kept: &Kept) -> Result<(), Reason> {
    let Some(journal) = &kept.journal else { return Ok(()) };
    observer.store.write_journal(&journal.watched_from(now()))
}

/// Answers a refusal with what runs, where that can be seen.
async fn refuse(observer: &mut Observer, order: &Order, reason: Reason) -> Result<Answer, Reason> {
    let report = Report::refused(Refusal(reason.clone()), Vec::new());
    let Ok(seen) = observer.look().await else { return Err(reason) };
    Ok(render(order, &report, &seen, &inspect(order, &seen), &BTreeMap::new(), Map::new()))
}

async fn turn_by_turn(observer: &mut Observer, order: &Order) -> Result<Answer, Reason> {
    let mut executor = Executor::new(order.clone());
    let mut failure: Option<Reason> = None;
    let mut last: Option<Observation> = None;
    loop {
        let seen = match (observer.look().await, &last) {
            (Ok(seen), _) => seen,
            // An engine that does not answer in the middle of an order is the order's failure.
            (Err(reason), Some(seen)) => {
                failure = Some(reason);
                seen.clone()
            }
            (Err(reason), None) => return Err(reason),
        };
        let turn = match order.verb {
            Verb::Activate => next_activation_turn(order, &seen, failure.as_ref()),
            Verb::Prefetch | Verb::Inspect => next_prefetch_turn(order, &seen, failure.as_ref()),
        };
        failure = None;
        let (step, then) = match turn {
            Turn::Act(step, then) => (step, then),
            Turn::End(report) => return end(observer, order, *report, &seen, &executor).await,
        };
        if let Some(text) = describe(&step) {
            observer.log(&text);
        }
        match executor.take(observer, &step).await {
            Ok(made) => {
                let journal = match then {
                    // A phase begins when the step before it has been taken.
                    Some(journal) => Some(journal.watched_from(now())),
                    None => seen.kept.journal.clone().filter(|_| made.replaced.is_some()),
                };
                if let Some(journal) = journal {
                    observer.store.write_journal(&with_made(journal, &made))?;
                }
            }
            Err(reason) => {
                observer.log(&format!("failed: {reason}"));
                failure = Some(reason);
            }
        }
        last = Some(seen);
    }
}

/// A step in the words of the log; nothing for a wait.
fn describe(step: &Step) -> Option<String> {
    let joined = |all: &[String]| all.join(" ");
    Some(match step {
        Step::Wait(_) => return None,
        Step::TagImage { image, tag } => format!("keeps {image} as {tag}"),
        Step::Pull { reference, .. } => format!("pulls {reference}"),
        Step::ShipComposeFile { path, .. } => format!("takes {path} out of the image"),
        Step::TakeSnapshot(fence, _) => format!("writes down what runs, for order {fence}"),
        Step::WritePin { .. } => "writes the pin".to_owned(),
        Step::RestoreFiles { .. } => "puts the files back".to_owned(),
        Step::Up { services, .. } => {
            let names: Vec<String> = services.keys().cloned().collect();
            format!("docker compose up {}", joined(&names))
        }
        Step::RunOnce { service, name, .. } => format!("docker compose run {service} as {name}"),
        Step::Restart { services, .. } => format!("docker compose restart {}", joined(services)),
        Step::RemoveContainers(ids) => format!("removes containers {}", joined(ids)),
        Step::Rename { id, name } => format!("gives container {id} its name {name} back"),
        Step::StartContainer(id) => format!("starts container {id}"),
        Step::RestartContainer(id) => format!("restarts container {id}"),
        Step::RecreateContainer { container, .. } => format!("makes {} again", container.name),
        Step::Probe { http, .. } => format!("asks port {} for {}", http.port, http.path),
    })
}

/// Writes the order's last word down, and answers.
async fn end(
    observer: &mut Observer,
    order: &Order,
    report: Report,
    seen: &Observation,
    executor: &Executor,
) -> Result<Answer, Reason> {
    let seen = observer.look().await.unwrap_or_else(|_| seen.clone());
    let found = inspect(order, &seen);
    let is_fetched = order.verb == Verb::Prefetch && report.reason.code == Code::OK;
    let one_way = if is_fetched { is_one_way(order, &seen) } else { None };
    let mut extra = Map::new();
    if let Some(one_way) = one_way {
        extra.insert("rollback".to_owned(), if one_way { "unsafe" } else { "safe" }.into());
    }
    if is_fetched && runs_once(order, &seen) {
        extra.insert("once".to_owned(), "yes".into());
    }
    let answer = render(order, &report, &seen, &found, &executor.millis, extra);
    // Unshortened, which the answer is not.
    for text in std::iter::once(&report.reason.text).chain(&report.warnings) {
        observer.log(text);
    }
    if one_way.is_some() {
        observer.store.write_fetched(&order.wanted.to_string())?;
    }
    if is_last_word(order, &report) {
        write_last_word(observer, order, &report, &seen, &answer)?;
        if report.is_activated
            && let Err(reason) = prune(observer).await
        {
            observer.log(&format!("old images stay: {reason}"));
        }
    }
    Ok(answer)
}

fn write_last_word(
    observer: &Observer,
    order: &Order,
    report: &Report,
    seen: &Observation,
    answer: &Answer,
) -> Result<(), Reason> {
    let finished = finish(order, report, seen, (&answer.line, answer.exit));
    if order.mode == Mode::Once {
        return observer.store.write_ran_once(&finished);
    }
    if let Some(history) = history_after(order, report, seen) {
        observer.store.write_history(&history)?;
    }
    let journal = seen.kept.journal.as_ref().filter(|it| it.is_of(order));
    if let Some(journal) = journal.filter(|it| !it.replaced.is_empty()) {
        observer.store.replace_in_snapshot(journal.snapshot, &journal.replaced)?;
    }
    observer.store.write_finished(&finished)
}

/// Removes images that nobody needs any more, after a release that went well.
async fn prune(observer: &mut Observer) -> Result<(), Reason> {
    observer.forget_images();
    let seen = observer.look().await?;
    let mut pulled = seen.kept.pulled.clone();
    for name in choose_prunable(&seen) {
        observer.log(&format!("removes the image {}", name.0));
        observer.engine.remove_image_name(&name.0).await;
        pulled.remove(&name.0);
    }
    if pulled != seen.kept.pulled {
        observer.store.write_pulled(&pulled)?;
    }
    Ok(())
}

fn render(
    order: &Order,
    report: &Report,
    seen: &Observation,
    found: &Inspection,
    millis: &BTreeMap<&'static str, u64>,
    extra: Map<String, Value>,
) -> Answer {
    let sight = Sight { extra, ..see(order, seen, found, millis) };
    let lane = (order.lane.service.as_str(), order.lane.environment.as_str());
    Answer::new(order.verb, lane, report, &sight)
}

/// What was seen, in the words of the answer.
pub(crate) fn see(
    order: &Order,
    seen: &Observation,
    found: &Inspection,
    millis: &BTreeMap<&'static str, u64>,
) -> Sight {
    let fence = seen.kept.fence_of(&order.lane).map(|it| it.to_string()).unwrap_or_default();
    Sight {
        fence,
        now: found.running.to_string(),
        project: seen.files.project.clone(),
        containers: (found.tally.total, found.tally.well),
        health: found.tally.word(),
        platform: seen.platform.map(|it| it.to_string()).unwrap_or_default(),
        zone: seen.zone.clone(),
        seconds: millis.iter().map(|(name, it)| (*name, it.div_ceil(1000))).collect(),
        extra: Map::new(),
    }
}
