//! Whatever is missing or wrong is told, all of it, and nothing is started.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use serde_json::json;

use crate::http::answer;
use crate::world::{World, call, create};

fn refusal(status: u16, code: &str, message: &str) -> Vec<u8> {
    answer(status, &json!({"__type": code, "message": message}).to_string())
}

#[test]
fn all_faults_are_told_at_once() {
    let world = World::new();
    create("faults/db", r#"{"password": "hunter2"}"#);
    create("faults/deleted", "hunter2");
    call("DeleteSecret", &json!({"SecretId": "faults/deleted"}));
    call("CreateSecret", &json!({"Name": "faults/binary", "SecretBinary": "AP8="}));
    let file = world.directory.with_extension("toml");
    fs::write(&file, "[files.a]\nsecret = \"faults/db\"\nkeys = \"hunter2\"\n").unwrap();
    let shown = file.to_str().unwrap();
    let variables = [
        ("BINARY", "secretsmanager:faults/binary?as=env"),
        ("DELETED", "secretsmanager:faults/deleted"),
        ("KEY", "secretsmanager:faults/db#pasword"),
        ("MALFORMED", "secretsmanager:hunter2 "),
        ("MISSING", "secretsmanager:faults/missing"),
        ("OK", "secretsmanager:faults/db#password"),
        ("STAGE", "secretsmanager:faults/db?stage=AWSPREVIOUS"),
        ("WHOLE", "secretsmanager:faults/db?file=KEY"),
        ("ESCLUSA_SECRETS", shown),
    ];
    let reasons = [
        "variable `BINARY`: the secret `faults/binary` is binary and cannot be an environment",
        "variable `DELETED`: secret `faults/deleted` is scheduled for deletion; run `aws \
         secretsmanager restore-secret --region eu-south-1 --secret-id faults/deleted`",
        "variable `KEY`: the secret `faults/db` has no JSON key `pasword`; did you mean",
        "variable `MALFORMED`: the secret's name holds a character",
        "variable `MISSING`: there is no secret `faults/missing` in eu-south-1",
        "variable `STAGE`: secret `faults/db` has no version with the stage `AWSPREVIOUS`",
        "variable `WHOLE`: variable `KEY` makes the file `KEY`, too",
        &format!("{shown}, line 3: `files.a.keys`: unknown key; did you mean `key`?"),
    ];
    world.exec("echo started", &variables).is_refused(78, &reasons);
    assert!(!world.directory.exists(), "nothing is written");

    let checked = world.check(&variables);
    fs::remove_file(&file).unwrap();
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(78), ""));
    for reason in reasons {
        assert!(checked.stdout.contains(reason), "{reason}\n{}", checked.stdout);
    }
    assert!(checked.stdout.contains("ok     variable `OK`: faults/db\n"), "{}", checked.stdout);
    assert!(!checked.stdout.contains("hunter2"), "{}", checked.stdout);
}

#[test]
fn a_check_of_what_is_well_writes_nothing() {
    let world = World::new();
    create("check/a", "hunter2");
    let checked = world.check(&[("A", "secretsmanager:check/a")]);
    assert_eq!(checked.lines(), ["ok     variable `A`: check/a"]);
    assert!(!world.directory.exists());
    assert!(world.check(&[]).lines().is_empty());
}

#[test]
fn files_go_nowhere_but_into_memory() {
    let world = World::new();
    create("disk/a", "hunter2");
    let test = std::env::current_exe().unwrap();
    let disk = test.with_file_name(format!("esclusa-secrets-{}", std::process::id()));
    fs::create_dir(&disk).unwrap();
    if statfs(&disk).unwrap().filesystem_type() == TMPFS_MAGIC {
        eprintln!("left out: {} lies in memory", disk.display());
        return;
    }
    for directory in [&disk, &disk.join("inside")] {
        let shown = directory.to_str().unwrap();
        let line = "it lies on a disk, not in memory; write `tmpfs: [";
        let variables = [("A", "secretsmanager:disk/a"), ("ESCLUSA_SECRETS_DIRECTORY", shown)];
        world.exec("echo started", &variables).is_refused(78, &[line]);
        assert_eq!(fs::read_dir(&disk).unwrap().count(), 0);
        // Variables need no directory.
        let variables = [("A", "secretsmanager:disk/a?as=env"), variables[1]];
        assert_eq!(world.exec("echo started", &variables).lines(), ["started"]);
    }
    fs::remove_dir(&disk).unwrap();
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let world = World::new();
    let reason = "file `/nowhere.toml`: cannot be read: No such file";
    world.exec("echo started", &[("ESCLUSA_SECRETS", "/nowhere.toml")]).is_refused(78, &[reason]);
    assert!(!Path::new("/etc/esclusa/secrets.toml").exists(), "tests have no such file");
}

