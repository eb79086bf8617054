//! The workflow of a service's repository, as act runs it: from a commit to what runs on the
//! hosts. What it pushed is asked of ECR and the registry, what it reported of CloudWatch, what
//! runs of each host's Docker.

use std::collections::BTreeMap;
use std::sync::Arc;

use esclusa_local::places::tested_checkout;
use esclusa_local::stage::{Runner, SERVICE, Stage};
use serde_json::{Value, json};

use crate::{eventually, on_stage};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_built_tested_rolled_out_and_waited_for() {
    on_stage("pipeline", async |stage| {
        let runner = stage.start_runner(&tested_checkout()).await.unwrap();
        let Some(runner) = runner else { return stage };
        let stage = Arc::new(stage);
        let scanned = tokio::spawn({
            let stage = Arc::clone(&stage);
            async move { stage.scan_all().await }
        });
        let team = Team { stage, runner };
        team.play().await;
        scanned.abort();
        let ended = scanned.await;
        assert!(ended.is_err(), "{ended:?}");
        Arc::into_inner(team.stage).unwrap()
    })
    .await;
}

/// Where the step that runs once begins in the Compose file.
const ONCE: &str = "  prepare:\n";

/// A team with its runner, and where its releases run.
struct Team {
    stage: Arc<Stage>,
    runner: Runner,
}

impl Team {
    async fn play(&self) {
        self.release().await;
        self.refused_before_a_push().await;
        self.go_to_staging().await;
        self.promote().await;
        self.fail_on_hosts().await;
        self.fail_to_prepare();
        self.counted().await;
    }

    /// What every host's Docker should say in the end.
    fn runs(&self, wanted: &str) {
        for (host, running) in self.stage.running().unwrap() {
            assert_eq!(running, wanted, "{host}");
        }
    }

    /// The repository's Compose file, with a variable that the hosts' own has not, and a step that
    /// runs once for a release and then does this.
    fn compose_file(&self, written: &str, then: &str) -> String {
        let file = self.runner.bash("cat tickets/docker-compose.yml").unwrap();
        let own = file.split(ONCE).next().unwrap_or_default();
        let image = own.lines().find(|it| it.trim().starts_with("image:")).unwrap();
        let once = format!(
            "{ONCE}{image}\n    volumes: [\"./out:/out\"]\n    profiles: [once]\n    \
             labels: {{esclusa.run: once}}\n    \
             command: [sh, -c, 'cat /site/version >>/out/prepared; {then}']\n"
        );
        let lines = own.lines().filter(|it| !it.contains("WRITTEN"));
        let with = |line: &str| match line.trim() {
            "environment:" => format!("{line}\n      WRITTEN: {written}\n"),
            _ => format!("{line}\n"),
        };
        lines.map(with).chain([once]).collect()
    }

    /// For which versions something ran once on production's hosts, in all.
    fn is_prepared_for(&self, wanted: &[&str]) {
        let ask = "cat /srv/tickets/out/prepared 2>/dev/null || true";
        let hosts = self.stage.of_each("production", ask).unwrap();
        let mut lines: Vec<&str> = hosts.values().flat_map(|it| it.lines()).collect();
        lines.sort_unstable();
        assert_eq!(lines, wanted, "{hosts:?}");
    }

    /// Every host started what it runs by the Compose file of that commit.
    fn is_started_by(&self, written: &str) {
        let ask = "docker inspect --format '{{.Config.Env}}' $(docker ps --quiet)";
        let wanted = format!("WRITTEN={written}");
        for (host, variables) in self.stage.of_each("production", ask).unwrap() {
            assert!(variables.contains(&wanted), "{host}: {variables}");
        }
    }

    /// Leaves the hosts without a Compose file but an override of their own, which has them send
    /// what the containers say to CloudWatch.
    fn prepare_hosts(&self) {
        let record = self.stage.environment.record();
        let group = &record.outputs["ContainerLogs"];
        let logging = json!({ "driver": "awslogs", "options": { "awslogs-group": group,
            "awslogs-region": record.region, "awslogs-endpoint": record.aws() } });
        let file = json!({ "services": { "web": { "logging": logging } } }).to_string();
        for host in &record.hosts {
            let write = "cd /srv/tickets && rm docker-compose.yml && cat >compose.override.yaml";
            self.stage.on(&host.name, write, &file).unwrap();
        }
    }

    /// CloudWatch has what each production host's container said when it started.
    async fn logged(&self, version: &str) {
        let hosts = self.stage.running().unwrap();
        let lines: Vec<String> = hosts.keys().map(|host| format!("{version} {host}")).collect();
        eventually("what containers said", async || {
            let log = self.stage.log("containers").await.unwrap();
            lines.iter().all(|it| log.lines().any(|line| line == it)).then_some(())
        })
        .await;
    }

    fn commit(&self, branch: &str, files: &[(&str, &str)]) {
        self.runner.commit(branch, files).unwrap();
    }

