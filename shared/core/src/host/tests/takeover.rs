//! A Compose file of an image in the place of the host's own.

use serde_json::{Value, json};

use super::super::files::Files;
use super::super::journal::Finished;
use super::super::plan::plan_activation;
use super::super::takeover::compare_projects;
use super::plan::tell;
use super::world::*;
use crate::configuration::Compose;

type Row = (&'static str, Spoil, &'static str);

/// What a plan says with a Compose file that comes with the image.
fn plan(compose: Compose, spoil: Spoil) -> String {
    let order = super::super::order::Order { compose, ..order(release('b')) };
    let mut seen = shop_with(spoil);
    seen.files.listed = vec!["esclusa.compose.next.yaml".to_owned()];
    tell(plan_activation(&order, &seen))
}

const FIRST: &[Row] = &[
    ("nothing but the release changes", |_| {}, ""),
    (
        "the files differ",
        |it| it.differs_from_own = Some("services.web.environment.DATABASE".to_owned()),
        "The Compose file of the image and those in /srv/shop differ in \
         services.web.environment.DATABASE",
    ),
    (
        "what runs has a variable that neither of them has",
        |it| {
            of(it, "web1").environment.insert("DATABASE".to_owned(), 5);
        },
        "shop-web-1 has another value of the variable DATABASE, which the image's Compose file \
         does not give",
    ),
    (
        "what runs has another value of a variable of its image",
        |it| {
            let image = of(it, "web1").image.clone();
            let image = it.images.get_mut(&image).unwrap();
            image.environment.insert("STAGE".to_owned(), 1);
            of(it, "web1").environment.insert("STAGE".to_owned(), 2);
        },
        "shop-web-1 has another value of the variable STAGE, which the image's Compose file does \
         not give",
    ),
    (
        "what runs holds data elsewhere",
        |it| of(it, "web1").mounts = vec![mount("/srv/shop/data", "/data")],
        "shop-web-1 has /srv/shop/data at /data, which the image's Compose file does not give",
    ),
    (
        "what runs is of a service that the file does not have",
        |it| {
            let container = of(it, "web1");
            (container.name, container.service) = ("shop-job-1".into(), Some("job".into()));
        },
        "shop-job-1 is of the service job, which the image's Compose file does not give",
    ),
];

#[test]
fn nothing_but_the_release_changes_when_a_file_is_first_taken_over() {
    let rest = ": it would replace the host's own. Make them alike (an override file on the host \
                counts beside both), or have a person store compose = \"host\" or \"image\".";
    for (row, spoil, difference) in FIRST {
        let [found, decided] = [Compose::Auto, Compose::Image].map(|it| plan(it, *spoil));
        if difference.is_empty() {
            assert_eq!([found, decided], ["web 1", "web 1"], "{row}");
            continue;
        }
        assert_eq!(found, format!("refused: {difference}{rest}"), "{row}");
        let told = format!("{difference}; the image's counts, as it is configured.");
        assert!(!decided.starts_with("refused") && decided.ends_with(&told), "{row}: {decided}");
    }
}

#[test]
fn a_file_of_an_image_is_edited_where_it_is_written() {
    for compose in [Compose::Auto, Compose::Image] {
        for (row, spoil, _) in FIRST {
            let mut seen = shop_with(*spoil);
            let listed = vec!["esclusa.compose.yaml".to_owned()];
            let finished = finished(6, 'a');
            let files = Files { listed: listed.clone(), ..finished.files.clone() };
            seen.kept.finished = Some(Finished { files, ..finished });
            seen.files.listed = listed;
            let order = super::super::order::Order { compose, ..order(release('b')) };
            let found = tell(plan_activation(&order, &seen));
            assert!(found.starts_with("web 1"), "{row}: {found}");
            if row.contains("data") {
                let told = "shop-web-1 has /srv/shop/data at /data: the image's Compose file no \
                            longer gives it.";
                assert!(found.ends_with(told), "{row}: {found}");
            }
        }
    }
}

/// What a file says otherwise, and the key that is named.
type Difference = (&'static str, fn(&mut Value), Option<&'static str>);

const DIFFERENCES: &[Difference] = &[
    ("nothing", |_| {}, None),
    ("the project's name", |it| it["name"] = json!("other"), None),
    ("the release", |it| it["services"]["web"]["image"] = json!("registry/shop:v2"), None),
    (
        "the image",
        |it| it["services"]["web"]["image"] = json!("registry/shop-2:latest"),
        Some("services.web.image"),
    ),
    (
        "a variable",
        |it| it["services"]["web"]["environment"]["A"] = json!("2"),
        Some("services.web.environment.A"),
    ),
    (
        "a variable more",
        |it| it["services"]["web"]["environment"]["B"] = json!("2"),
        Some("services.web.environment.B"),
    ),
    (
        "a key less",
        |it| drop(it["services"]["web"].as_object_mut().unwrap().remove("restart")),
        Some("services.web.restart"),
    ),
    (
        "a mount",
        |it| it["services"]["web"]["volumes"][0]["source"] = json!("/srv/shop"),
        Some("services.web.volumes"),
    ),
    (
        "a service more",
        |it| it["services"]["seed"] = json!({ "image": "registry/shop:latest" }),
        Some("services.seed"),
    ),
];

#[test]
fn projects_are_compared_key_by_key() {
    let own = || {
        json!({ "name": "shop", "services": { "web": {
            "image": "registry/shop:latest", "environment": { "A": "1" }, "restart": "always",
            "volumes": [{ "type": "bind", "source": "/srv/shop/data", "target": "/data" }],
        } }, "networks": { "default": { "name": "shop_default" } } })
    };
    for (row, spoil, expected) in DIFFERENCES {
        let mut brought = own();
        spoil(&mut brought);
        for [one, other] in [[&own(), &brought], [&brought, &own()]] {
            let found = compare_projects(one, other, "registry/shop");
            assert_eq!(found.as_deref(), *expected, "{row}");
        }
    }
}
