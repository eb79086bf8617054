//! The verbs of `esclusa-local`: what a person types, and what is printed.
//!
//! Data goes to standard output and progress to standard error.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::environment::{self, Environment, EnvironmentError, Follow, Options, Service};
use crate::places::{find_checkout, state_directory};
use crate::{documents, interrupt};

/// The local environment: AWS on one machine, for demos, tests and a first try.
#[derive(Debug, Parser)]
#[command(name = "esclusa-local", version)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Args)]
struct Places {
    /// The checkout whose template, host scripts and functions are used, instead of the one that
    /// the working directory or this program lies in.
    #[arg(long, global = true, env = "ESCLUSA_ROOT")]
    root: Option<PathBuf>,
    /// Where the environment keeps everything, one environment a directory, instead of
    /// /var/lib/esclusa/<hash of the checkout's path>/local.
    #[arg(long, global = true, env = "ESCLUSA_LOCAL_STATE")]
    state: Option<PathBuf>,
}

impl Places {
    fn root(&self) -> Result<PathBuf, String> {
        find_checkout(self.root.as_deref()).map_err(|error| error.to_string())
    }

    fn state(&self) -> Result<PathBuf, String> {
        match &self.state {
            Some(state) => Ok(state.clone()),
            None => Ok(state_directory(&self.root()?, "local")),
        }
    }

    fn open(&self) -> Result<Environment, String> {
        Environment::open(&self.state()?).map_err(describe)
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the environment and leave it running.
    Up(Up),
    /// Stop the environment and remove everything of it, also after a crash.
    Down {
        /// The exit code, for a verb that was interrupted and ends as this one.
        #[arg(long, hide = true)]
        interrupted: Option<u8>,
    },
    /// Say how each part is.
    Status,
    /// Print the log of a part, or the names of the parts.
    Logs {
        /// The part.
        part: Option<String>,
        /// Wait for more.
        #[arg(long, short)]
        follow: bool,
    },
    /// Deploy the template and the functions of the checkout anew.
    Deploy,
    /// Play the demo in an environment of its own, and report what was expected and seen.
    Demo {
        /// End after so many chapters of the story.
        #[arg(long, value_name = "NUMBER")]
        chapters: Option<usize>,
    },
    /// Empty queues, ledger, repositories and hosts, without stopping anything.
    Reset,
    /// Print the registry's password, as `aws ecr get-login-password` does.
    Password,
    /// Write the SSM documents of `template.yaml` from hosts/bootstrap.sh.
    Documents {
        /// Only say whether they differ.
        #[arg(long)]
        check: bool,
    },
    /// Answer for AWS; `up` starts this.
    #[command(hide = true)]
    Serve,
}

#[derive(Debug, clap::Args)]
struct Up {
    /// A service to prepare: its repository, the tags of its hosts, and, with a directory, the
    /// files of `/srv/<service>` on each of them. Can be repeated.
    #[arg(long = "service", value_name = "NAME[=DIRECTORY]")]
    services: Vec<String>,
    /// How many hosts each of production and staging gets.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=30))]
    hosts: u8,
    /// The port of the AWS endpoint, instead of a free one.
    #[arg(long)]
    aws_port: Option<u16>,
    /// The port of the registry, instead of a free one.
    #[arg(long)]
    registry_port: Option<u16>,
}

/// Does what was asked for and says how the process ends: 0 done, 1 the answer is no, 2 failed.
pub async fn run(arguments: Arguments) -> ExitCode {
    match Box::pin(obey(arguments)).await {
        Ok(code) => code,
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::from(2)
        }
    }
}

