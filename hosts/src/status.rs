//! What a person on the host is told.

use std::process::ExitCode;

use esclusa_core::host::{Finished, Kept, NewestOrder};

use crate::answer::print;
use crate::engine::Engine;
use crate::store::Store;

/// How many lines of a service's log are shown.
const LINES: usize = 20;

/// Tells what is known of one service, or of all.
pub(crate) async fn run(service: Option<&str>) -> ExitCode {
    let wanted = |it: &&String| service.is_none_or(|name| it.as_str() == name);
    let projects = Store::all();
    let chosen: Vec<&String> = projects.iter().filter(wanted).collect();
    if chosen.is_empty() {
        eprintln!(
            "No service of Esclusa's was ever ordered here{}.",
            service.map(|it| format!(" under the name {it}")).unwrap_or_default()
        );
        return ExitCode::from(1);
    }
    match Engine::connect().await {
        Ok(engine) => drop(print(&format!("Docker Engine {}", engine.version))),
        Err(reason) => eprintln!("{reason}"),
    }
    for project in chosen {
        let store = Store::of(project);
        match store.read() {
            Ok(kept) => drop(print(&describe(project, &kept, &store.log_lines(LINES)))),
            Err(reason) => eprintln!("{project}: {reason}"),
        }
    }
    ExitCode::SUCCESS
}

fn describe(project: &str, kept: &Kept, log: &[String]) -> String {
    let Some(NewestOrder { lane, fence, .. }) = &kept.newest else { return String::new() };
    let mut lines = vec![
        format!("{project}: {} in {}", lane.service, lane.environment),
        format!("  newest order   {fence}"),
    ];
    if let Some(journal) = &kept.journal {
        let (order, phase) = (journal.fence, journal.phase.word());
        lines.push(format!("  under way      order {order} to {}: {phase}", journal.wanted));
        lines.extend(journal.failure.iter().map(|it| format!("  going back     {it}")));
    }
    if let Some(finished) = &kept.finished {
        let Finished { fence, wanted, exit, answer, .. } = finished;
        lines.push(format!("  last ended     order {fence} to {wanted}: exit {exit}"));
        lines.push(format!("  answered       {answer}"));
        let runs = finished.targets.iter();
        lines.extend(runs.map(|(name, count)| format!("  runs           {name}: {count}")));
    }
    if let Some(Finished { fence, wanted, exit, .. }) = &kept.ran_once {
        lines.push(format!("  ran once       order {fence} for {wanted}: exit {exit}"));
    }
    lines.extend(kept.snapshots.iter().map(|(fence, snapshot)| {
        format!("  way back       before order {fence}: {}", snapshot.running())
    }));
    lines.extend(kept.history.iter().map(|it| format!("  activated      {it}")));
    lines.extend(log.iter().map(|it| format!("  log            {it}")));
    lines.join("\n")
}
