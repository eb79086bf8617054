use std::collections::BTreeSet;
use std::sync::Arc;

use super::told;
use crate::configuration::Configuration;
use crate::measure::of_rollout;
use crate::observation::Sources;
use crate::reason::{Code, Reason};
use crate::release::{Availability, Release};
use crate::rollout::{Cause, End, Phase, Rollout, RolloutId, Transition};
use crate::time::Timestamp;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).after(std::time::Duration::from_secs(seconds))
}

/// A rollout that began at 0 and had these lines of history.
fn rollout(cause: Cause, end: End, lines: &[(u64, &str)]) -> Rollout {
    let release = Release {
        digest: format!("sha256:{:064x}", 1).parse().unwrap(),
        repository: "registry/tickets".to_owned(),
        tags: BTreeSet::new(),
        label: "v1".parse().unwrap(),
        bytes: 1,
        pushed_at: at(0),
        availability: Availability::Active,
    };
    let mut read = Configuration::read(None, None).unwrap();
    let settings = read.environments.remove(&"production".parse().unwrap()).unwrap();
    let (sources, settings) = (Arc::new(Sources::default()), Arc::new(settings));
    let id = RolloutId("r".to_owned());
    let mut rollout = Rollout::new(id, cause, release, None, sources, settings, at(0));
    rollout.phase = Phase::Ended(end, Reason::new(Code::OK, "it is over"));
    let line = |(seconds, phase): &(u64, &str)| Transition {
        at: at(*seconds),
        phase: (*phase).to_owned(),
        text: String::new(),
    };
    rollout.history = lines.iter().map(line).collect();
    rollout
}

const PLAIN: &[(u64, &str)] = &[(0, "gating"), (30, "baking"), (90, "ended")];

fn counted(rollout: &Rollout, committed: Option<u64>) -> Vec<String> {
    told(&of_rollout(&"tickets#production".parse().unwrap(), rollout, committed.map(at)))
}

#[test]
fn an_end_counts_as_what_it_means_for_changes() {
    let (took, failed) = ("RolloutDuration 90 s", "ChangeFailed 1");
    for (cause, end, expected) in [
        (Cause::Push, End::Succeeded, &["RolloutsSucceeded 1", took][..]),
        (Cause::Deploy, End::Succeeded, &["RolloutsSucceeded 1", took]),
        (Cause::Restart, End::Succeeded, &["RolloutsSucceeded 1", took]),
        (
            Cause::Rollback,
            End::Succeeded,
            &["RolloutsSucceeded 1", took, failed, "TimeToRestore 90 s"],
        ),
        (Cause::Push, End::Failed, &["RolloutsFailed 1", took, failed]),
        (Cause::Push, End::Stuck, &["RolloutsStuck 1", took, failed]),
        (Cause::Push, End::Halted, &["RolloutsHalted 1", took, failed]),
        (Cause::Restart, End::Restored, &["RolloutsRestored 1", took]),
        (Cause::Rollback, End::Restored, &["RolloutsRestored 1", took]),
        (Cause::Push, End::Rejected, &[]),
        (Cause::Push, End::Aborted, &[]),
        (Cause::Push, End::Superseded, &[]),
    ] {
        let rollout = rollout(cause, end, PLAIN);
        assert_eq!(counted(&rollout, None), expected, "{cause} {end}");
    }
}

#[test]
fn what_is_put_back_is_timed_from_the_failure() {
    let mut rollout = rollout(Cause::Push, End::Restored, PLAIN);
    rollout.turned_back_at = Some(at(60));
    let expected =
        ["RolloutsRestored 1", "RolloutDuration 90 s", "ChangeFailed 1", "TimeToRestore 30 s"];
    assert_eq!(counted(&rollout, Some(0)), expected);
}

#[test]
fn what_a_person_was_waited_for_is_told_apart() {
    let lines =
        [(0, "gating"), (30, "baking"), (40, "asking"), (3640, "asking"), (3650, "verifying")];
    let lines: Vec<_> = lines.into_iter().chain([(3660, "ended")]).collect();
    let rollout = rollout(Cause::Push, End::Succeeded, &lines);
    assert_eq!(
        counted(&rollout, None),
        ["RolloutsSucceeded 1", "RolloutDuration 50 s", "HumanWait 3610 s"]
    );
}

#[test]
fn waves_are_timed_that_came_to_their_end() {
    let mut rollout = rollout(Cause::Push, End::Succeeded, PLAIN);
    rollout.waves_at = vec![at(10), at(30), at(75)];
    let expected =
        ["RolloutsSucceeded 1", "RolloutDuration 90 s", "WaveDuration 20 s", "WaveDuration 45 s"];
    assert_eq!(counted(&rollout, None), expected);
}

#[test]
fn lead_time_needs_a_commit_and_a_change_that_held() {
    let lead = |cause, end| counted(&rollout(cause, end, PLAIN), Some(50)).pop().unwrap();
    assert_eq!(lead(Cause::Push, End::Succeeded), "LeadTime 40 s");
    assert_eq!(lead(Cause::Restart, End::Succeeded), "RolloutDuration 90 s");
    assert_eq!(lead(Cause::Push, End::Failed), "ChangeFailed 1");
}
