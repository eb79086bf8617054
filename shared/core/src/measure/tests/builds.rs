use super::told;
use crate::measure::{Build, Outcome};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn at(seconds: i64) -> Timestamp {
    let millis =
        i64::try_from(NOW.as_millis()).unwrap().saturating_add(seconds.saturating_mul(1000));
    Timestamp::from_millis(u64::try_from(millis).unwrap())
}

fn build(started: i64, ended: i64, committed: Option<i64>) -> Build {
    Build {
        service: "tickets".parse().unwrap(),
        id: "run-1".to_owned(),
        started: at(started),
        ended: at(ended),
        outcome: Outcome::Succeeded,
        committed: committed.map(at),
        digest: None,
    }
}

#[test]
fn a_build_counts_with_how_long_it_took() {
    let failed = Build { outcome: Outcome::Failed, ..build(-90, 0, None) };
    for (build, expected) in [
        (build(-90, 0, None), ["BuildDuration 90 s", "BuildSucceeded 1"]),
        (build(-60, -60, Some(-400)), ["BuildDuration 0 s", "BuildSucceeded 1"]),
        (failed, ["BuildDuration 90 s", "BuildFailed 1"]),
        // The clock of the pipeline may be a little ahead; the number is of now then.
        (build(-90, 299, None), ["BuildDuration 389 s", "BuildSucceeded 1"]),
    ] {
        let data = build.data(NOW).unwrap();
        assert_eq!(told(&data), expected);
        assert!(data.iter().all(|it| it.at <= NOW), "{data:?}");
    }
}

#[test]
fn times_that_cannot_be_true_count_nothing() {
    const DAY: i64 = 86_400;
    for (build, expected) in [
        (build(0, -1, None), "is before `started`"),
        (build(-DAY - 3600, 0, None), "the build took 25 h"),
        (build(-90, 301, None), "is in the future"),
        (build(-15 * DAY, -15 * DAY + 60, None), "is more than 14 days ago"),
        (build(-90, -10, Some(-9)), "is after `ended`"),
    ] {
        let error = build.data(NOW).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
