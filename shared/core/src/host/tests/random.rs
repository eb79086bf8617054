//! Random projects, played to their end and cut off at every turn.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::super::definition::{Condition, Healthcheck};
use super::super::order::{Mode, Order, Wanted};
use super::super::project::{Container, ContainerState as State};
use super::super::report::Report;
use super::machine::{Cut, Fate, Machine};
use super::world::*;

/// What a service of the repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Checked,
    Unchecked,
    Job,
}

/// A service of the repository, as it is found.
#[derive(Clone, Debug)]
struct Service {
    kind: Kind,
    /// How many the files ask for, and what each container runs; `Z` where it has ended.
    replicas: u32,
    runs: Vec<(char, bool)>,
    /// Whether another image uses its network, and a third one that one's.
    sharers: usize,
    is_restarted_with: bool,
    waits_for_first: bool,
    fate: Option<Fate>,
}

/// A project, and an order.
#[derive(Clone, Debug)]
struct Drawn {
    services: Vec<Service>,
    has_gone: bool,
    has_ended_other: bool,
    needs_fresh: bool,
    mode: Mode,
    deadline: Option<u64>,
}

fn fate() -> impl Strategy<Value = Option<Fate>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Fate::Crashes)),
        1 => Just(Some(Fate::IsUnhealthy)),
        1 => Just(Some(Fate::NeverReady)),
        1 => Just(Some(Fate::Ends)),
    ]
}

fn drawn_service() -> impl Strategy<Value = Service> {
    let kind =
        prop_oneof![3 => Just(Kind::Checked), 1 => Just(Kind::Unchecked), 1 => Just(Kind::Job)];
    let found =
        prop::collection::vec((prop_oneof![Just('a'), Just('c')], prop::bool::weighted(0.8)), 0..4);
    let flags = (any::<bool>(), any::<bool>());
    (kind, 1_u32..4, found, 0_usize..3, flags, fate()).prop_map(
        |(kind, replicas, runs, sharers, (is_restarted_with, waits_for_first), fate)| Service {
            kind,
            replicas,
            runs,
            // A namespace is one container's.
            sharers: if kind == Kind::Job { 0 } else { sharers },
            is_restarted_with,
            waits_for_first,
            fate,
        },
    )
}

fn project() -> impl Strategy<Value = Drawn> {
    let services = prop::collection::vec(drawn_service(), 1..4);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let mode = prop_oneof![4 => Just(Mode::Change), 1 => Just(Mode::Restart)];
    let deadline = prop_oneof![4 => Just(None), 1 => Just(Some(30))];
    (services, flags, mode, deadline).prop_map(
        |(services, (has_gone, has_ended_other, needs_fresh), mode, deadline)| Drawn {
            services,
            has_gone,
            has_ended_other,
            needs_fresh,
            mode,
            deadline,
        },
    )
}

// ---- Building ----------------------------------------------------------------------------------

fn build(drawn: &Drawn) -> Machine {
    let mut machine = Machine::new(shop());
    machine.seen.containers.remove(0);
    machine.seen.pin = Some(map(&[("s0", pinned('a'))]));
    files(&mut machine.seen).services.remove("web");
    add_release(&mut machine.seen, 'c');
    for (number, service) in drawn.services.iter().enumerate() {
        add_service(&mut machine, &format!("s{number}"), service);
    }
    if drawn.has_gone {
        machine.seen.containers.push(own("gone", 1, 'a'));
    }
    if drawn.has_ended_other {
        let ended = Container { state: State::Exited(0), ..other("batch") };
        machine.seen.containers.push(ended);
        says(&mut machine.seen, "batch");
    }
    if drawn.needs_fresh {
        says(&mut machine.seen, "fresh");
        let wait = waits(Condition::Started);
        let first = says(&mut machine.seen, "s0");
        first.dependencies.insert("fresh".to_owned(), wait);
    }
    machine
}

