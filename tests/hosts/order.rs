//! One service on the host, and the orders it is given.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use esclusa_local::documents::{DOCUMENTS, Document};
use esclusa_local::environment::Options;
use esclusa_local::host::{Finished, Host, Limits};
use esclusa_local::places::tested_checkout;
use serde_json::Value;

use crate::world::{self, World};

/// A service of the table: a repository, its project and its directory on the host.
pub(crate) struct Service<'world> {
    pub(crate) world: &'world World,
    pub(crate) host: Host,
    pub(crate) repository: String,
    pub(crate) project: String,
    deadline: &'static str,
}

impl<'world> Service<'world> {
    /// A service in a repository of this name, with its directory and these Compose services.
    pub(crate) fn new(world: &'world World, repository: &str, services: &str) -> Self {
        let service = Self::bare(world, repository);
        service.write("compose.yaml", &format!("services:\n{services}"));
        service
    }

    /// The service with its health judged as long as its healthchecks say. Others are well when
    /// they have run for a second, which keeps the table short.
    pub(crate) fn patient(mut self) -> Self {
        self.deadline = "auto";
        self
    }

    /// A service whose directory is still empty.
    pub(crate) fn bare(world: &'world World, repository: &str) -> Self {
        let project = repository.replace('/', "--").replace('.', "__");
        let repository = repository.to_owned();
        let service = Self { world, host: world.host.clone(), repository, project, deadline: "1" };
        fs::create_dir_all(service.path("")).unwrap();
        service
    }

    /// A path on the machine for a file in the service's directory on the host.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.host.path(&format!("/srv/{}", self.project)).unwrap().join(file)
    }

    /// Writes a file; `IMAGE` in it stands for the repository, with the registry.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("IMAGE", &self.image())).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// The repository with its registry, as Compose files name it.
    pub(crate) fn image(&self) -> String {
        format!("127.0.0.1:{}/{}", self.world.port, self.repository)
    }

    /// Pushes one of the images under a tag; answers `tag@sha256:…`.
    pub(crate) fn push(&self, kind: &str, tag: &str) -> String {
        self.world.push(kind, &self.repository, tag)
    }

    /// What the host keeps about the service.
    pub(crate) fn kept(&self, file: &str) -> PathBuf {
        self.host.path(&format!("/var/lib/esclusa/{}", self.project)).unwrap().join(file)
    }

    /// An order with the usual parameters.
    pub(crate) fn order(&self, verb: &str, image: &str, fence: &str) -> Order<'_> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let values = [
            ("Service", self.repository.as_str()),
            ("Environment", "production"),
            ("Project", &self.project),
            ("Repository", &self.image()),
            ("Image", image),
            ("ImageBytes", "1000000"),
            ("Fence", fence),
            ("NotAfter", &(now + 120).to_string()),
            ("IssuedAt", &now.to_string()),
            ("OnFailure", "restore"),
            ("Mode", "change"),
            ("Deadline", self.deadline),
            ("HttpPort", ""),
            ("HttpPath", ""),
            ("HttpExpect", ""),
            ("Compose", "host"),
            ("Allow", ""),
            ("Logs", "no"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let endpoint = format!("http://127.0.0.1:{}", self.world.aws);
        Order {
            service: self,
            verb: verb.to_owned(),
            document: document(verb),
            values,
            endpoint,
            variables: Vec::new(),
        }
    }

    pub(crate) fn prefetch(&self, image: &str, fence: &str) -> Answer {
        self.order("prefetch", image, fence).run()
    }

    pub(crate) fn activate(&self, image: &str, fence: &str) -> Answer {
        self.order("activate", image, fence).run()
    }

    pub(crate) fn inspect(&self) -> Answer {
        self.order("inspect", "none", "0.0").run()
    }

    /// Prefetches and activates, and expects both to go well.
    pub(crate) fn roll_out(&self, image: &str, fence: &str) -> Answer {
        self.prefetch(image, fence).expect("ok", 0);
        let answer = self.activate(image, fence);
        answer.expect("ok", 0).runs(image);
        answer
    }

    /// Runs a command on the service's host that must succeed, and answers its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        world::run(&self.host, arguments)
    }

    /// `docker compose` in the service's directory, as a person there types it.
    pub(crate) fn compose(&self, arguments: &str) -> String {
        let line = format!("cd /srv/{} && docker compose {arguments}", self.project);
        self.run(&["bash", "-c", &line])
    }

    /// One field of the container of a service, by a template of `docker inspect`.
    pub(crate) fn container(&self, name: &str, template: &str) -> String {
        let name = format!("{}-{name}-1", self.project);
        self.run(&["docker", "inspect", "--format", template, &name]).trim().to_owned()
    }

    /// The names of the project's containers, running or not.
    pub(crate) fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let list = ["docker", "ps", "--all", "--filter", &filter, "--format", "{{.Names}}"];
        let mut names: Vec<_> = self.run(&list).lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

