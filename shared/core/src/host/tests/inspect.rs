//! What a host runs, for a lane that asks.

use super::super::definition::Condition;
use super::super::inspect::inspect;
use super::super::journal::Finished;
use super::super::project::{ContainerState as State, HealthWord};
use super::world::*;

type Row = (&'static str, Spoil, &'static str);

fn look(spoil: Spoil) -> String {
    let found = inspect(&order(release('a')), &shop_with(spoil));
    let running = found.running.to_string();
    let running: String = running.chars().take(10).collect();
    let word = found.tally.word();
    let told = format!("{running} {word} {} of {}", found.tally.well, found.tally.total);
    found.tally.bad.or(found.tally.waiting).map_or(told.clone(), |it| format!("{told}: {it}"))
}

const RUNNING: &[Row] = &[
    ("one release", |_| {}, "sha256:aaa healthy 1 of 1"),
    ("nothing", |it| it.containers.clear(), "none none 0 of 0"),
    ("G3: two releases", |it| it.containers.push(own("web", 2, 'b')), "mixed healthy 2 of 2"),
    (
        "G3: one that runs, and an older one that has ended",
        |it| {
            let mut ended = own("web", 2, 'b');
            (ended.state, ended.restarts_always) = (State::Exited(0), false);
            it.containers.push(ended);
        },
        "sha256:aaa unhealthy 1 of 2: The container shop-web-2 ended with exit code 0, although it \
         is to serve.",
    ),
    (
        "nothing but jobs that ended well",
        |it| {
            let web = of(it, "web1");
            (web.state, web.restarts_always) = (State::Exited(0), false);
            (web.patience, web.health) = (None, None);
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "nothing but jobs, one of which failed",
        |it| {
            let web = of(it, "web1");
            (web.state, web.restarts_always) = (State::Exited(2), false);
        },
        "none unhealthy 0 of 1: The container shop-web-1 ended with exit code 2.",
    ),
    ("a local image", |it| of(it, "web1").digest = None, "local:sha2 healthy 1 of 1"),
    (
        "G4: what the files no longer have does not count",
        |it| it.containers.push(own("old", 1, 'b')),
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "files that cannot be read leave what runs",
        |it| {
            spoil_files(it);
            it.containers.push(own("old", 1, 'b'));
        },
        "mixed healthy 2 of 2",
    ),
    (
        "M1: containers of `docker compose run` do not count",
        |it| {
            let mut run = own("web", 2, 'b');
            run.is_one_off = true;
            it.containers.push(run);
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "M2: another lane's containers do not count",
        |it| {
            let mut api = other("api");
            api.health = Some(HealthWord::Unhealthy);
            it.containers.push(api);
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "containers of another project do not count",
        |it| {
            let mut there = own("web", 2, 'b');
            there.project = Some("shop2".to_owned());
            it.containers.push(there);
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "a container of a keep tag is the repository's",
        |it| {
            it.containers[0].reference = "esclusa/keep:shop-aaaaaaaaaaaa".to_owned();
            spoil_files(it);
        },
        "sha256:aaa healthy 1 of 1",
    ),
];

const ABSENT: &[Row] = &[
    (
        "M10: a container that is absent is refused",
        |it| {
            it.kept.finished = Some(finished(6, 'a'));
            it.containers.remove(0);
        },
        "none unhealthy 0 of 0: The service web has 0 of 1 containers.",
    ),
    (
        "M10: one of several",
        |it| it.kept.finished = Some(Finished { targets: map(&[("web", 2)]), ..finished(6, 'a') }),
        "sha256:aaa unhealthy 1 of 1: The service web has 1 of 2 containers.",
    ),
    (
        "more than were ordered are enough",
        |it| {
            it.kept.finished = Some(finished(6, 'a'));
            it.containers.push(own("web", 2, 'a'));
        },
        "sha256:aaa healthy 2 of 2",
    ),
    (
        "an active service without containers, beside others",
        |it| *says(it, "worker") = own_service(),
        "sha256:aaa unhealthy 1 of 1: The service worker has no container.",
    ),
    (
        "D5: what is behind an inactive profile may be absent",
        |it| {
            *says(it, "worker") = own_service();
            says(it, "worker").is_active = false;
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "what has no replicas may be absent",
        |it| {
            *says(it, "worker") = own_service();
            says(it, "worker").replicas = 0;
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "a service that was added to the files waits for the next activation",
        |it| {
            *says(it, "worker") = own_service();
            it.kept.finished = Some(finished(6, 'a'));
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "G4: a service that was renamed in the files since is not absent",
        |it| {
            *says(it, "jobs") = own_service();
            it.containers.push(own("worker", 1, 'a'));
            let targets = map(&[("web", 1), ("worker", 1)]);
            it.kept.finished = Some(Finished { targets, ..finished(6, 'a') });
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "a job that has ended, and whose container was pruned since, is not absent",
        |it| {
            *says(it, "migrate") = own_service();
            let wait = waits(Condition::Completed);
            says(it, "web").dependencies = map(&[("migrate", wait)]);
            let targets = map(&[("web", 1), ("migrate", 1)]);
            it.kept.finished = Some(Finished { targets, ..finished(6, 'a') });
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "nor is one before the first order",
        |it| {
            *says(it, "migrate") = own_service();
            let wait = waits(Condition::Completed);
            says(it, "web").dependencies = map(&[("migrate", wait)]);
        },
        "sha256:aaa healthy 1 of 1",
    ),
    (
        "a fresh host has nothing that could be absent",
        |it| it.containers.clear(),
        "none none 0 of 0",
    ),
    (
        "M10: a crash loop that answers `starting` is awaited",
        |it| {
            let web = of(it, "web1");
            (web.state, web.health) = (State::Restarting, Some(HealthWord::Starting));
            (web.restarts, web.started_at) = (50, at(NOW - 3));
        },
        "sha256:aaa starting 0 of 1: The container shop-web-1 is restarting, starting.",
    ),
    (
        "M10: and one that took longer than its healthcheck allows is not well",
        |it| {
            let web = of(it, "web1");
            (web.health, web.started_at) = (Some(HealthWord::Starting), at(NOW - 41));
        },
        "sha256:aaa unhealthy 0 of 1: The container shop-web-1 is not healthy after 40 s (running, \
         starting).",
    ),
];

#[test]
fn what_runs_is_one_word_and_how_it_is_another() {
    for rows in [RUNNING, ABSENT] {
        compare(rows.iter().map(|(row, spoil, expected)| (*row, look(*spoil), *expected)));
    }
}
