//! One HAProxy process: the data plane of one listener.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::model::{HealthCheck, TargetGroup};
use crate::programs;

/// How long HAProxy may take to answer on its socket after its start.
const START_LIMIT: Duration = Duration::from_secs(5);

/// Room for the suffix that HAProxy adds while it creates a socket, below the system's 108 bytes.
const SOCKET_PATH_LIMIT: usize = 90;

/// A running HAProxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    child: Child,
    socket: PathBuf,
    configuration: PathBuf,
}

/// A server as `show stat` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerRow {
    pub(crate) name: String,
    /// For example `UP`, `DOWN 1/2`, `DRAIN`, `MAINT`.
    pub(crate) status: String,
    /// For example `INI`, `L7OK`, `L7STS`, `L4CON`.
    pub(crate) check_status: String,
    /// The check's HTTP status code.
    pub(crate) check_code: String,
}

impl Proxy {
    /// Starts HAProxy on 127.0.0.1:`port` with no servers, checking as `group` says.
    ///
    /// `name` is unused so far in `directory`, which gets the configuration and the log
    /// `<port>.log`, and in `sockets`. A second process can share the port, so that a new one
    /// takes over from an old one.
    pub(crate) async fn start(
        (directory, sockets): (&Path, &Path),
        name: &str,
        port: u16,
        group: &TargetGroup,
        second: Duration,
    ) -> io::Result<Self> {
        let configuration = directory.join(format!("{name}.cfg"));
        let socket = sockets.join(format!("{name}.sock"));
        if socket.as_os_str().len() > SOCKET_PATH_LIMIT {
            let text = format!("the path of socket `{}` is too long", socket.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        fs::write(&configuration, configure(&socket, port, &group.check, second))?;
        let log = directory.join(format!("{port}.log"));
        let output = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = Command::from(programs::command("haproxy"))
            .arg("-db")
            .arg("-f")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        let mut proxy = Self { child, socket, configuration };
        proxy.wait_until_up(&log).await?;
        Ok(proxy)
    }

    async fn wait_until_up(&mut self, log: &Path) -> io::Result<()> {
        let failed = |why: &str| {
            let text = format!("HAProxy {why}: see {}", log.display());
            io::Error::other(text)
        };
        let answers = async {
            loop {
                if self.command("show info").await.is_ok_and(|it| !it.is_empty()) {
                    return Ok(());
                }
                if self.child.try_wait()?.is_some() {
                    return Err(failed("ended at its start"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START_LIMIT, answers).await.map_err(|_| failed("does not answer"))?
    }

    /// Its process id, while it runs.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether its process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets it finish what it has and then end, while a successor listens already.
    pub(crate) fn retire(mut self) {
        if let Some(pid) = self.process().and_then(|it| i32::try_from(it).ok())
            && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGUSR1)
        {
            tracing::warn!(pid, %error, "an HAProxy was not asked to end");
        }
        tokio::spawn(async move { self.child.wait().await });
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Err(error) = self.child.start_kill() {
            tracing::warn!(%error, "an HAProxy was not killed");
        }
    }

    /// Says one command to its runtime API.
    pub(crate) async fn command(&self, text: &str) -> io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(format!("{text}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Says commands that have nothing to answer; what is answered all the same goes to the log.
    pub(crate) async fn tell(&self, commands: &[String]) -> io::Result<()> {
        let answer = self.command(&commands.join(";")).await?;
        let answer = answer.trim();
        if !answer.is_empty() && !answer.contains("New server registered") {
            tracing::info!(?commands, answer, "HAProxy answered");
        }
        Ok(())
    }

    /// The servers of the backend `targets`.
    pub(crate) async fn servers(&self) -> io::Result<Vec<ServerRow>> {
        Ok(rows(&self.command("show stat targets 4 -1").await?))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for file in [&self.socket, &self.configuration] {
            // A file that is gone already is as good.
            let _gone = fs::remove_file(file);
        }
    }
}

fn rows(table: &str) -> Vec<ServerRow> {
    let mut lines = table.trim_start_matches("# ").lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| header.iter().position(|it| *it == name);
    let at = ["svname", "status", "check_status", "check_code"].map(column);
    let read = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [name, status, check_status, check_code] =
            at.map(|at| at.and_then(|at| cells.get(at)).map(|it| (*it).to_owned()));
        Some(ServerRow {
            name: name.filter(|it| !it.is_empty())?,
            status: status?,
            // `* L7OK` is a check that is running, with its last result.
            check_status: check_status?.trim_start_matches("* ").to_owned(),
            check_code: check_code?,
        })
    };
    lines.filter_map(read).collect()
}

/// So many of AWS's seconds in HAProxy's words.
pub(crate) fn millis(seconds: u64, second: Duration) -> String {
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    format!("{}ms", second.saturating_mul(seconds).as_millis().max(1))
}

/// The backend `open` is for when no target is healthy: like AWS's load balancers, HAProxy then
/// tries all of them. Nothing is retried or sent to another target, since those do not either.
/// A new target's first check comes at once, as AWS's does, not after a whole interval.
fn configure(socket: &Path, port: u16, check: &HealthCheck, second: Duration) -> String {
    let mut text = format!(
        "global\n  stats socket {} mode 600 level admin\n  log stdout format raw local0\n  \
         max-spread-checks 50ms\n\
         defaults\n  mode http\n  log global\n  option httplog\n  retries 0\n  \
         timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n\
         frontend listener\n  bind 127.0.0.1:{port}\n  \
         use_backend open if {{ nbsrv(targets) eq 0 }} {{ nbsrv(open) gt 0 }}\n  \
         default_backend targets\n\
         backend open\n  balance roundrobin\n\
         backend targets\n  balance roundrobin\n  timeout check {}\n",
        socket.display(),
        millis(check.timeout, second),
    );
    if check.protocol != "TCP" {
        // Writing to a text cannot fail.
        let _written = write!(
            text,
            "  option httpchk\n  http-check send meth GET uri {} ver HTTP/1.1 \
             hdr Host 127.0.0.1 hdr User-Agent ELB-HealthChecker/2.0 hdr Connection close\n  \
             http-check expect status {}\n",
            check.path, check.matcher
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistics_table_is_read_by_its_header() {
        let table = "# pxname,svname,status,check_status,check_code,\n\
                     targets,i-1_80,UP,L7OK,200,\n\
                     targets,i-2_80,DOWN 1/2,* L7STS,503,\n\n";
        let rows = rows(table);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].status, "UP");
        assert_eq!((rows[1].check_status.as_str(), rows[1].check_code.as_str()), ("L7STS", "503"));
    }
}
