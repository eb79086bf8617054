//! Starting an environment: every part, the template, and what the services need.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::task::{JoinSet, spawn_blocking};

use super::error::{EnvironmentError, io_at};
use super::options::{ENVIRONMENTS, Options};
use super::parts::{self, Start};
use super::record::{HostRecord, Record};
use super::{Environment, down, login, preflight, serve, services, state};
use crate::host::{EnvironmentId, Host, HostOptions};
use crate::ports;

/// MiniStack takes under a second, our server less; this is for a machine under heavy load.
const START: Duration = Duration::from_mins(2);

/// Starts an environment and returns once a push would roll out.
///
/// A failure half-way stops what was started and keeps the logs.
///
/// # Errors
///
/// A sentence for everything that is missing or taken, before anything was started; else what the
/// part that failed said.
pub(super) async fn up(options: Options) -> Result<Environment, EnvironmentError> {
    preflight::check_machine()?;
    let path = state::prepare(&options.state)?;
    let _lock = state::lock(&path)?;
    refuse_running(&path)?;
    preflight::check_built(&options)?;
    // What a crash left has no record that could be trusted, only names.
    down::stop_all(&path)?;
    state::clear(&path, true)?;
    let path = state::prepare(&path)?;
    let (aws, registry) = (choose_port(options.aws_port)?, choose_port(options.registry_port)?);
    if aws == registry {
        return Err(EnvironmentError::PortTaken { port: aws });
    }
    let control = choose_port(None)?;
    let services = options.services.iter().map(services::record).collect();
    let mut record = Record::new([aws, control, registry], services);
    match start_all(&options, &path, &mut record).await {
        Ok(()) => Ok(Environment { state: path, record }),
        Err(error) => {
            // The first error is the one worth reading; that something is left is worth a line.
            let cleaned = down::stop_all(&path).and_then(|()| state::clear(&path, true));
            if let Err(second) = cleaned {
                (options.progress)(&format!("cleaning up: {}", super::chain(&second)));
            }
            Err(error)
        }
    }
}

/// The port that was asked for, or a free one.
fn choose_port(wish: Option<u16>) -> Result<u16, EnvironmentError> {
    match wish {
        Some(port) if ports::is_free(Ipv4Addr::LOCALHOST, port) => Ok(port),
        Some(port) => Err(EnvironmentError::PortTaken { port }),
        None => ports::free().map_err(|source| EnvironmentError::Io {
            what: "choosing a free port".to_owned(),
            source,
        }),
    }
}

/// Where MiniStack says that it works.
pub(super) const AWS_READY: &str = "/_ministack/ready";
/// Where our own server says so.
pub(super) const CONTROL_READY: &str = "/_esclusa/health";

fn refuse_running(path: &Path) -> Result<(), EnvironmentError> {
    // One that was killed while it started is nobody's: it is started anew.
    let complete = Record::read(path)?.is_some_and(|record| !record.outputs.is_empty());
    if complete && !parts::processes(path).is_empty() {
        return Err(EnvironmentError::AlreadyUp { state: path.to_owned() });
    }
    Ok(())
}

async fn start_all(
    options: &Options,
    path: &Path,
    record: &mut Record,
) -> Result<(), EnvironmentError> {
    record.write(path)?;
    (options.progress)(&format!(
        "starting AWS (port {}) and {} hosts, each with an engine of its own",
        record.aws_port,
        options.hosts.into_iter().map(usize::from).sum::<usize>()
    ));
    start_ministack(options, path, record)?;
    let ready = format!("{}{AWS_READY}", record.aws());
    let (hosts, aws, registry) = tokio::join!(
        make_hosts(options, path),
        answers(path, "aws", &ready),
        start_registry(path, record)
    );
    aws?;
    registry?;
    record.hosts = hosts?;
    record.logs = log_files(path, record)?;
    record.write(path)?;
    (options.progress)("starting ECR, Systems Manager and load balancers");
    start_control(path, record)?;
    wait_for(path, "control", async || serve::is_ready(path)).await?;
    (options.progress)("deploying template.yaml");
    record.outputs = deploy(options, record).await?;
    services::prepare(options, path, record).await?;
    record.write(path)
}

