//! The pin, and our two lines in `.env`.

use super::super::files::PIN;
use super::super::pin::{parse_pin, render_pin, set_variables};
use super::world::{compare, map, pinned};

type Row = (&'static str, &'static str, &'static str);

/// Our lines are written: the files end with the pin.
fn set(text: &str) -> String {
    let values = [
        ("COMPOSE_PROJECT_NAME", Some("shop")),
        ("COMPOSE_FILE", Some("compose.yaml:esclusa.release.yaml")),
    ];
    set_variables(text, &values, PIN)
}

/// Our lines are taken away.
fn clear(text: &str) -> String {
    set_variables(text, &[("COMPOSE_FILE", None), ("COMPOSE_PROJECT_NAME", None)], PIN)
}

const SET: &[Row] = &[
    (
        "no file yet",
        "",
        "COMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "the team's lines stay as they are",
        "# mine\nTAG=1 # one\n",
        "# mine\nTAG=1 # one\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "a last line without an end",
        "TAG=1",
        "TAG=1\nCOMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "lines that are there are replaced in their places",
        "COMPOSE_FILE=compose.yaml\nTAG=1\nCOMPOSE_PROJECT_NAME=shop\n",
        "COMPOSE_FILE=compose.yaml:esclusa.release.yaml\nTAG=1\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "the last assignment counts, so none of several is left",
        "COMPOSE_FILE=a.yml\nCOMPOSE_FILE=b.yml\nCOMPOSE_PROJECT_NAME=x\n",
        "COMPOSE_FILE=compose.yaml:esclusa.release.yaml\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "R2: a byte order mark before the first line",
        "\u{feff}COMPOSE_FILE=base.yml\nCOMPOSE_PROJECT_NAME=x\n",
        "COMPOSE_FILE=compose.yaml:esclusa.release.yaml\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "a byte order mark before a line of the team's",
        "\u{feff}TAG=1\n",
        "\u{feff}TAG=1\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "lines that end as on Windows",
        "TAG=1\r\nCOMPOSE_FILE=base.yml\r\nCOMPOSE_PROJECT_NAME=x\r\n",
        "TAG=1\r\nCOMPOSE_FILE=compose.yaml:esclusa.release.yaml\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "a line as the shell exports it, and blanks around it",
        "export COMPOSE_FILE=base.yml\n  COMPOSE_PROJECT_NAME = x\n",
        "COMPOSE_FILE=compose.yaml:esclusa.release.yaml\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "quotes around a value",
        "COMPOSE_FILE=\"base.yml:x.yml\"\nCOMPOSE_PROJECT_NAME='x'\n",
        "COMPOSE_FILE=compose.yaml:esclusa.release.yaml\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "a comment that names the variable",
        "#COMPOSE_FILE=base.yml\n# COMPOSE_PROJECT_NAME=x\n",
        "#COMPOSE_FILE=base.yml\n# COMPOSE_PROJECT_NAME=x\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "a variable whose name only ends so",
        "MY_COMPOSE_FILE=base.yml\n",
        "MY_COMPOSE_FILE=base.yml\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "a line inside a value of several lines is no assignment",
        "KEY=\"-----BEGIN\nCOMPOSE_FILE=x\n-----END\"\nTAG=1\n",
        "KEY=\"-----BEGIN\nCOMPOSE_FILE=x\n-----END\"\nTAG=1\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "a value of several lines in single quotes",
        "KEY='a\nCOMPOSE_FILE=x\n'\nCOMPOSE_FILE=y\nCOMPOSE_PROJECT_NAME=x\n",
        "KEY='a\nCOMPOSE_FILE=x\n'\nCOMPOSE_FILE=compose.yaml:esclusa.release.yaml\n\
         COMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "our own value of several lines is replaced whole",
        "COMPOSE_FILE=\"a.yml:\nb.yml\"\nCOMPOSE_PROJECT_NAME=x\n",
        "COMPOSE_FILE=compose.yaml:esclusa.release.yaml\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "a quote that is escaped ends nothing",
        "KEY=\"a\\\"\nCOMPOSE_FILE=x\n\"\n",
        "KEY=\"a\\\"\nCOMPOSE_FILE=x\n\"\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
    (
        "a quote inside a bare value begins nothing",
        "MOTTO=it's\nCOMPOSE_FILE=x\nCOMPOSE_PROJECT_NAME=x\n",
        "MOTTO=it's\nCOMPOSE_FILE=compose.yaml:esclusa.release.yaml\nCOMPOSE_PROJECT_NAME=shop\n",
    ),
    (
        "a line as YAML writes it is outvoted by ours, which comes last",
        "COMPOSE_FILE: base.yml\n",
        "COMPOSE_FILE: base.yml\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
    ),
];

const CLEARED: &[Row] = &[
    ("no file", "", ""),
    (
        "what was ours goes, and nothing else",
        "TAG=1\nCOMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
        "TAG=1\n",
    ),
    (
        "a list of the team's own stays",
        "COMPOSE_FILE=base.yml:prod.yml\n",
        "COMPOSE_FILE=base.yml:prod.yml\n",
    ),
    (
        "what the team listed beside the pin stays",
        "COMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=base.yml:prod.yml:esclusa.release.yaml\nTAG=1\n",
        "COMPOSE_FILE=base.yml:prod.yml\nTAG=1\n",
    ),
    (
        "also with another separator",
        "COMPOSE_PATH_SEPARATOR=,\nCOMPOSE_FILE=base.yml,prod.yml,esclusa.release.yaml\n",
        "COMPOSE_PATH_SEPARATOR=,\nCOMPOSE_FILE=base.yml,prod.yml\n",
    ),
    (
        "what Compose finds by itself nobody has listed",
        "COMPOSE_FILE=docker-compose.yml:docker-compose.override.yml:esclusa.release.yaml\n",
        "",
    ),
    ("a list of nothing but ours", "COMPOSE_FILE=esclusa.release.yaml\n", ""),
    (
        "S4: a project name that the team wrote itself stays",
        "COMPOSE_PROJECT_NAME=team\nTAG=1\n",
        "COMPOSE_PROJECT_NAME=team\nTAG=1\n",
    ),
    (
        "S4: variables that reach a service as its env_file",
        "POSTGRES_DB=shop\nCOMPOSE_PROJECT_NAME=shop\n\
         COMPOSE_FILE=compose.yaml:esclusa.release.yaml\n",
        "POSTGRES_DB=shop\n",
    ),
];

#[test]
fn our_lines_are_set_and_every_other_line_stays() {
    compare(SET.iter().map(|(row, text, expected)| (*row, set(text), *expected)));
    compare(SET.iter().map(|(row, _, text)| (*row, set(text), *text)));
}

#[test]
fn our_lines_are_taken_away_and_every_other_line_stays() {
    compare(CLEARED.iter().map(|(row, text, expected)| (*row, clear(text), *expected)));
}

#[test]
fn a_value_that_compose_would_read_otherwise_is_quoted() {
    for (value, expected) in [
        ("compose.yaml:prod.yml", "COMPOSE_FILE=compose.yaml:prod.yml\n"),
        ("my file.yml", "COMPOSE_FILE='my file.yml'\n"),
        ("a#b.yml", "COMPOSE_FILE='a#b.yml'\n"),
        ("$HOME/x.yml", "COMPOSE_FILE='$HOME/x.yml'\n"),
    ] {
        let written = set_variables("", &[("COMPOSE_FILE", Some(value))], PIN);
        assert_eq!(written, expected, "writing {value:?}");
    }
}

#[test]
fn a_pin_is_read_as_it_was_written() {
    for images in [
        map(&[]),
        map(&[("web", pinned('a'))]),
        map(&[("web", pinned('a')), ("worker", "esclusa/keep:shop-aaaaaaaaaaaa".to_owned())]),
        map(&[("on", pinned('a')), ("3", pinned('b')), ("a.b_c-d", pinned('c'))]),
    ] {
        let text = render_pin(&images);
        assert_eq!(parse_pin(&text), images, "{text}");
    }
}

#[test]
fn a_pin_of_the_scripts_is_read() {
    let text = "# Written by Esclusa\nservices:\n  web:\n    image: shop@sha256:1\n    \
                pull_policy: never\n  \"db\":\n    image: \"pg:1\"\n";
    let expected = map(&[("web", "shop@sha256:1".to_owned()), ("db", "pg:1".to_owned())]);
    assert_eq!(parse_pin(text), expected);
}
