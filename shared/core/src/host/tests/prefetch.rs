//! A prefetch: what it fetches, what it refuses, what it warns of.

use super::super::definition::{Condition, Healthcheck};
use super::super::health::Patience;
use super::super::image::{COMPOSE_LABEL, ROLLBACK_LABEL};
use super::super::order::{Order, Wanted};
use super::super::prefetch::next_prefetch_turn;
use super::super::project::{Image, Observation};
use super::super::running::keep_tag;
use super::super::step::{Step, Turn};
use super::world::*;
use crate::configuration::Compose;

/// A row changes the host and the order to fetch release `b`.
type Row = (&'static str, fn(&mut Observation, &mut Order), &'static str);

fn tell(turn: Turn) -> String {
    match turn {
        Turn::Act(Step::TagImage { image, tag }, _) => {
            let image = image.rsplit('/').next().unwrap_or_default();
            format!("tags {} as {tag}", image.chars().take(24).collect::<String>())
        }
        Turn::Act(Step::Pull { reference, .. }, _) => {
            let name = reference.rsplit('/').next().unwrap_or_default();
            format!("pulls {}", name.chars().take(16).collect::<String>())
        }
        Turn::Act(Step::ShipComposeFile { path, .. }, _) => format!("copies {path}"),
        Turn::Act(step, _) => format!("{step:?}"),
        Turn::End(report) => {
            let mut told = vec![match report.reason.code.as_str() {
                "ok" => "ready".to_owned(),
                code => format!("{code}: {}", report.reason.text),
            }];
            told.extend(report.warnings);
            told.join("; ")
        }
    }
}

fn prefetch(prepare: fn(&mut Observation, &mut Order)) -> String {
    let (mut seen, mut order) = (shop(), order(release('b')));
    prepare(&mut seen, &mut order);
    tell(next_prefetch_turn(&order, &seen, None))
}

fn check(rows: &[Row]) {
    compare(rows.iter().map(|(row, prepare, expected)| (*row, prefetch(*prepare), *expected)));
}

fn forget(seen: &mut Observation, letter: char) {
    seen.images.retain(|_, image| image.id != id_of(letter));
}

fn depends_on_cache(seen: &mut Observation) {
    let wait = waits(Condition::Healthy);
    says(seen, "web").dependencies = map(&[("cache", wait)]);
    says(seen, "cache").image = "redis:7".to_owned();
}

/// The new release's image, under all its names.
fn change_image(seen: &mut Observation, change: fn(&mut Image)) {
    let own = seen.images.values_mut().filter(|it| it.id == id_of('b'));
    own.for_each(change);
}

const FETCHED: &[Row] = &[
    ("everything is there", |_, _| {}, "ready"),
    ("the image is not", |it, _| forget(it, 'b'), "pulls shop@sha256:bbbb"),
    (
        "the image is there by digest alone: a prune would take it",
        |it, _| it.images.retain(|name, image| image.id != id_of('b') || !name.contains("keep")),
        "tags shop@sha256:bbbbbbbbbbbb as esclusa/keep:shop-bbbbbbbbbbbb",
    ),
    (
        "the running image is there by digest alone",
        |it, _| it.images.retain(|name, image| image.id != id_of('a') || !name.contains("keep")),
        "tags sha256:0aaaaaaaaaaaaaaaa as esclusa/keep:shop-aaaaaaaaaaaa",
    ),
    (
        "the keep tag leads to another image",
        |it, _| {
            let tag = keep_tag("shop", digest('b').as_str());
            it.images.insert(tag, image('f'));
        },
        "tags shop@sha256:bbbbbbbbbbbb as esclusa/keep:shop-bbbbbbbbbbbb",
    ),
    (
        "D3: a dependency's image, which an activation could not fetch",
        |it, _| depends_on_cache(it),
        "pulls redis:7",
    ),
    (
        "D3: a dependency that exists needs nothing",
        |it, _| {
            depends_on_cache(it);
            it.containers.push(container("cache", 1, "redis:7", "sha256:redis"));
        },
        "ready",
    ),
    (
        "D1: the image of what is made again with a target",
        |it, _| {
            says(it, "side").shares_with = set(&["web"]);
            says(it, "side").image = "envoy:1".to_owned();
            it.containers.push(other("side"));
        },
        "pulls envoy:1",
    ),
    (
        "D4: the image of what is switched off is not needed",
        |it, _| {
            depends_on_cache(it);
            says(it, "cache").is_active = false;
        },
        "ready",
    ),
    (
        "G6: an image that its keep tag alone leads to, by the engine's id",
        |it, order| {
            let local = Image { id: digest('e').to_string(), ..image('a') };
            let tag = keep_tag("shop", digest('e').as_str());
            add_image(it, &local, &[&tag]);
            order.wanted = release('e');
        },
        "ready",
    ),
    (
        "G6: a keep tag that leads to something else is not it",
        |it, order| {
            let tag = keep_tag("shop", digest('e').as_str());
            add_image(it, &image('f'), &[&tag]);
            order.wanted = release('e');
        },
        "pulls shop@sha256:eeee",
    ),
    (
        "an image of this host by its id",
        |it, order| {
            let local = Image { id: digest('e').to_string(), ..image('a') };
            let tag = keep_tag("shop", digest('e').as_str());
            add_image(it, &local, &[&tag]);
            order.wanted = Wanted::Local(digest('e'));
        },
        "ready",
    ),
    (
        "an image of this host that is gone",
        |_, order| order.wanted = Wanted::Local(digest('e')),
        "release.not_in_registry: The image \
         local@sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\
         eeeeeeeeeeeee was only ever on this host, and is not here any more.",
    ),
    ("nothing is to run", |_, order| order.wanted = Wanted::Nothing, "ready"),
    ("what ran before", |_, order| order.wanted = Wanted::Snapshot(fence(3)), "ready"),
];

