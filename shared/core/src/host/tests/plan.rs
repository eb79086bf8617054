//! What an activation will do, and what stops it before anything changes.

use super::super::plan::{Plan, plan_activation};
use super::super::project::{ContainerState as State, Observation};
use super::super::report::Refusal;
use super::world::*;

/// A plan in words: what is made, what before it, what with it, what is restarted, what is said.
pub(super) fn tell(plan: Result<Plan, Refusal>) -> String {
    let plan = match plan {
        Ok(plan) => plan,
        Err(refusal) => return format!("refused: {}", refusal.0.text),
    };
    let targets = plan.targets.iter().map(|(name, count)| format!("{name} {count}"));
    let mut told = vec![targets.collect::<Vec<_>>().join(" ")];
    for (word, names) in
        [("after", &plan.dependencies), ("with", &plan.sharers), ("restarts", &plan.restarts)]
    {
        if !names.is_empty() {
            told.push(format!("{word} {}", names.join(" ")));
        }
    }
    told.extend(plan.images.iter().map(|it| format!("needs {it}")));
    told.extend(plan.warnings);
    told.join("; ")
}

pub(super) type Row = (&'static str, Spoil, &'static str);

pub(super) fn check(rows: &[Row]) {
    let plan = |spoil| tell(plan_activation(&order(release('b')), &shop_with(spoil)));
    compare(rows.iter().map(|(row, spoil, expected)| (*row, plan(*spoil), *expected)));
}

/// A second service of the repository, which runs.
pub(super) fn add_worker(seen: &mut Observation) {
    *says(seen, "worker") = own_service();
    seen.containers.push(own("worker", 1, 'a'));
}

const TARGETS: &[Row] = &[
    ("one service of the repository", |_| {}, "web 1"),
    ("two services of one release", add_worker, "web 1 worker 1"),
    (
        "D5: a service behind an inactive profile is left out",
        |it| {
            add_worker(it);
            it.containers.truncate(2);
            says(it, "worker").is_active = false;
        },
        "web 1",
    ),
    (
        "but one that runs is not",
        |it| {
            add_worker(it);
            says(it, "worker").is_active = false;
        },
        "web 1 worker 1",
    ),
    (
        "every service is behind an inactive profile",
        |it| {
            it.containers.clear();
            says(it, "web").is_active = false;
        },
        "refused: Every service in /srv/shop that uses 1.dkr.ecr.eu-west-1.amazonaws.com/shop is \
         behind a profile that is not active, has no replica, or runs once.",
    ),
    (
        "no service uses the image",
        |it| says(it, "web").image = "shop".to_owned(),
        "refused: No service in /srv/shop uses the image \
         1.dkr.ecr.eu-west-1.amazonaws.com/shop: name it in compose.yaml.",
    ),
    (
        "files that cannot be read are said as Compose says it",
        spoil_files,
        "refused: docker compose config fails in /srv/shop: yaml: line 3.",
    ),
    (
        "the image without a tag, and with `latest`, are one",
        |it| {
            add_worker(it);
            says(it, "worker").image = REPOSITORY.to_owned();
        },
        "web 1 worker 1",
    ),
    (
        "M3: two tags of one repository are two images",
        |it| {
            add_worker(it);
            says(it, "web").image = format!("{REPOSITORY}:web-7");
            says(it, "worker").image = format!("{REPOSITORY}:worker-7");
        },
        "refused: web uses the tag web-7 of 1.dkr.ecr.eu-west-1.amazonaws.com/shop, and worker \
         uses worker-7: one release cannot be both. Give them one tag, or images of their own.",
    ),
    (
        "M3: a tag and a digest are two images",
        |it| {
            add_worker(it);
            says(it, "web").image = by_digest('a');
        },
        "refused: worker uses the tag latest of 1.dkr.ecr.eu-west-1.amazonaws.com/shop, and web \
         uses sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: one release \
         cannot be both. Give them one tag, or images of their own.",
    ),
    (
        "M3: what is switched off has any tag",
        |it| {
            *says(it, "old") = own_service();
            says(it, "old").image = format!("{REPOSITORY}:old");
            says(it, "old").is_active = false;
        },
        "web 1",
    ),
    (
        "a repository whose name only begins like this one is another",
        |it| says(it, "db").image = format!("{REPOSITORY}-db:1"),
        "web 1; The Compose files changed db too: docker compose up -d db applies that.",
    ),
    (
        "M1: containers of `docker compose run` are nobody's replicas",
        |it| {
            for number in 2..162 {
                let mut run = own("web", number, 'a');
                (run.is_one_off, run.state) = (true, State::Exited(0));
                it.containers.push(run);
            }
        },
        "web 1",
    ),
];