impl Drop for Service<'_> {
    /// Makes room: an engine has only some thirty networks to give.
    fn drop(&mut self) {
        let clean = r#"all=$(docker ps --all --quiet --filter label="$1"); docker rm --force $all
            nets=$(docker network ls --quiet --filter label="$1"); docker network rm $nets"#;
        let label = format!("com.docker.compose.project={}", self.project);
        let line = ["bash", "-c", clean, "clean", &label];
        let _none_left = self.host.exec(&line, &[], b"", Limits::seconds(30));
    }
}

/// Where the tests put the program that is tested.
pub(crate) const PROGRAM: &str = "/var/lib/esclusa-test/esclusa-host";

/// Puts the program into a host: the one that is delivered.
pub(crate) fn install(host: &Host) {
    let root = tested_checkout();
    let built = Options::new(&root, Path::new("")).programs();
    let built = built.join(std::env::consts::ARCH).join("esclusa-host");
    let at = host.path(PROGRAM).unwrap();
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::copy(&built, &at)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make programs`", built.display()));
}

fn document(verb: &str) -> &'static Document {
    DOCUMENTS.iter().find(|it| it.step == verb).unwrap()
}

/// One order, as Systems Manager would hand it to the host's agent.
pub(crate) struct Order<'service> {
    service: &'service Service<'service>,
    verb: String,
    document: &'static Document,
    values: Vec<(String, String)>,
    endpoint: String,
    variables: Vec<(String, String)>,
}

impl Order<'_> {
    /// The same order with one parameter changed.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let known = self.values.iter_mut().find(|(it, _)| it == name).expect("a known parameter");
        value.clone_into(&mut known.1);
        self
    }

    /// Sends the host to another place for its login.
    pub(crate) fn endpoint(mut self, url: &str) -> Self {
        url.clone_into(&mut self.endpoint);
        self
    }

    /// Sets a variable of the agent's environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Moves the moment until which the order holds.
    pub(crate) fn valid_for(self, seconds: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.with("NotAfter", &now.saturating_add_signed(seconds).to_string())
    }

    /// The environment that the agent makes: this document's parameters and no others.
    fn environment(&self) -> Vec<(String, String)> {
        let known = |name: &str| self.document.parameters().any(|it| it.name == name);
        let parameters = self.values.iter().filter(|(name, _)| known(name));
        let mut all: Vec<_> =
            parameters.map(|(name, value)| (format!("SSM_{name}"), value.clone())).collect();
        all.push(("AWS_ENDPOINT_URL".to_owned(), self.endpoint.clone()));
        all.extend(self.variables.iter().cloned());
        all
    }

    /// A command that carries the order out.
    pub(crate) fn command(&self) -> Command {
        self.command_under(&[])
    }

    /// The same, run by another program of the host.
    pub(crate) fn command_under(&self, runner: &[&str]) -> Command {
        let words = [runner, &[PROGRAM, self.verb.as_str()]].concat();
        let mut command = self.service.host.command(&words).unwrap();
        command.envs(self.environment());
        command
    }

    pub(crate) fn run(self) -> Answer {
        let environment = self.environment();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let limits = Limits::seconds(180);
        let host = &self.service.host;
        Answer::read(host.exec(&[PROGRAM, &self.verb], &environment, b"", limits).unwrap())
    }
}

/// What an order was answered.
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) code: Option<i32>,
    pub(crate) rest: String,
    pub(crate) log: String,
}

impl Answer {
    fn read(finished: Finished) -> Self {
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let log = String::from_utf8_lossy(&finished.stderr).into_owned();
        let value = serde_json::from_str(first);
        let value = value.unwrap_or_else(|error| panic!("{error} in {text:?}, log:\n{log}"));
        assert!(first.len() <= 1100, "the answer has {} bytes", first.len());
        Self { value, code: finished.code, rest: rest.to_owned(), log }
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    /// Checks code and exit code.
    #[track_caller]
    pub(crate) fn expect(&self, code: &str, exit: i32) -> &Self {
        assert_eq!((self.text("code"), self.code), (code, Some(exit)), "{self}");
        self
    }

    /// Checks what runs now: `tag@sha256:…`, or as the answer says it.
    #[track_caller]
    pub(crate) fn runs(&self, image: &str) -> &Self {
        let digest = image.split_once('@').map_or(image, |(_, digest)| digest);
        assert_eq!(self.text("now"), digest, "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn restored(&self, word: &str) -> &Self {
        assert_eq!(self.text("restored"), word, "{self}");
        self
    }

    /// Checks that the sentence names something.
    #[track_caller]
    pub(crate) fn says(&self, part: &str) -> &Self {
        assert!(self.text("text").contains(part), "no {part:?} in {self}");
        self
    }

    #[track_caller]
    pub(crate) fn warns(&self, part: &str) -> &Self {
        assert!(self.value["warnings"].to_string().contains(part), "no {part:?} in {self}");
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}: {}\n{}", self.code, self.value, self.log)
    }
}
