//! Docker Compose, through its own command and its own answers.

mod definition;
mod plugin;
mod shipped;
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
    /// The home below which Docker looks for a person's own plugins.
    pub home: PathBuf,
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
        let asked = self.run(&["version", "--short"], &[], QUESTION).await;
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
        limit: Duration,
    ) -> Result<Output, Failed> {
        let arguments = with_environment(arguments, &files.environment);
        self.run(&arguments, &self.variables_of(files, true), limit).await
    }

    /// The same with one more file, which says the last word.
    pub(crate) async fn with_override(
        &self,
        arguments: &[&str],
        files: &Files,
        last: &str,
        limit: Duration,
    ) -> Result<Output, Failed> {
        let mut files = files.clone();
        files.listed.extend(self.pin());
        files.listed.push(last.to_owned());
        let arguments = with_environment(arguments, &files.environment);
        self.run(&arguments, &self.variables_of(&files, false), limit).await
    }

    /// Asks Compose about these files, without the pin.
    async fn ask_with_files(&self, arguments: &[&str], files: &Files) -> Result<Output, Failed> {
        let arguments = with_environment(arguments, &files.environment);
        self.ask(&arguments, &self.variables_of(files, false), None).await
    }

    /// The pin, where there is one.
    fn pin(&self) -> Option<String> {
        self.directory.join(PIN).exists().then(|| PIN.to_owned())
    }

    fn variables_of(&self, files: &Files, is_pinned: bool) -> Vec<Variable> {
        let separator = if files.separator.is_empty() { ":" } else { &files.separator };
        let mut listed = files.listed.clone();
        listed.extend(self.pin().filter(|_| is_pinned));
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
        variables: &[Variable],
        limit: Duration,
    ) -> Result<Output, Failed> {
        let mut command = docker_compose(&self.directory);
        command.args(arguments).envs(given(variables));
        run_to_end(command, None, limit).await
    }

    /// Has Compose answer what needs no engine: in half the time without the command line tool
    /// between.
    async fn ask(
        &self,
        arguments: &[&str],
        variables: &[Variable],
        input: Option<&str>,
    ) -> Result<Output, Failed> {
        let mut command = match plugin::find(&self.home) {
            Some(plugin) => plain(&plugin, &self.directory),
            None => docker_compose(&self.directory),
        };
        command.args(arguments).envs(given(variables));
        run_to_end(command, input, QUESTION).await
    }
}

/// A variable of Compose's with its value; an empty one is not given.
type Variable = (&'static str, String);

fn given(variables: &[Variable]) -> impl Iterator<Item = (&'static str, &str)> {
    let given = variables.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| (*name, value.as_str()))
}

/// Arguments after the files that are read in the place of `.env`.
fn with_environment<'a>(arguments: &[&'a str], environment: &'a [String]) -> Vec<&'a str> {
    let files = environment.iter().flat_map(|it| ["--env-file", it.as_str()]);
    files.chain(arguments.iter().copied()).collect()
}

/// The Docker command line tool, with a plain environment.
pub(crate) fn docker(directory: &Path) -> Command {
    plain(Path::new("docker"), directory)
}

/// Compose by that tool.
fn docker_compose(directory: &Path) -> Command {
    let mut command = docker(directory);
    command.arg("compose");
    command
}

/// A program with nothing of the agent's environment but where programs and the engine are.
fn plain(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(if directory.is_dir() { directory } else { Path::new("/") });
    for name in ["PATH", "DOCKER_HOST"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("HOME", home()).env("LANG", "C.UTF-8");
    command
}

/// The home of whoever runs the program; the agent gives none.
pub(crate) fn home() -> PathBuf {
    let home = std::env::var_os("HOME").filter(|it| !it.is_empty());
    home.unwrap_or_else(|| "/root".into()).into()
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
        .map_err(|error| Failed::Absent(format!("docker does not start: {error}.")))?;
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
