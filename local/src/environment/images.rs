//! Building and pushing images as a person does: with `docker`, into the environment's registry.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::error::{EnvironmentError, io_at};
use super::{Environment, calls};

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
        self.login().await?;
        let repository = format!("{}/{service}", self.record.registry());
        let references: Vec<_> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
        let mut build = self.docker();
        build.args(["build", "--quiet"]);
        for reference in &references {
            build.args(["--tag", reference]);
        }
        run(build.arg(context), "").await?;
        for reference in &references {
            run(self.docker().args(["push", "--quiet", reference]), "").await?;
        }
        Ok(())
    }

    /// Logs in, in a configuration of the environment's own.
    async fn login(&self) -> Result<(), EnvironmentError> {
        let password = self.registry_password().await?;
        let registry = self.record.registry();
        let mut login = self.docker();
        login.args(["login", "--username", "AWS", "--password-stdin", &registry]);
        run(&mut login, &password).await
    }

    fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_CONFIG", self.state.join("tmp/docker"));
        docker
    }
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
