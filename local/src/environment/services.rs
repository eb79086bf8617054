//! What a service needs in the environment: a repository, tagged hosts, its files on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::calls;
use super::error::{EnvironmentError, io_at};
use super::options::{Options, Service};
use super::record::{Record, ServiceRecord};
use crate::host::Host;
use crate::programs;

/// The role of every host's instance profile.
pub(super) const HOST_ROLE: &str = "esclusa-host";

/// The tags of a host of `environment`: under our care, and one tag for each service.
pub(super) fn tags(options: &Options, environment: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([("esclusa:managed".to_owned(), "true".to_owned())]);
    for service in &options.services {
        tags.insert(format!("esclusa:{}", service.name), environment.to_owned());
    }
    tags
}

/// What is written down of a service.
pub(super) fn record(service: &Service) -> ServiceRecord {
    let absolute = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    ServiceRecord {
        name: service.name.to_string(),
        project: service.name.project(),
        files: service.files.as_ref().map(absolute),
    }
}

/// Makes the hosts' role, every service's repository, and its directory on its hosts.
///
/// # Errors
///
/// What refused.
pub(super) async fn prepare(
    options: &Options,
    state: &Path,
    record: &Record,
) -> Result<(), EnvironmentError> {
    make_host_role(record).await?;
    for service in &record.services {
        (options.progress)(&format!("preparing service {}", service.name));
        make_repository(record, service).await?;
        if let Some(files) = &service.files {
            for host in &record.hosts {
                copy_files(state, host.number, service, files).await?;
            }
        }
    }
    Ok(())
}

/// The role of a team's own instance profile, with the policy that the stack has for it.
async fn make_host_role(record: &Record) -> Result<(), EnvironmentError> {
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }]});
    let version = ("Version", "2010-05-08");
    let role = ("RoleName", HOST_ROLE);
    let trust = trust.to_string();
    let document = ("AssumeRolePolicyDocument", trust.as_str());
    calls::query(record, "iam", &[("Action", "CreateRole"), version, role, document]).await?;
    let policy = record.outputs.get("HostPolicy").map(String::as_str).unwrap_or_default();
    let policy = ("PolicyArn", policy);
    calls::query(record, "iam", &[("Action", "AttachRolePolicy"), version, role, policy])
        .await
        .map(drop)
}

/// Gives the hosts' role a policy of a team's own.
///
/// # Errors
///
/// When IAM refuses it.
pub(super) async fn grant(
    record: &Record,
    name: &str,
    document: &str,
) -> Result<(), EnvironmentError> {
    let put = [
        ("Action", "PutRolePolicy"),
        ("Version", "2010-05-08"),
        ("RoleName", HOST_ROLE),
        ("PolicyName", name),
        ("PolicyDocument", document),
    ];
    calls::query(record, "iam", &put).await.map(drop)
}

async fn make_repository(record: &Record, service: &ServiceRecord) -> Result<(), EnvironmentError> {
    let target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
    let request = json!({ "repositoryName": service.name });
    calls::json(record, "ecr", target, &request).await.map(drop)
}

/// Copies the content of `files` into the service's directory on one host.
pub(super) async fn copy_files(
    state: &Path,
    number: u8,
    service: &ServiceRecord,
    files: &Path,
) -> Result<(), EnvironmentError> {
    let host = Host::open(state, number).map_err(EnvironmentError::Host)?;
    let inside = format!("/srv/{}", service.project);
    let Some(place) = host.path(&inside) else { return Ok(()) };
    std::fs::create_dir_all(&place).map_err(io_at("make", &place))?;
    let mut copy = Command::from(programs::command("cp"));
    copy.arg("--archive").arg("--no-preserve=ownership").arg(files.join(".")).arg(&place);
    let output = copy.output().await.map_err(io_at("copy to", &place))?;
    if output.status.success() {
        return Ok(());
    }
    Err(EnvironmentError::Refused {
        what: format!("copying {} to {}", files.display(), place.display()),
        answer: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
