//! What is said about texts that are refused.

use super::super::{Configuration, ConfigurationError};

fn refuse(service: &str, defaults: Option<&str>) -> ConfigurationError {
    Configuration::read(Some(service), defaults)
        .expect_err(&format!("this was read:\n{service}\nover {defaults:?}"))
}

#[test]
fn every_message_says_where_what_and_what_to_do() {
    let script = include_str!("messages.txt");
    let blocks = script.split("\n\n").skip(1);
    for block in blocks {
        let is_message = |line: &&str| line.starts_with('>');
        let text: Vec<&str> = block.lines().filter(|line| !is_message(line)).collect();
        let expected: Vec<&str> = block.lines().filter(is_message).collect();
        let text = text.join("\n");
        let (service, defaults) = match text.split_once("\n@defaults\n") {
            Some((service, defaults)) => (service, Some(defaults)),
            None => (text.as_str(), None),
        };
        let error = refuse(service, defaults).to_string();
        let seen: Vec<String> = error.lines().map(|line| format!("> {line}")).collect();
        assert_eq!(seen, expected, "\n{text}\n{}", seen.join("\n"));
    }
}

#[test]
fn a_message_is_one_line_whatever_the_text_holds() {
    for (text, expected) in [
        (
            "\"a\\nb\\u001b[31m\" = 1",
            "line 1, column 1: `a\\nb\\u{1b}[31m`: unknown key; remove it, or write one of \
             `compose`, `environments`, `retention`",
        ),
        (
            "compose = \"\"\"\nho\nst\"\"\"",
            "line 1, column 11: `compose`: `ho\\nst` is none of `auto`, `host`, `image`; did you \
             mean `host`?",
        ),
        (
            "environments.\"x\\ty\".tag = \"x\"",
            "line 1, column 14: `environments.x\\ty`: `x\\ty` is not the name of an environment: \
             at most 32 lowercase letters, digits and `-`, starting with a letter",
        ),
        (
            "# é\r\n\r\nretention = { versions = 日 }",
            "line 3, column 26: this is not TOML: string values must be quoted, expected literal \
             string",
        ),
    ] {
        let error = refuse(text, None).to_string();
        assert_eq!(error, format!("the service's configuration, {expected}"), "{text:?}");
    }
}

#[test]
fn a_text_is_at_most_as_long_as_where_it_is_stored() {
    let longest = format!("#{}", "x".repeat(8191));
    assert!(Configuration::read(Some(&longest), Some(&longest)).is_ok());
    let longer = format!("{longest}y");
    assert_eq!(
        refuse("", Some(&longer)).to_string(),
        "`/esclusa/defaults`, line 1, column 1: the text is longer than the 8192 bytes that \
         Parameter Store holds, by 1; shorten it"
    );
}

#[test]
fn the_parts_of_a_message_can_be_told_apart() {
    let error = refuse("\n typo = 1", None);
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!((problem.line, problem.column), (2, 2));
    assert_eq!(problem.origin, super::super::Origin::Service);
}