const REFUSED: &[Row] = &[
    (
        "files that cannot be read, before anything is fetched",
        |it, _| {
            forget(it, 'b');
            spoil_files(it);
        },
        "hosts.compose: docker compose config fails in /srv/shop: yaml: line 3.",
    ),
    (
        "another architecture",
        |it, _| change_image(it, |image| image.platform = "linux/arm64/v8".to_owned()),
        "hosts.platform: The image is built for linux/arm64/v8, and this host runs linux/amd64: \
         build it for both (docker buildx build --platform).",
    ),
    (
        "a variant of the same architecture runs",
        |it, _| change_image(it, |image| image.platform = "linux/amd64/v3".to_owned()),
        "ready",
    ),
    (
        "an image that does not say its platform runs",
        |it, _| change_image(it, |image| image.platform.clear()),
        "ready",
    ),
    (
        "the running image was removed: it could not be put back",
        |it, _| {
            forget(it, 'a');
            of(it, "web1").reference = format!("{REPOSITORY}:1");
            of(it, "web1").image = "sha256:0a".to_owned();
        },
        "hosts.compose: The image of shop-web-1 (sha256:0a) was removed from this host while it \
         runs, so it could not be put back: pull it again (docker pull \
         1.dkr.ecr.eu-west-1.amazonaws.com/shop:1), or restart the service from an image that is \
         here.",
    ),
    (
        "a container that is gone once it stops",
        |it, _| of(it, "web1").removes_itself = true,
        "hosts.compose: shop-web-1 was started with --rm: once stopped it is gone, and could not \
         be put back. Start it with docker compose up -d.",
    ),
];

fn patience(seconds: u64) -> Patience {
    Patience { start_period: std::time::Duration::from_secs(seconds), ..PATIENCE }
}

const NO_CHECK: &str =
    "ready; No HEALTHCHECK for web: only that it goes on running will be checked.";
const SLOW: &str = "ready; The healthcheck may take 31 min to decide, and an activation waits 12 \
min for it: shorten its start_period, interval or retries.";

