//! A host, a registry, and a second host that builds and pushes; and one service on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use esclusa_local::host::{Engine, Finished, Host, HostOptions, Limits, remove_all};
use esclusa_local::places::{state_directory, tested_checkout, tools};
use esclusa_local::ports;
use esclusa_local::registry::Registry;

use crate::{endpoints, images, order};

const TOKEN: &str = "a-token-that-only-the-login-gives";

/// Everything that the rows share.
pub(crate) struct World {
    state: PathBuf,
    _cleaner: Cleaner,
    engine: Engine,
    pub(crate) host: Host,
    builder: Host,
    pub(crate) port: u16,
    pub(crate) aws: u16,
    // A push of one tag while another row pushes the same layers makes the registry complain.
    pushing: Mutex<()>,
}

impl World {
    /// Starts it in a directory of its own; what an earlier run left there is removed first.
    pub(crate) fn start(name: &str, engine: Engine) -> Self {
        let state = state_directory(&tested_checkout(), &format!("hosts-{name}"));
        clear(&state);
        fs::create_dir_all(&state).unwrap();
        let cleaner = Cleaner(state.clone());
        let (port, aws) = (ports::free().unwrap(), ports::free().unwrap());
        let host = new_host(&state, 1, HostOptions { engine: engine.clone(), disk_mib: None });
        let builder = new_host(&state, 2, HostOptions::default());
        let started = Registry::of(&state).start(port, TOKEN, None);
        started.unwrap_or_else(|error| panic!("{error}"));
        let pushing = Mutex::default();
        let world = Self { state, _cleaner: cleaner, engine, host, builder, port, aws, pushing };
        world.connect(&world.host);
        endpoints::forward(&world.builder, port);
        images::make(&world.builder);
        images::make_plain(&world.host);
        let address = format!("127.0.0.1:{port}");
        let login = ["docker", "login", "--username", "AWS", "--password-stdin", &address];
        let done = world.builder.exec(&login, &[], TOKEN.as_bytes(), Limits::seconds(30)).unwrap();
        assert_eq!(done.code, Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        world
    }

    /// Makes a host beside the shared one, with the same engine.
    pub(crate) fn another_host(&self, number: u8, disk_mib: Option<u32>) -> Host {
        let host =
            new_host(&self.state, number, HostOptions { disk_mib, engine: self.engine.clone() });
        order::install(&host);
        host
    }

    /// Gives a host what an EC2 machine finds around it.
    pub(crate) fn connect(&self, host: &Host) {
        endpoints::forward(host, self.port);
        endpoints::serve_aws(host, self.aws, TOKEN);
        order::install(host);
    }

    /// Pushes one of the images under a repository and tag: `tag@sha256:…`.
    pub(crate) fn push(&self, kind: &str, repository: &str, tag: &str) -> String {
        let _turn = self.pushing.lock();
        let name = format!("127.0.0.1:{}/{repository}:{tag}", self.port);
        self.build(&["docker", "tag", &format!("esclusa-test/{kind}"), &name]);
        let told = self.build(&["docker", "push", &name]);
        let digest = told.split("digest: ").nth(1).and_then(|it| it.split_whitespace().next());
        format!("{tag}@{}", digest.unwrap_or_else(|| panic!("no digest in {told}")))
    }

    fn build(&self, arguments: &[&str]) -> String {
        run(&self.builder, arguments)
    }

    /// Runs a command on the host that must succeed, and answers its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        run(&self.host, arguments)
    }
}

/// Runs a command on some host that must succeed, and answers its output.
pub(crate) fn run(host: &Host, arguments: &[&str]) -> String {
    told(arguments, host.exec(arguments, &[], b"", Limits::seconds(60)).unwrap())
}

/// Removes everything at the end, also when the test failed on its way up.
struct Cleaner(PathBuf);

impl Drop for Cleaner {
    fn drop(&mut self) {
        clear(&self.0);
    }
}

/// The engine that `scripts/setup engine` unpacks; [`None`] where there is none for this system.
pub(crate) fn newest_engine() -> Option<Engine> {
    let tools = tools(&tested_checkout());
    let engine = Engine::newest(&tools);
    let engine = engine.expect("the newest engine is not unpacked: run scripts/setup engine");
    println!("{}", fs::read_to_string(tools.join("engine/versions")).unwrap());
    engine
}

pub(crate) fn new_host(state: &Path, number: u8, options: HostOptions) -> Host {
    Host::create(state, number, options).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn clear(state: &Path) {
    let _none = Registry::of(state).stop();
    remove_all(state).unwrap_or_else(|error| panic!("{error}"));
    let _absent = fs::remove_dir_all(state);
}

fn told(arguments: &[&str], done: Finished) -> String {
    let errors = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.code, Some(0), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
