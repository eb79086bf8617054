//! When a container is well, and which containers are jobs.

use std::time::Duration;

use super::super::definition::{Condition, Healthcheck};
use super::super::health::{Patience, Tally, Verdict, Watch, is_job, judge_container};
use super::super::inspect::inspect;
use super::super::project::{Container, ContainerState as State, HealthWord};
use super::world::*;

fn says_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Well => "well".to_owned(),
        Verdict::Waiting(word) => format!("waits: {word}"),
        Verdict::Bad(why) => format!("bad: {why}"),
    }
}

/// A container that was made for this order, 5 s ago, and is watched since.
fn fresh(spoil: fn(&mut Container)) -> Container {
    let mut container = own("web", 1, 'b');
    container.created_at = at(NOW - 5);
    container.started_at = at(NOW - 5);
    container.health = Some(HealthWord::Starting);
    spoil(&mut container);
    container
}

fn unchecked(container: &mut Container) {
    container.patience = None;
    container.health = None;
}

fn started(container: &mut Container, seconds: u64) {
    container.started_at = at(NOW.saturating_sub(seconds));
}

/// A row: the container, how long it is watched, the order's deadline.
type Waited = (&'static str, fn(&mut Container), u64, Option<u64>, &'static str);

type Judged = (&'static str, fn(&mut Container), &'static str);

const WATCHED: &[Judged] = &[
    ("a container that starts is awaited", |_| {}, "waits: running, starting"),
    ("a healthy container is well at once", |it| it.health = Some(HealthWord::Healthy), "well"),
    (
        "an unhealthy container is given up without waiting for a deadline",
        |it| it.health = Some(HealthWord::Unhealthy),
        "bad: is unhealthy by its healthcheck",
    ),
    (
        "M10: a crash loop that answers `starting` is awaited, not passed",
        |it| (it.restarts, it.state) = (9, State::Restarting),
        "waits: restarting, starting",
    ),
    (
        "a healthy word from before the crash says nothing of a container that restarts",
        |it| {
            (it.restarts, it.state) = (1, State::Restarting);
            it.health = Some(HealthWord::Healthy);
            started(it, 25);
        },
        "waits: restarting, healthy",
    ),
    (
        "a healthy word says nothing of a container that ended, whatever its restart policy is",
        |it| {
            it.health = Some(HealthWord::Healthy);
            it.state = State::Exited(137);
        },
        "waits: ended with exit code 137, healthy",
    ),
    (
        "a healthy word says nothing of a container that was never started",
        |it| {
            it.health = Some(HealthWord::Healthy);
            it.state = State::Created;
        },
        "waits: created, healthy",
    ),
    (
        "a container that was just restarted must be healthy for 20 s",
        |it| (it.restarts, it.health) = (1, Some(HealthWord::Healthy)),
        "waits: running, healthy",
    ),
    (
        "a container that was restarted once and is healthy for 20 s is well",
        |it| {
            (it.restarts, it.health) = (1, Some(HealthWord::Healthy));
            started(it, 20);
        },
        "well",
    ),
    (
        "restarts of a container that is older than the order are not the order's",
        |it| {
            (it.restarts, it.health) = (4, Some(HealthWord::Healthy));
            it.created_at = at(1000);
        },
        "well",
    ),
    ("a paused container serves nobody", |it| it.state = State::Paused, "bad: is paused"),
    ("a dead container is given up", |it| it.state = State::Dead, "bad: is dead"),
    (
        "a server without a restart policy that fails is given up at once",
        |it| (it.restarts_always, it.state) = (false, State::Exited(1)),
        "bad: ended with exit code 1",
    ),
    (
        "M4: a server that prints its usage and ends with 0 did not succeed",
        |it| (it.restarts_always, it.state) = (false, State::Exited(0)),
        "bad: ended with exit code 0, although it is to serve",
    ),
    (
        "without a healthcheck a container must run for 20 s",
        unchecked,
        "waits: running, no healthcheck",
    ),
    (
        "without a healthcheck a container that runs for 20 s is well",
        |it| {
            unchecked(it);
            started(it, 20);
        },
        "well",
    ),
    (
        "without a healthcheck three restarts are a crash loop",
        |it| {
            unchecked(it);
            it.restarts = 3;
        },
        "bad: restarted 3 times",
    ),
    (
        "without a healthcheck two restarts are not one yet",
        |it| {
            unchecked(it);
            it.restarts = 2;
        },
        "waits: running, no healthcheck",
    ),
    (
        "a word of a healthcheck that is switched off cannot be",
        |it| it.patience = None,
        "waits: running, starting",
    ),
];

