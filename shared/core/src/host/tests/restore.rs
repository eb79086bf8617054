//! The way back, played on a machine.

use super::super::definition::Healthcheck;
use super::super::order::{Order, Wanted};
use super::super::project::{ContainerState as State, HealthWord};
use super::activate::{Row, add_migration, add_proxy, add_side, check, scale, tell};
use super::machine::{Cut, Fate, Machine, failed};
use super::world::*;
use crate::configuration::HttpProbe;
use crate::reason::Code;

fn fails(machine: &mut Machine) {
    machine.spoil('b', "web", Fate::IsUnhealthy);
}

const BACK: &[Row] = &[
    (
        "an unhealthy release",
        |it, _| fails(it),
        "health.container, restored yes: db-1 other, web-1 a",
    ),
    (
        "a release that crashes",
        |it, _| it.spoil('b', "web", Fate::Crashes),
        "health.container, restored yes: db-1 other, web-1 a",
    ),
    (
        "a release that never gets ready",
        |it, _| it.spoil('b', "web", Fate::NeverReady),
        "health.container, restored yes: db-1 other, web-1 a",
    ),
    (
        "M4: a release that ends at once, with 0",
        |it, _| {
            says(&mut it.seen, "web").restarts_always = false;
            it.seen.containers[0].restarts_always = false;
            it.spoil('b', "web", Fate::Ends);
        },
        "health.container, restored yes: db-1 other, web-1 a",
    ),
    (
        "a release that Compose cannot bring up",
        |it, _| {
            let taken = "driver failed: port is already allocated";
            it.failures.insert("Up", failed(taken));
        },
        "hosts.up, restored yes: db-1 other, web-1 a",
    ),
    (
        "a release that does not answer its probe",
        |it, order| {
            order.http = Some(HttpProbe {
                port: 80,
                path: "/health".parse().unwrap(),
                expect: "200-299".parse().unwrap(),
            });
            let silent = crate::reason::Reason::new(Code::read("health.http"), "no answer");
            it.failures.insert("Probe", silent);
        },
        "health.http, restored yes: db-1 other, web-1 a",
    ),
    (
        "S3: all that were scaled by hand",
        |it, _| {
            scale(it, 3);
            fails(it);
        },
        "health.container, restored yes: db-1 other, web-1 a, web-2 a, web-3 a; web runs 3 \
         containers, and the Compose files say 1: 3 are kept.",
    ),
    (
        "G1: a migration that had ended is not run again",
        |it, _| {
            add_migration(it);
            it.spoil('a', "migrate", Fate::Crashes);
            fails(it);
        },
        "health.container, restored yes: db-1 other, web-1 a",
    ),
    (
        "G1: a migration that fails",
        |it, _| {
            add_migration(it);
            it.spoil('b', "migrate", Fate::Crashes);
        },
        "health.container, restored yes: db-1 other, web-1 a",
    ),
    (
        "G3: two releases ran: each service gets its own back",
        |it, _| {
            *says(&mut it.seen, "worker") = own_service();
            add_release(&mut it.seen, 'c');
            it.seen.containers.push(own("worker", 1, 'c'));
            fails(it);
        },
        "health.container, restored yes: db-1 other, web-1 a, worker-1 c",
    ),
    (
        "G3: two releases ran as replicas of one service",
        |it, _| {
            says(&mut it.seen, "web").replicas = 2;
            add_release(&mut it.seen, 'c');
            it.seen.containers.push(own("web", 2, 'c'));
            fails(it);
        },
        "health.container, restored yes: db-1 other, web-1 a, web-2 c",
    ),
    (
        "G3: an older one that had ended stays ended",
        |it, _| {
            *says(&mut it.seen, "worker") = own_service();
            add_release(&mut it.seen, 'c');
            let mut ended = own("worker", 1, 'c');
            ended.state = State::Exited(0);
            it.seen.containers.push(ended);
            fails(it);
        },
        "health.container, restored yes: db-1 other, web-1 a",
    ),
    (
        "G4: a service that was renamed goes on running",
        |it, _| {
            *says(&mut it.seen, "jobs") = own_service();
            it.seen.containers.push(own("worker", 1, 'a'));
            fails(it);
        },
        "health.container, restored yes: db-1 other, web-1 a, worker-1 a",
    ),
    (
        "G5: what was unhealthy before is back as it was",
        |it, _| {
            it.seen.containers[0].health = Some(HealthWord::Unhealthy);
            it.spoil('a', "web", Fate::IsUnhealthy);
            it.spoil('b', "web", Fate::Crashes);
        },
        "health.container, restored yes: db-1 other, web-1 a; shop-web-1 is back, and as unhealthy \
         as before.",
    ),
    (
        "G5: a crash loop before is one again",
        |it, _| {
            (it.seen.containers[0].state, it.seen.containers[0].restarts) = (State::Restarting, 99);
            it.seen.containers[0].health = Some(HealthWord::Starting);
            it.seen.containers[0].started_at = at(NOW - 3);
            it.spoil('a', "web", Fate::Crashes);
            fails(it);
        },
        "health.container, restored yes: db-1 other, web-1 a; shop-web-1 is back, and as unhealthy \
         as before.",
    ),
    (
        "a first release that fails leaves nothing",
        |it, _| {
            it.seen.containers.remove(0);
            it.seen.pin = None;
            fails(it);
        },
        "health.container, restored not-needed: db-1 other",
    ),
];

