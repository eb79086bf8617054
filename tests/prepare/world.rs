//! A registry with an image and the delivered program in it, and hosts that nobody prepared yet.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use esclusa_local::documents::{DOCUMENTS, bootstrap};
use esclusa_local::environment::Options;
use esclusa_local::host::{Engine, Finished, Host, HostOptions, Limits, remove_all};
use esclusa_local::places::{state_directory, tested_checkout};
use esclusa_local::ports;
use esclusa_local::programs;
use esclusa_local::registry::Registry;

use crate::host::Prepared;
use crate::system::System;
use crate::{endpoints, stand_ins};

/// The registry, as hosts name it: by its name they know that it is ECR.
pub(crate) const REGISTRY: &str = "123456789012.dkr.ecr.eu-south-1.amazonaws.com";
pub(crate) const SERVICE: &str = "acme/tickets";
const TOKEN: &str = "a-token-that-only-the-login-gives";

pub(crate) struct World {
    state: PathBuf,
    _cleaner: Cleaner,
    pub(crate) system: System,
    registry: u16,
    aws: u16,
    /// The program's image and the service's, by digest.
    pub(crate) program: String,
    pub(crate) image: String,
}

impl World {
    /// Starts it in a directory of its own; what an earlier run left there is removed first.
    /// [`None`] where no root file system is to be had.
    pub(crate) fn start() -> Option<Self> {
        let state = state_directory(&tested_checkout(), "prepare");
        clear(&state);
        fs::create_dir_all(&state).unwrap();
        let cleaner = Cleaner(state.clone());
        let (registry, aws) = (ports::free().unwrap(), ports::free().unwrap());
        Registry::of(&state).start(registry, TOKEN, None).unwrap();
        // The scope waits for `mmdebstrap` also when publishing fails, so that nothing stays.
        let (system, (program, image)) = thread::scope(|scope| {
            let making = scope.spawn(|| System::make(state.join("system")));
            let published = publish_all(&state, registry);
            (making.join().unwrap(), published)
        });
        Some(Self { state, _cleaner: cleaner, system: system?, registry, aws, program, image })
    }

    /// A host that has only what EC2 gives it, and stand-ins for what cannot run here.
    pub(crate) fn new_host(&self, number: u8) -> Prepared<'_> {
        let engine = Engine::System(self.system.directory.clone());
        let options = HostOptions { engine, disk_mib: None };
        let host = Host::create(&self.state, number, options).unwrap();
        endpoints::serve_aws(&host, self.aws, TOKEN);
        endpoints::forward_from(&host, "127.0.0.1:80", self.registry);
        stand_ins::serve_proxy(&host);
        let prepared = Prepared { world: self, host };
        prepared.write("/etc/hosts", 0o644, &format!("127.0.0.1 localhost {REGISTRY}\n"));
        let proxy = format!("Acquire::http::Proxy \"http://{}\";\n", stand_ins::PROXY);
        prepared.write("/etc/apt/apt.conf.d/proxy", 0o644, &proxy);
        // Packages start their services only where systemd runs; one of them may bring it.
        prepared.run(
            "mkdir -p /run/systemd/system; dpkg-divert --local --no-rename --add \
                      --divert /usr/bin/systemctl.real /usr/bin/systemctl",
        );
        let systemctl = stand_ins::systemctl(prepared.host.name(), self.aws);
        prepared.write("/usr/bin/systemctl", 0o755, &systemctl);
        prepared.write("/usr/bin/amazon-ssm-agent", 0o755, &stand_ins::agent("3.3.2746.0"));
        // The stand-in of the registry speaks no TLS. The setting is also one that must stay.
        let team = format!("{{\"insecure-registries\": [\"{REGISTRY}\"]}}\n");
        prepared.write("/etc/docker/daemon.json", 0o644, &team);
        prepared
    }

    /// Runs a document of the verb on a host, as the agent does, and answers what it said.
    pub(crate) fn order(&self, host: &Host, verb: &str, compose: &str, now: u64) -> Finished {
        let repository = format!("{REGISTRY}/{SERVICE}");
        let values = [
            ("Service", SERVICE),
            ("Environment", "production"),
            ("Project", "acme--tickets"),
            ("Repository", &repository),
            ("Image", &self.image),
            ("ImageBytes", "1000000"),
            ("Fence", "1.1"),
            ("NotAfter", &(now + 120).to_string()),
            ("IssuedAt", &now.to_string()),
            ("OnFailure", "restore"),
            ("Mode", "change"),
            ("Deadline", "auto"),
            ("HttpPort", ""),
            ("HttpPath", ""),
            ("HttpExpect", ""),
            ("Compose", compose),
            ("Allow", ""),
        ];
        let document = DOCUMENTS.iter().find(|it| it.step == verb).unwrap();
        let known = |name: &str| document.parameters().any(|it| it.name == name);
        let parameters = values.iter().filter(|(name, _)| known(name));
        let mut words = ["env", "-u", "HOME"].map(str::to_owned).to_vec();
        words.extend(parameters.map(|(name, value)| format!("SSM_{name}={value}")));
        words.push("AWS_SSM_REGION_NAME=eu-south-1".to_owned());
        words.push(format!("AWS_ENDPOINT_URL=http://127.0.0.1:{}", self.aws));
        words.extend(["bash", "-s"].map(str::to_owned));
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let hosts = tested_checkout().join("hosts");
        let script = bootstrap(&hosts, verb, &self.program).unwrap();
        host.exec(&words, &[], script.as_bytes(), Limits::seconds(90)).unwrap()
    }
}

