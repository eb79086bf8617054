//! What a person on the host is told.

use std::process::ExitCode;

use crate::engine::Engine;
use crate::store::Store;

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
        Ok(engine) => println!("Docker Engine {}", engine.version),
        Err(reason) => eprintln!("{reason}"),
    }
    for project in chosen {
        match Store::of(project).read() {
            Ok(kept) => tell(project, &kept),
            Err(reason) => eprintln!("{project}: {reason}"),
        }
    }
    ExitCode::SUCCESS
}

fn tell(project: &str, kept: &esclusa_core::host::Kept) {
    let Some((lane, fence)) = &kept.fence else { return };
    println!("{project}: {} in {}", lane.service, lane.environment);
    println!("  newest order   {fence}");
    if let Some(journal) = &kept.journal {
        println!(
            "  under way      order {} to {}: {}",
            journal.fence,
            journal.wanted,
            journal.phase.word()
        );
        if let Some(failure) = &journal.failure {
            println!("  going back     {failure}");
        }
    }
    if let Some(finished) = &kept.finished {
        println!(
            "  last ended     order {} to {}: exit {}",
            finished.fence, finished.wanted, finished.exit
        );
        println!("  answered       {}", finished.answer);
        for (service, count) in &finished.targets {
            println!("  runs           {service}: {count}");
        }
    }
    for (fence, snapshot) in &kept.snapshots {
        println!("  way back       before order {fence}: {}", snapshot.running());
    }
    for image in &kept.history {
        println!("  activated      {image}");
    }
}
