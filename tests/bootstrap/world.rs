//! A host, a registry with a login, and stand-ins for the program in its repository.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use esclusa_local::documents::bootstrap;
use esclusa_local::host::{Finished, Host, HostOptions, Limits, remove_all};
use esclusa_local::places::{state_directory, tested_checkout};
use esclusa_local::registry::Registry;
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

const TOKEN: &str = "a-token-that-only-the-login-gives";
const LIMIT: Limits = Limits { timeout: std::time::Duration::from_secs(90) };

/// Tools that the bootstrap may use: a host that has these and Docker has all that it needs.
const TOOLS: [&str; 18] = [
    "base64", "bash", "docker", "env", "find", "flock", "mkdir", "mktemp", "mv", "rm", "sed",
    "sort", "sync", "tail", "timeout", "touch", "tr", "xargs",
];

pub(crate) struct World {
    state: PathBuf,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// What a run of the bootstrap gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) answer: Value,
    pub(crate) log: String,
}

impl World {
    pub(crate) fn start(name: &str, options: HostOptions) -> Self {
        let state = state_directory(&tested_checkout(), &format!("bootstrap-{name}"));
        clear(&state);
        fs::create_dir_all(&state).unwrap();
        let port = esclusa_local::ports::free().unwrap();
        let host = Host::create(&state, 1, options).unwrap();
        Registry::of(&state).start(port, TOKEN, None).unwrap();
        forward(&host, port);
        let world = Self { state, host, port };
        world.keep_tools(&TOOLS);
        world.write("docker-credential-ecr-login", &helper());
        world
    }

    /// Leaves the host no other tools than these, in the one directory of its path.
    pub(crate) fn keep_tools(&self, tools: &[&str]) {
        let links = tools.iter().map(|tool| format!("ln -sf \"$(type -P {tool})\" /root/tools/"));
        let script = links.collect::<Vec<_>>().join(" && ");
        self.shell(&format!("rm -rf /root/tools && mkdir -p /root/tools && {script}"));
    }

    /// Writes an executable into the directory of tools.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.host.path(&format!("/root/tools/{name}")).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Pushes a stand-in for the program, which says its name, and returns its image.
    pub(crate) fn publish(&self, name: &str, bytes: usize) -> String {
        let repository = format!("127.0.0.1:{}/esclusa/host", self.port);
        let program = format!(
            "#!/bin/bash\necho \"{{\\\"program\\\":\\\"{name}\\\",\\\"verb\\\":\\\"$1\\\",\
             \\\"service\\\":\\\"$SSM_Service\\\",\\\"fds\\\":\\\"$(echo /proc/self/fd/*)\\\"}}\"\n\
             echo 'said to the log' >&2\nexit 7\n# "
        );
        let place = self.host.path("/root/image").unwrap();
        fs::create_dir_all(&place).unwrap();
        let noise = (0..bytes).map(|at| format!("{:x}", at.wrapping_mul(2_654_435_761) >> 7 & 15));
        fs::write(place.join("esclusa-host"), program + &noise.collect::<String>()).unwrap();
        let from = "FROM scratch\nCOPY esclusa-host /esclusa-host\n\
                    ENTRYPOINT [\"/esclusa-host\"]\n";
        fs::write(place.join("Dockerfile"), from).unwrap();
        self.shell("chmod 755 /root/image/esclusa-host");
        let pushed = self.shell(&format!(
            "export DOCKER_CONFIG=/root/push PATH=/root/tools:$PATH && mkdir -p $DOCKER_CONFIG
             echo '{{\"credHelpers\":{{\"127.0.0.1:{port}\":\"ecr-login\"}}}}' \
               >$DOCKER_CONFIG/config.json
             docker build --quiet --tag {repository}:{name} /root/image >&2
             docker push {repository}:{name}
             docker image rm {repository}:{name} >&2
             docker image prune --force >&2",
            port = self.port
        ));
        let digest = pushed.split("digest: ").nth(1).and_then(|it| it.split_whitespace().next());
        format!("{repository}@{}", digest.unwrap_or_else(|| panic!("no digest in {pushed}")))
    }

    /// Runs a document of the verb as the agent does.
    pub(crate) fn run(&self, verb: &str, program: &str) -> Ran {
        let hosts = tested_checkout().join("hosts");
        let script = bootstrap(&hosts, verb, program).unwrap();
        let environment = [
            ("SSM_Service", "acme/tickets"),
            ("SSM_Environment", "production"),
            ("AWS_SSM_REGION_NAME", "eu-south-1"),
        ];
        let shell = ["/usr/bin/env", "PATH=/root/tools", "/bin/bash", "-s"];
        let Finished { code, stdout, stderr, .. } =
            self.host.exec(&shell, &environment, script.as_bytes(), LIMIT).unwrap();
        let (stdout, log) =
            (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(stdout.lines().count(), 1, "{stdout:?}: {log}");
        assert!(stdout.len() <= 1_100, "{stdout}");
        let answer = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"));
        Ran { code, answer, log }
    }

    /// Runs a line of shell on the host that must succeed, and returns its output.
    pub(crate) fn shell(&self, line: &str) -> String {
        let script = format!("set -e; {line}");
        let done = self.host.exec(&["bash", "-c", &script], &[], b"", LIMIT).unwrap();
        assert_eq!(done.code, Some(0), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// The programs that the host keeps.
    pub(crate) fn kept(&self) -> Vec<String> {
        self.shell("ls -A /var/lib/esclusa/bin").lines().map(str::to_owned).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        clear(&self.state);
    }
}

fn clear(state: &Path) {
    let _none = Registry::of(state).stop();
    remove_all(state).unwrap();
    let _absent = fs::remove_dir_all(state);
}

/// What `amazon-ecr-credential-helper` does, with a token that never changes.
fn helper() -> String {
    format!(
        "#!/bin/bash\nread -r registry\n\
         echo \"{{\\\"ServerURL\\\":\\\"$registry\\\",\\\"Username\\\":\\\"AWS\\\",\
         \\\"Secret\\\":\\\"{TOKEN}\\\"}}\"\n"
    )
}

/// What the AWS CLI does when it is asked for the registry's password.
pub(crate) fn command_line(succeeds: bool) -> String {
    let answer = if succeeds { format!("echo {TOKEN}") } else { "exit 254".to_owned() };
    format!(
        "#!/bin/bash\n[[ $* == 'ecr get-login-password --region eu-south-1' ]] || exit 252\n\
         echo 'a warning of its own' >&2\n{answer}\n"
    )
}

/// Makes a port of the host's loopback lead to the same port of this machine's.
fn forward(host: &Host, port: u16) {
    let path = host.network_namespace();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let entering = move || {
        setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        TcpListener::bind(address).unwrap()
    };
    let listener = thread::spawn(entering).join().unwrap();
    thread::spawn(move || {
        for inside in listener.incoming().flatten() {
            let Ok(outside) = TcpStream::connect(address) else { continue };
            let (a, b) = (inside.try_clone().unwrap(), outside.try_clone().unwrap());
            thread::spawn(move || pump(inside, outside));
            thread::spawn(move || pump(b, a));
        }
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let _either_end_closed = io::copy(&mut from, &mut to);
    let _closed = to.shutdown(std::net::Shutdown::Write);
}