#[test]
fn a_container_that_was_just_made_is_judged_by_its_healthcheck() {
    let watch = Watch { since: Some(at(NOW - 5)), ..glance() };
    let judge = |spoil| says_verdict(&judge_container(&fresh(spoil), false, &watch));
    compare(WATCHED.iter().map(|(row, spoil, expected)| (*row, judge(*spoil), *expected)));
}

fn glance() -> Watch {
    Watch { now: at(NOW), made_since: at(NOW - 60), since: None, deadline: None }
}

#[test]
fn a_container_has_as_long_as_its_healthcheck_or_the_order_says() {
    let slow = |it: &mut Container| {
        it.patience = Some(Patience { start_period: Duration::from_hours(1), ..PATIENCE });
    };
    let unhealthy = |it: &mut Container| it.health = Some(HealthWord::Unhealthy);
    let rows: [Waited; 8] = [
        ("3 tries of 10 s and 10 s more are 40 s", |_| {}, 40, None, "waits: running, starting"),
        (
            "41 s are too long",
            |_| {},
            41,
            None,
            "bad: is not healthy after 40 s (running, starting)",
        ),
        (
            "D6: the order's deadline alone counts",
            |_| {},
            700,
            Some(720),
            "waits: running, starting",
        ),
        (
            "D6: past it the container is given up",
            |_| {},
            721,
            Some(720),
            "bad: is not healthy after 720 s (running, starting)",
        ),
        (
            "with a deadline of its own an unhealthy container may recover",
            unhealthy,
            30,
            Some(60),
            "waits: running, unhealthy",
        ),
        (
            "and is given up afterwards",
            unhealthy,
            61,
            Some(60),
            "bad: is not healthy after 60 s (running, unhealthy)",
        ),
        ("M11: an hour's patience waits 12 min", slow, 720, None, "waits: running, starting"),
        (
            "M11: and no longer: the order would end first",
            slow,
            721,
            None,
            "bad: is not healthy after 720 s (running, starting)",
        ),
    ];
    compare_waits(rows);
}

#[test]
fn a_container_that_says_nothing_is_given_up_in_the_end() {
    let rows: [Waited; 3] = [
        (
            "a stop by hand while an order watches is seen in the end",
            |it| it.state = State::Exited(137),
            41,
            None,
            "bad: is not healthy after 40 s (ended with exit code 137, starting)",
        ),
        ("no healthcheck waits a minute", unchecked, 60, None, "waits: running, no healthcheck"),
        (
            "no healthcheck, and never steady in it",
            unchecked,
            61,
            None,
            "bad: is not healthy after 60 s (running, no healthcheck)",
        ),
    ];
    compare_waits(rows);
}

fn compare_waits<const N: usize>(rows: [Waited; N]) {
    compare(rows.map(|(row, spoil, waited, deadline, expected)| {
        let watch = Watch { since: Some(at(NOW.saturating_sub(waited))), deadline, ..glance() };
        (row, says_verdict(&judge_container(&fresh(spoil), false, &watch)), expected)
    }));
}

#[test]
fn a_job_may_end_and_nothing_else_may() {
    let rows: [(&str, State, bool, bool, &str); 7] = [
        ("a job that ended well", State::Exited(0), true, false, "well"),
        ("a job that failed", State::Exited(3), true, false, "bad: ended with exit code 3"),
        ("a job that still runs", State::Running, true, false, "waits: running, no healthcheck"),
        (
            "a job that is started again whenever it ends",
            State::Exited(0),
            true,
            true,
            "waits: ended with exit code 0, no healthcheck",
        ),
        (
            "a server that ended well",
            State::Exited(0),
            false,
            false,
            "bad: ended with exit code 0, although it is to serve",
        ),
        (
            "a server that was killed",
            State::Exited(137),
            false,
            false,
            "bad: ended with exit code 137",
        ),
        ("a server that is made", State::Created, false, false, "waits: created, no healthcheck"),
    ];
    compare(rows.map(|(row, state, is_job, restarts_always, expected)| {
        let container = Container { state, restarts_always, ..fresh(unchecked) };
        let watch = Watch { since: Some(at(NOW - 5)), ..glance() };
        (row, says_verdict(&judge_container(&container, is_job, &watch)), expected)
    }));
}

