//! A push by Docker itself.

use std::path::Path;

use base64::Engine;
use esclusa_local::places::{make_scratch_directory, tested_checkout};
use serde_json::json;

use crate::world::{TOKEN, World};

/// Runs Docker with its own login, and returns what it printed.
async fn docker(config: &Path, arguments: &[&str]) -> String {
    let mut command = esclusa_local::programs::command("docker");
    command.arg("--config").arg(config).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {text} {errors}");
    text
}

#[tokio::test]
async fn a_plain_docker_push_becomes_an_image_and_an_event_each_time() {
    let world = World::with_registry("docker").await;
    let folder = make_scratch_directory(&tested_checkout(), "docker-context").unwrap();
    let registry = format!("127.0.0.1:{}", world.registry_port);
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{TOKEN}"));
    let login = json!({ "auths": { &registry: { "auth": auth } } });
    std::fs::write(folder.join("config.json"), login.to_string()).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\nCOPY config.json /\n").unwrap();
    let image = format!("{registry}/acme/web:v1");
    docker(&folder, &["build", "--quiet", "--tag", &image, folder.to_str().unwrap()]).await;
    let pushed = docker(&folder, &["push", &image]).await;
    let event = world.events.wait("ECR Image Action", "image-tag", "v1").await;
    let digest = event.detail["image-digest"].as_str().unwrap().to_owned();
    assert!(pushed.contains(&digest), "{pushed}");
    let again = format!("{registry}/acme/web:latest");
    docker(&folder, &["tag", &image, &again]).await;
    docker(&folder, &["push", &again]).await;
    let event = world.events.wait("ECR Image Action", "image-tag", "latest").await;
    assert_eq!(event.detail["image-digest"], digest.as_str());
    let found = world.ecr().describe_images().repository_name("acme/web").send().await.unwrap();
    let [found] = found.image_details() else { panic!("{found:?}") };
    assert_eq!(found.image_tags(), ["latest", "v1"]);
    assert_eq!(world.events.all("ECR Image Action").len(), 2);
    docker(&folder, &["pull", &image]).await;
    docker(&folder, &["rmi", &image, &again]).await;
    let pulled = crate::world::eventually("the pull to be recorded", async || {
        let found = world.ecr().describe_images().repository_name("acme/web").send().await;
        found.unwrap().image_details()[0].last_recorded_pull_time().copied()
    })
    .await;
    assert!(pulled >= *found.image_pushed_at().unwrap());
}
