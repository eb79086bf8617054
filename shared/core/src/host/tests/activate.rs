//! Whole activations, played on a machine.

use super::super::definition::{Condition, Dependency, Healthcheck};
use super::super::order::{Mode, Order, Wanted};
use super::super::project::{ContainerState as State, Image};
use super::super::report::Report;
use super::super::running::keep_tag;
use super::machine::{Cut, Fate, MOST_TURNS, Machine, is_of};
use super::world::*;
use crate::order::OnHostFailure;
use crate::reason::{Code, Reason};

/// How an order ended, and what runs then.
pub(super) fn tell(report: &Report, machine: &Machine) -> String {
    let restored = report.restored.word();
    let mut told = vec![format!("{}, restored {restored}: {}", report.reason.code, machine.tell())];
    told.extend(report.warnings.iter().cloned());
    told.join("; ")
}

/// A row prepares the host and the order.
pub(super) type Row = (&'static str, fn(&mut Machine, &mut Order), &'static str);

pub(super) fn play(prepare: fn(&mut Machine, &mut Order)) -> String {
    let (mut machine, mut order) = (Machine::new(shop()), order(release('b')));
    prepare(&mut machine, &mut order);
    let report = machine.play(&order);
    tell(&report, &machine)
}

pub(super) fn check(rows: &[Row]) {
    compare(rows.iter().map(|(row, prepare, expected)| (*row, play(*prepare), *expected)));
}

pub(super) fn add_side(machine: &mut Machine, name: &str, with: &str) {
    says(&mut machine.seen, name).shares_with = set(&[with]);
    let mut side = other(name);
    side.shares_with = set(&[&format!("{with}1")]);
    machine.seen.containers.push(side);
}

fn stop_container(machine: &mut Machine, id: &str) {
    of(&mut machine.seen, id).state = State::Exited(143);
}

pub(super) fn add_proxy(machine: &mut Machine) {
    let restart = Dependency { restarts: true, ..waits(Condition::Started) };
    says(&mut machine.seen, "proxy").dependencies = map(&[("web", restart)]);
    machine.seen.containers.push(other("proxy"));
}

/// A job of the repository that `web` waits for and that ended when release `a` was rolled out.
pub(super) fn add_migration(machine: &mut Machine) {
    let job = says(&mut machine.seen, "migrate");
    *job = own_service();
    (job.command, job.restarts_always) = (Some(list(&["migrate"])), false);
    let wait = waits(Condition::Completed);
    says(&mut machine.seen, "web").dependencies = map(&[("migrate", wait)]);
    let mut ended = own("migrate", 1, 'a');
    (ended.state, ended.restarts_always, ended.health) = (State::Exited(0), false, None);
    ended.runs.command = list(&["migrate"]);
    machine.seen.containers.push(ended);
}

pub(super) fn scale(machine: &mut Machine, count: u32) {
    machine.seen.containers.retain(|it| it.service.as_deref() != Some("web"));
    machine.seen.containers.extend((1..=count).map(|number| own("web", number, 'a')));
}

