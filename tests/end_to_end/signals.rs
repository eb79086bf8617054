//! Secrets and alarms: what they say decides whether a release goes out, and whether it stays.

use std::env::consts::ARCH;

use esclusa_local::places::tested_checkout;
use esclusa_local::stage::{SERVICE, Stage, digest_of};
use serde_json::json;

use crate::{eventually, on_stage, until_kept_back};

const SECRET: &str = "prod/tickets/db";

const ALARM: &str = "tickets-5xx";

/// What must be in no log, no answer and no event.
const VALUES: [&str; 2] = ["the-first-value-of-it", "the-second-value-of-it"];

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_alarms_decide() {
    on_stage("signals", async |stage| {
        stage.make_secret(SECRET, VALUES[0]).await.unwrap();
        stage.make_alarm(ALARM).await.unwrap();
        configure(&stage).await;
        staging_has_the_first_value(&stage).await;
        stage.rotate_secret(SECRET, VALUES[1]).await.unwrap();
        a_secret_that_is_gone_keeps_a_release_back(&stage).await;
        what_makes_an_alarm_red_is_put_back(&stage).await;
        an_alarm_that_is_red_already_is_not_watched(&stage).await;
        an_alarm_without_data_makes_it_ask(&stage).await;
        an_alarm_that_is_deleted_makes_it_ask_until_it_is_back(&stage).await;
        a_rotated_secret_reaches_new_containers(&stage).await;
        no_value_was_written_anywhere(&stage);
        stage
    })
    .await;
}

async fn configure(stage: &Stage) {
    let secrets = format!("secrets = [\"{SECRET}\"]\n");
    let edit = |text: String| {
        let production = "[environments.production]\n";
        let text = text.replace(production, &format!("{production}{secrets}"));
        let text = text.replacen(
            "bake = { for = \"2s\"",
            &format!("bake = {{ alarms = [\"{ALARM}\"], for = \"2s\""),
            1,
        );
        let staging = "[environments.staging]\n";
        text.replace(staging, &format!("{staging}{secrets}"))
    };
    stage.configure_as(edit).await.unwrap();
}

/// Staging runs something before the secret is rotated: what `esclusa-secrets` starts, and which
/// tells the digest of the secret's value.
async fn staging_has_the_first_value(stage: &Stage) {
    stage.environment.let_hosts_read(&format!("{SECRET}-??????")).await.unwrap();
    let port = stage.environment.record().aws_port;
    let wants = format!(
        "    network_mode: host\n    tmpfs: [/run/secrets]\n    environment:\n      \
         DB_PASSWORD: secretsmanager:{SECRET}\n      AWS_REGION: {}\n      \
         AWS_ENDPOINT_URL: http://127.0.0.1:{port}\n",
        stage.environment.record().region
    );
    let path = "/srv/tickets/docker-compose.yml";
    for (host, file) in stage.of_each("staging", &format!("cat {path}")).unwrap() {
        let file = file.replace("    ports: [\"8080:8080\"]\n", "");
        let file = file.replace("    environment:\n", &wants);
        stage.on(&host, &format!("cat > {path}"), &file).unwrap();
    }
    let program = tested_checkout().join("target/hosts").join(ARCH).join("esclusa-secrets");
    let starts = |text: String| {
        let others =
            text.lines().filter(|it| !it.starts_with("CMD ")).collect::<Vec<_>>().join("\n");
        format!(
            "{others}\nCOPY esclusa-secrets /esclusa-secrets\n\
             ENTRYPOINT [\"/esclusa-secrets\", \"exec\", \"--\"]\n\
             CMD [\"sh\", \"-c\", \"sha256sum <$DB_PASSWORD_FILE >/site/index.html; \
             exec httpd -f -p 8080 -h /site\"]\n"
        )
    };
    stage.push_with(&[&program], SERVICE, "v0.9.0", &["staging"], starts).await.unwrap();
    stage.until_current("staging").await.unwrap();
    containers_have(stage, VALUES[0]);
}

/// Every container of staging has this value, and whoever looks at it from the host has not.
fn containers_have(stage: &Stage, value: &str) {
    let expected = format!("{}  -", sha256(value));
    let page = "docker exec $(docker ps --quiet) wget -qO- http://127.0.0.1:8080/";
    for (host, page) in stage.of_each("staging", page).unwrap() {
        assert_eq!(page, expected, "{host}");
    }
    let look = r"all=$(docker ps --all --quiet); docker inspect $all
        for one in $all; do docker logs $one 2>&1; done
        cd /srv/tickets; docker compose config
        cat /proc/$(docker inspect --format '{{.State.Pid}}' $(docker ps --quiet))/environ
        grep -rls -e the-first-value-of-it -e the-second-value-of-it /srv /var/lib /root || :";
    for (host, seen) in stage.of_each("staging", look).unwrap() {
        assert!(seen.contains(&format!("secretsmanager:{SECRET}")), "{host}: {seen}");
        for value in VALUES {
            assert!(!seen.contains(value), "{value} on {host}: {seen}");
        }
        let files =
            seen.lines().filter(|line| line.starts_with("/var/lib/") || line.starts_with("/srv/"));
        assert_eq!(files.collect::<Vec<_>>(), Vec::<&str>::new(), "{host}");
    }
}