type Job = (&'static str, Spoil, bool);

const JOBS: &[Job] = &[
    ("an image without port and healthcheck that ends for good", |_| {}, true),
    ("a restart policy makes a server", |it| of(it, "web1").restarts_always = true, false),
    (
        "M4: a healthcheck of the image makes a server",
        |it| of(it, "web1").patience = Some(PATIENCE),
        false,
    ),
    (
        "an exposed port of the image makes a server",
        |it| of(it, "web1").exposes_ports = true,
        false,
    ),
    (
        "M4: a published port makes a server",
        |it| {
            of(it, "web1").ports.insert(port("", 80, 80, "tcp"));
        },
        false,
    ),
    (
        "the server's image with a command of its own is a job: a migration",
        |it| {
            let web = of(it, "web1");
            (web.patience, web.exposes_ports) = (Some(PATIENCE), true);
            web.runs.command = list(&["migrate"]);
        },
        true,
    ),
    (
        "a healthcheck of the files makes a server, whatever it runs",
        |it| {
            of(it, "web1").runs.command = list(&["migrate"]);
            says(it, "web").healthcheck = Healthcheck::Own;
        },
        false,
    ),
    (
        "a healthcheck that is switched off leaves a job",
        |it| says(it, "web").healthcheck = Healthcheck::Off,
        true,
    ),
    (
        "what another service waits for to complete is a job, though its image listens",
        |it| {
            of(it, "web1").exposes_ports = true;
            let wait = waits(Condition::Completed);
            says(it, "db").dependencies = map(&[("web", wait)]);
        },
        true,
    ),
    (
        "what another service waits for to be healthy is none",
        |it| {
            of(it, "web1").exposes_ports = true;
            let wait = waits(Condition::Healthy);
            says(it, "db").dependencies = map(&[("web", wait)]);
        },
        false,
    ),
    ("unreadable files leave what the engine tells", spoil_files, true),
    (
        "an image that the engine no longer has is taken to run as it was made",
        |it| {
            it.images.clear();
            of(it, "web1").exposes_ports = true;
        },
        false,
    ),
];

#[test]
fn a_job_is_told_from_a_server() {
    for (row, spoil, expected) in JOBS {
        let mut seen = shop();
        let web = of(&mut seen, "web1");
        web.restarts_always = false;
        unchecked(web);
        spoil(&mut seen);
        assert_eq!(is_job(seen.container("web1").unwrap(), &seen), *expected, "{row}");
    }
}

#[test]
fn verdicts_add_up_to_one_word() {
    let (bad, waiting) = (Verdict::Bad("is dead".into()), Verdict::Waiting("created".into()));
    for (verdicts, expected) in [
        (vec![], "none, 0 of 0"),
        (vec![&Verdict::Well], "healthy, 1 of 1"),
        (vec![&Verdict::Well, &waiting], "starting, 1 of 2"),
        (vec![&waiting, &bad, &Verdict::Well], "unhealthy, 1 of 3"),
    ] {
        let mut tally = Tally::default();
        for verdict in &verdicts {
            tally.count("shop-web-1", verdict);
        }
        let told = format!("{}, {} of {}", tally.word(), tally.well, tally.total);
        assert_eq!(told, expected, "{verdicts:?}");
    }
}

#[test]
fn a_stop_by_hand_is_seen_by_a_later_look() {
    let rows: [(&str, Spoil, &str); 4] = [
        ("the service runs", |_| {}, "healthy"),
        ("M4: it was stopped", |it| of(it, "web1").state = State::Exited(0), "unhealthy"),
        ("it was killed", |it| of(it, "web1").state = State::Exited(137), "unhealthy"),
        (
            "it was stopped without a restart policy",
            |it| {
                of(it, "web1").state = State::Exited(0);
                of(it, "web1").restarts_always = false;
            },
            "unhealthy",
        ),
    ];
    compare(rows.map(|(row, spoil, expected)| {
        let found = inspect(&order(release('a')), &shop_with(spoil));
        (row, found.tally.word().to_owned(), expected)
    }));
}