const WARNINGS: &[Row] = &[
    (
        "an image without a healthcheck",
        |it, _| change_image(it, |image| image.patience = None),
        NO_CHECK,
    ),
    (
        "a healthcheck of the files",
        |it, _| {
            change_image(it, |image| image.patience = None);
            says(it, "web").healthcheck = Healthcheck::Own;
        },
        "ready",
    ),
    (
        "a healthcheck that the files switch off",
        |it, _| says(it, "web").healthcheck = Healthcheck::Off,
        NO_CHECK,
    ),
    (
        "M11: a healthcheck whose patience is longer than the order",
        |it, _| change_image(it, |image| image.patience = Some(patience(1800))),
        SLOW,
    ),
    (
        "M11: one of the files",
        |it, _| {
            says(it, "web").healthcheck = Healthcheck::Own;
            says(it, "web").patience = Some(patience(1800).total());
        },
        SLOW,
    ),
    (
        "M11: the image's for one service, beside a quick one of the files for another",
        |it, _| {
            change_image(it, |image| image.patience = Some(patience(1800)));
            *says(it, "worker") = own_service();
            says(it, "worker").healthcheck = Healthcheck::Own;
            says(it, "worker").patience = Some(PATIENCE.total());
        },
        SLOW,
    ),
    (
        "M11: the image's does not count where the files have their own",
        |it, _| {
            change_image(it, |image| image.patience = Some(patience(1800)));
            says(it, "web").healthcheck = Healthcheck::Own;
            says(it, "web").patience = Some(PATIENCE.total());
        },
        "ready",
    ),
    (
        "M11: a deadline of the order's own bounds it",
        |it, order| {
            change_image(it, |image| image.patience = Some(patience(1800)));
            order.deadline = Some(600);
        },
        "ready",
    ),
    (
        "M7: a path of the image that is a volume keeps its old files",
        |it, _| {
            change_image(it, |image| {
                image.volumes.insert("/assets".to_owned());
            });
        },
        "ready; The image declares the volume /assets, which keeps what the release before had \
         there: web will not see the new files. Mount something there, or drop VOLUME.",
    ),
    (
        "M7: something is mounted there, however its path ends",
        |it, _| {
            change_image(it, |image| {
                image.volumes.insert("/assets/".to_owned());
            });
            says(it, "web").mounts.push(gives("shop_assets", "/assets"));
            of(it, "web1").mounts.push(mount("shop_assets", "/assets"));
        },
        "ready",
    ),
    (
        "M7: a fresh host has no old files",
        |it, _| {
            change_image(it, |image| {
                image.volumes.insert("/assets".to_owned());
            });
            it.containers.clear();
        },
        "ready",
    ),
    (
        "a label that is no word counts as safe",
        |it, _| {
            change_image(it, |image| {
                image.labels = map(&[(ROLLBACK_LABEL, "no".to_owned())]);
            });
        },
        "ready; The label esclusa.rollback is \"no\", neither safe nor unsafe: it counts as safe.",
    ),
    (
        "a label that is one",
        |it, _| {
            change_image(it, |image| {
                image.labels = map(&[(ROLLBACK_LABEL, "unsafe".to_owned())]);
            });
        },
        "ready",
    ),
];

/// Has every image bring a Compose file.
fn bring(seen: &mut Observation, path: &str) {
    let labels = map(&[(COMPOSE_LABEL, path.to_owned())]);
    seen.images.values_mut().for_each(|it| it.labels.clone_from(&labels));
}

const SHIPPED: &[Row] = &[
    (
        "the image is fetched before its file is looked at",
        |it, order| {
            order.compose = Compose::Image;
            forget(it, 'b');
            spoil_files(it);
        },
        "pulls shop@sha256:bbbb",
    ),
    (
        "the file is copied out of the image",
        |it, order| {
            order.compose = Compose::Image;
            bring(it, "/app/compose.yaml");
        },
        "copies /app/compose.yaml",
    ),
    (
        "once it lies there it counts",
        |it, order| {
            order.compose = Compose::Image;
            bring(it, "/app/compose.yaml");
            it.has_next_file = true;
        },
        "ready",
    ),
    (
        "an image without the label uses the host's files, and says so",
        |_, order| order.compose = Compose::Image,
        "ready; The image has no label esclusa.compose: the Compose files in /srv/shop are used.",
    ),
    (
        "by default it says nothing, for they may be the only ones",
        |_, order| order.compose = Compose::Auto,
        "ready",
    ),
    (
        "… unless the release that runs brought its own",
        |it, order| {
            order.compose = Compose::Auto;
            of(it, "web1").files = vec!["/srv/shop/esclusa.compose.yaml".to_owned()];
        },
        "ready; The image has no label esclusa.compose: the Compose files in /srv/shop are used.",
    ),
    (
        "… or there are none",
        |it, order| {
            order.compose = Compose::Auto;
            spoil_files(it);
        },
        "hosts.compose: docker compose config fails in /srv/shop: yaml: line 3.; The image has no \
         label esclusa.compose: the Compose files in /srv/shop are used.",
    ),
    (
        "by default the file is copied out of an image that brings one",
        |it, order| {
            order.compose = Compose::Auto;
            bring(it, "/.esclusa/compose.yaml");
        },
        "copies /.esclusa/compose.yaml",
    ),
    (
        "also when those are the reason against it",
        |it, order| {
            order.compose = Compose::Image;
            spoil_files(it);
        },
        "hosts.compose: docker compose config fails in /srv/shop: yaml: line 3.; The image has no \
         label esclusa.compose: the Compose files in /srv/shop are used.",
    ),
];

#[test]
fn a_prefetch_brings_everything_that_an_activation_needs() {
    check(FETCHED);
}

#[test]
fn a_prefetch_refuses_what_an_activation_could_not_do_or_undo() {
    check(REFUSED);
}

#[test]
fn a_prefetch_says_what_to_expect() {
    check(WARNINGS);
}

#[test]
fn a_file_may_come_with_the_image() {
    check(SHIPPED);
}