fn start_ministack(
    options: &Options,
    path: &Path,
    record: &Record,
) -> Result<(), EnvironmentError> {
    let python = options.python();
    let launcher = options.launcher();
    let variables = vec![
        // Without this nobody would be refused anything.
        ("AUTH", "true".to_owned()),
        ("BIND_HOST", "127.0.0.1".to_owned()),
        ("MINISTACK_HOST", "127.0.0.1".to_owned()),
        ("GATEWAY_PORT", record.aws_port.to_string()),
        ("AWS_ENDPOINT_URL", record.aws()),
        ("MINISTACK_ACCOUNT_ID", record.account.clone()),
        ("MINISTACK_REGION", record.region.clone()),
        ("TMPDIR", path.join("tmp").display().to_string()),
        ("ESCLUSA_CONTROL_PORT", record.control_port.to_string()),
    ];
    let arguments = vec![OsStr::new("-B"), launcher.as_os_str(), OsStr::new("serve")];
    parts::start(path, Start { part: "aws", program: python.as_os_str(), arguments, variables })
}

async fn start_registry(path: &Path, record: &Record) -> Result<(), EnvironmentError> {
    let (path, record) = (path.to_owned(), record.clone());
    blocking(move || serve::start_registry(&path, &record)).await
}

fn start_control(path: &Path, record: &Record) -> Result<(), EnvironmentError> {
    let program = own_program()?;
    let arguments = vec![OsStr::new("serve"), OsStr::new("--state"), path.as_os_str()];
    let variables = vec![("AWS_ENDPOINT_URL", record.aws()), ("RUST_LOG", "info".to_owned())];
    parts::start(
        path,
        Start { part: "control", program: program.as_os_str(), arguments, variables },
    )
}

/// The `esclusa-local` program: this one, or the one beside the test or demo that runs.
pub(super) fn own_program() -> Result<PathBuf, EnvironmentError> {
    let own = std::env::current_exe().map_err(io_at("find", Path::new("/proc/self/exe")))?;
    if own.file_name().is_some_and(|name| name == "esclusa-local") {
        return Ok(own);
    }
    let beside = own.ancestors().skip(1).take(2).map(|at| at.join("esclusa-local"));
    let mut found = beside.filter(|program| program.is_file());
    found.next().ok_or_else(|| EnvironmentError::NotSetUp {
        what: "the program `esclusa-local` (cargo build --package esclusa-local)".to_owned(),
    })
}

async fn make_hosts(options: &Options, path: &Path) -> Result<Vec<HostRecord>, EnvironmentError> {
    let id = EnvironmentId::of(path).map_err(EnvironmentError::Host)?;
    let mut making = JoinSet::new();
    let mut number = 0_u8;
    for (environment, count) in ENVIRONMENTS.into_iter().zip(options.hosts) {
        for place in 1..=count {
            number = number.saturating_add(1);
            let tags = services::tags(options, environment);
            let (path, id) = (path.to_owned(), id.hex().to_owned());
            making.spawn_blocking(move || {
                let host = Host::create(&path, number, HostOptions::default());
                let host = host.map_err(EnvironmentError::Host)?;
                login::install(&host)?;
                let zone = if place % 2 == 1 { 'a' } else { 'b' };
                Ok(HostRecord {
                    name: format!("{environment}-{place}"),
                    number,
                    instance_id: format!("i-{id}{number:09x}"),
                    address: host.address(),
                    environment: environment.to_owned(),
                    availability_zone: format!("{}{zone}", super::record::REGION),
                    tags,
                })
            });
        }
    }
    let made = making.join_all().await;
    let mut hosts = made.into_iter().collect::<Result<Vec<_>, EnvironmentError>>()?;
    hosts.sort_by_key(|host: &HostRecord| host.number);
    Ok(hosts)
}

