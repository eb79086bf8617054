//! Versions of the example, good and bad, and what an image that is damaged looks like.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{SERVICE, Stage, StageError, copy, read, write};
use crate::programs;

/// A server that is well wherever it is asked, but for the page that load balancers check.
const REFUSING: &str = r#"#!/bin/sh
read -r _ path _
case $path in
  /health) printf 'HTTP/1.0 500 Internal Server Error\r\n\r\nnot well\n' ;;
  *) printf 'HTTP/1.0 200 OK\r\n\r\n%s refusing\n' "$(cat /site/version)" ;;
esac
"#;

/// What is wrong with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Its health page is missing, so that its own health check fails.
    Sick,
    /// It ends as soon as it has started.
    Crashes,
    /// It is healthy by its own check, and answers 500 to the load balancer's.
    Refuses,
}

impl Stage {
    /// The base image of the example, from the machine's static busybox: no registry is needed.
    ///
    /// Each stage has its own: one that another stage builds anew would change the digest of what
    /// is built on it twice.
    fn base(&self) -> String {
        let name = self.environment.state().file_name().unwrap_or_default().to_string_lossy();
        format!("esclusa-demo/{}", name.to_lowercase())
    }

    pub(super) fn make_base(&self) -> Result<(), StageError> {
        let context = self.work.join("base");
        let busybox = programs::find("busybox").unwrap_or_else(|| "/bin/busybox".into());
        copy(&busybox, &context.join("busybox"))?;
        let text = "FROM scratch\nCOPY busybox /bin/busybox\n\
                    RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        write(&context.join("Dockerfile"), text)?;
        let docker = programs::command("docker")
            .args(["build", "--quiet", "--tag", &self.base()])
            .arg(&context)
            .output();
        let done = docker.map_err(|source| StageError::Io {
            doing: "run",
            path: "docker".to_owned(),
            source,
        })?;
        if done.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(StageError::Command { what: "docker build".to_owned(), output })
    }

    /// Builds a version of the example and pushes it under `tags`, in that order.
    ///
    /// # Errors
    ///
    /// What Docker or the registry refused.
    pub async fn push(&self, version: &str, tags: &[&str]) -> Result<(), StageError> {
        let context = self.work.join(version);
        if !context.exists() {
            copy(&self.example.join("site/health"), &context.join("site/health"))?;
            write(&context.join("Dockerfile"), &self.dockerfile(version)?)?;
        }
        Ok(self.environment.push(&context, SERVICE, tags).await?)
    }

    /// Builds a version of a service from the example's Dockerfile as edited, and pushes it.
    ///
    /// # Errors
    ///
    /// What Docker or the registry refused.
    pub async fn push_as(
        &self,
        service: &str,
        version: &str,
        tags: &[&str],
        edit: impl FnOnce(String) -> String,
    ) -> Result<(), StageError> {
        self.push_with(&[], service, version, tags, edit).await
    }

    /// The same with more files beside the Dockerfile, each by its own name.
    ///
    /// # Errors
    ///
    /// As [`Stage::push_as`].
    pub async fn push_with(
        &self,
        files: &[&Path],
        service: &str,
        version: &str,
        tags: &[&str],
        edit: impl FnOnce(String) -> String,
    ) -> Result<(), StageError> {
        let context = self.work.join(format!("{service}-{version}"));
        for file in files {
            copy(file, &context.join(file.file_name().unwrap_or_default()))?;
        }
        copy(&self.example.join("site/health"), &context.join("site/health"))?;
        write(&context.join("Dockerfile"), &edit(self.dockerfile(version)?))?;
        Ok(self.environment.push(&context, service, tags).await?)
    }

    /// Builds a version with a flaw, and pushes it.
    ///
    /// # Errors
    ///
    /// What Docker or the registry refused.
    pub async fn push_flawed(
        &self,
        flaw: Flaw,
        version: &str,
        tags: &[&str],
    ) -> Result<(), StageError> {
        let context = self.work.join(version);
        write(&context.join("site/welcome"), "no health page here\n")?;
        let text = self.dockerfile(version)?;
        let command = |command: &str| -> String {
            let others = text.lines().filter(|line| !line.starts_with("CMD "));
            others.chain([command, ""]).collect::<Vec<_>>().join("\n")
        };
        let text = match flaw {
            Flaw::Sick => text,
            Flaw::Crashes => command(r#"CMD ["sh", "-c", "echo no database; exit 3"]"#),
            Flaw::Refuses => {
                write(&context.join("site/serve"), REFUSING)?;
                let serve = "RUN chmod +x /site/serve\n\
                             CMD [\"nc\", \"-ll\", \"-p\", \"8080\", \"-e\", \"/site/serve\"]";
                command(serve).replace("127.0.0.1:8080/health", "127.0.0.1:8080/")
            }
        };
        write(&context.join("Dockerfile"), &text)?;
        Ok(self.environment.push(&context, SERVICE, tags).await?)
    }

    /// The example's Dockerfile as this version, on the base that was made here.
    fn dockerfile(&self, version: &str) -> Result<String, StageError> {
        let text = read(&self.example.join("Dockerfile"))?;
        let text = text.replace("FROM busybox:stable", &format!("FROM {}", self.base()));
        Ok(text.replace("ARG VERSION=dev", &format!("ARG VERSION={version}")))
    }

    /// Takes the newest layer of the image with this tag out of the registry's storage: the image
    /// is still listed, and can be pulled no more.
    ///
    /// # Errors
    ///
    /// When the storage does not hold the image as one manifest with layers.
    pub fn lose_layer(&self, tag: &str) -> Result<(), StageError> {
        let storage = self.environment.state().join("registry/storage/docker/registry/v2");
        let link = format!("repositories/{SERVICE}/_manifests/tags/{tag}/current/link");
        let manifest = read(&blob(&storage, &read(&storage.join(link))?))?;
        let manifest: Value = serde_json::from_str(&manifest).unwrap_or_default();
        let layers = manifest.get("layers").and_then(Value::as_array);
        let newest = layers.and_then(|layers| layers.last()?.get("digest")?.as_str());
        let path = blob(&storage, newest.unwrap_or("a manifest without layers"));
        let failed =
            |source| StageError::Io { doing: "remove", path: path.display().to_string(), source };
        std::fs::remove_file(&path).map_err(failed)
    }
}

/// Where the registry keeps the blob with this digest.
fn blob(storage: &Path, digest: &str) -> PathBuf {
    let hex = digest.trim().trim_start_matches("sha256:");
    storage.join("blobs/sha256").join(hex.get(..2).unwrap_or(hex)).join(hex).join("data")
}