const FORWARD: &[Row] = &[
    ("a good release", |_, _| {}, "ok, restored not-needed: db-1 other, web-1 b"),
    (
        "what runs already is not made again",
        |_, order| order.wanted = release('a'),
        "ok, restored not-needed: db-1 other, web-1 a",
    ),
    (
        "S3: what was scaled by hand",
        |it, _| scale(it, 3),
        "ok, restored not-needed: db-1 other, web-1 b, web-2 b, web-3 b; web runs 3 containers, \
         and the Compose files say 1: 3 are kept.",
    ),
    (
        "a job of the release runs and ends",
        |it, _| add_migration(it),
        "ok, restored not-needed: db-1 other, web-1 b",
    ),
    (
        "D1: what shares with a target is made again, and what shares with that",
        |it, _| {
            add_side(it, "side", "web");
            add_side(it, "aside", "side");
        },
        "ok, restored not-needed: aside-1 other with side-1, db-1 other, side-1 other with web-1, \
         web-1 b",
    ),
    (
        "what shares with a target that was stopped, and is only started, is made again",
        |it, order| {
            add_side(it, "side", "web");
            stop_container(it, "web1");
            order.wanted = release('a');
        },
        "ok, restored not-needed: db-1 other, side-1 other with web-1, web-1 a",
    ),
    (
        "also where the engine has started the target since, and not what shares with it",
        |it, order| {
            add_side(it, "side", "web");
            of(&mut it.seen, "web1").started_at = at(2000);
            order.wanted = release('a');
        },
        "ok, restored not-needed: db-1 other, side-1 other with web-1, web-1 a",
    ),
    (
        "what shares with a target and could not be started is made again",
        |it, order| {
            add_side(it, "side", "web");
            stop_container(it, "side1");
            order.wanted = release('a');
        },
        "ok, restored not-needed: db-1 other, side-1 other with web-1, web-1 a",
    ),
    (
        "D3: a fresh host gets dependencies, too",
        |it, _| {
            it.seen.containers.clear();
            let wait = waits(Condition::Started);
            says(&mut it.seen, "web").dependencies = map(&[("db", wait)]);
        },
        "ok, restored not-needed: db-1 other, web-1 b",
    ),
    (
        "G7: an image that was pruned meanwhile is fetched again",
        |it, _| it.seen.images.retain(|_, image| image.id != id_of('b')),
        "ok, restored not-needed: db-1 other, web-1 b",
    ),
    (
        "G4: a service that was renamed is left running, and told of",
        |it, _| {
            *says(&mut it.seen, "jobs") = own_service();
            it.seen.containers.push(own("worker", 1, 'a'));
        },
        "ok, restored not-needed: db-1 other, jobs-1 b, web-1 b, worker-1 a; shop-worker-1 is no \
         longer in the Compose files, but its container is still there.",
    ),
    (
        "a dependency that is not well is told of, and does not decide",
        |it, _| {
            it.seen.containers.clear();
            let wait = waits(Condition::Started);
            says(&mut it.seen, "web").dependencies = map(&[("db", wait)]);
            let db = ("sha256:pg".to_owned(), "db".to_owned());
            it.fates.insert(db, Fate::Crashes);
        },
        "ok, restored not-needed: db-1 other, web-1 b; This service depends on it: The container \
         shop-db-1 restarted 3 times.",
    ),
    (
        "nothing but jobs, all of which ended well",
        |it, _| {
            add_migration(it);
            it.seen.containers.retain(|it| it.service.as_deref() != Some("web"));
            files(&mut it.seen).services.remove("web");
        },
        "ok, restored not-needed: db-1 other; Every container of this service has ended.",
    ),
];

const REFUSED: &[Row] = &[
    (
        "files that cannot be read stop nothing",
        |it, _| spoil_files(&mut it.seen),
        "hosts.compose, restored not-needed: db-1 other, web-1 a",
    ),
    (
        "a release that the registry does not have",
        |it, order| {
            order.wanted = release('9');
            it.seen.containers[0].health = None;
        },
        "release.not_in_registry, restored not-needed: db-1 other, web-1 a",
    ),
    (
        "an image of this host that is gone",
        |_, order| order.wanted = Wanted::Local(digest('e')),
        "release.not_in_registry, restored not-needed: db-1 other, web-1 a",
    ),
    (
        "a running image that is gone could not be put back",
        |it, _| it.seen.images.retain(|_, image| image.id != id_of('a')),
        "hosts.compose, restored not-needed: db-1 other, web-1 a",
    ),
    (
        "an image for another platform",
        |it, _| {
            for image in it.seen.images.values_mut().filter(|it| it.id == id_of('b')) {
                image.platform = "linux/arm64/v8".to_owned();
            }
        },
        "hosts.platform, restored not-needed: db-1 other, web-1 a",
    ),
];

const OTHERWISE: &[Row] = &[
    (
        "a restart makes every container again",
        |_, order| (order.wanted, order.mode) = (release('a'), Mode::Restart),
        "ok, restored not-needed: db-1 other, web-1 a",
    ),
    (
        "nothing is to run: all of the service goes, and nothing else",
        |it, order| {
            order.wanted = Wanted::Nothing;
            it.seen.containers.push(own("worker", 1, 'c'));
        },
        "ok, restored not-needed: db-1 other",
    ),
    (
        "a failed release is left where the policy says so",
        |it, order| {
            order.on_failure = OnHostFailure::Leave;
            it.spoil('b', "web", Fate::IsUnhealthy);
        },
        "health.container, restored no: db-1 other, web-1 b",
    ),
    (
        "an engine that does not answer ends nothing",
        |it, _| {
            let silent = Reason::new(Code::read("hosts.docker"), "silent");
            it.failures.insert("Up", silent);
        },
        "hosts.docker, restored no: db-1 other, web-1 a",
    ),
    (
        "an order to go back to what was never begun changes nothing",
        |_, order| order.wanted = Wanted::Snapshot(fence(3)),
        "ok, restored not-needed: db-1 other, web-1 a",
    ),
    (
        "G6: a local image that is known by its keep tag alone",
        |it, order| {
            let local = Image { id: digest('e').to_string(), ..image('a') };
            let tag = keep_tag("shop", digest('e').as_str());
            add_image(&mut it.seen, &local, &[&tag]);
            order.wanted = release('e');
        },
        "ok, restored not-needed: db-1 other, web-1 other",
    ),
];

#[test]
fn a_good_release_runs_in_the_end() {
    check(FORWARD);
}