fn add_service(machine: &mut Machine, name: &str, service: &Service) {
    let defined = says(&mut machine.seen, name);
    *defined = own_service();
    defined.replicas = service.replicas;
    if service.kind != Kind::Checked {
        defined.healthcheck = Healthcheck::Off;
    }
    if service.kind == Kind::Job {
        (defined.command, defined.restarts_always) = (Some(list(&["migrate"])), false);
    }
    if service.waits_for_first && name != "s0" {
        defined.dependencies.insert("s0".to_owned(), waits(Condition::Started));
    }
    for (number, (letter, is_up)) in (1..).zip(&service.runs) {
        let container = found(name, number, *letter, *is_up, service.kind);
        machine.seen.containers.push(container);
    }
    let mut with = name.to_owned();
    for number in 0..service.sharers {
        let sharer = format!("{name}-side{number}");
        says(&mut machine.seen, &sharer).shares_with = set(&[&with]);
        let owner = machine.seen.containers.iter().find(|it| it.service.as_ref() == Some(&with));
        let owner = owner.filter(|it| it.state.is_up()).map(|it| it.id.clone());
        if let Some(owner) = owner {
            let shares_with = [owner].into();
            machine.seen.containers.push(Container { shares_with, ..other(&sharer) });
        }
        with = sharer;
    }
    if service.is_restarted_with {
        let proxy = format!("{name}-proxy");
        let mut wait = waits(Condition::Started);
        wait.restarts = true;
        says(&mut machine.seen, &proxy).dependencies = map(&[(name, wait)]);
        machine.seen.containers.push(other(&proxy));
    }
    if let Some(fate) = service.fate {
        machine.spoil('b', name, fate);
    }
}

/// A container as it is found; a job has ended, whatever else has.
fn found(name: &str, number: u32, letter: char, is_up: bool, kind: Kind) -> Container {
    let mut container = own(name, number, letter);
    if kind != Kind::Checked {
        (container.health, container.patience) = (None, None);
    }
    if kind == Kind::Job {
        container.restarts_always = false;
        container.runs.command = list(&["migrate"]);
    }
    if kind == Kind::Job || !is_up {
        (container.state, container.health) = (State::Exited(0), None);
    }
    container
}

fn order_of(drawn: &Drawn) -> Order {
    Order { mode: drawn.mode, deadline: drawn.deadline, ..order(release('b')) }
}

// ---- What must hold ----------------------------------------------------------------------------

/// What an order may not touch: other services, and what the files no longer have.
fn bystanders(machine: &Machine) -> BTreeSet<String> {
    let others = machine.seen.containers.iter().filter(|it| {
        let service = it.service.as_deref().unwrap_or_default();
        let is_concerned = service.starts_with('s') && !service.ends_with("-proxy");
        !is_concerned && service != "fresh"
    });
    others.map(|it| it.id.clone()).collect()
}

fn check_end(before: &Machine, after: &Machine, report: &Report) -> Result<(), TestCaseError> {
    let told = format!("{report:?}\n{:#?}", after.taken);
    prop_assert!(bystanders(before).is_subset(&bystanders(after)), "{told}");
    prop_assert_eq!(bystanders(after).len(), bystanders(before).len(), "{}", told);
    match (report.reason.code.as_str(), report.changed) {
        ("ok", _) => {
            let own = after.seen.containers.iter().filter(|it| it.uses(REPOSITORY));
            let mut here = own.filter(|it| it.service.as_deref() != Some("gone"));
            prop_assert!(here.all(|it| it.image == id_of('b')), "{}\n{told}", after.tell());
            prop_assert!(!after.tell().contains("nobody"), "{}\n{told}", after.tell());
        }
        (_, false) => {
            let ids = |it: &Machine| -> Vec<String> {
                it.seen.containers.iter().map(|it| it.id.clone()).collect()
            };
            prop_assert_eq!(ids(before), ids(after), "{}", told);
        }
        (_, true) => {
            let (found, expected) = (what_runs(after), what_runs(before));
            prop_assert_eq!(found, expected, "{}", told);
            let word = if expected_nothing(before) { "not-needed" } else { "yes" };
            prop_assert_eq!(report.restored.word(), word, "{}", told);
            if after.seen.kept.remembered.contains(&fence(7)) {
                prop_assert_eq!(&after.seen.pin, &before.seen.pin, "{}", told);
            }
        }
    }
    Ok(())
}

/// What is up, but for a dependency that was made for the first time: it is another's, and stays.
fn what_runs(machine: &Machine) -> Vec<String> {
    let told = machine.tell();
    let up = told.split(", ").filter(|it| !it.is_empty() && !it.starts_with("fresh-1"));
    up.map(str::to_owned).collect()
}

