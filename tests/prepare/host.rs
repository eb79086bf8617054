//! A host under preparation, and what is asked of it from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use esclusa_local::host::{Finished, Host, Limits};
use esclusa_local::places::tested_checkout;
use esclusa_local::programs;
use serde_json::Value;

use crate::world::{REGISTRY, SERVICE, World, succeed};

/// The group that the README's placeholder stands for.
pub(crate) const GROUP: &str = "/esclusa/containers";
/// Where cloud-init keeps what it is given as user data.
pub(crate) const USER_DATA: &str = "/var/lib/cloud/instance/scripts/part-001";
/// What cloud-init runs it with: neither a home nor a terminal.
const CLOUD_INIT: [&str; 3] =
    ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"];

/// Lists what has changed on the host's disk since a mark was set. The engine's own directory
/// changes all the time; what is in it is asked of the engine.
const CHANGED: &str = "find / -xdev \\( -path /tmp -o -path /var/lib/docker \
    -o -path /var/log/dockerd.log \\) -prune -o -cnewer /mark ! -path / -print";

pub(crate) struct Prepared<'world> {
    pub(crate) world: &'world World,
    pub(crate) host: Host,
}

impl Prepared<'_> {
    pub(crate) fn write(&self, path: &str, mode: u32, text: &str) {
        let path = self.host.path(path).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.host.path(path).unwrap()).unwrap()
    }

    /// Runs a line of shell that must succeed, and answers its output.
    pub(crate) fn run(&self, line: &str) -> String {
        succeed(&self.host, &["bash", "-c", &format!("set -e; {line}")], b"")
    }

    /// Gives the instance its user data, made as the README says.
    pub(crate) fn give_user_data(&self) {
        let folder = tested_checkout().join("examples/host");
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        let line = readme.lines().find(|line| line.starts_with("sed ")).unwrap();
        let line = line.replace("<output ContainerLogs>", GROUP).replace("tickets", SERVICE);
        let line = line.replace("<account>.dkr.ecr.<region>.amazonaws.com", REGISTRY);
        let made = programs::command("bash").args(["-c", &line]).current_dir(folder).output();
        let script = String::from_utf8(made.unwrap().stdout).unwrap();
        for word in [GROUP, SERVICE, REGISTRY] {
            assert!(script.contains(word), "{line}: {script}");
        }
        // EC2 takes no more.
        assert!(script.len() <= 16 * 1024, "{} bytes", script.len());
        self.write(USER_DATA, 0o755, &script);
    }

    /// Runs the user data as cloud-init does, with more words before and after.
    pub(crate) fn try_to_prepare(&self, before: &[&str], after: &[&str]) -> Finished {
        let words = [before, &CLOUD_INIT, &[USER_DATA], after].concat();
        self.host.exec(&words, &[], b"", Limits::seconds(150)).unwrap()
    }

    /// Runs the user data, which must succeed, and answers what it said.
    pub(crate) fn prepare(&self) -> String {
        let done = self.try_to_prepare(&[], &[]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.code, Some(0), "{said}");
        said
    }

    /// Runs the user data once more: nothing on the disk may change, and nothing that runs.
    pub(crate) fn prepare_again(&self) {
        let state = "for it in $(docker ps --all --quiet); do docker inspect --format \
            '{{.Id}} {{.State.Pid}} {{.State.StartedAt}}' $it; done; pidof dockerd; dpkg-query -W";
        let before = self.run(state);
        self.run("sleep 0.1; touch /mark; sleep 0.1");
        let said = self.prepare();
        assert_eq!(self.run(CHANGED), "", "{said}");
        assert_eq!(self.run(state), before, "{said}");
        for word in ["installing", "downloading", "updating", "from now on"] {
            assert!(!said.contains(word), "{said}");
        }
    }

    /// Carries out the first rollout as documents do, with the Compose file from where it is
    /// configured to come.
    pub(crate) fn roll_out(&self, compose: &str) {
        for verb in ["prefetch", "activate"] {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let done = self.world.order(&self.host, verb, compose, now);
            let said = String::from_utf8_lossy(&done.stdout);
            let log = String::from_utf8_lossy(&done.stderr);
            let answer = said.lines().next().and_then(|line| serde_json::from_str(line).ok());
            let answer: Value = answer.unwrap_or_else(|| panic!("{verb}: {said}\n{log}"));
            assert_eq!(answer["code"], "ok", "{verb}: {said}\n{log}");
        }
        assert_eq!(self.container("{{.State.Health.Status}}"), "healthy");
        let digest = self.world.image.split_once('@').unwrap().1;
        let digests = self.run(&format!(
            "docker image inspect --format '{{{{.RepoDigests}}}}' {}",
            self.container("{{.Image}}")
        ));
        assert!(digests.contains(digest), "{digests}");
    }

    /// One field of the service's container, by a template of `docker inspect`.
    pub(crate) fn container(&self, template: &str) -> String {
        let line = format!("docker inspect --format '{template}' acme--tickets-web-1");
        self.run(&line).trim().to_owned()
    }
}
