//! Building and pushing images as a person does: with `docker`, into the environment's registry.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::error::{EnvironmentError, io_at};
use super::faults::send;
use super::{Environment, calls};
use crate::aws::MANIFEST_TYPES;
use crate::{places, programs};

/// How long ECR may know nothing of a push that the registry took.
const PATIENCE: Duration = Duration::from_mins(1);

impl Environment {
    /// The password of user `AWS`, as `aws ecr get-login-password` prints it.
    ///
    /// # Errors
    ///
    /// What ECR refused.
    pub async fn registry_password(&self) -> Result<String, EnvironmentError> {
        let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
        let answer = calls::json(&self.record, "ecr", target, &json!({})).await?;
        let token = answer.pointer("/authorizationData/0/authorizationToken");
        let token = token.and_then(|it| it.as_str()).unwrap_or_default();
        let pair = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let password = pair.and_then(|pair| Some(pair.split_once(':')?.1.to_owned()));
        password.ok_or_else(|| EnvironmentError::Refused {
            what: target.to_owned(),
            answer: "the answer holds no authorization token".to_owned(),
        })
    }

    /// Builds `context` and pushes it to `service` under each tag, in that order.
    ///
    /// Returns nothing: what the registry and ECR then hold is for them to say.
    ///
    /// # Errors
    ///
    /// What Docker or the registry refused.
    pub async fn push(
        &self,
        context: &Path,
        service: &str,
        tags: &[&str],
    ) -> Result<(), EnvironmentError> {
        let password = self.login().await?;
        let repository = format!("{}/{service}", self.record.registry());
        let references: Vec<_> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
        let mut build = self.docker();
        build.args(["build", "--quiet"]);
        for reference in &references {
            build.args(["--tag", reference]);
        }
        let turn = take_turn_to_build().await?;
        run(build.arg(context), "").await?;
        drop(turn);
        for (tag, reference) in tags.iter().zip(&references) {
            run(self.docker().args(["push", "--quiet", reference]), "").await?;
            self.until_listed(&password, service, tag).await?;
        }
        Ok(())
    }

