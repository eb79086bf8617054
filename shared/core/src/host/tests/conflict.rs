//! What else is on the host that keeps a service from being made: projects, names, ports.

use super::super::definition::Condition;
use super::super::plan::plan_activation;
use super::super::project::ContainerState as State;
use super::plan::tell;
use super::world::*;

type Row = (&'static str, Spoil, &'static str);

const ELSEWHERE: &[Row] = &[
    (
        "the image runs outside of Compose: it is told of",
        |it| {
            let mut by_hand = own("web", 9, 'a');
            (by_hand.project, by_hand.service) = (None, None);
            by_hand.name = "by-hand".to_owned();
            it.containers.push(by_hand);
        },
        "web 1; by-hand runs this image outside of Compose: it stays as it is.",
    ),
    (
        "the image runs in another project",
        |it| {
            let mut there = own("web", 9, 'a');
            there.project = Some("old".to_owned());
            there.directory = Some("/opt/old".to_owned());
            it.containers.push(there);
        },
        "refused: shop-web-9 runs in the Compose project old of /opt/old, not in shop of \
         /srv/shop: stop it there, or move its files to /srv/shop and name its project in \
         COMPOSE_PROJECT_NAME of .env.",
    ),
    (
        "the same project runs from another directory",
        |it| of(it, "web1").directory = Some("/home/ubuntu/shop".to_owned()),
        "refused: shop-web-1 runs in the Compose project shop of /home/ubuntu/shop, not in shop of \
         /srv/shop: stop it there, or move its files to /srv/shop and name its project in \
         COMPOSE_PROJECT_NAME of .env.",
    ),
    (
        "another project runs from the same directory",
        |it| of(it, "db1").project = Some("shop2".to_owned()),
        "refused: shop-db-1 runs in the Compose project shop2 of /srv/shop, not in shop of \
         /srv/shop: stop it there, or move its files to /srv/shop and name its project in \
         COMPOSE_PROJECT_NAME of .env.",
    ),
    (
        "a directory of which this one's name is a part is another",
        |it| it.containers.push(foreign("x", Some("shop2"))),
        "web 1",
    ),
    (
        "what has ended elsewhere is in nobody's way",
        |it| {
            let mut there = own("web", 9, 'a');
            there.project = Some("old".to_owned());
            there.state = State::Exited(0);
            it.containers.push(there);
        },
        "web 1",
    ),
    (
        "the directory is known with and without its link",
        |it| {
            it.directories = set(&["/srv/shop", "/data/shop"]);
            of(it, "web1").directory = Some("/data/shop".to_owned());
        },
        "web 1",
    ),
];

const NAMES: &[Row] = &[
    (
        "the container's name is taken outside of Compose",
        |it| {
            it.containers.remove(0);
            it.containers.push(foreign("shop-web-1", None));
        },
        "refused: The name shop-web-1 of web is taken by a container that was made outside of \
         Compose: remove or rename that one (docker rename shop-web-1 shop-web-1-old).",
    ),
    (
        "the name of its own is taken by another project",
        |it| {
            says(it, "web").container_name = Some("front".to_owned());
            it.containers.push(foreign("front", Some("old")));
        },
        "refused: The name front of web is taken by a container that belongs to the Compose \
         project old: remove or rename that one (docker rename front front-old).",
    ),
    (
        "a name that another service of the project holds is taken",
        |it| says(it, "web").container_name = Some("shop-db-1".to_owned()),
        "refused: The name shop-db-1 of web is taken by a container that belongs to the Compose \
         project shop: remove or rename that one (docker rename shop-db-1 shop-db-1-old).",
    ),
    (
        "the name of a dependency that is to be made is taken",
        |it| {
            says(it, "cache");
            let wait = waits(Condition::Started);
            says(it, "web").dependencies = map(&[("cache", wait)]);
            it.containers.push(foreign("shop-cache-1", None));
        },
        "refused: The name shop-cache-1 of cache is taken by a container that was made outside of \
         Compose: remove or rename that one (docker rename shop-cache-1 shop-cache-1-old).",
    ),
    ("its own container holds its name by right", |_| {}, "web 1"),
];