#[test]
fn what_may_pass_is_tried_again() {
    let world = World::new();
    create("busy/a", "a");
    world.relay.fail(|_, count| match count {
        1 => Some(refusal(400, "ThrottlingException", "Rate exceeded")),
        2 => Some(answer(502, "")),
        3 => Some(Vec::new()),
        _ => None,
    });
    assert_eq!(world.exec("echo $A", &[("A", "secretsmanager:busy/a?as=env")]).lines(), ["a"]);
    assert_eq!(world.calls(), [("GetSecretValue".to_owned(), 4)].into());
}

#[test]
fn what_does_not_pass_ends_at_the_deadline() {
    let world = World::new();
    world.relay.fail(|_, _| Some(refusal(503, "ServiceUnavailable", "Slow down")));
    let started = Instant::now();
    let variables = [
        ("A", "secretsmanager:late/a"),
        ("B", "secretsmanager:late/b"),
        ("ESCLUSA_SECRETS_DEADLINE", "2s"),
    ];
    let reason = |name: &str| {
        format!("secret `late/{name}` was not fetched in time from Secrets Manager in eu-south-1: ")
    };
    let ended = world.exec("echo started", &variables);
    ended.is_refused(
        75,
        &[&reason("a"), &reason("b"), "status 503 ServiceUnavailable Slow down"][..2],
    );
    assert!(ended.stderr.contains("status 503 ServiceUnavailable Slow down ("), "{ended:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_denial_is_not_tried_again() {
    let world = World::new();
    let message = "User: arn:aws:sts::123456789012:assumed-role/tickets/i-1 is not authorized";
    world.relay.fail(move |_, _| Some(refusal(400, "AccessDeniedException", message)));
    let reason = "the role may not read secret `denied/a`; allow `secretsmanager:GetSecretValue` \
                  on `arn:aws:secretsmanager:eu-south-1:*:secret:denied/a-??????`. AWS says: \
                  AccessDeniedException User: arn:aws:sts::123456789012:assumed-role/tickets/i-1";
    world.exec("echo started", &[("A", "secretsmanager:denied/a")]).is_refused(77, &[reason]);
    assert_eq!(world.calls(), [("GetSecretValue".to_owned(), 1)].into());
}

#[test]
fn a_role_that_may_not_batch_reads_one_by_one() {
    let world = World::new();
    create("alone/a", "a");
    create("alone/b", "b");
    world.relay.fail(|action, _| {
        let denied = || refusal(400, "AccessDeniedException", "not authorized");
        (action == "BatchGetSecretValue").then(denied)
    });
    let variables =
        [("A", "secretsmanager:alone/a?as=env"), ("B", "secretsmanager:alone/b?as=env")];
    assert_eq!(world.exec("echo $A $B", &variables).lines(), ["a b"]);
    let expected = [("BatchGetSecretValue".to_owned(), 1), ("GetSecretValue".to_owned(), 2)];
    assert_eq!(world.calls(), expected.into());
}

#[test]
fn a_secret_that_a_batch_postpones_is_fetched_alone() {
    let world = World::new();
    create("postponed/a", "a");
    create("postponed/b", "b");
    world.relay.fail(|action, _| {
        let error = |name: &str| json!({"SecretId": name, "ErrorCode": "InternalServiceError"});
        let errors = json!([error("postponed/a"), error("postponed/b")]);
        let page = json!({"SecretValues": [], "Errors": errors}).to_string();
        (action == "BatchGetSecretValue").then(|| answer(200, &page))
    });
    let variables =
        [("A", "secretsmanager:postponed/a?as=env"), ("B", "secretsmanager:postponed/b?as=env")];
    assert_eq!(world.exec("echo $A $B", &variables).lines(), ["a b"]);
}
