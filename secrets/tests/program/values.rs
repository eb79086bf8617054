//! Secrets that the application gets.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;

use serde_json::json;

use crate::http::answer;
use crate::world::{Ended, World, call, create, sha256};

/// Prints the hash of a file's bytes, without its name.
const HASH: &str = "hash() { sha256sum <\"$1\" | cut -d ' ' -f 1; }; ";

const JSON: &str = r#"{"password": "hunter2@/ü", "port": 5432, "tls": true, "user": "app"}"#;

const PEM: &str = r#"{
    "certificate": "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n",
    "private_key": "-----BEGIN PRIVATE KEY-----\nSGkh\n-----END PRIVATE KEY-----\n"
}"#;

#[test]
fn a_reference_becomes_a_file_in_memory() {
    let world = World::new();
    create("files/db", JSON);
    let arn = create("files/plain", "hunter2\nof two lines\n");
    call("CreateSecret", &json!({"Name": "files/binary", "SecretBinary": "AP8BYg=="}));
    let plain = format!("secretsmanager:{arn}");
    let script = "hash $PASSWORD_FILE; hash $PORT_FILE; hash $PLAIN_FILE; hash $BINARY_FILE; \
                  echo \"${PASSWORD-unset}\" $PASSWORD_FILE $PLAIN_FILE; \
                  stat -c '%a %u' $PASSWORD_FILE \"${PASSWORD_FILE%/*}\"";
    let ended = world.exec(
        &format!("{HASH}{script}"),
        &[
            ("PASSWORD", "secretsmanager:files/db#password"),
            ("PORT_FILE", "secretsmanager:files/db#port"),
            ("PLAIN", &format!("{plain}?file=plain.txt")),
            ("BINARY", "secretsmanager:files/binary"),
        ],
    );
    let user = nix::unistd::getuid();
    let directory = world.directory.display();
    assert_eq!(
        ended.lines(),
        [
            sha256("hunter2@/ü"),
            sha256("5432"),
            sha256("hunter2\nof two lines\n"),
            sha256(b"\0\xff\x01b"),
            format!("unset {directory}/PASSWORD {directory}/plain.txt"),
            format!("400 {user}"),
            format!("700 {user}"),
        ]
    );
    assert_eq!(world.calls(), [("BatchGetSecretValue".to_owned(), 1)].into());
}

#[test]
fn a_reference_becomes_a_variable_where_that_is_asked_for() {
    let world = World::new();
    create("variables/db", JSON);
    let ended = world.exec(
        "printf %s \"$PASSWORD\" | sha256sum; echo $TLS $USER_NAME \"${PASSWORD_FILE-unset}\"",
        &[
            ("PASSWORD", "secretsmanager:variables/db?as=env#password"),
            ("TLS", "secretsmanager:variables/db?as=env#tls"),
            ("USER_NAME", "secretsmanager:variables/db?as=env#user"),
        ],
    );
    let hash = format!("{}  -", sha256("hunter2@/ü"));
    assert_eq!(ended.lines(), [hash.as_str(), "true app unset"]);
    // Nothing is written where only variables are asked for, and one secret is one call.
    assert!(!world.directory.exists());
    assert_eq!(world.calls(), [("GetSecretValue".to_owned(), 1)].into());
}

#[test]
fn an_older_version_is_fetched_by_its_stage() {
    let world = World::new();
    create("stage/db", "first");
    call("PutSecretValue", &json!({"SecretId": "stage/db", "SecretString": "second"}));
    let ended = world.exec(
        "cat $NEW_FILE $OLD_FILE",
        &[("NEW", "secretsmanager:stage/db"), ("OLD", "secretsmanager:stage/db?stage=AWSPREVIOUS")],
    );
    assert_eq!(ended.lines(), ["secondfirst"]);
    assert_eq!(world.calls(), [("GetSecretValue".to_owned(), 2)].into());
}

#[test]
fn many_secrets_are_few_calls() {
    let world = World::new();
    let names: Vec<String> = (0..60).map(|number| format!("many/{number:02}")).collect();
    let mut variables = Vec::new();
    for name in &names {
        create(name, &format!("value of {name}"));
        variables.push((name.replace('/', "_"), format!("secretsmanager:{name}?as=env")));
    }
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let ended = world.exec("echo $many_00; echo $many_59; env | grep -c '^many_'", &variables);
    assert_eq!(ended.lines(), ["value of many/00", "value of many/59", "60"]);
    assert_eq!(world.calls(), [("BatchGetSecretValue".to_owned(), 3)].into());
}