const SHARED: &[Row] = &[
    (
        "D1: what shares with a target has the old one's network again",
        |it, _| {
            add_side(it, "side", "web");
            fails(it);
        },
        "health.container, restored yes: db-1 other, side-1 other with web-1, web-1 a",
    ),
    (
        "D1: and what shares with that, whichever was started last",
        |it, _| {
            add_side(it, "side", "web");
            add_side(it, "aside", "side");
            of(&mut it.seen, "side1").started_at = at(2000);
            fails(it);
        },
        "health.container, restored yes: aside-1 other with side-1, db-1 other, side-1 other with \
         web-1, web-1 a",
    ),
    (
        "D1: a sharer that is not well ends the release, too",
        |it, _| {
            add_side(it, "side", "web");
            let side = ("sha256:pg".to_owned(), "side".to_owned());
            it.fates.insert(side, Fate::Crashes);
        },
        "health.container, restored failed: db-1 other, side-1 other with web-1, web-1 a; What ran \
         before could not be put back: The container shop-side-1 restarted 3 times.",
    ),
    (
        "a container that ends as soon as it is started again is started once",
        |it, _| {
            it.failures.insert("WritePin", failed("disk"));
            says(&mut it.seen, "web").restarts_always = false;
            it.seen.containers[0].restarts_always = false;
            it.spoil('a', "web", Fate::Ends);
            it.spoil('b', "web", Fate::Ends);
            it.failures.clear();
        },
        "health.container, restored failed: db-1 other; What ran before could not be put back: The \
         container shop-web-1 ended with exit code 0, although it is to serve.",
    ),
    (
        "what shares with a crash loop is restarted once",
        |it, _| {
            add_side(it, "side", "web");
            (it.seen.containers[0].state, it.seen.containers[0].restarts) = (State::Restarting, 99);
            it.spoil('a', "web", Fate::Crashes);
            it.failures.insert("Up", failed("port is already allocated"));
        },
        "hosts.up, restored yes: db-1 other, side-1 other with web-1 of before, web-1 a; \
         shop-web-1 is back, and as unhealthy as before.",
    ),
];

#[test]
fn a_bad_release_leaves_what_ran_before() {
    check(BACK);
}

#[test]
fn the_way_back_ends_whatever_becomes_of_the_old_containers() {
    check(SHARED);
}

/// D2: a proxy that holds the address of the failed release would serve nobody.
#[test]
fn what_is_restarted_with_a_target_is_restarted_on_the_way_back_too() {
    for wanted in [release('b'), Wanted::Snapshot(fence(7))] {
        let mut machine = Machine::new(shop());
        add_proxy(&mut machine);
        let first = order(release('b'));
        if wanted == release('b') {
            fails(&mut machine);
        } else {
            machine.play(&first);
        }
        machine.play(&Order { wanted: wanted.clone(), fence: fence(8), ..first });
        let started = |id: &str| machine.seen.container(id).map(|it| it.started_at);
        let web = machine.seen.containers.iter().find(|it| it.name == "shop-web-1").unwrap();
        assert_eq!(web.image, id_of('a'), "{wanted}");
        assert!(started("proxy1") > Some(web.started_at), "{wanted}: {:#?}", machine.taken);
    }
}

#[test]
fn what_was_not_touched_is_not_restarted_on_the_way_back() {
    let mut machine = Machine::new(shop());
    add_proxy(&mut machine);
    of(&mut machine.seen, "web1").started_at = at(5000);
    machine.failures.insert("WritePin", failed("disk"));
    machine.play(&order(release('b')));
    let ids: Vec<&str> = machine.seen.containers.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["web1", "db1", "proxy1"], "{:#?}", machine.taken);
    assert!(machine.seen.containers.iter().all(|it| it.started_at < at(NOW)));
}

