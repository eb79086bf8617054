//! The agents of the environment's own hosts.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use uuid::Uuid;

use super::guard;
use super::runner::{HostRunner, ScriptHost, ScriptJob, ScriptOutcome};
use crate::host::Host;

/// Where the agent keeps what it runs, inside the host.
const ORCHESTRATION: &str = "/var/lib/amazon/ssm/document/orchestration";

/// The exit code of a script that was killed.
const KILLED: i32 = 137;

/// How long a killed script's last output is waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs scripts in hosts as their agents would: as root, in all of the host's namespaces.
#[derive(Debug, Default)]
pub struct HostAgents {
    hosts: Mutex<BTreeMap<String, Host>>,
}

impl HostAgents {
    /// Says which host an instance id is.
    pub fn insert(&self, instance_id: &str, host: Host) {
        guard(&self.hosts).insert(instance_id.to_owned(), host);
    }

    async fn run_there(&self, at: ScriptHost, job: ScriptJob) -> Result<ScriptOutcome, String> {
        let host = guard(&self.hosts).get(&at.instance_id).cloned();
        let host = host.ok_or_else(|| format!("no host is known as `{}`", at.instance_id))?;
        let script = Script::write(&host, &job).map_err(|e| format!("writing the script: {e}"))?;
        let child = script.start(&host, &job)?;
        let outcome = attend(child, job.timeout).await;
        outcome.map_err(|e| format!("running the script: {e}"))
    }
}

impl HostRunner for HostAgents {
    fn run(
        &self,
        host: ScriptHost,
        job: ScriptJob,
    ) -> Pin<Box<dyn Future<Output = Result<ScriptOutcome, String>> + Send + '_>> {
        Box::pin(self.run_there(host, job))
    }
}

/// A script file in a host, removed when it has run.
struct Script {
    inside: String,
    outside: std::path::PathBuf,
}

impl Script {
    fn write(host: &Host, job: &ScriptJob) -> io::Result<Self> {
        let step = Uuid::new_v4();
        let directory = format!("{ORCHESTRATION}/{}/{step}", job.command_id);
        let outside = host.path(&directory).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("the host has no own {directory}"))
        })?;
        fs::create_dir_all(&outside)?;
        let file = outside.join("_script.sh");
        fs::write(&file, &job.script)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
        Ok(Self { inside: format!("{directory}/_script.sh"), outside })
    }

    fn start(&self, host: &Host, job: &ScriptJob) -> Result<Child, String> {
        let words: Vec<&str> = match &job.directory {
            None => vec!["sh", "-c", &self.inside],
            Some(at) => vec!["sh", "-c", "cd \"$1\" && exec \"$0\"", &self.inside, at],
        };
        let command = host.command(&words).map_err(|e| e.to_string())?;
        let mut command = Command::from(command);
        command.envs(job.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|e| format!("starting the script: {e}"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.outside) {
            tracing::warn!(%error, "a script that has run was not removed");
        }
    }
}

/// The script's process group, killed unless the script ended by itself.
struct Group(Option<i32>);

impl Group {
    fn kill(&mut self) {
        if let Some(leader) = self.0.take() {
            // The only failure left is that all of it has ended.
            let _gone = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads a script's output until it ends and closes it; a child in the background that keeps it
/// open delays the end, as with the real agent.
async fn attend(mut child: Child, limit: Duration) -> io::Result<ScriptOutcome> {
    let leader = child.id().and_then(|it| i32::try_from(it).ok());
    let mut group = Group(leader);
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = timeout(limit, async {
        tokio::join!(read(&mut stdout, &mut out), read(&mut stderr, &mut err), child.wait())
    });
    if let Ok((read_out, read_err, status)) = ended.await {
        group.0 = None;
        read_out.and(read_err)?;
        let exit_code = exit_code(status?);
        return Ok(ScriptOutcome { stdout: out, stderr: err, exit_code, timed_out: false });
    }
    group.kill();
    let rest = async { tokio::join!(read(&mut stdout, &mut out), read(&mut stderr, &mut err)) };
    // What a process outside the group still writes is lost, as it is with the real agent.
    let _late = timeout(LAST_WORDS, rest).await;
    child.wait().await?;
    Ok(ScriptOutcome { stdout: out, stderr: err, exit_code: KILLED, timed_out: true })
}

async fn read(from: &mut Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(pipe) = from else { return Ok(()) };
    let mut chunk = vec![0_u8; 8192];
    loop {
        let count = pipe.read(&mut chunk).await?;
        let Some(part @ [_, ..]) = chunk.get(..count) else { return Ok(()) };
        into.extend_from_slice(part);
    }
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    let by_signal = status.signal().map(|it| it.saturating_add(128));
    status.code().or(by_signal).unwrap_or(KILLED)
}