/// Whether nothing of the repository, and nothing that shares with it, was up.
fn expected_nothing(before: &Machine) -> bool {
    let mut concerned = before.seen.containers.iter().filter(|it| {
        let service = it.service.as_deref().unwrap_or_default();
        let is_concerned = service.starts_with('s') && !service.ends_with("-proxy");
        (is_concerned || service == "gone") && it.state.is_up()
    });
    concerned.next().is_none()
}

/// What an answer says, without the sentence, which tells how long something took.
fn words(report: &Report) -> String {
    let (code, restored) = (&report.reason.code, report.restored.word());
    format!("{code} {restored} {} {}", report.is_activated, report.warnings.join("; "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_release_runs_whole_or_what_ran_before_does(drawn in project()) {
        let before = build(&drawn);
        let mut after = before.clone();
        let report = after.play(&order_of(&drawn));
        check_end(&before, &after, &report)?;
    }

    #[test]
    fn an_order_that_was_cut_off_ends_as_if_it_had_not_been(drawn in project()) {
        let (before, order) = (build(&drawn), order_of(&drawn));
        let mut whole = before.clone();
        let expected = whole.play(&order);
        for turn in (0..40).chain([60, 90]) {
            for cut in [Cut::Within, Cut::After] {
                let mut machine = before.clone();
                let first = machine.play_until(&order, Some((turn, cut)));
                let report = match first {
                    Some(report) => report,
                    None => machine.play(&order),
                };
                let row = format!("turn {turn}, {cut:?}: {:#?}", machine.taken);
                prop_assert_eq!(machine.tell(), whole.tell(), "{}", row);
                prop_assert_eq!(&machine.seen.pin, &whole.seen.pin, "{}", row);
                prop_assert_eq!(words(&report), words(&expected), "{}", row);
                check_end(&before, &machine, &report)?;
            }
        }
    }

    #[test]
    fn going_back_after_any_end_gives_what_ran_before(drawn in project(), turn in 0_usize..60) {
        let (before, first) = (build(&drawn), order_of(&drawn));
        let mut machine = before.clone();
        machine.play_until(&first, Some((turn, Cut::Within)));
        let has_begun = machine.seen.kept.snapshots.contains_key(&fence(7));
        let wanted = Wanted::Snapshot(fence(7));
        let report = machine.play(&Order { wanted, fence: fence(8), ..first });
        let told = format!("{report:?}\n{:#?}", machine.taken);
        prop_assert_eq!(what_runs(&machine), what_runs(&before), "{}", told);
        prop_assert_eq!(report.reason.code.as_str(), "ok", "{}", told);
        prop_assert_eq!(has_begun, report.changed, "{}", told);
    }

    #[test]
    fn a_reboot_in_the_middle_loses_nothing_that_runs(drawn in project(), turn in 0_usize..60) {
        let mut drawn = drawn;
        for service in &mut drawn.services {
            // Compose knows one image of a service.
            let letter = service.runs.first().map_or('a', |(letter, _)| *letter);
            service.runs.iter_mut().for_each(|it| *it = (letter, true));
        }
        let (before, order) = (build(&drawn), order_of(&drawn));
        let mut machine = before.clone();
        if machine.play_until(&order, Some((turn, Cut::Within))).is_none() {
            machine.reboot();
            let report = machine.play(&order);
            check_end(&before, &machine, &report)?;
        }
    }

    #[test]
    fn an_order_ends_whatever_becomes_of_the_old_containers(
        drawn in project(),
        old in prop::collection::vec(fate(), 4),
    ) {
        let before = build(&drawn);
        let mut machine = before.clone();
        for (number, fate) in old.into_iter().enumerate() {
            for letter in ['a', 'c'] {
                machine.fates.extend(fate.map(|it| ((id_of(letter), format!("s{number}")), it)));
            }
        }
        let report = machine.play(&order_of(&drawn));
        prop_assert!(report.is_final, "{report:?}");
        let told = format!("{report:?}\n{:#?}", machine.taken);
        prop_assert_eq!(bystanders(&machine), bystanders(&before), "{}", told);
    }
}
