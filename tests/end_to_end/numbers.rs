//! Numbers that were counted, read back from CloudWatch.

use std::time::Duration;

use esclusa_local::stage::Stage;
use serde_json::json;

use crate::eventually;

/// Longer than any of these tests takes.
const BACK: Duration = Duration::from_mins(30);

/// Waits for a metric, and returns its sum.
pub(crate) async fn until_counted(stage: &Stage, metric: &str, dimensions: &[(&str, &str)]) -> f64 {
    let sum = || async { stage.sum(metric, dimensions).await.unwrap() };
    eventually(metric, sum).await
}

/// Waits until the least that a metric was seen at is this.
pub(crate) async fn until_least(
    stage: &Stage,
    metric: &str,
    dimensions: &[(&str, &str)],
    expected: f64,
) {
    let least = || async {
        let numbers = stage.numbers((metric, dimensions), "Minimum", 60, BACK).await.unwrap();
        let least = numbers.into_values().min_by(f64::total_cmp)?;
        ((least - expected).abs() < 1e-9).then_some(())
    };
    eventually(metric, least).await;
}

/// Waits until at least so many numbers of a metric have arrived.
pub(crate) async fn until_numbers(
    stage: &Stage,
    metric: &str,
    dimensions: &[(&str, &str)],
    count: f64,
) {
    let arrived = || async {
        let numbers = stage.numbers((metric, dimensions), "SampleCount", 60, BACK).await.unwrap();
        (numbers.into_values().sum::<f64>() >= count).then_some(())
    };
    eventually(metric, arrived).await;
}

#[track_caller]
pub(crate) fn assert_is(sum: f64, expected: f64) {
    assert!((sum - expected).abs() < 1e-9, "{sum} instead of {expected}");
}

/// Ticks come every five minutes by themselves; this one comes at once.
pub(crate) async fn tick(stage: &Stage, name: &str) {
    let due = json!({
        "id": name, "source": "aws.events", "detail-type": "Scheduled Event", "detail": {},
    });
    stage.send_fact(&due.to_string()).await.unwrap();
}