/// Runs a command on some host that must succeed, and answers all that it said.
pub(crate) fn succeed(host: &Host, words: &[&str], stdin: &[u8]) -> String {
    let done = host.exec(words, &[], stdin, Limits::seconds(150)).unwrap();
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(done.code, Some(0), "{words:?}: {said}");
    said
}

/// The static BusyBox of this machine, from which images are made without a base image.
pub(crate) fn busybox() -> Vec<u8> {
    let path = programs::find("busybox").expect("busybox is not installed: run scripts/setup");
    fs::read(path).unwrap()
}

/// Publishes the program and the service with the machine's engine, and answers their names.
fn publish_all(state: &Path, registry: u16) -> (String, String) {
    let builder = Host::create(state, 1, HostOptions::default()).unwrap();
    endpoints::forward(&builder, registry);
    let address = format!("127.0.0.1:{registry}");
    let login = ["docker", "login", "--username", "AWS", "--password-stdin", &address];
    succeed(&builder, &login, TOKEN.as_bytes());
    (publish_program(&builder, &address), publish_service(&builder, &address))
}

fn publish_program(builder: &Host, address: &str) -> String {
    let options = Options::new(&tested_checkout(), Path::new(""));
    let built = options.programs().join(std::env::consts::ARCH).join("esclusa-host");
    let program = fs::read(&built)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make programs`", built.display()));
    let from = "FROM scratch\nCOPY file /esclusa-host\nENTRYPOINT [\"/esclusa-host\"]\n";
    let files = [("file", program.as_slice())];
    let digest = publish(builder, &format!("{address}/esclusa/host:v1"), from, &files);
    format!("{REGISTRY}/esclusa/host@{digest}")
}

fn publish_service(builder: &Host, address: &str) -> String {
    let from = r#"FROM scratch
COPY file /bin/busybox
COPY compose.yaml /compose.yaml
LABEL esclusa.compose=/compose.yaml
HEALTHCHECK --interval=1s CMD ["/bin/busybox", "wget", "-qO-", "http://127.0.0.1/bin/busybox"]
CMD ["/bin/busybox", "httpd", "-f", "-h", "/"]
"#;
    let compose = format!("services: {{web: {{image: \"${{REGISTRY:?}}/{SERVICE}:v1\"}}}}\n");
    let files = [("file", &busybox()[..]), ("compose.yaml", compose.as_bytes())];
    let digest = publish(builder, &format!("{address}/{SERVICE}:v1"), from, &files);
    format!("v1@{digest}")
}

/// Pushes an image of these files, and answers its digest.
fn publish(builder: &Host, name: &str, dockerfile: &str, files: &[(&str, &[u8])]) -> String {
    let place = builder.path("/root/image").unwrap();
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("Dockerfile"), dockerfile).unwrap();
    for (file, bytes) in files {
        fs::write(place.join(file), bytes).unwrap();
        fs::set_permissions(place.join(file), fs::Permissions::from_mode(0o755)).unwrap();
    }
    succeed(builder, &["docker", "build", "--quiet", "--tag", name, "/root/image"], b"");
    let said = succeed(builder, &["docker", "push", name], b"");
    let digest = said.split("digest: ").nth(1).and_then(|it| it.split_whitespace().next());
    digest.unwrap_or_else(|| panic!("no digest in {said}")).to_owned()
}

/// Removes everything at the end, also when the test failed on its way up.
struct Cleaner(PathBuf);

impl Drop for Cleaner {
    fn drop(&mut self) {
        clear(&self.0);
    }
}

fn clear(state: &Path) {
    let _none = Registry::of(state).stop();
    remove_all(state).unwrap_or_else(|error| panic!("{error}"));
    let _absent = fs::remove_dir_all(state);
}
