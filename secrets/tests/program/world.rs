//! MiniStack, a relay before it that counts calls, and the program with its child.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http::{Relay, exchange};

pub(crate) const REGION: &str = "eu-south-1";

/// `MiniStack`, shared by all tests: they differ in the names of their secrets.
struct Aws {
    port: u16,
    /// The shell that `MiniStack` runs in ends it once this process is gone.
    _lifeline: ChildStdin,
    _shell: Child,
}

static AWS: OnceLock<Aws> = OnceLock::new();
static DIRECTORIES: AtomicUsize = AtomicUsize::new(0);

fn checkout() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    Path::new(&package).parent().unwrap().to_owned()
}

fn ministack() -> PathBuf {
    let venv = std::env::var_os("ESCLUSA_VENV").map(PathBuf::from);
    let venv = venv.unwrap_or_else(|| checkout().join(".tools/venv"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(venv.join("bin")).chain(std::env::split_paths(&path));
    let mut found = folders.map(|folder| folder.join("ministack")).filter(|it| it.is_file());
    found.next().expect("MiniStack is installed: run scripts/setup")
}

/// A port below those that the system gives to outgoing connections: one of these could take it
/// before MiniStack listens.
fn free_port() -> u16 {
    let first = 12_000 + u16::try_from(std::process::id() % 7_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..20_000).find(is_free).expect("some port is free")
}

fn aws() -> &'static Aws {
    AWS.get_or_init(|| {
        let port = free_port();
        let mut shell = Command::new("sh")
            .args(["-c", "\"$0\" </dev/null & read -r _; kill $!"])
            .arg(ministack())
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("MINISTACK_REGION", REGION)
            .env("MINISTACK_ACCOUNT_ID", "123456789012")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        let started = Instant::now();
        let ready = b"GET /_ministack/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        while exchange(port, ready).is_none_or(|answer| !answer.starts_with(b"HTTP/1.1 200")) {
            assert!(started.elapsed() < Duration::from_mins(2), "MiniStack does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Aws { port, _lifeline: shell.stdin.take().unwrap(), _shell: shell }
    })
}

/// Secrets and a directory of one test.
pub(crate) struct World {
    pub(crate) relay: Relay,
    /// Lies in memory.
    pub(crate) directory: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.directory);
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("esclusa-secrets-{}-{number}", std::process::id());
        let directory = Path::new("/dev/shm").join(name);
        Self { relay: Relay::start(aws().port), directory }
    }

    /// The program with nothing in its environment but AWS and these variables.
    pub(crate) fn program(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = bare(arguments);
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", self.relay.url())
            .env("ESCLUSA_SECRETS_DIRECTORY", &self.directory)
            .envs(variables.iter().copied());
        command
    }

    /// Runs a shell script as the application.
    pub(crate) fn exec(&self, script: &str, variables: &[(&str, &str)]) -> Ended {
        Ended::of(self.program(&["exec", "--", "sh", "-c", script], variables).output().unwrap())
    }

    pub(crate) fn check(&self, variables: &[(&str, &str)]) -> Ended {
        Ended::of(self.program(&["check"], variables).output().unwrap())
    }

    /// How often each action was called by the program.
    pub(crate) fn calls(&self) -> BTreeMap<String, usize> {
        self.relay.calls()
    }
}

/// Calls Secrets Manager as root.
pub(crate) fn call(action: &str, body: &Value) -> Value {
    let body = body.to_string();
    let credential = format!("test/20260101/{REGION}/secretsmanager/aws4_request");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Amz-Target: \
         secretsmanager.{action}\r\nContent-Type: application/x-amz-json-1.1\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, \
         Signature=x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(aws().port, request.as_bytes()).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{action} {body}: {answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Makes a secret and returns its ARN.
pub(crate) fn create(name: &str, value: &str) -> String {
    let body = serde_json::json!({ "Name": name, "SecretString": value });
    call("CreateSecret", &body)["ARN"].as_str().unwrap().to_owned()
}

/// The program that is built beside this test, with an empty environment.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().skip(1).map(|it| it.join("esclusa-secrets"));
    let program = program.take(2).find(|it| it.is_file()).expect("the program is built");
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The lines of the application, which was started.
    pub(crate) fn lines(&self) -> Vec<&str> {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout.lines().collect()
    }

    /// That nothing was started, for each of these reasons and no other; nothing secret is told.
    pub(crate) fn is_refused(&self, code: i32, reasons: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), reasons.len() + 1, "{self:#?}");
        for reason in reasons {
            assert!(lines.iter().any(|line| line.contains(reason)), "{reason}\n{self:#?}");
        }
        assert!(lines.last().unwrap().contains("the application is not started"), "{self:?}");
        assert!(!self.stderr.contains("hunter2"), "{self:?}");
    }
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}
