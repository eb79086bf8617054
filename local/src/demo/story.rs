//! The story, chapter by chapter.

use std::path::Path;
use std::time::Duration;

use super::report::{Open, Report};
use super::watch;
use crate::stage::{Client, Flaw, Seen, Stage, StageError};

/// What the demo's configuration shortens, so that it can be watched.
const SHORTENED: &[&str] = &[
    "bake: 2 s instead of 5 min",
    "deregistration delay: 2 s instead of the load balancer's 300 s",
    "health check interval: 5 s instead of 30 s",
    "function timeout: 5 s instead of 30 s (a killed function is noticed sooner)",
];

/// How long a push that must not be rolled out is watched.
const WATCH: Duration = Duration::from_secs(5);

/// How many chapters the story has.
const CHAPTERS: usize = 9;

/// Tells the story to its end, or to the end of so many chapters.
pub(super) async fn tell(
    root: &Path,
    directory: &Path,
    chapters: Option<usize>,
) -> Result<Report, StageError> {
    let mut report = Report::new(SHORTENED);
    for line in SHORTENED {
        eprintln!("shortened: {line}");
    }
    let open = Report::open("the local environment starts");
    let stage = Stage::set(root, directory).await?;
    report.close(open, Duration::ZERO);
    for chapter in 1..=chapters.unwrap_or(CHAPTERS).min(CHAPTERS) {
        play_chapter(chapter, &stage, &mut report).await?;
    }
    Ok(report)
}

async fn play_chapter(number: usize, stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    match number {
        1 => first(stage, report).await,
        2 => second(stage, report).await,
        3 => broken(stage, report).await,
        4 => again(stage, report).await,
        5 => rollback(stage, report).await,
        6 => held(stage, report).await,
        7 => release(stage, report).await,
        8 => super::counted::story(stage, report).await,
        _ => super::retention::dozen(stage, report).await,
    }
}

async fn first(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("v1.0.0 is pushed: the first rollout");
    let since = now();
    stage.push("v1.0.0", &["v1.0.0", "latest"]).await?;
    let ends = watch::until_ended(stage, 1).await?;
    open.expect("how it ended", "v1.0.0 succeeded", newest(&ends));
    expect_running(stage, &mut open, "v1.0.0 healthy")?;
    expect_one_by_one(stage, &mut open).await?;
    report.close(open, stage.host_time(since).await?);
    Ok(())
}

async fn second(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("v1.1.0 is pushed while a client asks");
    let since = now();
    let client = Client::start(&stage.address)?;
    stage.push("v1.1.0", &["v1.1.0", "latest"]).await?;
    let ends = watch::until_ended(stage, 2).await?;
    let seen = client.stop().await;
    open.expect("how it ended", "v1.1.0 succeeded", newest(&ends));
    expect_running(stage, &mut open, "v1.1.0 healthy")?;
    expect_one_by_one(stage, &mut open).await?;
    open.expect("both hosts answered with both versions", 4, seen.answers.len());
    expect_served(&mut open, seen);
    report.close(open, stage.host_time(since).await?);
    Ok(())
}

async fn broken(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("v1.2.0 is pushed, and never becomes healthy");
    let since = now();
    let client = Client::start(&stage.address)?;
    stage.push_flawed(Flaw::Sick, "v1.2.0", &["v1.2.0", "latest"]).await?;
    let ends = watch::until_ended(stage, 3).await?;
    let seen = client.stop().await;
    open.expect("how it ended", "v1.2.0 restored", newest(&ends));
    let history = stage.ask("history").await?;
    let code = history.pointer("/history/0/reason/code").and_then(|it| it.as_str());
    open.expect("why", "health.container", code.unwrap_or("nothing"));
    expect_running(stage, &mut open, "v1.1.0 healthy")?;
    let status = stage.ask("status").await?;
    let quarantined =
        status.pointer("/lane/quarantine").and_then(|it| it.as_array()).map_or(0, Vec::len);
    open.expect("releases in quarantine", 1, quarantined);
    let good = seen.answers.keys().all(|answer| answer.starts_with("v1.1.0 "));
    open.expect("only v1.1.0 answered", true, good);
    expect_served(&mut open, seen);
    report.close(open, stage.host_time(since).await?);
    Ok(())
}