    /// Waits until ECR says of a tag what the registry does. On AWS both are one; here the registry
    /// tells the other a moment later.
    async fn until_listed(
        &self,
        password: &str,
        service: &str,
        tag: &str,
    ) -> Result<(), EnvironmentError> {
        let pushed = self.pushed_digest(password, service, tag).await?;
        let target = "AmazonEC2ContainerRegistry_V20150921.BatchGetImage";
        let asked = json!({ "repositoryName": service, "imageIds": [{ "imageTag": tag }] });
        let begun = Instant::now();
        loop {
            let answer = calls::json(&self.record, "ecr", target, &asked).await?;
            let listed = answer.pointer("/images/0/imageId/imageDigest").and_then(Value::as_str);
            if listed == Some(pushed.as_str()) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let what = format!("BatchGetImage of {service}:{tag}");
                let answer = format!("it says {listed:?}, and {pushed} was pushed");
                return Err(EnvironmentError::Refused { what, answer });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The digest of what bears a tag, by the registry itself, which is told every type: it would
    /// answer with a manifest that nobody pushed.
    async fn pushed_digest(
        &self,
        password: &str,
        service: &str,
        tag: &str,
    ) -> Result<String, EnvironmentError> {
        let url = format!("http://{}/v2/{service}/manifests/{tag}", self.record.registry());
        let head = reqwest::Client::new().head(url).header("Accept", MANIFEST_TYPES.join(", "));
        let head = head.basic_auth("AWS", Some(password));
        let answer = head.send().await.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(|error| refused("ask for a manifest", &error))?;
        let digest = answer.headers().get("Docker-Content-Digest").and_then(|it| it.to_str().ok());
        Ok(digest.unwrap_or_default().to_owned())
    }

    /// Makes every image of a repository older, as if `span` had passed since it was pushed.
    ///
    /// # Errors
    ///
    /// When there is no such repository.
    pub async fn age_images(&self, service: &str, span: Duration) -> Result<(), EnvironmentError> {
        let asked = json!({ "repositoryName": service, "seconds": span.as_secs() });
        send::<Value>(self.control(Method::PUT, "images/age").json(&asked)).await.map(drop)
    }

    /// Sets what the scan of an image says, as ECR does when it is done with it: no scanner runs
    /// here.
    ///
    /// # Errors
    ///
    /// When there is no such image.
    pub async fn set_scan(
        &self,
        service: &str,
        digest: &str,
        (status, findings): (&str, Value),
    ) -> Result<(), EnvironmentError> {
        let asked = json!({
            "repository": service, "digest": digest, "status": status, "findings": findings,
        });
        send::<Value>(self.control(Method::PUT, "scans").json(&asked)).await.map(drop)
    }

    /// Puts a manifest into the registry as it is, by its HTTP API. `reference` is a tag, or the
    /// manifest's own digest.
    ///
    /// # Errors
    ///
    /// What the registry refused.
    pub async fn put_manifest(
        &self,
        password: &str,
        service: &str,
        reference: &str,
        (media_type, manifest): (&str, String),
    ) -> Result<(), EnvironmentError> {
        let url = format!("http://{}/v2/{service}/manifests/{reference}", self.record.registry());
        let put = reqwest::Client::new().put(url).basic_auth("AWS", Some(password));
        answered(put.header("Content-Type", media_type).body(manifest), "put a manifest").await
    }

    /// Puts a layer, or another blob, into the registry.
    ///
    /// # Errors
    ///
    /// What the registry refused.
    pub async fn put_blob(
        &self,
        password: &str,
        service: &str,
        (digest, bytes): (&str, Vec<u8>),
    ) -> Result<(), EnvironmentError> {
        let host = self.record.registry();
        let client = reqwest::Client::new();
        let start = client.post(format!("http://{host}/v2/{service}/blobs/uploads/"));
        let started = start.basic_auth("AWS", Some(password)).send().await;
        let started = started.map_err(|error| refused("begin an upload", &error))?;
        let location = started.headers().get("Location").and_then(|it| it.to_str().ok());
        let location = location.unwrap_or_default();
        let joint = if location.contains('?') { '&' } else { '?' };
        let put = client.put(format!("{location}{joint}digest={digest}"));
        answered(put.basic_auth("AWS", Some(password)).body(bytes), "put a blob").await
    }

    /// Logs in, in a configuration of the environment's own, and returns the password.
    async fn login(&self) -> Result<String, EnvironmentError> {
        let password = self.registry_password().await?;
        let registry = self.record.registry();
        let mut login = self.docker();
        login.args(["login", "--username", "AWS", "--password-stdin", &registry]);
        run(&mut login, &password).await.map(|()| password)
    }

    fn docker(&self) -> Command {
        let mut docker = Command::from(programs::command("docker"));
        docker.env("DOCKER_CONFIG", self.state.join("tmp/docker"));
        docker
    }
}

fn refused(what: &str, answer: &dyn std::fmt::Display) -> EnvironmentError {
    EnvironmentError::Refused { what: what.to_owned(), answer: answer.to_string() }
}

async fn answered(request: reqwest::RequestBuilder, what: &str) -> Result<(), EnvironmentError> {
    let answer = request.send().await.map_err(|error| refused(what, &error))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    Err(refused(what, &format!("{status}: {text}")))
}

async fn run(command: &mut Command, input: &str) -> Result<(), EnvironmentError> {
    let failed = || io_at("run", Path::new("docker"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed())?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes()).await.map_err(failed())?;
    }
    let output = child.wait_with_output().await.map_err(failed())?;
    if output.status.success() {
        return Ok(());
    }
    let arguments: Vec<_> = command.as_std().get_args().map(|it| it.to_string_lossy()).collect();
    Err(EnvironmentError::Refused {
        what: format!("docker {}", arguments.join(" ")),
        answer: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Builds take turns, in all environments of this machine. Two that made the same layers at once
/// would both keep theirs, and whoever built that content once more would get those of either: what
/// is pushed as one version under two tags would be two images.
async fn take_turn_to_build() -> Result<File, EnvironmentError> {
    let locked = tokio::task::spawn_blocking(|| places::lock_for_user("builds")).await;
    let locked = locked.map_err(std::io::Error::other).and_then(|it| it);
    locked.map_err(io_at("lock builds in", &std::env::temp_dir()))
}
