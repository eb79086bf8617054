//! The chapter on retention: a dozen more versions, the plan, and what is left of them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::report::{Open, Report};
use crate::stage::{SERVICE, Stage, StageError};

/// The versions that are pushed beside those of the story, by their second number.
const MORE: std::ops::RangeInclusive<u32> = 4..=15;

/// What stays: the ten newest versions, what runs, and the last three releases that succeeded.
const KEPT: [&str; 13] = [
    "v1.0.0", "v1.1.0", "v1.3.0", "v1.6.0", "v1.7.0", "v1.8.0", "v1.9.0", "v1.10.0", "v1.11.0",
    "v1.12.0", "v1.13.0", "v1.14.0", "v1.15.0",
];

pub(super) async fn dozen(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("a dozen more versions: the last ten stay, and what is needed");
    // Nothing is deleted before the hosts of every environment have told what they run.
    stage.push("v1.3.0", &["staging"]).await?;
    stage.until_current("staging").await?;
    for number in MORE {
        let version = format!("v1.{number}.0");
        stage.push(&version, &[&version]).await?;
    }
    stage.until_tasks_are_done().await?;
    let plan = stage.retain(json!({ "apply": false })).await?;
    open.expect("the plan keeps", 13, count(&plan, "/plan/keep"));
    open.expect("the plan deletes", 3, count(&plan, "/plan/delete"));
    expect_left(stage, &mut open, "before it is applied", 16).await?;
    let done = stage.retain(json!({ "apply": true })).await?;
    open.expect("deleted", 3, count(&done, "/deleted"));
    let tags = expect_left(stage, &mut open, "afterwards", 13).await?;
    let kept: BTreeSet<String> = KEPT.iter().map(|tag| (*tag).to_owned()).collect();
    open.expect("exactly the versions that should be left", true, tags == kept);
    let again = stage.retain(json!({ "apply": true })).await?;
    open.expect("deleted, applied once more", 0, count(&again, "/deleted"));
    report.close(open, Duration::ZERO);
    Ok(())
}

/// How many images the registry lists, and the version tags that they bear.
async fn expect_left(
    stage: &Stage,
    open: &mut Open,
    when: &str,
    images: usize,
) -> Result<BTreeSet<String>, StageError> {
    let listed = stage.listed(SERVICE).await?;
    open.expect(&format!("images {when}"), images, listed.len());
    let tags = listed.into_values().flatten();
    Ok(tags.filter(|tag| tag.starts_with('v')).collect())
}

fn count(answer: &Value, pointer: &str) -> u64 {
    answer.pointer(pointer).and_then(Value::as_u64).unwrap_or(u64::MAX)
}