fn scale(seen: &mut Observation, count: u32) {
    seen.containers.retain(|it| it.service.as_deref() != Some("web"));
    seen.containers.extend((1..=count).map(|number| own("web", number, 'a')));
}

const REPLICAS: &[Row] = &[
    (
        "S3: what was scaled by hand stays",
        |it| scale(it, 3),
        "web 3; web runs 3 containers, and the Compose files say 1: 3 are kept.",
    ),
    (
        "S3: fewer than the files say stay, too",
        |it| {
            (says(it, "web").replicas, says(it, "web").replicas_are_given) = (4, true);
            scale(it, 2);
        },
        "web 2; web runs 2 containers, and the Compose files say 4: 2 are kept.",
    ),
    (
        "the files were given a number since the containers were made",
        |it| {
            (says(it, "web").replicas, says(it, "web").replicas_are_given) = (2, true);
            it.edited_at = Some(at(2000));
        },
        "web 2",
    ),
    (
        "the files were edited otherwise since",
        |it| {
            scale(it, 3);
            it.edited_at = Some(at(2000));
        },
        "web 3; web runs 3 containers, and the Compose files say 1: 3 are kept.",
    ),
    (
        "the files say another number than at the last activation",
        |it| {
            scale(it, 3);
            says(it, "web").replicas = 2;
            it.kept.finished = Some(finished(6, 'a'));
        },
        "web 2",
    ),
    (
        "the files say what they said at the last activation, when it was scaled by hand",
        |it| {
            scale(it, 3);
            it.kept.finished = Some(finished(6, 'a'));
        },
        "web 3; web runs 3 containers, and the Compose files say 1: 3 are kept.",
    ),
    (
        "a replica that has crashed is one of them",
        |it| {
            says(it, "web").replicas = 2;
            scale(it, 2);
            of(it, "web2").state = State::Exited(1);
        },
        "web 2",
    ),
    (
        "a replica that was stopped for good is none where the files ask for what runs",
        |it| {
            scale(it, 2);
            of(it, "web2").state = State::Exited(0);
        },
        "web 1",
    ),
    (
        "no replicas in the edited files stop the service",
        |it| {
            add_worker(it);
            (says(it, "web").replicas, says(it, "web").replicas_are_given) = (0, true);
            it.edited_at = Some(at(2000));
        },
        "worker 1",
    ),
    (
        "a fresh host gets what the files say",
        |it| {
            it.containers.clear();
            says(it, "web").replicas = 3;
        },
        "web 3",
    ),
    (
        "the container name of its own allows one container only",
        |it| {
            it.containers.clear();
            says(it, "web").replicas = 2;
            says(it, "web").container_name = Some("shop".to_owned());
        },
        "refused: web is to run 2 containers, and container_name gives all of them the name shop: \
         take container_name out of the Compose file.",
    ),
    (
        "one port of the host allows one container only",
        |it| {
            it.containers.truncate(0);
            says(it, "web").replicas = 2;
            says(it, "web").ports.insert(port("", 8080, 80, "tcp"));
        },
        "refused: web is to run 2 containers, and only one can publish the port 8080/tcp: give it \
         a range of ports, or one container.",
    ),
    (
        "a range of ports allows several",
        |it| {
            it.containers.truncate(0);
            says(it, "web").replicas = 2;
            says(it, "web").ports.insert(port("", 0, 80, "tcp"));
        },
        "web 2",
    ),
];

#[test]
fn services_of_the_repository_are_the_targets() {
    check(TARGETS);
}

#[test]
fn the_number_of_containers_is_kept_unless_it_was_edited() {
    check(REPLICAS);
}