/// `web` publishes one port in the files and in its container.
macro_rules! publishes {
    ($wanted:expr, $held:expr) => {
        |it| {
            says(it, "web").ports.insert($wanted);
            of(it, "web1").ports.insert($wanted);
            let mut holder = foreign("proxy", None);
            holder.ports.insert($held);
            it.containers.push(holder);
        }
    };
}

const TAKEN: &str =
    "refused: Port 8080/tcp of web is already allocated: the container proxy publishes it.";

const PORTS: &[Row] = &[
    ("the same port", publishes!(port("", 8080, 80, "tcp"), port("", 8080, 9, "tcp")), TAKEN),
    ("another port", publishes!(port("", 8080, 80, "tcp"), port("", 8081, 80, "tcp")), "web 1"),
    ("another protocol", publishes!(port("", 8080, 80, "tcp"), port("", 8080, 80, "udp")), "web 1"),
    (
        "one address of all of them",
        publishes!(port("", 8080, 80, "tcp"), port("127.0.0.1", 8080, 80, "tcp")),
        TAKEN,
    ),
    (
        "all of them and one",
        publishes!(port("10.0.0.5", 8080, 80, "tcp"), port("0.0.0.0", 8080, 80, "tcp")),
        TAKEN,
    ),
    (
        "two addresses",
        publishes!(port("10.0.0.5", 8080, 80, "tcp"), port("127.0.0.1", 8080, 80, "tcp")),
        "web 1",
    ),
    (
        "all addresses of IPv4, and one of IPv6",
        publishes!(port("0.0.0.0", 8080, 80, "tcp"), port("::1", 8080, 80, "tcp")),
        "web 1",
    ),
    (
        "all addresses of IPv6, and one of them",
        publishes!(port("::1", 8080, 80, "tcp"), port("::", 8080, 80, "tcp")),
        TAKEN,
    ),
    (
        "a port of the engine's choice, or of a range, is never taken",
        publishes!(port("", 0, 80, "tcp"), port("", 0, 80, "tcp")),
        "web 1",
    ),
    (
        "a port that its own container publishes",
        |it| {
            says(it, "web").ports.insert(port("", 8080, 80, "tcp"));
            of(it, "web1").ports.insert(port("", 8080, 80, "tcp"));
        },
        "web 1",
    ),
    (
        "a port that a service of the project which stays publishes",
        |it| {
            says(it, "web").ports.insert(port("", 5432, 80, "tcp"));
            of(it, "web1").ports.insert(port("", 5432, 80, "tcp"));
            says(it, "db").ports.insert(port("", 5432, 5432, "tcp"));
            of(it, "db1").ports.insert(port("", 5432, 5432, "tcp"));
        },
        "refused: Port 5432/tcp of web is already allocated: the container shop-db-1 publishes it.",
    ),
    (
        "a port of a container that has ended is free",
        |it| {
            says(it, "web").ports.insert(port("", 8080, 80, "tcp"));
            of(it, "web1").ports.insert(port("", 8080, 80, "tcp"));
            let mut holder = foreign("proxy", None);
            (holder.state, holder.ports) = (State::Exited(0), [port("", 8080, 9, "tcp")].into());
            it.containers.push(holder);
        },
        "web 1",
    ),
    (
        "the port of a dependency that is to be made",
        |it| {
            says(it, "cache").ports.insert(port("", 8080, 80, "tcp"));
            let wait = waits(Condition::Started);
            says(it, "web").dependencies = map(&[("cache", wait)]);
            let mut holder = foreign("proxy", None);
            holder.ports.insert(port("", 8080, 9, "tcp"));
            it.containers.push(holder);
        },
        "refused: Port 8080/tcp of cache is already allocated: the container proxy publishes it.",
    ),
];

#[test]
fn what_holds_a_name_or_a_port_or_the_image_elsewhere_is_named() {
    let plan = |spoil| tell(plan_activation(&order(release('b')), &shop_with(spoil)));
    for rows in [ELSEWHERE, NAMES, PORTS] {
        compare(rows.iter().map(|(row, spoil, expected)| (*row, plan(*spoil), *expected)));
    }
}