fn log_files(path: &Path, record: &Record) -> Result<BTreeMap<String, PathBuf>, EnvironmentError> {
    let mut logs: BTreeMap<_, _> =
        ["aws", "control"].map(|part| (part.to_owned(), parts::log(path, part))).into();
    logs.insert("registry".to_owned(), crate::registry::Registry::of(path).log());
    for host in &record.hosts {
        let opened = Host::open(path, host.number).map_err(EnvironmentError::Host)?;
        logs.insert(host.name.clone(), opened.log("dockerd"));
    }
    Ok(logs)
}

/// Waits until a part answers a request with success.
async fn answers(path: &Path, part: &'static str, url: &str) -> Result<(), EnvironmentError> {
    let client = reqwest::Client::new();
    let request = || client.get(url).send();
    wait_for(path, part, async || request().await.is_ok_and(|answer| answer.status().is_success()))
        .await
}

/// Waits until a part is ready, and no longer once it has ended.
async fn wait_for(
    path: &Path,
    part: &'static str,
    ready: impl AsyncFn() -> bool,
) -> Result<(), EnvironmentError> {
    let started = Instant::now();
    let mut missed = 0_u8;
    while started.elapsed() < START {
        if ready().await {
            return Ok(());
        }
        let living = parts::processes(path).iter().any(|process| process.part == part);
        // A process that is just becoming its program bears no mark for a moment.
        missed = if living { 0 } else { missed.saturating_add(1) };
        if missed > 2 {
            let answer = last_words(&parts::log(path, part));
            return Err(EnvironmentError::Refused { what: format!("starting {part}"), answer });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = parts::log(path, part);
    Err(EnvironmentError::Late { part, seconds: START.as_secs(), log })
}

/// The last line of a log: what a program says before it gives up.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().next_back().unwrap_or("it ended without a word").to_owned()
}

/// Deploys the stack with the launcher and returns its outputs.
pub(super) async fn deploy(
    options: &Options,
    record: &Record,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    // A table that outlives its stack has no use here.
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let parameters = [("Pace", "quick"), ("KeepLedger", "false"), ("Architecture", architecture)];
    deploy_template(options, record, (&record.stack, "template.yaml"), &parameters).await
}

/// Deploys a template of the project's as a stack of that name, and returns its outputs.
pub(super) async fn deploy_template(
    options: &Options,
    record: &Record,
    (stack, template): (&str, &str),
    parameters: &[(&str, &str)],
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let mut command = Command::new(options.python());
    command.arg("-B").arg(options.launcher()).arg("deploy");
    command.args(["--endpoint", &record.aws(), "--region", &record.region]);
    command.args(["--stack", stack]);
    command.arg("--template").arg(options.root.join(template));
    command.arg("--code").arg(options.code());
    for (name, value) in parameters {
        command.args(["--parameter", &format!("{name}={value}")]);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(io_at("run", &options.python()))?;
    let refused = |answer: &[u8]| EnvironmentError::Refused {
        what: format!("deploying {template}"),
        answer: String::from_utf8_lossy(answer).trim().to_owned(),
    };
    if !output.status.success() {
        return Err(refused(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).map_err(|_| refused(&output.stdout))
}

/// Runs what blocks where it does not hold up the rest.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EnvironmentError> + Send + 'static,
) -> Result<T, EnvironmentError> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(EnvironmentError::Io {
            what: "finish a step of the environment".to_owned(),
            source: std::io::Error::other(error),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn free_ports_differ_and_a_taken_one_is_refused_by_name() {
        let [one, two] = [choose_port(None).unwrap(), choose_port(None).unwrap()];
        assert_ne!(one, two);
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, one)).unwrap();
        let port = held.local_addr().unwrap().port();
        let refused = choose_port(Some(port)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "port {port} of 127.0.0.1 is taken: choose another one, or none to take a free one"
            )
        );
    }
}