#[test]
fn a_release_that_cannot_run_changes_nothing() {
    check(REFUSED);
}

#[test]
fn an_order_does_what_it_says() {
    check(OTHERWISE);
}

#[test]
fn what_runs_already_is_not_touched() {
    let mut machine = Machine::new(shop());
    machine.play(&order(release('a')));
    assert_eq!(machine.seen.containers[0].id, "web1", "{:?}", machine.taken);
}

#[test]
fn what_shares_or_is_restarted_with_a_target_is_left_alone_where_nothing_changed() {
    let mut machine = Machine::new(shop());
    add_side(&mut machine, "side", "web");
    add_migration(&mut machine);
    add_proxy(&mut machine);
    machine.play(&order(release('a')));
    assert_eq!(of(&mut machine.seen, "side1").started_at, at(1000), "{:?}", machine.taken);
    assert_eq!(of(&mut machine.seen, "proxy1").started_at, at(1000), "{:?}", machine.taken);
}

#[test]
fn what_is_restarted_with_a_target_is_when_that_was_stopped_and_is_started() {
    let mut machine = Machine::new(shop());
    add_proxy(&mut machine);
    stop_container(&mut machine, "web1");
    machine.play(&order(release('a')));
    assert!(of(&mut machine.seen, "proxy1").started_at > at(1000), "{:?}", machine.taken);
}

#[test]
fn a_restart_makes_containers_again() {
    let mut machine = Machine::new(shop());
    machine.play(&Order { mode: Mode::Restart, ..order(release('a')) });
    assert!(machine.seen.container("web1").is_none(), "{:?}", machine.taken);
}

#[test]
fn an_order_to_an_engine_that_was_silent_is_carried_on() {
    let mut machine = Machine::new(shop());
    let silent = Reason::new(Code::read("hosts.docker"), "silent");
    machine.failures.insert("Up", silent);
    let report = machine.play(&order(release('b')));
    assert!(!report.is_final, "{report:?}");
    machine.failures.clear();
    let report = machine.play(&order(release('b')));
    assert_eq!(tell(&report, &machine), "ok, restored not-needed: db-1 other, web-1 b");
}

#[test]
fn what_is_made_beyond_the_plan_is_told_of() {
    let mut machine = Machine::new(shop());
    let up = |it: &Machine| it.taken.iter().any(|step| step.starts_with("Up"));
    let cut = (0..MOST_TURNS).find_map(|turn| {
        let mut tried = machine.clone();
        tried.play_until(&order(release('b')), Some((turn, Cut::After)));
        up(&tried).then_some(tried)
    });
    machine = cut.unwrap();
    let now = machine.seen.now;
    let db = machine.seen.containers.iter_mut().find(|it| is_of(it, "db")).unwrap();
    (db.id, db.created_at) = ("db2".to_owned(), now);
    let report = machine.play(&order(release('b')));
    let expected = "ok, restored not-needed: db-1 other, web-1 b; shop-db-1 was made while this \
                    order ran, which its plan leaves alone: see who did it.";
    assert_eq!(tell(&report, &machine), expected);
}

#[test]
fn a_pin_keeps_what_others_pinned_and_drops_what_the_files_lost() {
    let mut machine = Machine::new(shop());
    // M2: another lane's service, and one that was renamed since.
    let pin = [("web", pinned('a')), ("api", "other/api:1@sha256:1".into()), ("old", pinned('a'))];
    machine.seen.pin = Some(map(&pin));
    machine.seen.containers.push(own("old", 1, 'a'));
    says(&mut machine.seen, "off").is_active = false;
    says(&mut machine.seen, "off").image = format!("{REPOSITORY}:latest");
    machine.play(&order(release('b')));
    let expected = map(&[
        ("api", "other/api:1@sha256:1".to_owned()),
        ("off", pinned('b')),
        ("web", pinned('b')),
    ]);
    assert_eq!(machine.seen.pin, Some(expected), "forward");
    machine.play(&Order { wanted: Wanted::Nothing, fence: fence(8), ..order(release('b')) });
    let expected = map(&[("api", "other/api:1@sha256:1".to_owned())]);
    assert_eq!(machine.seen.pin, Some(expected), "M2: to nothing");
    assert_eq!(machine.tell(), "db-1 other");
}

#[test]
fn a_service_that_the_image_does_not_check_may_take_a_minute() {
    let mut machine = Machine::new(shop());
    says(&mut machine.seen, "web").healthcheck = Healthcheck::Off;
    (machine.seen.containers[0].patience, machine.seen.containers[0].health) = (None, None);
    let report = machine.play(&order(release('b')));
    let took = machine.seen.now.since(at(NOW)).as_secs();
    assert!((20..40).contains(&took), "{took} s, {report:?}");
}
