//! What runs once for a release, played on a machine.

use super::super::admission::{Admission, admit};
use super::super::definition::Condition;
use super::super::journal::NewestOrder;
use super::super::next_activation_turn;
use super::super::order::{Mode, Order};
use super::super::project::{Container, ContainerState as State, HealthWord};
use super::super::step::{Step, Turn};
use super::activate::{Row, tell};
use super::machine::{Cut, Fate, Machine};
use super::world::*;
use crate::reason::{Code, Reason};

/// A service of the repository that runs once and then ends.
fn add_once(machine: &mut Machine, name: &str) {
    let service = says(&mut machine.seen, name);
    *service = own_service();
    (service.command, service.restarts_always) = (Some(list(&["migrate"])), false);
    service.run_label = Some("once".to_owned());
}

/// A container that an order with this fence has run `migrate` in; it runs.
fn once_container(fence: &str) -> Container {
    let name = format!("shop-migrate-once-{fence}");
    Container { is_one_off: true, id: name.clone(), name, ..own("migrate", 1, 'b') }
}

/// The order has begun to run `migrate`.
fn has_begun(machine: &mut Machine) {
    machine.seen.kept.newest = Some(NewestOrder::of(&once(), None));
    machine.seen.kept.begun_once = Some(machine.seen.kept.beginning_once(fence(7), "migrate"));
}

fn once() -> Order {
    Order { mode: Mode::Once, ..order(release('b')) }
}

fn play(prepare: fn(&mut Machine, &mut Order)) -> String {
    let (mut machine, mut order) = (Machine::new(shop()), once());
    add_once(&mut machine, "migrate");
    prepare(&mut machine, &mut order);
    let report = machine.play(&order);
    let ran = machine.taken.iter().filter(|it| it.starts_with("RunOnce")).count();
    format!("ran {ran}, {}\n{}", tell(&report, &machine), report.reason.text)
}

const ROWS: &[Row] = &[
    (
        "it runs beside what serves, with the new image",
        |_, _| {},
        "ran 1, ok, restored not-needed: db-1 other, web-1 a\nmigrate ran once for v-b@sha256:bbbb",
    ),
    (
        "two of them run one after the other, as they wait for each other",
        |it, _| {
            add_once(it, "fill");
            says(&mut it.seen, "fill").dependencies =
                map(&[("migrate", waits(Condition::Completed))]);
        },
        "ran 2, ok, restored not-needed: db-1 other, web-1 a\nmigrate, fill ran once for v-b@sha",
    ),
    (
        "a profile that keeps it from people's `up` does not keep it from running once",
        |it, _| says(&mut it.seen, "migrate").is_active = false,
        "ran 1, ok, restored not-needed: db-1 other, web-1 a\nmigrate ran once for v-b@sha256:bbbb",
    ),
    (
        "on a fresh host what it waits for is started, and nothing else",
        |it, _| {
            it.seen.containers.clear();
            says(&mut it.seen, "migrate").dependencies = map(&[("db", waits(Condition::Healthy))]);
        },
        "ran 1, ok, restored not-needed: db-1 other\nmigrate ran once for v-b@sha256:bbbb",
    ),
    (
        "what fails is told of with its last lines",
        |it, _| it.spoil('b', "migrate", Fate::Crashes),
        "ran 1, once.failed, restored not-needed: db-1 other, web-1 a\nmigrate ended with exit \
         code 1 (docker logs shop-migrate-once-1.7): migrating 3 of 7 / relation \"users\" \
         [31mis missing",
    ),
    (
        "one that hangs is left alone after a while",
        |it, order| {
            has_begun(it);
            it.seen.containers.push(once_container("1.7"));
            order.issued_at = at(NOW - 1600);
        },
        "ran 0, once.unknown, restored not-needed: db-1 other, migrate-once-1.7 b, web-1 a\n\
         migrate still runs, as shop-migrate-once-1.7 after 26 min",
    ),
    (
        "nothing is labelled",
        |it, _| files(&mut it.seen).services.retain(|name, _| name != "migrate"),
        "ran 0, ok, restored not-needed: db-1 other, web-1 a\nNothing of shop runs once.",
    ),
    (
        "one of an order before that still runs",
        |it, _| it.seen.containers.push(once_container("1.5")),
        "ran 0, order.busy, restored not-needed: db-1 other, migrate-once-1.5 b, web-1 a\n\
         shop-migrate-once-1.5 of an order before still runs: wait for its end, or stop it (docker \
         stop shop-migrate-once-1.5).",
    ),
    (
        "one of an order before that has ended makes room",
        |it, _| {
            let older = once_container("1.5");
            it.seen.containers.push(Container { state: State::Exited(0), ..older });
        },
        "ran 1, ok, restored not-needed: db-1 other, web-1 a\nmigrate ran once for v-b@sha256:bbbb",
    ),
    (
        "what was begun and is gone is not begun again",
        |it, _| has_begun(it),
        "ran 0, once.unknown, restored not-needed: db-1 other, web-1 a\nmigrate was begun, and its \
         container is gone",
    ),
    (
        "what was begun is followed, whatever happens to the files meanwhile",
        |it, _| {
            has_begun(it);
            let ended = once_container("1.7");
            it.seen.containers.push(Container { state: State::Exited(4), ..ended });
            spoil_files(&mut it.seen);
        },
        "ran 0, once.failed, restored not-needed: db-1 other, web-1 a\nmigrate ended with exit \
         code 4 (docker logs shop-migrate-once-1.7)",
    ),
    (
        "one that serves until now is told of",
        |it, _| it.seen.containers.push(own("migrate", 1, 'a')),
        "ran 1, ok, restored not-needed: db-1 other, migrate-1 a, web-1 a; migrate runs once from \
         now on, and shop-migrate-1 of it still runs",
    ),
    (
        "a network that containers are on cannot change before",
        |it, _| {
            let networks = &mut files(&mut it.seen).networks;
            networks.get_mut("default").unwrap().is_internal = true;
        },
        "ran 0, hosts.compose, restored not-needed: db-1 other, web-1 a\nThe Compose files change",
    ),
    (
        "another tag of the repository is another release",
        |it, _| says(&mut it.seen, "migrate").image = format!("{REPOSITORY}:migrations"),
        "ran 0, hosts.compose, restored not-needed: db-1 other, web-1 a\nweb uses the tag latest",
    ),
    (
        "a profile that hides it",
        |it, _| files(&mut it.seen).hides_once = Some("no dev.env.".to_owned()),
        "ran 0, hosts.compose, restored not-needed: db-1 other, web-1 a\nThe Compose files name \
         esclusa.run, and their services behind profiles cannot be read: no dev.env.",
    ),
    (
        "another word in the label",
        |it, _| says(&mut it.seen, "migrate").run_label = Some("always".to_owned()),
        "ran 0, hosts.compose, restored not-needed: db-1 other, web-1 a\nmigrate has the label \
         esclusa.run=\"always\": it can be \"once\".",
    ),
    (
        "the label on another image's service",
        |it, _| says(&mut it.seen, "db").run_label = Some("once".to_owned()),
        "ran 0, hosts.compose, restored not-needed: db-1 other, web-1 a\ndb has the label \
         esclusa.run, and its image is not 1.dkr.ecr.eu-west-1.amazonaws.com/shop: only the \
         service's own image runs once for a release.",
    ),
];