    /// Lets the workflow run; what it says must hold all of this.
    fn push(&self, succeeds: bool, said: &[&str]) -> String {
        let ran = self.runner.push().unwrap();
        assert_eq!(ran.succeeded, succeeds, "{said:?}: {}", ran.text);
        for line in said {
            assert!(ran.text.contains(line), "`{line}` is not in {}", ran.text);
        }
        ran.text
    }

    /// The tags of the repository, with their digests.
    async fn tags(&self) -> BTreeMap<String, String> {
        let images = self.stage.listed(SERVICE).await.unwrap();
        let tags = images.into_iter().flat_map(|(digest, tags)| {
            tags.into_iter().map(move |tag| (tag, digest.clone())).collect::<Vec<_>>()
        });
        tags.collect()
    }

    async fn release(&self) {
        self.prepare_hosts();
        let written = self.compose_file("one", "exit 0");
        let reviewed = format!("{}# As reviewed.", self.configuration().await);
        let files = [("docker-compose.yml", written.as_str()), ("esclusa.toml", &reviewed)];
        self.commit("main", &[&files[..], &[("VERSION", "1.2.0")]].concat());
        let rolled = [
            "v1.2.0 is new.",
            "the configuration of tickets is stored",
            "is what tickets in production runs.",
        ];
        let text = self.push(true, &rolled);
        assert!(text.contains("activating"), "no step was told: {text}");
        self.runs("1.2.0 healthy");
        self.is_started_by("one");
        self.is_prepared_for(&["1.2.0"]);
        self.logged("1.2.0").await;
        assert_eq!(self.configuration().await, reviewed);
        let tags = self.tags().await;
        assert_eq!((tags.len(), &tags["v1.2.0"]), (2, &tags["latest"]));
        let labels = self.labels("latest").await;
        assert_eq!(labels["org.opencontainers.image.version"], "1.2.0");
        assert_eq!(labels["org.opencontainers.image.revision"], self.runner.revision().unwrap());

        self.push(true, &["v1.2.0 is this commit's image already, and so is `latest`."]);
        assert_eq!(self.tags().await, tags, "the same run again");
    }

    async fn refused_before_a_push(&self) {
        let before = self.tags().await;
        self.commit("main", &[("README", "one")]);
        self.push(false, &["The version 1.2.0 is taken: v1.2.0 is commit"]);
        self.commit("main", &[("VERSION", "1.1.9")]);
        self.push(false, &["The version 1.1.9 is older than 1.2.0, which `latest` is: raise it."]);
        self.commit("main", &[("VERSION", "1.3.0"), ("site/about", "us"), ("site/health", "")]);
        self.push(false, &["The test's command ended with 1: see above. Nothing was pushed."]);
        self.configure_in_git().await;
        let file = self.runner.bash("cat tickets/Dockerfile").unwrap();
        let with_stage = format!("FROM busybox:stable AS test\nRUN false\n\n{file}");
        let files = [("site/health", "ok"), ("Dockerfile", &with_stage)];
        self.commit("feature/seats", &files);
        let failed = "The stage `test` of the Dockerfile ended with 1: see above.";
        self.push(false, &[failed]);
        let tests_pass = with_stage.replace("false", "true");
        let finds_no_token = "#!/bin/sh\n[ -z \"${ACTIONS_ID_TOKEN_REQUEST_TOKEN:-}\" ]\n";
        self.commit("feature/seats", &[("Dockerfile", &tests_pass), ("test", finds_no_token)]);
        self.push(true, &["goes nowhere: it is built and tested."]);
        assert_eq!(self.tags().await, before);
        self.runs("1.2.0 healthy");
    }

    /// What lets more through is a person's to store, who then lets the pipeline go on.
    async fn configure_in_git(&self) {
        let stored = self.configuration().await;
        let staging = "[environments.staging]\n";
        let looser = stored.replace(staging, &format!("{staging}tag = \"next\"\n"));
        assert_ne!(looser, stored);
        let misspelt = stored.replace(staging, &format!("{staging}wave = 1\n"));
        for (text, said) in [
            (&looser, "it loosens environments.staging.tag (config.looser). Nothing was pushed."),
            (&misspelt, "`environments.staging.wave`: unknown key; did you mean"),
        ] {
            let files = [("VERSION", "1.3.1"), ("site/health", "ok"), ("esclusa.toml", text)];
            self.commit("main", &files);
            self.push(false, &[said]);
            assert_eq!(self.configuration().await, stored);
        }
        self.commit("main", &[("esclusa.toml", &stored)]);
    }

    async fn configuration(&self) -> String {
        self.stage.environment.configuration(SERVICE).await.unwrap()
    }

