//! What one look at a server says about its target.

use std::time::Duration;

use super::model::{Failure, Seen};
use super::proxy::ServerRow;
use crate::aws::clock::Moment;

/// What follows from a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What is known of the target from here on.
    pub(super) seen: Seen,
    /// Whether its first check has just passed: it is healthy at once, without the threshold.
    pub(super) first_pass: bool,
}

/// Works out what a look means. A new target is healthy after one passed check and unhealthy once
/// its checks have failed for `patience`; later HAProxy's own thresholds decide.
pub(super) fn next(seen: &Seen, row: &ServerRow, now: Moment, patience: Duration) -> Step {
    let stays = |seen: &Seen| Step { seen: seen.clone(), first_pass: false };
    match (seen, Check::of(row)) {
        (Seen::Nothing | Seen::Starting { .. }, Check::Passed) => {
            Step { seen: Seen::Healthy, first_pass: true }
        }
        (Seen::Nothing | Seen::Starting { .. }, Check::Waiting) => stays(seen),
        (Seen::Nothing, Check::Failed(_)) => stays(&Seen::Starting { failing_since: Some(now) }),
        (Seen::Starting { failing_since }, Check::Failed(failure)) => {
            let since = failing_since.unwrap_or(now);
            if now.since(since) >= patience {
                return stays(&Seen::Unhealthy(failure));
            }
            stays(&Seen::Starting { failing_since: Some(since) })
        }
        (Seen::Healthy | Seen::Unhealthy(_), check) => {
            if row.status.starts_with("UP") || row.status.starts_with("DRAIN") {
                return stays(&Seen::Healthy);
            }
            match (check, seen) {
                (Check::Failed(failure), _) => stays(&Seen::Unhealthy(failure)),
                // On its way back up: the last failure is what is told until the threshold.
                (_, Seen::Unhealthy(_)) => stays(seen),
                _ => stays(&Seen::Unhealthy(Failure::other("Health checks failed"))),
            }
        }
    }
}

enum Check {
    Waiting,
    Passed,
    Failed(Failure),
}

impl Check {
    fn of(row: &ServerRow) -> Self {
        match row.check_status.as_str() {
            "" | "INI" | "UNK" => Self::Waiting,
            "L4OK" | "L6OK" | "L7OK" | "L7OKC" => Self::Passed,
            "L4TOUT" | "L6TOUT" | "L7TOUT" => Self::Failed(Failure {
                reason: "Target.Timeout",
                description: "Request timed out".to_owned(),
            }),
            "L7STS" => Self::Failed(Failure {
                reason: "Target.ResponseCodeMismatch",
                description: format!("Health checks failed with these codes: [{}]", row.check_code),
            }),
            _ => Self::Failed(Failure::other("Health checks failed")),
        }
    }
}

impl Failure {
    fn other(description: &str) -> Self {
        Self { reason: "Target.FailedHealthChecks", description: description.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, check_status: &str) -> ServerRow {
        ServerRow {
            name: "i-1_80".to_owned(),
            status: status.to_owned(),
            check_status: check_status.to_owned(),
            check_code: "503".to_owned(),
        }
    }

    #[test]
    fn a_failed_check_tells_its_kind() {
        let now = Moment::now();
        for (check, reason, description) in [
            ("L4TOUT", "Target.Timeout", "Request timed out"),
            ("L7TOUT", "Target.Timeout", "Request timed out"),
            ("L4CON", "Target.FailedHealthChecks", "Health checks failed"),
            ("L7RSP", "Target.FailedHealthChecks", "Health checks failed"),
            (
                "L7STS",
                "Target.ResponseCodeMismatch",
                "Health checks failed with these codes: [503]",
            ),
        ] {
            let step = next(&Seen::Healthy, &row("DOWN", check), now, Duration::ZERO);
            let expected = Failure { reason, description: description.to_owned() };
            assert_eq!(step.seen, Seen::Unhealthy(expected), "{check}");
        }
    }

    #[test]
    fn one_passed_check_makes_a_new_target_healthy_and_thresholds_rule_later() {
        let now = Moment::now();
        let failure = || match Check::of(&row("DOWN", "L7STS")) {
            Check::Failed(failure) => failure,
            Check::Waiting | Check::Passed => panic!("a mismatch is a failure"),
        };
        let starting = |since| Seen::Starting { failing_since: since };
        let long_ago = Moment::parse("2026-01-01T00:00:00Z");
        for (seen, status, check, expected, first_pass) in [
            (Seen::Nothing, "DRAIN", "INI", Seen::Nothing, false),
            (starting(None), "DRAIN", "L7OK", Seen::Healthy, true),
            (starting(long_ago), "DOWN 1/3", "L7OK", Seen::Healthy, true),
            (starting(None), "DOWN", "L7STS", starting(Some(now)), false),
            (starting(long_ago), "DOWN", "L7STS", Seen::Unhealthy(failure()), false),
            (Seen::Healthy, "UP 1/2", "L7STS", Seen::Healthy, false),
            (Seen::Healthy, "DOWN", "L7STS", Seen::Unhealthy(failure()), false),
            (Seen::Unhealthy(failure()), "DOWN 2/3", "L7OK", Seen::Unhealthy(failure()), false),
            (Seen::Unhealthy(failure()), "UP", "L7OK", Seen::Healthy, false),
        ] {
            let step = next(&seen, &row(status, check), now, Duration::from_secs(10));
            assert_eq!(step, Step { seen: expected, first_pass }, "{seen:?} {status} {check}");
        }
    }
}