async fn obey(arguments: Arguments) -> Result<ExitCode, String> {
    let Arguments { places, verb } = arguments;
    match verb {
        Verb::Up(up) => up_or_down(&places, up).await,
        Verb::Down { interrupted } => stop(&places.state()?, interrupted),
        Verb::Status => status(&places.open()?).await,
        Verb::Logs { part: None, .. } => print(&places.open()?.log_names().join("\n")),
        Verb::Logs { part: Some(part), follow } => {
            let follow = if follow { Follow::Yes } else { Follow::No };
            let logs = places.open()?;
            logs.logs(&part, follow, &mut std::io::stdout()).await.map(done).map_err(describe)
        }
        Verb::Deploy => places.open()?.deploy(&places.root()?).await.map(done).map_err(describe),
        Verb::Reset => places.open()?.reset().await.map(done).map_err(describe),
        Verb::Demo { chapters } => Ok(crate::demo::demo(&places.root()?, chapters).await),
        Verb::Password => {
            let password = places.open()?.registry_password().await;
            print(&password.map_err(describe)?)
        }
        Verb::Documents { check } => {
            let written = documents::write(&places.root()?, check);
            written.map(done).map_err(|error| environment::chain(&error))
        }
        Verb::Serve => serve(&places.state()?).await,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form of `map_err`")]
fn describe(error: EnvironmentError) -> String {
    environment::chain(&error)
}

/// Starts an environment; interrupted, it leaves nothing of it.
async fn up_or_down(places: &Places, up: Up) -> Result<ExitCode, String> {
    let (root, state) = (places.root()?, places.state()?);
    let started = tokio::select! {
        started = start(&root, &state, up) => started.map_err(describe)?,
        signal = interrupt::wait() => return Err(interrupt::become_down(&state, signal)),
    };
    print(&describe_start(&started))
}

fn stop(state: &Path, interrupted: Option<u8>) -> Result<ExitCode, String> {
    if interrupted.is_some() {
        interrupt::wait_for_children();
    }
    environment::down(state).map_err(describe)?;
    Ok(ExitCode::from(interrupted.unwrap_or(0)))
}

async fn start(root: &Path, state: &Path, up: Up) -> Result<Environment, EnvironmentError> {
    let services = up.services.iter().map(|text| Service::parse(text));
    let options = Options {
        services: services.collect::<Result<_, _>>()?,
        hosts: [up.hosts, up.hosts],
        aws_port: up.aws_port,
        registry_port: up.registry_port,
        progress: |line| eprintln!("{line}"),
        ..Options::new(root, state)
    };
    Environment::up(options).await
}

async fn serve(state: &Path) -> Result<ExitCode, String> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let ended = environment::serve(state).await;
    ended.map(done).map_err(|error| environment::chain(&error))
}

async fn status(environment: &Environment) -> Result<ExitCode, String> {
    let parts = environment.status().await;
    let mut text = String::new();
    for part in &parts {
        let word = if part.healthy { "ok" } else { "BAD" };
        let _ = writeln!(text, "{:<14} {word:<4} {}", part.part, part.detail);
    }
    print(text.trim_end())?;
    let all = parts.iter().all(|part| part.healthy);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What a person needs after `up`: where things are and the lines to type next.
fn describe_start(environment: &Environment) -> String {
    let record = environment.record();
    let service = record.services.first().map_or("SERVICE", |it| it.name.as_str());
    let registry = record.registry();
    let state = environment.state().display();
    let mut text = format!("AWS endpoint  {}\nregistry      {registry}\n", record.aws());
    for host in &record.hosts {
        let _ = writeln!(text, "{:<13} {} {}", host.name, host.address, host.instance_id);
    }
    let asked =
        format!(r#"{{"action":"status","service":"{service}","environment":"production"}}"#);
    let _ = write!(
        text,
        "\nlog in   esclusa-local --state {state} password | \
         docker login --username AWS --password-stdin {registry}\n\
         push     docker tag IMAGE {registry}/{service}:v1.0.0 && \
         docker push {registry}/{service}:v1.0.0\n\
         release  docker tag IMAGE {registry}/{service}:latest && \
         docker push {registry}/{service}:latest\n\
         ask      {}\n\
         stop     esclusa-local --state {state} down",
        environment.invoke_line("operator", &asked)
    );
    text
}

fn print(text: &str) -> Result<ExitCode, String> {
    let written = writeln!(std::io::stdout(), "{text}");
    written.map(done).map_err(|error| format!("cannot print: {error}"))
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
