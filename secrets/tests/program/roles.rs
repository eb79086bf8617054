//! Region and credentials from instance metadata, and what is said where there are none.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::http::{Request, answer, serve, silence};
use crate::world::{Ended, REGION, World, bare, create};

const TOKEN: &str = "hunter2-token";

/// Instance metadata of version 2, with or without a role.
fn metadata(has_role: bool) -> u16 {
    let keys = json!({
        "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "test", "SecretAccessKey": "hunter2",
        "Token": "hunter2-session", "Expiration": "2099-01-01T00:00:00Z",
        "LastUpdated": "2026-01-01T00:00:00Z", "AccountId": "123456789012",
    });
    let keys = keys.to_string();
    serve(move |request: Request| {
        let path = request.line.split(' ').nth(1).unwrap();
        if request.line.starts_with("PUT /latest/api/token") {
            let body = answer(200, TOKEN);
            let ttl = b"HTTP/1.1 200 x\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\n";
            return [ttl, &body["HTTP/1.1 200 x\r\n".len()..]].concat();
        }
        if request.header("x-aws-ec2-metadata-token") != Some(TOKEN) {
            return answer(401, "");
        }
        let credentials = path.split("security-credentials").nth(1);
        match credentials {
            _ if path.ends_with("/placement/region") => answer(200, REGION),
            Some("" | "/") if has_role => answer(200, "tickets"),
            Some("/tickets") if has_role => answer(200, &keys),
            _ => answer(404, ""),
        }
    })
}

/// The program without region or credentials in its environment.
fn unknown(metadata: u16, variables: &[(&str, &str)]) -> Command {
    let mut program = bare(&["exec", "--", "sh", "-c", "echo $A"]);
    program
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://127.0.0.1:{metadata}/"))
        .env("A", "secretsmanager:roles/a?as=env")
        .envs(variables.iter().copied());
    program
}

fn run(mut program: Command) -> Ended {
    Ended::of(program.output().unwrap())
}

#[test]
fn the_instances_role_is_used() {
    let world = World::new();
    create("roles/a", "a");
    let endpoint = world.relay.url();
    let ended = run(unknown(metadata(true), &[("AWS_ENDPOINT_URL", &endpoint)]));
    assert_eq!(ended.lines(), ["a"]);
    assert_eq!(world.relay.keys(), ["test"]);
}

#[test]
fn what_is_missing_is_said() {
    let hop_limit = "this container cannot reach instance metadata, because the hop limit of the \
                     instance is 1. Run `aws ec2 modify-instance-metadata-options --instance-id \
                     <instance> --http-put-response-hop-limit 2`";
    let region = ("AWS_REGION", REGION);
    let world = World::new();
    let profile = world.directory.with_extension("profile");
    let text = "[profile tickets]\nrole_arn = arn:aws:iam::123456789012:role/x\n\
                credential_source = Bogus\n";
    fs::write(&profile, text).unwrap();
    let profile = profile.to_str().unwrap();
    for (metadata, variables, code, reason) in [
        (silence(), vec![], 78, hop_limit),
        (silence(), vec![region], 78, hop_limit),
        (1, vec![], 78, "no region in the environment, and no instance metadata"),
        (1, vec![region], 77, "no credentials in the environment, and no instance metadata"),
        (metadata(false), vec![], 77, "no credentials: the instance has no role"),
        (
            serve(|_| answer(403, "")),
            vec![region],
            77,
            "no credentials: instance metadata is switched off",
        ),
        (1, vec![region, ("AWS_CONFIG_FILE", profile), ("AWS_PROFILE", "tickets")], 77, {
            "no credentials: the credentials provider was not properly configured"
        }),
        (1, vec![("AWS_EC2_METADATA_DISABLED", "true")], 78, "forbids to ask instance metadata"),
    ] {
        let ended = run(unknown(metadata, &variables));
        // On an instance its id is known.
        let said = ended
            .stderr
            .split(' ')
            .map(|word| if word.starts_with("i-") { "<instance>" } else { word });
        let stderr = said.collect::<Vec<_>>().join(" ");
        Ended { stderr, ..ended }.is_refused(code, &[reason]);
    }
    fs::remove_file(profile).unwrap();
}

#[test]
fn the_tasks_role_is_used() {
    let world = World::new();
    create("roles/task", "a");
    let keys = json!({
        "AccessKeyId": "test", "SecretAccessKey": "hunter2", "Token": "hunter2-session",
        "Expiration": "2099-01-01T00:00:00Z", "RoleArn": "arn:aws:iam::123456789012:role/tickets",
    });
    let (keys, endpoint) = (keys.to_string(), world.relay.url());
    for (task, is_given) in [(serve(move |_| answer(200, &keys)), true), (1, false)] {
        let task = format!("http://127.0.0.1:{task}/keys");
        let ended = run(unknown(
            1,
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &task),
                ("AWS_REGION", REGION),
                ("AWS_ENDPOINT_URL", &endpoint),
                ("A", "secretsmanager:roles/task?as=env"),
            ],
        ));
        if is_given {
            assert_eq!(ended.lines(), ["a"]);
        } else {
            ended.is_refused(77, &["no credentials from the task's role: "]);
        }
    }
}

#[test]
fn an_arn_says_its_region() {
    let world = World::new();
    let arn = create("roles/arn", "a");
    let reference = format!("secretsmanager:{arn}?as=env");
    let endpoint = world.relay.url();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("A", &reference),
    ];
    assert_eq!(run(unknown(1, &variables)).lines(), ["a"]);
}