/// After a reboot only the files and the kept images tell how containers were made.
#[test]
fn after_a_reboot_compose_makes_containers_again() {
    let mut machine = Machine::new(shop());
    add_side(&mut machine, "side", "web");
    scale(&mut machine, 2);
    machine.play(&order(release('b')));
    machine.reboot();
    let back = Order { wanted: Wanted::Snapshot(fence(7)), fence: fence(8), ..order(release('b')) };
    let report = machine.play(&back);
    assert_eq!(
        tell(&report, &machine),
        "ok, restored yes: db-1 other, side-1 other with web-1, web-1 a, web-2 a; The host was \
         restarted meanwhile: containers were made again from the Compose files as they are now."
    );
}

/// A lane goes back on all hosts, wherever its order was cut off on this one.
#[test]
fn an_order_to_go_back_mends_one_that_was_cut_off_anywhere() {
    for turn in 0..60 {
        for cut in [Cut::Within, Cut::After] {
            let mut machine = Machine::new(shop());
            add_side(&mut machine, "side", "web");
            scale(&mut machine, 2);
            let before = machine.tell();
            fails(&mut machine);
            let first = order(release('b'));
            machine.play_until(&first, Some((turn, cut)));
            let wanted = Wanted::Snapshot(fence(7));
            let report = machine.play(&Order { wanted, fence: fence(8), ..first });
            assert_eq!(machine.tell(), before, "turn {turn}, {cut:?}: {:#?}", machine.taken);
            assert_eq!(report.reason.code, Code::OK, "turn {turn}, {cut:?}: {report:?}");
        }
    }
}

#[test]
fn the_next_order_makes_as_many_as_the_one_that_was_cut_off_had_found() {
    for turn in 0..60 {
        let mut machine = Machine::new(shop());
        add_release(&mut machine.seen, 'c');
        scale(&mut machine, 3);
        fails(&mut machine);
        machine.play_until(&order(release('b')), Some((turn, Cut::Within)));
        machine.play(&Order { fence: fence(8), ..order(release('c')) });
        assert_eq!(machine.tell(), "db-1 other, web-1 c, web-2 c, web-3 c", "turn {turn}");
    }
}

/// What an order that was cut off had found is the way back of the next one.
#[test]
fn the_next_order_goes_back_to_what_the_one_that_was_cut_off_had_found() {
    for turn in 0..60 {
        for cut in [Cut::Within, Cut::After] {
            let mut machine = Machine::new(shop());
            add_release(&mut machine.seen, 'c');
            add_side(&mut machine, "side", "web");
            scale(&mut machine, 3);
            let before = machine.tell();
            fails(&mut machine);
            machine.spoil('c', "web", Fate::Crashes);
            machine.play_until(&order(release('b')), Some((turn, cut)));
            let report = machine.play(&Order { fence: fence(8), ..order(release('c')) });
            assert_eq!(machine.tell(), before, "turn {turn}, {cut:?}: {:#?}", machine.taken);
            assert_eq!(report.restored.word(), "yes", "turn {turn}, {cut:?}: {report:?}");
        }
    }
}

#[test]
fn a_sharer_without_a_healthcheck_is_waited_for_on_the_way_back() {
    let mut machine = Machine::new(shop());
    add_side(&mut machine, "side", "web");
    says(&mut machine.seen, "side").healthcheck = Healthcheck::Off;
    fails(&mut machine);
    let report = machine.play(&order(release('b')));
    assert_eq!(report.restored.word(), "yes", "{report:?}");
}

/// Somebody pruned containers and images since: what runs is not removed before the rest is here.
#[test]
fn what_is_put_back_is_fetched_before_anything_is_removed() {
    let back = |machine: &mut Machine, is_here: bool| {
        machine.play(&order(release('b')));
        let pruned = |name: &String| *name != id_of('a') && !name.starts_with("esclusa.keep");
        machine.seen.images.retain(|name, image| pruned(name) && image.id != id_of('a'));
        if !is_here {
            machine.failures.insert("Pull", failed("not found"));
        }
        machine.taken.clear();
        let wanted = Wanted::Snapshot(fence(7));
        machine.play(&Order { wanted, fence: fence(8), ..order(release('b')) })
    };
    let mut machine = Machine::new(shop());
    let report = back(&mut machine, true);
    assert_eq!(tell(&report, &machine), "ok, restored yes: db-1 other, web-1 a");
    let first = machine.taken.iter().position(|it| it.starts_with("Pull"));
    let removed = machine.taken.iter().position(|it| it.starts_with("RemoveContainers"));
    assert!(first.is_some() && first < removed, "{:#?}", machine.taken);

    let mut machine = Machine::new(shop());
    let report = back(&mut machine, false);
    assert_eq!(machine.tell(), "db-1 other, web-1 b", "{report:?}: {:#?}", machine.taken);
    assert_ne!(report.reason.code, Code::OK, "{report:?}");
}
