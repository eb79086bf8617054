//! Telling what the containers of Esclusa's services take, for the metrics.

use std::process::ExitCode;

use esclusa_core::reason::Reason;

use crate::answer::print;
use crate::engine::Engine;
use crate::store::Store;

/// Measures, and returns the exit code.
pub(crate) async fn run() -> ExitCode {
    match try_run().await {
        Ok(lines) => print(&lines.join("\n")),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(11)
        }
    }
}

/// `esclusa-usage 1`, a line for each container, and their number.
async fn try_run() -> Result<Vec<String>, Reason> {
    let engine = Engine::connect().await?;
    let mut lines = vec!["esclusa-usage 1".to_owned()];
    let mut measured = Vec::new();
    for project in Store::all() {
        let kept = Store::of(&project).read()?;
        let named = kept.finished.map(|it| it.files.project).filter(|it| !it.is_empty());
        if let Some(newest) = kept.newest {
            measured.push((named.unwrap_or(project), newest.lane));
        }
    }
    for usage in engine.usage(&measured).await? {
        lines.push(usage);
    }
    let count = lines.len().saturating_sub(1);
    lines.push(format!("end {count}"));
    Ok(lines)
}
