//! Files in a service's directory, read by every Compose that setup brings, or the machine's own:
//! no engine is asked.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use esclusa_core::host::policy::explain;

use super::super::home;
use super::*;

/// A service's directory with another one beside it, and the files that rows speak of.
struct Directory(PathBuf);

impl Directory {
    fn make() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("esclusa-{}-{number}", std::process::id()));
        let made = Self(root);
        for (path, text) in [
            ("shop/.env", "SHOP=1\nREGISTRY=acme\n"),
            ("shop/settings.env", "DEBUG=0\n"),
            ("shop/parts/db.yaml", "services: {db: {image: postgres}}\n"),
            ("shop/secrets/key", "x"),
            ("other/.env", "PASSWORD=x\n"),
            ("other/compose.yaml", "services: {web: {image: nginx}}\n"),
        ] {
            let path = made.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("/etc", made.0.join("shop/link")).unwrap();
        made
    }

    fn shop(&self) -> PathBuf {
        self.0.join("shop")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// A home for each Compose that lies here: the machine's and the newest.
fn homes(directory: &Directory) -> Vec<PathBuf> {
    let checkout = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let tools = checkout.parent().unwrap().join(".tools");
    let places = ["docker-compose", "engine/usr/libexec/docker/cli-plugins/docker-compose"];
    let mut homes = Vec::new();
    for (number, program) in places.iter().map(|it| tools.join(it)).enumerate() {
        if program.is_file() {
            let home = directory.0.join(format!("home-{number}"));
            fs::create_dir_all(home.join(".docker/cli-plugins")).unwrap();
            std::os::unix::fs::symlink(program, home.join(".docker/cli-plugins/docker-compose"))
                .unwrap();
            homes.push(home);
        }
    }
    if homes.is_empty() { vec![home()] } else { homes }
}

async fn refusals(
    directory: &Path,
    home: &Path,
    file: &str,
    allowed: &[&str],
) -> Result<Vec<Demand>, String> {
    fs::write(directory.join("next.yaml"), file).unwrap();
    let compose = Compose { directory: directory.to_owned(), home: home.to_owned() };
    let allowed = allowed.iter().map(|it| (*it).to_owned()).collect();
    compose.find_refused("next.yaml", &["shop"], &allowed).await
}

/// What a file asks for, by the names under which a configuration would allow it.
async fn names(directory: &Path, home: &Path, file: &str) -> Vec<String> {
    let found = refusals(directory, home, file, &[]).await;
    let found = found.unwrap_or_else(|error| panic!("{file}: {error}"));
    found.into_iter().map(|it| it.permission).collect()
}

/// A file whose service `web` has these lines.
fn web(lines: &str) -> String {
    let lines = lines.replace('\n', "\n    ");
    format!("services:\n  web:\n    image: nginx\n    {lines}\n")
}

/// Lines of the service `web`, and what they ask for.
const SERVICE: &[(&str, &str)] = &[
    ("privileged: true", "privileged"),
    ("cap_add: [ALL]", "cap_add=ALL"),
    ("cap_add:\n- SYS_ADMIN", "cap_add=SYS_ADMIN"),
    ("pid: host", "pid=host"),
    ("pid: container:other-web-1", "pid=container:other-web-1"),
    ("network_mode: host", "network_mode=host"),
    ("network_mode: container:other-web-1", "network_mode=container:other-web-1"),
    ("ipc: host", "ipc=host"),
    ("uts: host", "uts=host"),
    ("userns_mode: host", "userns_mode=host"),
    ("cgroup: host", "cgroup=host"),
    ("cgroup_parent: /system.slice", "cgroup_parent"),
    ("runtime: sysbox", "runtime"),
    ("volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "volumes=/var/run/docker.sock"),
    ("volumes: [{type: bind, source: /, target: /host}]", "volumes=/"),
    ("volumes: ['./link/ssl:/ssl']", "volumes=SHOP/link/ssl"),
    ("volumes: ['.:/app']", "volumes=SHOP"),
    ("volumes: ['./.env:/app/.env']", "volumes=SHOP/.env"),
    (
        "volumes: [{type: bind, source: ./data, target: /data, bind: {propagation: rshared}}]",
        "propagation=rshared",
    ),
    ("volumes_from: ['container:other-db-1']", "volumes_from=container:other-db-1"),
    ("external_links: ['other-db-1:db']", "external_links=other-db-1:db"),
    ("devices: ['/dev/sda:/dev/xvda']", "devices=/dev/sda"),
    ("device_cgroup_rules: ['c 1:3 mr']", "device_cgroup_rules"),
    ("security_opt: ['apparmor:unconfined']", "security_opt=apparmor:unconfined"),
    ("security_opt: ['seccomp=unconfined']", "security_opt=seccomp=unconfined"),
    ("security_opt: ['label:disable']", "security_opt=label:disable"),
    ("sysctls: {kernel.core_pattern: '|/tmp/x'}", "sysctls=kernel.core_pattern"),
    ("oom_score_adj: -900", "oom_score_adj"),
    ("oom_kill_disable: true", "oom_kill_disable"),
    (
        "logging: {driver: syslog, options: {syslog-address: 'unixgram:///dev/log'}}",
        "logging.driver=syslog",
    ),
    (
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}",
        "deploy.resources.reservations.devices",
    ),
    ("annotations: {run.oci.handler: krun}", "annotations"),
    ("env_file: /etc/environment", "env_file=/etc/environment"),
    ("env_file: ['.env', '../other/.env']", "env_file=../other/.env"),
    ("env_file: '${HOME}/.aws/credentials'", "env_file=${HOME}/.aws/credentials"),
    ("env_file: [{path: link/environment, required: false}]", "env_file=link/environment"),
    ("\"\\u0065nv_file\": /etc/environment", "env_file=/etc/environment"),
    ("!any env_file: !any /etc/environment", "env_file=/etc/environment"),
    ("? env_file\n: - path: /etc/environment", "env_file=/etc/environment"),
    ("env_file: ~/.aws/credentials", "env_file=~/.aws/credentials"),
    ("extends: {file: ../other/compose.yaml, service: web}", "extends=../other/compose.yaml"),
    ("profiles: [debug]\nprivileged: true", "privileged"),
];

/// Whole files, and what they ask for.
const FILES: &[(&str, &str)] = &[
    (
        "x-key: &key env_file\nservices: {web: {image: nginx, *key : /etc/environment}}",
        "env_file=/etc/environment",
    ),
    ("name: other\nservices: {web: {image: nginx}}", "name=other"),
    ("include: [../other/compose.yaml]\n", "include=../other/compose.yaml"),
    ("include: ['https://example.com/shop.git']\n", "include=https://example.com/shop.git"),
    ("include: [{path: parts/db.yaml, project_directory: /srv/other}]\n", "include=/srv/other"),
    ("include: ['oci://example.com/shop:1']\n", "include=oci://example.com/shop:1"),
    ("x-web: &web {privileged: true}\nservices: {web: {<<: *web, image: nginx}}", "privileged"),
    (
        "services: {web: {image: nginx, volumes: ['all:/all']}}\n\
         volumes: {all: {driver_opts: {type: none, o: bind, device: /}}}",
        "volumes.device=/",
    ),
    (
        "services: {web: {image: nginx, volumes: ['all:/all']}}\n\
         volumes: {all: {driver_opts: {type: nfs, o: addr=10.0.0.9, device: ':/all'}}}",
        "volumes.device=:/all",
    ),
    (
        "services: {web: {image: nginx, volumes: ['all:/all']}}\nvolumes: {all: {driver: rexray}}",
        "volumes.driver=rexray",
    ),
    (
        "services: {web: {image: nginx, volumes: ['db:/db']}}\nvolumes: {db: {name: other_db}}",
        "volumes=other_db",
    ),
    (
        "services: {web: {image: nginx, volumes: ['db:/db']}}\n\
         volumes: {db: {external: true, name: shop_db}}",
        "volumes=shop_db",
    ),
    (
        "services: {web: {image: nginx, networks: [proxy]}}\nnetworks: {proxy: {external: true}}",
        "networks=proxy",
    ),
    (
        "services: {web: {image: nginx, networks: [lan]}}\nnetworks: {lan: {driver: macvlan}}",
        "networks.driver=macvlan",
    ),
    (
        "services: {web: {image: nginx, networks: [lan]}}\n\
         networks: {lan: {driver_opts: {com.docker.network.bridge.name: docker0}}}",
        "networks.driver_opts=com.docker.network.bridge.name",
    ),
    (
        "services: {web: {image: nginx, networks: [aws]}}\n\
         networks: {aws: {ipam: {config: [{subnet: 169.254.169.0/24}]}}}",
        "networks.subnet=169.254.169.0/24",
    ),
    (
        "services: {web: {image: nginx, secrets: [key]}}\n\
         secrets: {key: {file: /root/.ssh/id_rsa}}",
        "secrets=/root/.ssh/id_rsa",
    ),
    (
        "services: {web: {image: nginx, configs: [all]}}\nconfigs: {all: {file: /etc/shadow}}",
        "configs=/etc/shadow",
    ),
];

/// Files that ask for nothing but their own containers.
const HARMLESS: &[&str] = &[
    include_str!("../../../../examples/tickets/docker-compose.yml"),
    "services: {web: {image: nginx}}",
    "name: shop\nservices: {web: {image: nginx, restart: always, ports: ['8080:80']}}",
    "services: {web: {image: nginx, volumes: ['data:/data', './html:/html:ro']}}\n\
     volumes: {data: {}}",
    "services: {web: {image: nginx, env_file: .env, environment: {A: '${SHOP}'}}}",
    "services: {web: {image: nginx, env_file: [{path: ./settings.env, required: false}]}}",
    "services: {web: {image: nginx, tmpfs: [/run/secrets], read_only: true, cap_drop: [ALL], \
     security_opt: ['no-new-privileges:true'], user: '1000:1000', init: true}}",
    "services: {web: {image: nginx, secrets: [key]}}\nsecrets: {key: {file: ./secrets/key}}",
    "services: {web: {image: nginx, configs: [it]}}\nconfigs: {it: {content: 'a: b'}}",
    "services: {web: {image: nginx, depends_on: {db: {condition: service_healthy}}}, \
     db: {image: postgres, healthcheck: {test: [CMD, pg_isready], interval: 5s}, \
     volumes: ['db:/var/lib/postgresql/data'], shm_size: 128m}}\nvolumes: {db: {}}",
    "services: {web: {image: nginx, deploy: {replicas: 2, resources: {limits: {memory: 256M}}}}}",
    "services: {web: {image: nginx}, agent: {image: agent, network_mode: 'service:web', \
     pid: 'service:web'}}",
    "services: {web: {image: nginx, logging: {driver: awslogs, options: {awslogs-group: shop}}}}",
    "services: {web: {image: nginx, networks: [front, back]}}\n\
     networks: {front: {}, back: {internal: true, driver: bridge}}",
    "x-all: &all {restart: always, stop_grace_period: 30s}\n\
     services: {web: {<<: *all, image: nginx}, job: {<<: *all, image: nginx, profiles: [job]}}",
    "include: [parts/db.yaml]\nservices: {web: {image: nginx}}",
    "services: {web: {image: nginx}, api: {extends: {service: web}, command: [api]}}",
    "services: {web: {image: nginx, ulimits: {nofile: 65536}, sysctls: {net.core.somaxconn: 1024}, \
     extra_hosts: ['db:10.0.0.9'], dns: [10.0.0.2], labels: {a: b}, hostname: web}}",
    "services: {web: {image: nginx, build: ., volumes: [{type: tmpfs, target: /tmp}]}}",
];

#[tokio::test]
async fn what_reaches_beyond_its_containers_is_named() {
    let directory = Directory::make();
    let shop = fs::canonicalize(directory.shop()).unwrap();
    for home in homes(&directory) {
        let services = SERVICE.iter().map(|(lines, name)| (web(lines), *name));
        let files = FILES.iter().map(|(file, name)| ((*file).to_owned(), *name));
        for (file, name) in services.chain(files) {
            let name = name.replace("SHOP", shop.to_str().unwrap());
            assert_eq!(names(&shop, &home, &file).await, [name], "{file}");
        }
    }
}

#[tokio::test]
async fn what_concerns_its_own_containers_passes() {
    let directory = Directory::make();
    for home in homes(&directory) {
        for file in HARMLESS {
            let found = names(&directory.shop(), &home, file).await;
            assert_eq!(found, Vec::<String>::new(), "{file}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_where_why_and_what_to_do() {
    let directory = Directory::make();
    let file = web("pid: host\ncap_add:\n- NET_ADMIN\n- SYS_TIME\n- BPF");
    for home in homes(&directory) {
        let found = refusals(&directory.shop(), &home, &file, &["cap_add=BPF"]).await.unwrap();
        assert_eq!(
            explain(&found, "production"),
            "The Compose file of the image asks for more than its own containers: line 5, \
             services.web.cap_add: NET_ADMIN (what runs in it then owns the host); line 5, \
             services.web.cap_add: SYS_TIME (what runs in it then owns the host); line 4, \
             services.web.pid: host (it then shares what keeps containers and the host apart). \
             Take it out of the file, or allow it in the service's configuration: \
             [environments.production] compose_allow = [\"cap_add=NET_ADMIN\", \
             \"cap_add=SYS_TIME\", \"pid=host\"]."
        );
    }
}

#[tokio::test]
async fn what_is_allowed_allows_nothing_else() {
    let directory = Directory::make();
    let file = web("env_file: ../other/.env\nprivileged: true\ncap_add: [BPF]");
    let (reads, owns, adds) = ("env_file=../other/.env", "privileged", "cap_add=BPF");
    for home in homes(&directory) {
        for (allowed, left) in [
            (&[][..], &[reads][..]),
            (&[owns, adds], &[reads]),
            (&[reads], &[adds, owns]),
            (&[reads, owns], &[adds]),
            (&[reads, owns, adds], &[]),
        ] {
            let found = refusals(&directory.shop(), &home, &file, allowed).await.unwrap();
            let found: Vec<&str> = found.iter().map(|it| it.permission.as_str()).collect();
            assert_eq!(found, left, "{allowed:?}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let directory = Directory::make();
    for home in homes(&directory) {
        for (file, says) in [
            ("services: [", "is not YAML"),
            ("services: {web: {image: nginx, bogus: 1}}", "bogus"),
            ("services: {web: {image: '${MISSING:?is unset}'}}", "MISSING"),
        ] {
            let error = refusals(&directory.shop(), &home, file, &[]).await.unwrap_err();
            assert!(error.contains(says), "{file}: {error}");
        }
        fs::write(directory.shop().join("binary.yaml"), [0xff, 0xfe, 0x00]).unwrap();
        let compose = Compose { directory: directory.shop(), home };
        let error = compose.find_refused("binary.yaml", &["shop"], &BTreeSet::new()).await;
        let error = error.unwrap_err();
        assert!(error.contains("cannot be read as a text"), "{error}");
    }
}
