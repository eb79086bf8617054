//! Docker Compose, through its own command and its own answers.

mod definition;
mod variables;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use esclusa_core::host::{Files, PIN, find_cause};
use esclusa_core::reason::Reason;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::error::{self, reason};

pub(crate) use variables::Variables;

/// The oldest version whose `config`, `up` and `ps` behave as they are used here.
pub(crate) const OLDEST: (u32, u32) = (2, 20);

/// Of a question; reading files takes Compose some fifty milliseconds.
const QUESTION: Duration = Duration::from_mins(1);

/// Compose in one directory.
#[derive(Debug, Clone)]
pub(crate) struct Compose {
    /// The service's directory.
    pub directory: PathBuf,
}

/// What a run of Compose wrote.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Standard output.
    pub text: String,
}

/// Why a run of Compose did not go well.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It could not be started, or is not there.
    Absent(String),
    /// It took too long.
    Late(Duration),
    /// It ended with an error; all that it wrote.
    Ended(String),
}

impl Failed {
    /// A sentence for a code of the protocol.
    pub(crate) fn reason(&self, code: &str, doing: &str) -> Reason {
        match self {
            Self::Absent(text) => reason(error::COMPOSE, text.clone()),
            Self::Late(limit) => {
                let text = format!("{doing} was not done after {} s.", limit.as_secs());
                reason(code, text)
            }
            Self::Ended(text) => reason(code, format!("{doing} fails: {}", find_cause(text))),
        }
    }
}

impl Compose {
    /// Checks that Compose v2 is here, and which.
    ///
    /// # Errors
    ///
    /// `hosts.compose` with the command that installs it.
    pub(crate) async fn check(&self) -> Result<(), Reason> {
        let asked = self.run(&["version", "--short"], &[], None, QUESTION).await;
        let version = match asked {
            Ok(output) => output.text.trim().trim_start_matches('v').to_owned(),
            Err(Failed::Late(_)) => {
                let text = "This host is too busy: docker compose version took over a minute.";
                return Err(reason(error::DOCKER, text));
            }
            Err(_) => return Err(refuse_compose("This host has no Compose v2.")),
        };
        let mut numbers = version.split(['.', '-', '+']).map(|it| it.parse::<u32>().unwrap_or(0));
        let seen = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if seen < OLDEST {
            let text = format!("Compose {version} is older than {}.{}.", OLDEST.0, OLDEST.1);
            return Err(refuse_compose(&text));
        }
        Ok(())
    }

    /// Runs Compose with these files, as a person in the directory would.
    pub(crate) async fn with_files(
        &self,
        arguments: &[&str],
        files: &Files,
        is_pinned: bool,
        limit: Duration,
    ) -> Result<Output, Failed> {
        let variables = self.variables_of(files, is_pinned);
        let mut all: Vec<&str> = Vec::new();
        for file in &files.environment {
            all.extend(["--env-file", file.as_str()]);
        }
        all.extend(arguments);
        self.run(&all, &variables, None, limit).await
    }

    fn variables_of(&self, files: &Files, is_pinned: bool) -> Vec<(&'static str, String)> {
        let separator = if files.separator.is_empty() { ":" } else { &files.separator };
        let mut listed = files.listed.clone();
        if is_pinned && self.directory.join(PIN).exists() {
            listed.push(PIN.to_owned());
        }
        vec![
            ("COMPOSE_FILE", listed.join(separator)),
            ("COMPOSE_PROJECT_NAME", files.project.clone()),
            ("COMPOSE_PATH_SEPARATOR", separator.to_owned()),
        ]
    }

    /// Runs `docker compose` with nothing of the agent's environment but where programs are.
    async fn run(
        &self,
        arguments: &[&str],
        variables: &[(&'static str, String)],
        input: Option<&str>,
        limit: Duration,
    ) -> Result<Output, Failed> {
        let mut command = docker(&self.directory);
        command.arg("compose").args(arguments);
        command.envs(variables.iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n, v)));
        run_to_end(command, input, limit).await
    }
}

/// The Docker command line tool, with a plain environment.
pub(crate) fn docker(directory: &Path) -> Command {
    let mut command = Command::new("docker");
    command.env_clear().current_dir(if directory.is_dir() { directory } else { Path::new("/") });
    for name in ["PATH", "DOCKER_HOST"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let home = std::env::var_os("HOME").filter(|it| !it.is_empty());
    command.env("HOME", home.unwrap_or_else(|| "/root".into())).env("LANG", "C.UTF-8");
    command
}

/// Runs a command to its end, feeding and reading it; ends it kindly, then by force, when it is
/// late.
pub(crate) async fn run_to_end(
    mut command: Command,
    input: Option<&str>,
    limit: Duration,
) -> Result<Output, Failed> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| Failed::Absent(format!("The command docker does not start: {error}.")))?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), input) {
        // A child that does not read its input tells why by itself.
        let _closed = pipe.write_all(text.as_bytes()).await;
    }
    let pid = child.id().and_then(|it| i32::try_from(it).ok());
    let mut ended = std::pin::pin!(child.wait_with_output());
    let Ok(output) = timeout(limit, &mut ended).await else {
        if let Some(pid) = pid {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let _killed_when_dropped = timeout(Duration::from_secs(5), ended).await;
        return Err(Failed::Late(limit));
    };
    let output =
        output.map_err(|error| Failed::Absent(format!("docker cannot be run: {error}.")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    eprint!("{complaint}");
    if output.status.success() { Ok(Output { text }) } else { Err(Failed::Ended(complaint)) }
}

fn refuse_compose(seen: &str) -> Reason {
    let text = format!(
        "{seen} Install it: `apt-get install docker-compose-plugin`, or put the plugin into \
         /usr/local/lib/docker/cli-plugins."
    );
    reason(error::COMPOSE, text)
}
