//! Which Compose files a project has.

use super::super::files::{FileChoice, NEXT_SHIPPED, PIN, SHIPPED, choose_files};
use super::super::project::Container;
use super::world::*;
use crate::configuration::Compose;

/// A row changes the choice and the service's two containers, which were made at 1,000 s.
type Row = (&'static str, fn(&mut FileChoice<'_>, &mut [Container; 2]), &'static str);

fn choose(spoil: fn(&mut FileChoice<'_>, &mut [Container; 2])) -> String {
    let mut containers = [own("web", 1, 'a'), other("db")];
    let mut choice = FileChoice {
        directories: set(&["/data/shop", "/srv/shop"]),
        compose: Some(Compose::Host),
        present: set(&["compose.yaml", "prod.yml", "README.md"]),
        ..FileChoice::default()
    };
    spoil(&mut choice, &mut containers);
    let choice = FileChoice { containers: containers.iter().collect(), ..choice };
    match choose_files(&choice) {
        Ok(files) => files.join(" "),
        Err(problem) => problem.text,
    }
}

fn started(containers: &mut [Container; 2], files: &[&str]) {
    for container in containers {
        container.files = list(files);
    }
}

fn started_in(containers: &mut [Container; 2], directory: &str) {
    for container in containers {
        container.directory = Some(directory.to_owned());
    }
}

fn nothing_runs(containers: &mut [Container; 2]) {
    for container in containers {
        (container.project, container.directory) = (None, None);
    }
}

fn variable(choice: &mut FileChoice<'_>, value: &str, changed: u64) {
    choice.variable = value.to_owned();
    choice.variable_changed_at = Some(at(changed));
}

const STARTED: &[Row] = &[
    ("the files that containers were started with count", |_, _| {}, "compose.yaml"),
    (
        "S1: the label names fewer files than the defaults: the development override stays out",
        |choice, containers| {
            choice.present = set(&["docker-compose.yml", "docker-compose.override.yml"]);
            started(containers, &["/srv/shop/docker-compose.yml"]);
        },
        "docker-compose.yml",
    ),
    (
        "the label names more files than the defaults",
        |_, them| started(them, &["/srv/shop/compose.yaml", "/srv/shop/prod.yml"]),
        "compose.yaml prod.yml",
    ),
    (
        "the label names the directory without its link",
        |_, them| started(them, &["/data/shop/prod.yml"]),
        "prod.yml",
    ),
    (
        "a file outside of the directory keeps its whole path",
        |_, them| started(them, &["/etc/shop/base.yml", "/srv/shop/prod.yml"]),
        "/etc/shop/base.yml prod.yml",
    ),
    (
        "a file of a directory that only begins like this one keeps its whole path",
        |_, them| started(them, &["/srv/shop2/compose.yaml"]),
        "/srv/shop2/compose.yaml",
    ),
    (
        "a project in a subdirectory",
        |_, them| {
            started(them, &["/srv/shop/deploy/compose.yaml"]);
            started_in(them, "/srv/shop/deploy");
        },
        "deploy/compose.yaml",
    ),
    (
        "containers that do not agree leave it to the defaults",
        |_, them| them[0].files = list(&["/srv/shop/prod.yml"]),
        "compose.yaml",
    ),
    (
        "containers that do not agree leave it to what the last activation used",
        |choice, them| {
            them[0].files = list(&["/srv/shop/prod.yml"]);
            choice.kept = list(&["prod.yml"]);
        },
        "prod.yml",
    ),
    (
        "containers of ours say nothing of what the team chose",
        |choice, them| {
            started(them, &["/srv/shop/prod.yml", "/srv/shop/esclusa.release.yaml"]);
            choice.kept = list(&["compose.yaml", "prod.yml"]);
        },
        "compose.yaml prod.yml",
    ),
    (
        "one container of ours is enough for that",
        |_, them| {
            started(them, &["/srv/shop/prod.yml"]);
            them[0].files.push(format!("/srv/shop/{PIN}"));
        },
        "compose.yaml",
    ),
    (
        "containers that were started elsewhere say nothing",
        |_, them| {
            started(them, &["/home/ubuntu/shop/prod.yml"]);
            started_in(them, "/home/ubuntu/shop");
        },
        "compose.yaml",
    ),
    ("containers without the label say nothing", |_, them| started(them, &[]), "compose.yaml"),
];

const LISTED: &[Row] = &[
    (
        "R2: what Compose reads of .env counts, once it was written after the containers",
        |choice, _| variable(choice, "base.yml:prod.yml", 2000),
        "base.yml prod.yml",
    ),
    (
        "a list that is older than containers of other files says less than what runs",
        |choice, them| {
            variable(choice, "base.yml", 500);
            started(them, &["/srv/shop/prod.yml"]);
        },
        "prod.yml",
    ),
    (
        "a list counts where nothing runs, however old it is",
        |choice, them| {
            variable(choice, "base.yml", 500);
            nothing_runs(them);
        },
        "base.yml",
    ),
    (
        "our own files in the list are not the team's",
        |choice, _| variable(choice, "compose.yaml:prod.yml:esclusa.release.yaml", 2000),
        "compose.yaml prod.yml",
    ),
    (
        "a list of nothing but our own is none",
        |choice, them| {
            variable(choice, "esclusa.release.yaml", 2000);
            nothing_runs(them);
        },
        "compose.yaml",
    ),
    (
        "another separator parts the list",
        |choice, _| {
            variable(choice, "base.yml,prod.yml", 2000);
            choice.separator = ",".to_owned();
        },
        "base.yml prod.yml",
    ),
    (
        "a colon at the end of the list is no file",
        |choice, _| variable(choice, "base.yml:", 2000),
        "base.yml",
    ),
];

const DEFAULT: &[Row] = &[
    (
        "the first of Compose's own names counts, with its override",
        |choice, them| {
            nothing_runs(them);
            choice.present =
                set(&["docker-compose.yml", "compose.yaml", "compose.override.yml", "x.yml"]);
        },
        "compose.yaml compose.override.yml",
    ),
    (
        "the older name has its older override",
        |choice, them| {
            nothing_runs(them);
            choice.present = set(&["docker-compose.yml", "docker-compose.override.yml"]);
        },
        "docker-compose.yml docker-compose.override.yml",
    ),
    (
        "an override alone is no project",
        |choice, them| {
            nothing_runs(them);
            choice.present = set(&["compose.override.yaml"]);
        },
        "There is no Compose file in /data/shop: put the service's compose.yaml there.",
    ),
    (
        "what the last activation used counts before the defaults",
        |choice, them| {
            nothing_runs(them);
            choice.kept = list(&["prod.yml"]);
        },
        "prod.yml",
    ),
    ("a shipped file is used alone", |choice, _| choice.compose = Some(Compose::Image), SHIPPED),
    (
        "the next shipped file, before it is in use",
        |choice, _| (choice.compose, choice.is_next) = (Some(Compose::Image), true),
        NEXT_SHIPPED,
    ),
    (
        "without it the team's own files count again, not what was listed for it",
        |choice, them| {
            started(them, &["/srv/shop/esclusa.compose.yaml", "/srv/shop/esclusa.release.yaml"]);
            choice.variable =
                "esclusa.compose.yaml:compose.override.yaml:esclusa.release.yaml".to_owned();
            choice.kept = list(&["esclusa.compose.yaml", "compose.override.yaml"]);
            choice.present = set(&["compose.override.yaml", "compose.yaml"]);
        },
        "compose.yaml compose.override.yaml",
    ),
    (
        "… also those that the team had listed itself",
        |choice, them| {
            started(them, &["/srv/shop/esclusa.compose.yaml", "/srv/shop/esclusa.release.yaml"]);
            choice.variable = "esclusa.compose.yaml:esclusa.release.yaml".to_owned();
            choice.kept = list(&["esclusa.compose.yaml"]);
            choice.own = list(&["prod.yml"]);
        },
        "prod.yml",
    ),
    (
        "a shipped file has the host's own override beside it",
        |choice, _| {
            choice.compose = Some(Compose::Image);
            choice.present = set(&["compose.override.yaml", "compose.yaml"]);
        },
        "esclusa.compose.yaml compose.override.yaml",
    ),
];

#[test]
fn the_files_are_those_that_the_service_was_started_with() {
    for rows in [STARTED, LISTED, DEFAULT] {
        compare(rows.iter().map(|(row, spoil, expected)| (*row, choose(*spoil), *expected)));
    }
}
