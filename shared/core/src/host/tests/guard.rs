//! What the files would give against what runs.

use super::super::definition::MountDefinition;
use super::super::plan::plan_activation;
use super::super::project::{Mount, Observation};
use super::plan::tell;
use super::world::*;
use crate::configuration::Compose;

type Row = (&'static str, Spoil, &'static str);

fn plan(compose: Compose, spoil: Spoil) -> String {
    let order = super::super::order::Order { compose, ..order(release('b')) };
    // A refusal begins and ends with the same words.
    let told = tell(plan_activation(&order, &shop_with(spoil)));
    let end = ", which the Compose files in /srv/shop do not give: it was started with other files \
    or variables. Write them into the files or into .env, or start it from them once (docker \
    compose up -d).";
    told.strip_suffix(end).unwrap_or(&told).to_owned()
}

fn check(rows: &[Row]) {
    compare(
        rows.iter().map(|(row, spoil, expected)| (*row, plan(Compose::Host, *spoil), *expected)),
    );
}

const VARIABLES: &[Row] = &[
    ("what runs is what the files say", |_| {}, "web 1"),
    (
        "S2: a variable of the shell is missing now",
        |it| {
            of(it, "web1").environment.insert("TOKEN".to_owned(), 5);
            says(it, "web").environment = map(&[("TOKEN", 0)]);
        },
        "refused: shop-web-1 has another value of the variable TOKEN",
    ),
    (
        "S2: a variable of another file is not in these",
        |it| {
            of(it, "web1").environment.insert("TOKEN".to_owned(), 5);
        },
        "refused: shop-web-1 has another value of the variable TOKEN",
    ),
    (
        "S2: a variable of the files is not in the container",
        |it| says(it, "web").environment = map(&[("DEBUG", 1)]),
        "refused: shop-web-1 has another value of the variable DEBUG",
    ),
    (
        "a variable of the image that the files replace",
        |it| {
            says(it, "web").environment = map(&[("PATH", 7)]);
            of(it, "web1").environment = map(&[("PATH", 7)]);
        },
        "web 1",
    ),
    (
        "proxies may come from the engine's client",
        |it| {
            for name in ["http_proxy", "HTTPS_PROXY", "no_proxy", "ALL_PROXY"] {
                of(it, "web1").environment.insert(name.to_owned(), 5);
            }
        },
        "web 1",
    ),
    (
        "an image that is gone may have given any variable",
        |it| {
            it.images.remove(&id_of('a'));
            of(it, "web1").environment.insert("LANG".to_owned(), 5);
        },
        "web 1",
    ),
];

const EDITS: &[Row] = &[
    (
        "S5: files that were changed after the container was made are an edit",
        |it| {
            of(it, "web1").environment.insert("TOKEN".to_owned(), 5);
            it.edited_at = Some(at(1001));
        },
        "web 1",
    ),
    (
        "an edit that takes a mount of data away is told",
        |it| {
            of(it, "web1").mounts.push(mount("shop_data", "/data"));
            it.edited_at = Some(at(1001));
        },
        "web 1; shop-web-1 has shop_data at /data: the edited Compose files no longer give it.",
    ),
    (
        "what Esclusa made came from the files",
        |it| {
            of(it, "web1").environment.insert("TOKEN".to_owned(), 5);
            let made =
                super::super::journal::Finished { containers: set(&["web1"]), ..finished(6, 'a') };
            it.kept.finished = Some(made);
        },
        "web 1",
    ),
    (
        "what ran before Esclusa did not",
        |it| {
            of(it, "web1").environment.insert("TOKEN".to_owned(), 5);
            it.kept.finished = Some(finished(6, 'a'));
        },
        "refused: shop-web-1 has another value of the variable TOKEN",
    ),
    (
        "what has ended is not compared",
        |it| {
            of(it, "web1").environment.insert("TOKEN".to_owned(), 5);
            of(it, "web1").state = super::super::project::ContainerState::Exited(0);
        },
        "web 1",
    ),
    (
        "one of several replicas that differs is named",
        |it| {
            let mut second = own("web", 2, 'a');
            second.environment.insert("TOKEN".to_owned(), 5);
            it.containers.push(second);
            says(it, "web").replicas = 2;
        },
        "refused: shop-web-2 has another value of the variable TOKEN",
    ),
];

const COMMANDS: &[Row] = &[
    (
        "S1: the development command is not in the files",
        |it| of(it, "web1").runs.command = list(&["--reload"]),
        "refused: shop-web-1 has another command",
    ),
    (
        "a command of the files that runs",
        |it| {
            of(it, "web1").runs.command = list(&["--workers", "4"]);
            says(it, "web").command = Some(list(&["--workers", "4"]));
        },
        "web 1",
    ),
    (
        "an entrypoint of the files takes the image's command away",
        |it| {
            of(it, "web1").runs.entrypoint = list(&["/run"]);
            says(it, "web").entrypoint = Some(list(&["/run"]));
        },
        "web 1",
    ),
    (
        "another entrypoint",
        |it| of(it, "web1").runs.entrypoint = list(&["/debug"]),
        "refused: shop-web-1 has another command",
    ),
];