fn sha256(text: &str) -> String {
    digest_of(text.as_bytes()).trim_start_matches("sha256:").to_owned()
}

async fn until_phase(stage: &Stage, word: &str) {
    let phase = || async {
        let status = stage.ask("status").await.unwrap();
        (status["lane"]["phase"] == json!(word)).then_some(())
    };
    eventually(word, phase).await;
}

async fn a_secret_that_is_gone_keeps_a_release_back(stage: &Stage) {
    stage.delete_secret(SECRET).await.unwrap();
    stage.push("v1.0.0", &["v1.0.0", "latest"]).await.unwrap();
    let text = until_kept_back(stage, "gate.secret_missing").await;
    assert!(text.contains("`prod/tickets/db` is scheduled for deletion"), "{text}");
    assert_eq!(stage.ends().await.unwrap().len(), 0);
    stage.restore_secret(SECRET).await.unwrap();
    stage.sweep().await.unwrap();
    assert_eq!(stage.until_ended(1).await.unwrap(), ["v1.0.0 succeeded"]);
}

async fn what_makes_an_alarm_red_is_put_back(stage: &Stage) {
    stage.push("v1.1.0", &["v1.1.0", "latest"]).await.unwrap();
    until_phase(stage, "settling").await;
    stage.set_alarm(ALARM, "ALARM").await.unwrap();
    let ends = stage.until_ended(2).await.unwrap();
    assert_eq!(ends.first().unwrap(), "v1.1.0 restored");
    let history = stage.ask("history").await.unwrap();
    assert_eq!(history["history"][0]["reason"]["code"], json!("alarm.red"), "{history}");
}

async fn an_alarm_that_is_red_already_is_not_watched(stage: &Stage) {
    stage.push("v1.2.0", &["v1.2.0", "latest"]).await.unwrap();
    let ends = stage.until_ended(3).await.unwrap();
    assert_eq!(ends.first().unwrap(), "v1.2.0 succeeded");
    stage.set_alarm(ALARM, "OK").await.unwrap();
}

async fn an_alarm_without_data_makes_it_ask(stage: &Stage) {
    stage.push("v1.3.0", &["v1.3.0", "latest"]).await.unwrap();
    until_phase(stage, "settling").await;
    stage.set_alarm(ALARM, "INSUFFICIENT_DATA").await.unwrap();
    until_phase(stage, "asking").await;
    let why = stage.ask("why").await.unwrap();
    let blocker = &why["blockers"][0];
    assert_eq!(blocker["code"], json!("alarm.inconclusive"), "{why}");
    assert!(why["next"].as_str().unwrap().contains("`release` lets"), "{why}");
    let taken = stage.ask("release").await.unwrap();
    assert_eq!(taken["ok"], json!(true), "{taken}");
    let ends = stage.until_ended(4).await.unwrap();
    assert_eq!(ends.first().unwrap(), "v1.3.0 succeeded");
    stage.set_alarm(ALARM, "OK").await.unwrap();
}

async fn an_alarm_that_is_deleted_makes_it_ask_until_it_is_back(stage: &Stage) {
    stage.push("v1.4.0", &["v1.4.0", "latest"]).await.unwrap();
    until_phase(stage, "settling").await;
    stage.delete_alarm(ALARM).await.unwrap();
    until_phase(stage, "asking").await;
    stage.make_alarm(ALARM).await.unwrap();
    let ends = stage.until_ended(5).await.unwrap();
    assert_eq!(ends.first().unwrap(), "v1.4.0 succeeded");
}

/// Five minutes after the rotation, for secrets are often rotated together.
async fn a_rotated_secret_reaches_new_containers(stage: &Stage) {
    let restarted = || async {
        let question = json!({ "action": "history", "environment": "staging" });
        let history = stage.ask_with(question).await.unwrap();
        let last = history["history"][0].clone();
        (last["cause"] == json!("restart")).then_some(last)
    };
    let last = eventually("a restart in staging", restarted).await;
    assert_eq!(
        (&last["end"], &last["candidate"]["label"]),
        (&json!("succeeded"), &json!("staging"))
    );
    containers_have(stage, VALUES[1]);
}

fn no_value_was_written_anywhere(stage: &Stage) {
    let logs = stage.environment.state().join("logs");
    for entry in std::fs::read_dir(logs).unwrap().flatten() {
        let text = std::fs::read(entry.path()).unwrap();
        let text = String::from_utf8_lossy(&text);
        for value in VALUES {
            assert!(!text.contains(value), "{} in {}", value, entry.path().display());
        }
    }
}