#[test]
fn what_runs_once_touches_nothing_that_serves() {
    let cut = |(row, prepare, expected): &Row| {
        let told: String = play(*prepare).chars().take(expected.chars().count()).collect();
        (*row, told, *expected)
    };
    compare(ROWS.iter().map(cut));
}

#[test]
fn it_runs_once_wherever_its_order_is_cut_off() {
    for turn in 0..12 {
        for how in [Cut::Within, Cut::After] {
            let mut machine = Machine::new(shop());
            add_once(&mut machine, "migrate");
            machine.play_until(&once(), Some((turn, how)));
            if machine.seen.kept.ran_once.is_none() {
                machine.play(&once());
            }
            let starts = |it: &&String| it.starts_with("RunOnce");
            let ran = machine.taken.iter().filter(starts).count();
            let made = machine.seen.containers.iter().filter(|it| it.is_one_off).count();
            assert!((ran, made) == (1, 1), "{turn} {how:?}: {:?}", machine.taken);
        }
    }
}

#[test]
fn an_order_that_has_ended_is_answered_and_not_carried_out_again() {
    let mut machine = Machine::new(shop());
    add_once(&mut machine, "migrate");
    machine.play(&once());
    let again = admit(&once(), &machine.seen.kept, at(NOW));
    assert!(matches!(again, Admission::Repeated(_)), "{again:?}");
    let other = admit(&order(release('b')), &machine.seen.kept, at(NOW));
    assert!(matches!(other, Admission::Refused(_)), "{other:?}");
}

#[test]
fn an_activation_leaves_it_out() {
    let mut machine = Machine::new(shop());
    add_once(&mut machine, "migrate");
    let report = machine.play(&order(release('b')));
    assert_eq!(tell(&report, &machine), "ok, restored not-needed: db-1 other, web-1 b");
    let pin = machine.seen.pin.as_ref().unwrap();
    assert_eq!(pin.get("migrate"), pin.get("web"), "a person who runs it runs the release");
}

#[test]
fn an_engine_that_is_silent_says_nothing_of_what_runs() {
    let mut machine = Machine::new(shop());
    add_once(&mut machine, "migrate");
    has_begun(&mut machine);
    machine.seen.containers.push(once_container("1.7"));
    let silent = Reason::new(Code::read("hosts.docker"), "silent");
    let turn = next_activation_turn(&once(), &machine.seen, Some(&silent));
    assert!(matches!(turn, Turn::Act(Step::Wait(_), _)), "{turn:?}");
    let late = Order { not_after: at(0), ..once() };
    let admitted = admit(&late, &machine.seen.kept, at(NOW));
    assert!(matches!(admitted, Admission::Begun), "it is carried on, however late: {admitted:?}");
}

#[test]
fn it_waits_for_what_has_just_been_started() {
    let mut machine = Machine::new(shop());
    add_once(&mut machine, "migrate");
    says(&mut machine.seen, "migrate").dependencies = map(&[("db", waits(Condition::Healthy))]);
    let db = of(&mut machine.seen, "db1");
    (db.created_at, db.health) = (at(NOW - 10), Some(HealthWord::Starting));
    let turn = next_activation_turn(&once(), &machine.seen, None);
    assert!(matches!(turn, Turn::Act(Step::Wait(_), _)), "{turn:?}");
    of(&mut machine.seen, "db1").created_at = at(NOW - 1000);
    let turn = next_activation_turn(&once(), &machine.seen, None);
    assert!(matches!(turn, Turn::Act(Step::RunOnce { .. }, _)), "{turn:?}");
}