fn holds(seen: &mut Observation, held: &[super::super::definition::Port]) {
    of(seen, "web1").ports = held.iter().cloned().collect();
}

const PORTS: &[Row] = &[
    (
        "S1: a debug port is not in the files",
        |it| holds(it, &[port("", 9229, 9229, "tcp")]),
        "refused: shop-web-1 publishes port 9229:9229",
    ),
    (
        "S2: the port is another one without its variable",
        |it| {
            holds(it, &[port("", 8080, 80, "tcp")]);
            says(it, "web").ports.insert(port("", 80, 80, "tcp"));
        },
        "refused: shop-web-1 publishes port 8080:80",
    ),
    (
        "a port of the files that is not published",
        |it| {
            says(it, "web").ports.insert(port("", 80, 80, "tcp"));
        },
        "refused: shop-web-1 publishes port not 80:80",
    ),
    (
        "a range of ports with replicas is given by the container's port",
        |it| {
            holds(it, &[port("", 8081, 80, "tcp")]);
            says(it, "web").ports.insert(port("", 0, 80, "tcp"));
        },
        "web 1",
    ),
    (
        "the same port of another protocol",
        |it| {
            holds(it, &[port("", 53, 53, "udp")]);
            says(it, "web").ports.insert(port("", 53, 53, "tcp"));
        },
        "refused: shop-web-1 publishes port 53:53",
    ),
    (
        "all addresses have several names",
        |it| {
            holds(it, &[port("0.0.0.0", 80, 80, "tcp")]);
            says(it, "web").ports.insert(port("", 80, 80, "tcp"));
        },
        "web 1",
    ),
    (
        "a port that was kept from other machines would be open",
        |it| {
            holds(it, &[port("127.0.0.1", 80, 80, "tcp")]);
            says(it, "web").ports.insert(port("", 80, 80, "tcp"));
        },
        "refused: shop-web-1 publishes port 127.0.0.1:80:80",
    ),
];

const MOUNTS: &[Row] = &[
    (
        "a volume that the files do not give would be left behind",
        |it| of(it, "web1").mounts.push(mount("shop_data", "/data")),
        "refused: shop-web-1 has shop_data at /data",
    ),
    (
        "the same volume at the same place",
        |it| {
            of(it, "web1").mounts.push(mount("shop_data", "/data/"));
            says(it, "web").mounts.push(gives("shop_data", "/data"));
        },
        "web 1",
    ),
    (
        "another volume at the same place",
        |it| {
            of(it, "web1").mounts.push(mount("shop_data", "/data"));
            says(it, "web").mounts.push(gives("other_data", "/data"));
        },
        "refused: shop-web-1 has shop_data at /data",
    ),
    (
        "a mount without a source to compare",
        |it| {
            of(it, "web1").mounts.push(mount("/tmp/secret", "/run/secrets/token"));
            let target = "/run/secrets/token".to_owned();
            says(it, "web").mounts.push(MountDefinition { target, source: None });
        },
        "web 1",
    ),
    (
        "a volume without a name is the image's own",
        |it| {
            let mount = Mount { is_anonymous: true, ..mount("f00", "/assets") };
            of(it, "web1").mounts.push(mount);
        },
        "web 1",
    ),
    (
        "a mount in memory holds nothing",
        |it| of(it, "web1").mounts.push(Mount { holds_data: false, ..mount("", "/tmp") }),
        "web 1",
    ),
];

const OTHERS: &[Row] = &[
    (
        "another service that was edited is told of, not touched",
        |it| {
            says(it, "db").image = "postgres:17".to_owned();
            it.edited_at = Some(at(2000));
        },
        "web 1; The Compose files changed db too: docker compose up -d db applies that.",
    ),
    (
        "S4: variables of .env on another service change nothing there",
        |it| {
            of(it, "db1").environment = map(&[("POSTGRES_DB", 4)]);
            says(it, "db").environment = map(&[("POSTGRES_DB", 4)]);
        },
        "web 1",
    ),
    (
        "another service that differs never stops a rollout",
        |it| of(it, "db1").mounts.push(mount("shop_pg", "/var/lib/postgresql")),
        "web 1; The Compose files changed db too: docker compose up -d db applies that.",
    ),
    (
        "another service that does not run is not compared",
        |it| {
            says(it, "db").image = "postgres:17".to_owned();
            of(it, "db1").state = super::super::project::ContainerState::Exited(0);
        },
        "web 1",
    ),
];

#[test]
fn a_difference_that_no_edit_explains_is_refused() {
    for rows in [VARIABLES, EDITS, COMMANDS, PORTS, MOUNTS, OTHERS] {
        check(rows);
    }
}