    async fn go_to_staging(&self) {
        let before = self.tags().await;
        self.commit("develop", &[("README", "two")]);
        let said = ["staging is set to this build.", "is what tickets in staging runs."];
        self.push(true, &said);
        let tags = self.tags().await;
        assert_eq!((tags.len(), &tags["latest"]), (3, &before["latest"]));
        assert_ne!(tags["staging"], before["latest"]);
    }

    /// Production gets the image that staging runs, as it is.
    async fn promote(&self) {
        let before = self.tags().await;
        let ran = self.runner.dispatch("promote.yml", &["version=1.1.0"]).unwrap();
        let refused = "was built as 1.3.1, not as 1.1.0";
        assert!(!ran.succeeded && ran.text.contains(refused), "{}", ran.text);
        assert_eq!(self.tags().await, before);
        for said in ["v1.3.1 goes to production.", "`latest` is this image already."] {
            let ran = self.runner.dispatch("promote.yml", &[]).unwrap();
            assert!(ran.succeeded && ran.text.contains(said), "{}", ran.text);
            assert!(ran.text.contains("is what tickets in production runs."), "{}", ran.text);
            let tags = self.tags().await;
            assert_eq!((&tags["v1.3.1"], &tags["latest"]), (&tags["staging"], &tags["staging"]));
            assert_eq!((tags.len(), &tags["staging"]), (4, &before["staging"]));
            self.runs("1.3.1 healthy");
            self.is_prepared_for(&["1.2.0", "1.3.1"]);
        }
    }

    /// A release that is well where it is built, and not on hosts: the job is red, and says why.
    async fn fail_on_hosts(&self) {
        self.runner.bash("git -C tickets checkout --quiet main").unwrap();
        let file = self.runner.bash("cat tickets/Dockerfile").unwrap();
        let sick = file.replace("127.0.0.1:8080/health", "127.0.0.1:8080/absent");
        let passes = "#!/bin/sh\n";
        let written = self.compose_file("two", "exit 0");
        let files = [("VERSION", "1.4.0"), ("site/health", "ok"), ("Dockerfile", &sick)];
        let others = [("test", passes), ("docker-compose.yml", &written)];
        self.commit("main", &[&files[..], &others[..]].concat());
        let said = ["v1.4.0 is new.", "restored: ", "(health.container)", r#""action":"lift""#];
        self.push(false, &said);
        self.runs("1.3.1 healthy");
        self.is_started_by("one");
        let tags = self.tags().await;
        assert_eq!(tags["v1.4.0"], tags["latest"]);
    }

    /// A release whose one step fails: the job is red with its last lines, and nothing was touched.
    fn fail_to_prepare(&self) {
        let serving = || {
            let ask = "docker inspect --format '{{.Id}} {{.State.StartedAt}}' $(docker ps --quiet)";
            self.stage.of_each("production", ask).unwrap()
        };
        let before = serving();
        let file = self.runner.bash("cat tickets/Dockerfile").unwrap();
        let well = file.replace("127.0.0.1:8080/absent", "127.0.0.1:8080/health");
        let written = self.compose_file("three", "echo there is no table seats; exit 4");
        let files = [("VERSION", "1.5.0"), ("Dockerfile", &well), ("docker-compose.yml", &written)];
        self.commit("main", &files);
        let said = ["failed: ", "prepare ended with exit code 4", "there is no table seats"];
        self.push(false, &said);
        self.runs("1.3.1 healthy");
        self.is_started_by("one");
        assert_eq!(serving(), before);
        self.is_prepared_for(&["1.2.0", "1.3.1", "1.4.0", "1.5.0"]);
    }

    /// Every build was counted, as it ended.
    async fn counted(&self) {
        for (metric, count) in [("BuildSucceeded", 6.0), ("BuildFailed", 6.0)] {
            let counted = eventually(metric, async || {
                let sum = self.stage.sum(metric, &[("Service", SERVICE)]).await.unwrap();
                sum.filter(|it| *it >= count)
            });
            assert!((counted.await - count).abs() < 0.1, "{metric}");
        }
    }

    /// What the image of a tag says of itself, by the registry.
    async fn labels(&self, tag: &str) -> Value {
        let password = self.stage.environment.registry_password().await.unwrap();
        let base = format!("http://{}/v2/{SERVICE}", self.stage.environment.record().registry());
        let client = reqwest::Client::new();
        let read = async |path: String| -> Value {
            let accepted = "application/vnd.oci.image.index.v1+json, \
                            application/vnd.oci.image.manifest.v1+json";
            let asked = client.get(format!("{base}/{path}")).header("Accept", accepted);
            let answer = asked.basic_auth("AWS", Some(&password)).send().await.unwrap();
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
        };
        let index = read(format!("manifests/{tag}")).await;
        let image = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let manifest = read(format!("manifests/{image}")).await;
        let configuration = manifest["config"]["digest"].as_str().unwrap().to_owned();
        read(format!("blobs/{configuration}")).await["config"]["Labels"].take()
    }
}