async fn again(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("v1.2.0 is pushed again: it stays out");
    let since = now();
    stage.push_flawed(Flaw::Sick, "v1.2.0", &["latest"]).await?;
    expect_blocked(stage, &mut open, "release.quarantined", 3).await?;
    expect_running(stage, &mut open, "v1.1.0 healthy")?;
    report.close(open, stage.host_time(since).await?);
    Ok(())
}

async fn rollback(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("a person rolls back while a client asks: the lane is held");
    let since = now();
    let client = Client::start(&stage.address)?;
    let answer = stage.ask("rollback").await?;
    open.expect("the request was taken", true, is_ok(&answer));
    let ends = watch::until_ended(stage, 4).await?;
    let seen = client.stop().await;
    open.expect("how it ended", "v1.0.0 succeeded", newest(&ends));
    expect_running(stage, &mut open, "v1.0.0 healthy")?;
    let status = stage.ask("status").await?;
    let held = status.pointer("/lane/hold/code").and_then(|it| it.as_str()).unwrap_or("none");
    open.expect("the lane's hold", "lane.held", held);
    expect_served(&mut open, seen);
    report.close(open, stage.host_time(since).await?);
    Ok(())
}

async fn held(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("v1.3.0 is pushed: it waits");
    let since = now();
    stage.push("v1.3.0", &["v1.3.0", "latest"]).await?;
    expect_blocked(stage, &mut open, "lane.held", 4).await?;
    expect_running(stage, &mut open, "v1.0.0 healthy")?;
    report.close(open, stage.host_time(since).await?);
    Ok(())
}

async fn release(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("a person releases the lane: v1.3.0 goes");
    let since = now();
    let client = Client::start(&stage.address)?;
    let answer = stage.ask("release").await?;
    open.expect("the request was taken", true, is_ok(&answer));
    let ends = watch::until_ended(stage, 5).await?;
    let seen = client.stop().await;
    open.expect("how it ended", "v1.3.0 succeeded", newest(&ends));
    expect_running(stage, &mut open, "v1.3.0 healthy")?;
    expect_served(&mut open, seen);
    report.close(open, stage.host_time(since).await?);
    Ok(())
}

fn is_ok(answer: &serde_json::Value) -> bool {
    answer.get("ok").and_then(serde_json::Value::as_bool) == Some(true)
}

fn newest(ends: &[String]) -> &str {
    ends.first().map_or("nothing ended", String::as_str)
}

/// What every host's Docker should say.
fn expect_running(stage: &Stage, open: &mut Open, wanted: &str) -> Result<(), StageError> {
    for (host, running) in stage.running()? {
        open.expect(&format!("what runs on {host}"), wanted, running);
    }
    Ok(())
}

/// No two hosts may have been out of service at the same time: batches of one.
async fn expect_one_by_one(stage: &Stage, open: &mut Open) -> Result<(), StageError> {
    let answer = stage.ask("history").await?;
    let transitions = answer.pointer("/history/0/transitions").and_then(|it| it.as_array());
    let phases = transitions
        .into_iter()
        .flatten()
        .filter(|it| it.get("phase").and_then(|it| it.as_str()) == Some("activating"));
    open.expect("batches, one host each", 2, phases.count());
    Ok(())
}

/// What a client should have seen.
fn expect_served(open: &mut Open, seen: Seen) {
    open.expect("failed requests", 0, seen.failed);
    let enough = seen.rate() >= 50.0;
    open.expect("at least 50 requests a second", true, enough);
    for failure in &seen.failures {
        eprintln!("   failed: {failure}");
    }
    open.requests(seen);
}

/// A push that must not be rolled out: the lane says why, and no rollout begins.
async fn expect_blocked(
    stage: &Stage,
    open: &mut Open,
    code: &str,
    ended: usize,
) -> Result<(), StageError> {
    tokio::time::sleep(WATCH).await;
    let status = stage.ask("status").await?;
    let blocker = status.pointer("/lane/blocker/code").and_then(|it| it.as_str());
    open.expect("why it waits", code, blocker.unwrap_or("nothing"));
    let phase = status.pointer("/lane/phase").and_then(|it| it.as_str());
    open.expect("the lane", "idle", phase.unwrap_or("unknown"));
    open.expect("rollouts that have ended", ended, stage.ends().await?.len());
    Ok(())
}

/// Unix seconds.
fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