#[test]
fn a_batch_may_come_in_pages() {
    let world = World::new();
    let arn = |name: &str| format!("arn:aws:secretsmanager:eu-south-1:1:secret:{name}-AbCdEf");
    world.relay.fail(move |action, count| {
        assert_eq!(action, "BatchGetSecretValue");
        let name = if count == 1 { "page/a" } else { "page/b" };
        let value = json!({"ARN": arn(name), "Name": name, "SecretString": name});
        let mut page = json!({"SecretValues": [value], "Errors": []});
        if count == 1 {
            page["NextToken"] = "more".into();
        }
        Some(answer(200, &page.to_string()))
    });
    let ended = world.exec(
        "echo $A $B",
        &[("A", "secretsmanager:page/a?as=env"), ("B", "secretsmanager:page/b?as=env")],
    );
    assert_eq!(ended.lines(), ["page/a page/b"]);
    assert_eq!(world.calls(), [("BatchGetSecretValue".to_owned(), 2)].into());
}

#[test]
fn a_file_says_what_variables_cannot() {
    let world = World::new();
    create("toml/db", JSON);
    create("toml/tls", PEM);
    let file = world.directory.with_extension("toml");
    let text = r#"
        [env.DATABASE_URL]
        secret = "toml/db"
        template = "postgres://{user}:{password}@db:{port}/app"
        [files."settings.json"]
        secret = "toml/db"
        variable = "SETTINGS"
        [key_pairs.tls]
        secret = "toml/tls"
        [files."chain.pem"]
        secret = "toml/tls"
        template = "{certificate}{private_key}"
        pem = "key-pair"
    "#;
    fs::write(&file, text).unwrap();
    let directory = world.directory.display();
    let script = format!(
        "{HASH}echo $DATABASE_URL; hash $SETTINGS; stat -c '%n %a' {directory}/*; \
         cat {directory}/tls.key"
    );
    let ended = world.exec(&script, &[("ESCLUSA_SECRETS", file.to_str().unwrap())]);
    fs::remove_file(&file).unwrap();
    assert_eq!(
        ended.lines(),
        [
            "postgres://app:hunter2%40%2F%C3%BC@db:5432/app",
            &sha256(JSON),
            &format!("{directory}/chain.pem 400"),
            &format!("{directory}/settings.json 400"),
            &format!("{directory}/tls.crt 400"),
            &format!("{directory}/tls.key 400"),
            "-----BEGIN PRIVATE KEY-----",
            "SGkh",
            "-----END PRIVATE KEY-----",
        ]
    );
}

#[test]
fn files_of_an_earlier_start_are_removed_and_no_others() {
    let world = World::new();
    create("stale/a", "a");
    create("stale/b", "b");
    let both = [("A", "secretsmanager:stale/a"), ("B", "secretsmanager:stale/b")];
    assert_eq!(world.exec("cat $A_FILE $B_FILE", &both).lines(), ["ab"]);
    fs::write(world.directory.join("other"), "not ours").unwrap();
    let ended = world.exec("ls ${A_FILE%/*}; cat $A_FILE", &both[..1]);
    assert_eq!(ended.lines(), ["A", "other", "a"]);
}

#[test]
fn a_user_without_rights_gets_files_of_its_own() {
    let world = World::new();
    if !nix::unistd::getuid().is_root() {
        eprintln!("left out: only root can run the program as another user");
        return;
    }
    create("user/a", "a");
    fs::create_dir(&world.directory).unwrap();
    let run = || {
        let script = "stat -c '%a %u' $A_FILE ${A_FILE%/*}; cat $A_FILE";
        let mut program =
            world.program(&["exec", "--", "sh", "-c", script], &[("A", "secretsmanager:user/a")]);
        Ended::of(program.uid(65534).gid(65534).output().unwrap())
    };
    // As Docker mounts `tmpfs: [/run/secrets]` at the first and at later starts of a container.
    for mode in [0o1777, 0o755] {
        fs::set_permissions(&world.directory, fs::Permissions::from_mode(mode)).unwrap();
        let directory = world.directory.display();
        run().is_refused(78, &[&format!(
            "directory `{directory}`: it belongs to user 0, and the container runs as 65534; write \
             `tmpfs: [\"{directory}:uid=65534,gid=65534,mode=0700\"]` below the service"
        )]);
    }
    chown(&world.directory, Some(65534), Some(65534)).unwrap();
    assert_eq!(run().lines(), ["400 65534", "700 65534", "a"]);
    fs::remove_dir_all(&world.directory).unwrap();
    // One that is missing is made where everybody can make one.
    assert_eq!(run().lines(), ["400 65534", "700 65534", "a"]);
}
