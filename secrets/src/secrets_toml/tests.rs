use proptest::prelude::*;

use super::*;
use crate::fault::Place;

const FULL: &str = r#"
deadline = "45s"
directory = "/run/app"

[files.db_password]
secret = "prod/tickets/db"
key = "password"
stage = "AWSPREVIOUS"
variable = "DB_PASSWORD_FILE"

[files."bundle.pem"]
secret = "arn:aws:secretsmanager:eu-south-1:123456789012:secret:prod/tls-AbCdEf"
pem = "key-pair"

[env.DATABASE_URL]
secret = "prod/tickets/db"
template = "postgres://{user}:{password}@{host}/app"

[key_pairs.tls]
secret = "prod/tickets/tls"
private_key = "key"
"#;

#[test]
fn every_key_is_read() {
    let read = Configuration::read("secrets.toml", FULL);
    assert_eq!(read.faults, []);
    assert_eq!(read.deadline, Some(Duration::from_secs(45)));
    assert_eq!(read.directory, Some(PathBuf::from("/run/app")));
    let rows: Vec<String> = read
        .requests
        .iter()
        .map(|it| format!("{}: {} {:?} {:?}", it.place, it.version, it.part, it.pem))
        .collect();
    let arn = "arn:aws:secretsmanager:eu-south-1:123456789012:secret:prod/tls-AbCdEf";
    assert_eq!(
        rows.iter().filter(|row| !row.contains("Template")).cloned().collect::<Vec<_>>(),
        [
            format!("secrets.toml, line 11: `files.bundle.pem`: {arn} Whole Some(KeyPair)"),
            "secrets.toml, line 5: `files.db_password`: prod/tickets/db, stage AWSPREVIOUS \
             Key(\"password\") None"
                .to_owned(),
            "secrets.toml, line 19: `key_pairs.tls`: prod/tickets/tls Key(\"certificate\") \
             Some(Certificate)"
                .to_owned(),
            "secrets.toml, line 19: `key_pairs.tls`: prod/tickets/tls Key(\"key\") \
             Some(PrivateKey)"
                .to_owned(),
        ]
    );
    let targets: Vec<&Target> = read.requests.iter().map(|it| &it.target).collect();
    let file = |name: &str, variable: Option<&str>| Target::File {
        name: FileName::parse(name).unwrap(),
        variable: variable.map(str::to_owned),
    };
    assert_eq!(
        targets,
        [
            &file("bundle.pem", None),
            &file("db_password", Some("DB_PASSWORD_FILE")),
            &Target::Variable("DATABASE_URL".to_owned()),
            &file("tls.crt", None),
            &file("tls.key", None),
        ]
    );
}

#[test]
fn the_example_of_the_manual_is_right() {
    let manual = include_str!("../../README.md");
    let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let read = Configuration::read("README.md", example.unwrap());
    assert_eq!((read.faults, read.requests.len()), (vec![], 4));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, expected) in [
        ("x", vec!["f, line 1: this is not TOML"]),
        ("a = hunter2", vec!["f, line 1: this is not TOML"]),
        ("\na = \"hunter2", vec!["f, line 2: this is not TOML"]),
        ("a = 'hunter2'x", vec!["f, line 1: this is not TOML"]),
        ("a = 1\na = \"hunter2\"", vec!["f, line 2: this is not TOML"]),
        ("a = \"\\hunter2\"", vec!["f, line 1: this is not TOML"]),
        ("[file.a]\n", vec!["f, line 1: `file`: unknown key; did you mean `files`?"]),
        ("\n[files.a]\nsecrt = \"hunter2\"", {
            vec![
                "f, line 2: `files.a`: `secret` is missing; add `secret = \"prod/tickets/db\"`",
                "f, line 3: `files.a.secrt`: unknown key; did you mean `secret`?",
            ]
        }),
        ("files.a.secret = 3", vec!["f, line 1: `files.a.secret`: write a text in quotes"]),
        ("files = \"hunter2\"", vec!["f, line 1: `files`: write a table, such as `[files.db]`"]),
        ("files.a = \"hunter2\"", vec!["f, line 1: `files.a`: write a table, such as `[files.a]`"]),
        ("files.a.secret = \"hunter2 x\"", vec!["`files.a.secret`: the secret's name holds"]),
        ("files.\"../a\".secret = \"a\"", vec!["`files.../a`: the file's name holds a `/`"]),
        ("env.\"A-B\".secret = \"a\"", vec!["`env.A-B`: the variable's name is not"]),
        ("[env.A]\nsecret = \"a\"\nkey = \"\"", vec!["line 3: `env.A.key`: the JSON key is empty"]),
        ("[env.A]\nsecret = \"a\"\nkey = \"b\"\ntemplate = \"{c}\"", vec!["exclude each other"]),
        ("[env.A]\nsecret = \"a\"\ntemplate = \"hunter2\"", vec!["has no placeholder"]),
        ("[env.A]\nsecret = \"a\"\npem = \"certificate\"", vec!["`env.A.pem`: unknown key"]),
        ("[files.a]\nsecret = \"a\"\npem = \"hunter2\"", vec!["write `certificate`"]),
        ("deadline = \"hunter2\"", vec!["`deadline`: write a duration from `1s` to `10m`"]),
        ("directory = \"hunter2\"", vec!["`directory`: write an absolute path"]),
        ("key_pairs.\".x\".secret = \"a\"", vec!["begins with a `.`", "begins with a `.`"]),
    ] {
        let read = Configuration::read("f", text);
        let lines: Vec<String> = read.faults.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), expected.len(), "{text}: {lines:?}");
        for (line, part) in lines.iter().zip(expected) {
            assert!(line.contains(part), "{text}: {line}");
            assert!(!line.contains("hunter2"), "{line}");
        }
    }
}

#[test]
fn the_place_of_a_request_is_its_table() {
    let read = Configuration::read("f", "\n\n[files.a]\nsecret = \"a\"");
    let key = "files.a".to_owned();
    assert_eq!(read.requests[0].place, Place::Key { file: "f".to_owned(), line: 3, key });
}

proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC*") {
        let _read = Configuration::read("f", &text);
    }
}
