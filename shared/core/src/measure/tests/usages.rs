use super::lanes::NOW;
use super::told;
use crate::measure::usage::{Container, Restarts, Usage, UsageError, read};
use crate::name::{HostId, LaneId};

const TWO: &str = "esclusa-usage 1\n\
    tickets production 1f2e3d4c5b6a 0.15% 1.20% 0 healthy\n\
    tickets production 2f2e3d4c5b6a 12.50% 40.00% 3 none\nend 2\n";

fn container(lane: &str, id: &str, restarts: u64, well: bool) -> Container {
    let (lane, id) = (lane.parse().unwrap(), id.to_owned());
    Container { lane, id, cpu: Some(1.0), memory: None, restarts, well }
}

fn host(number: u32) -> HostId {
    format!("i-{number:08x}").parse().unwrap()
}

fn usage(answers: &[(u32, &[Container])]) -> Usage {
    let mut usage = Usage::default();
    for (number, containers) in answers {
        usage.add(host(*number), containers.to_vec(), |_, _| true);
    }
    usage
}

#[test]
fn an_answer_is_read_whole_or_not_at_all() {
    let cut = |at: usize| read(&TWO[..at]);
    assert_eq!(read(TWO).unwrap().len(), 2);
    assert_eq!(read("esclusa-usage 1\nend 0\n"), Ok(Vec::new()));
    for (answer, expected) in [
        (read(""), UsageError::Head),
        (read("esclusa-usage 2\nend 0\n"), UsageError::Head),
        (cut(16), UsageError::CutOff),
        (cut(TWO.len() - 6), UsageError::CutOff),
        (read("esclusa-usage 1\nend 1\n"), UsageError::CutOff),
    ] {
        assert_eq!(answer, Err(expected));
    }
    for bad in [
        "tickets production 1f2e 0.15% 1.20% 0",
        "tickets production 1f2e 0.15% 1.20% 0 healthy more",
        "Tickets production 1f2e 0.15% 1.20% 0 healthy",
        "tickets production 1f2e NaN% 1.20% 0 healthy",
        "tickets production 1f2e inf% 1.20% 0 healthy",
        "tickets production 1f2e -1% 1.20% 0 healthy",
        "tickets production 1f2e 1e9% 1.20% 0 healthy",
        "tickets production 1f2e 0.15 - 0 healthy",
        "tickets production 1f2e 0.15% 1.20% -1 healthy",
    ] {
        let answer = read(&format!("esclusa-usage 1\n{bad}\nend 1\n"));
        assert_eq!(answer, Err(UsageError::Line(bad.to_owned())));
    }
}

#[test]
fn containers_of_a_lane_are_counted_together() {
    let usage = usage(&[(1, &read(TWO).unwrap())]);
    let known = Restarts::from([(host(1), [("2f2e3d4c5b6a".to_owned(), 1)].into())]);
    assert_eq!(
        told(&usage.data(&known, NOW)),
        [
            "ContainerCpu 0.15 to 12.5 %, 12.65 of 2",
            "ContainerMemory 1.2 to 40 %, 41.2 of 2",
            "ContainerRestarts 2",
        ]
    );
}

#[test]
fn restarts_are_counted_since_the_last_look_of_the_same_host() {
    let before = usage(&[(1, &[container("aa#x", "1", 5, true)])]);
    let known = before.restarts(Restarts::new(), |_| true);
    let restarts = |usage: &Usage, known: &Restarts| told(&usage.data(known, NOW)).pop().unwrap();
    // Nothing is known of a host that was not seen before.
    assert_eq!(restarts(&before, &Restarts::new()), "ContainerRestarts 0");
    let again = usage(&[(1, &[container("aa#x", "1", 7, true), container("aa#x", "2", 1, true)])]);
    assert_eq!(restarts(&again, &known), "ContainerRestarts 3");
    // A host that does not answer for once keeps what was known of it, until it is gone.
    let silent = usage(&[(2, &[])]);
    let kept = silent.restarts(known.clone(), |_| true);
    assert_eq!(restarts(&again, &kept), "ContainerRestarts 3");
    let gone = silent.restarts(known, |it| *it == host(2));
    assert_eq!(gone.into_keys().collect::<Vec<_>>(), [host(2)]);
}

#[test]
fn a_host_serves_where_all_containers_of_the_lane_are_well() {
    let (a, b): (LaneId, LaneId) = ("aa#x".parse().unwrap(), "bb#x".parse().unwrap());
    let usage = usage(&[
        (1, &[container("aa#x", "1", 0, true), container("bb#x", "2", 0, true)]),
        (2, &[container("aa#x", "3", 0, true), container("aa#x", "4", 0, false)]),
        (3, &[]),
    ]);
    assert_eq!((usage.serving(&a), usage.serving(&b)), (1, 1));
}

#[test]
fn a_host_has_no_word_in_lanes_that_are_not_its_own() {
    let mut usage = Usage::default();
    let containers = vec![container("aa#x", "1", 0, true), container("bb#x", "2", 0, true)];
    usage.add(host(1), containers, |lane, _| lane.service.as_str() == "aa");
    let told = told(&usage.data(&Restarts::new(), NOW));
    assert_eq!((told.len(), usage.serving(&"bb#x".parse().unwrap())), (2, 0));
}
