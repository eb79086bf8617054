//! Lanes in which every variant of every stored type occurs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::announcement::{Announcement, Ask, Kind};
use esclusa_core::configuration::{Compose, Configuration, Severity};
use esclusa_core::digest::Digest;
use esclusa_core::lane::{
    Asked, Attempt, Blocker, Errand, Hold, HostRecord, Inspection, Lane, LastKnown, Lease, Need,
    Pin, Quarantine, Rotation, Success, Vetting, WakeUp,
};
use esclusa_core::name::HostId;
use esclusa_core::observation::{DocumentPin, HostSettings, Sources};
use esclusa_core::order::{
    Answer, CommandId, ContainerHealth, Fence, Heard, LastChange, Mode, OnHostFailure, Orders,
    Part, PartState, PutBack, Verb, Watch,
};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Availability, Image, Release, Running};
use esclusa_core::request::RequestId;
use esclusa_core::retention::{Cause as Gone, Keep, Summary};
use esclusa_core::rollout::{
    Bake, Batch, Cause, Course, End, HostRun, OnceStep, Phase, Progress, Question, Rollout,
    RolloutId, Stage, Transition, Warning,
};
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{GroupSettings, Target};
use esclusa_shell::retain::{Report, Stop};

const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-south-1:123456789012:targetgroup/web/0123456789abcdef";

const OWN: &str = r#"
[environments.production]
waves = ["1", "100%"]
health = { deadline = "40s", http = { port = 8080, path = "/health?a=b" } }
"#;

pub(crate) fn digest(number: u32) -> Digest {
    format!("sha256:{number:064x}").parse().unwrap()
}

pub(crate) fn host(number: u32) -> HostId {
    format!("i-{number:08x}").parse().unwrap()
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).after(Duration::from_millis(millis))
}

fn reason() -> Reason {
    Reason::new(Code::read("hosts.new_code"), "a sentence with \"quotes\", \u{fffd} and ñ")
}

pub(crate) fn release(number: u32) -> Release {
    Release {
        digest: digest(number),
        repository: "127.0.0.1:5000/acme/boletos".to_owned(),
        tags: ["latest", "v1.0.0"].iter().map(|tag| tag.parse().unwrap()).collect(),
        label: "v1.0.0".parse().unwrap(),
        bytes: u64::from(number),
        pushed_at: at(number.into()),
        availability: if number == 3 { Availability::Archived } else { Availability::Active },
    }
}

fn target(number: u32) -> Target {
    Target { group: GROUP.parse().unwrap(), host: host(number), port: 8080 }
}

fn images() -> [Image; 4] {
    let label = "v1".parse().unwrap();
    let image = Image::Release { tag: label, digest: digest(1), bytes: 5 };
    let snapshot = Image::Snapshot {
        before: Fence { epoch: 1, generation: 7 },
        holds: Running::Digest(digest(3)),
    };
    [Image::Nothing, Image::Local(digest(2)), snapshot, image]
}

fn running() -> [Running; 4] {
    [Running::Nothing, Running::Digest(digest(1)), Running::Local(digest(2)), Running::Mixed]
}

fn watch() -> Watch {
    Watch { since: at(5), next: at(6) }
}

/// Every answer that differs in a word, and whatever else is heard.
fn heard() -> BTreeMap<HostId, Heard> {
    let healths = [
        ContainerHealth::Healthy,
        ContainerHealth::Unhealthy,
        ContainerHealth::Starting,
        ContainerHealth::Absent,
    ];
    let changes = [LastChange::None, LastChange::Unfinished, LastChange::Finished];
    let changes = changes.into_iter().cycle();
    let put_back = [PutBack::NotNeeded, PutBack::No, PutBack::Yes, PutBack::Failed];
    let answers = healths.into_iter().zip(put_back).zip(running()).zip(changes).enumerate();
    let answers = answers.map(|(index, (((health, put_back), running), last_change))| {
        Heard::Answered(Answer {
            one_way: true,
            runs_once: true,
            platform: "linux/arm64".parse().ok(),
            zone: "eu-south-1a".to_owned(),
            reason: reason(),
            fence: (index > 0).then_some(Fence { epoch: 1, generation: 42 }),
            before: running.clone(),
            now: running,
            health,
            last_change,
            put_back,
            warnings: vec!["one".to_owned(), "two".to_owned()],
            took: Duration::from_millis(1234),
        })
    });
    let others = [Heard::Unclear("why".to_owned()), Heard::Silent, Heard::Gone];
    (1..).map(host).zip(answers.chain(others)).collect()
}

fn orders(on_failure: OnHostFailure) -> Orders {
    let sent = PartState::Sent { command: CommandId("c-1".to_owned()), at: at(7) };
    let states = [PartState::Unsent, PartState::Doubtful, sent, PartState::Refused];
    let verbs = [Verb::Inspect, Verb::Prefetch, Verb::Activate, Verb::Inspect];
    let parts = states.into_iter().zip(verbs).zip(images()).zip(0..);
    Orders {
        fence: Fence { epoch: 1, generation: 43 },
        made: at(1),
        not_after: at(2),
        on_failure,
        mode: if on_failure == OnHostFailure::Leave { Mode::Restart } else { Mode::Change },
        parts: parts
            .map(|(((state, verb), image), number)| Part {
                number,
                verb,
                image,
                hosts: vec![host(1), host(2)],
                state,
            })
            .collect(),
        heard: heard(),
        resent: true,
        inspected: BTreeSet::from([host(3)]),
        watch: watch(),
    }
}

pub(crate) fn phases() -> Vec<Phase> {
    let restore = || orders(OnHostFailure::Restore);
    let sent = || BTreeSet::from([GROUP.parse().unwrap()]);
    let settling = |healthy_since| Stage::Settling {
        sent: sent(),
        healthy_since,
        span: Duration::from_secs(30),
        watch: watch(),
        deadline: at(9),
    };
    let stages = [
        Stage::Checking(restore()),
        Stage::Draining { sent: sent(), watch: watch(), deadline: at(8) },
        Stage::Activating(orders(OnHostFailure::Leave)),
        settling(None),
        settling(Some(at(10))),
    ];
    let changing = stages
        .into_iter()
        .zip([true, false].into_iter().cycle())
        .map(|(stage, drained)| Phase::Changing(Batch { hosts: vec![host(1)], drained, stage }));
    let ends = [
        End::Succeeded,
        End::Rejected,
        End::Failed,
        End::Restored,
        End::Stuck,
        End::Halted,
        End::Aborted,
        End::Superseded,
    ];
    let ended = ends.into_iter().map(|end| Phase::Ended(end, reason()));
    [
        Phase::Gating(restore()),
        Phase::Prefetching(restore()),
        Phase::RunningOnce(Orders { mode: Mode::Once, ..restore() }),
        Phase::Choosing { watch: watch(), deadline: at(11), checked_at: Some(at(12)) },
        Phase::Baking(bake()),
        Phase::Asking(Question { reason: reason(), until: at(32), bake: bake(), watch: watch() }),
        Phase::Verifying(restore()),
    ]
    .into_iter()
    .chain(changing)
    .chain(ended)
    .collect()
}

fn bake() -> Bake {
    let orders = Some(orders(OnHostFailure::Leave));
    Bake { until: at(12), watch: watch(), doubts: 2, orders, asked_at: at(13) }
}

fn documents() -> BTreeMap<Verb, DocumentPin> {
    let pin = |version: u32| DocumentPin { version: version.to_string(), hash: "ab".repeat(32) };
    [(Verb::Inspect, pin(1)), (Verb::Prefetch, pin(2)), (Verb::Activate, pin(3))].into()
}

fn host_runs() -> BTreeMap<HostId, HostRun> {
    let progress = [
        Progress::Waiting,
        Progress::Touched,
        Progress::Done,
        Progress::Failed(reason()),
        Progress::Restored,
        Progress::Lost(reason()),
        Progress::Skipped(reason()),
    ];
    let runs =
        progress.into_iter().zip(running().into_iter().cycle()).map(|(progress, baseline)| {
            let targets = BTreeSet::from([target(1), target(2)]);
            let (zone, healthy) = ("eu-south-1a".to_owned(), progress == Progress::Done);
            HostRun {
                zone,
                baseline,
                progress,
                fetched: true,
                told: healthy,
                snapshot: Some(Fence { epoch: 1, generation: 7 }),
                targets,
                healthy,
                answered_at: at(13),
            }
        });
    (1..).map(host).zip(runs).collect()
}

pub(crate) fn rollout(phase: Phase) -> Rollout {
    let back = matches!(phase, Phase::Changing(_));
    let sources = Sources { service: back.then(|| OWN.to_owned()), defaults: Some(String::new()) };
    let read = Configuration::read(sources.service.as_deref(), sources.defaults.as_deref());
    let settings = read.unwrap().environments.remove(&"production".parse().unwrap()).unwrap();
    let group = GroupSettings {
        deregistration_delay: Duration::from_secs(1),
        interval: Duration::from_secs(5),
        unhealthy_threshold: 2,
        healthy_threshold: 3,
    };
    Rollout {
        id: RolloutId("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()),
        cause: if back { Cause::Rollback } else { Cause::Push },
        actor: back.then(|| "ana".to_owned()),
        scanned: Some(BTreeMap::from([(Severity::High, 3)])),
        secrets: BTreeMap::from([("prod/db".parse().unwrap(), "v2".to_owned())]),
        excluded_alarms: BTreeSet::from(["tickets: 5xx".parse().unwrap()]),
        go_on: back.then(|| "ana".to_owned()),
        waves_at: vec![at(16), at(26)],
        turned_back_at: back.then(|| at(36)),
        overriding: back.then(|| "the fix is urgent".to_owned()),
        candidate: release(1),
        baseline: back.then(|| release(2)),
        sources: sources.into(),
        settings: settings.into(),
        documents: documents(),
        fleet: 8,
        groups: BTreeMap::from([(GROUP.parse().unwrap(), group)]),
        started: at(14),
        deadline: at(15),
        hosts: host_runs(),
        course: if back {
            Course::Back { cause: reason(), deadline: at(16) }
        } else {
            Course::Forward
        },
        phase,
        abort: back.then(reason),
        one_way: back,
        once: if back { OnceStep::Due(host(2)) } else { OnceStep::Done },
        warnings: vec![Warning { text: "x".to_owned(), hosts: BTreeSet::from([host(1)]) }],
        halts: back,
        noted: 7,
        history: vec![Transition { at: at(14), phase: "gating".to_owned(), text: "x".to_owned() }],
    }
}

fn errands() -> BTreeMap<HostId, Errand> {
    let read = Configuration::read(Some(OWN), None).unwrap();
    let full = HostSettings::of(&read.environments[&"production".parse().unwrap()]);
    let bare = HostSettings { compose: Compose::Image, ..HostSettings::of_nothing() };
    let errand = |settings: HostSettings, more: bool| Errand {
        found: more.then_some(Running::Nothing),
        found_well: more,
        has_served: more,
        image: release(1).image(),
        orders: more.then(|| orders(OnHostFailure::Leave)),
        documents: documents(),
        settings,
        tries: 2,
        retry_at: at(17),
        failure: more.then(reason),
        runs: more.then_some(Running::Digest(digest(1))),
    };
    [(host(8), errand(full, true)), (host(9), errand(bare, false))].into()
}

fn announcements() -> Vec<Announcement> {
    let asks = [
        None,
        Some(Ask::Status),
        Some(Ask::Why),
        Some(Ask::Rollback),
        Some(Ask::Release),
        Some(Ask::Lift(digest(1))),
    ];
    let of = |(kind, (number, ask)): (&Kind, (u64, Option<Ask>))| Announcement {
        number,
        at: at(27),
        kind: *kind,
        rollout: ask.is_some().then(|| RolloutId("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned())),
        digest: ask.is_none().then(|| digest(2)),
        word: "restored".to_owned(),
        reason: ask.is_some().then(reason),
        text: "it happened".to_owned(),
        ask,
    };
    Kind::ALL.iter().zip((1..).zip(asks.into_iter().cycle())).map(of).collect()
}

/// A lane with something in every place.
pub(crate) fn full(phase: Phase) -> Lane {
    let mut lane = Lane::new("acme/boletos#production".parse().unwrap(), 3);
    lane.revision = 17;
    lane.generation = 44;
    lane.lease = Some(Lease { owner: "request".to_owned(), until: at(18) });
    lane.armed = Some(WakeUp { sequence: 9, at: at(19) });
    lane.repository = Some("127.0.0.1:5000/acme/boletos".to_owned());
    lane.current = Some(release(2));
    let scanned = Some(BTreeMap::from([(Severity::Critical, 1), (Severity::Untriaged, 2)]));
    lane.successes = vec![Success { release: release(2), at: at(20), scanned }];
    let watch = Watch { since: at(30), next: at(31) };
    lane.vetting = Some(Vetting { digest: digest(3), watch });
    lane.secrets = BTreeMap::from([("prod/db".parse().unwrap(), "v1".to_owned())]);
    lane.secrets_at = at(33);
    let secrets = BTreeSet::from(["prod/db".parse().unwrap()]);
    lane.rotation = Some(Rotation { secrets, since: at(34), due: at(35), tries: 2 });
    lane.desired = Some(release(3));
    lane.blocker =
        Some(Blocker { release: Some(release(3)), reason: reason(), lifts_at: Some(at(21)) });
    lane.rollout = Some(rollout(phase));
    lane.asked = Some(Asked {
        release: release(1),
        cause: Cause::Deploy,
        actor: "ana".to_owned(),
        overriding: Some("the fix is urgent".to_owned()),
        at: at(36),
    });
    lane.next = Some(release(4));
    lane.inspection = Some(Inspection {
        orders: orders(OnHostFailure::Leave),
        documents: documents(),
        settings: HostSettings { deadline: Some(9), ..HostSettings::of_nothing() },
    });
    lane.inspected_at = at(26);
    lane.announced = 5;
    lane.outbox = announcements();
    lane.last_attempt = Some(Attempt {
        digest: digest(1),
        end: End::Restored,
        reason: reason(),
        with: "circumstances".to_owned(),
        at: at(22),
        tries: 3,
    });
    lane.hold = Some(Hold { reason: reason(), actor: Some("ana".to_owned()), since: at(23) });
    lane.adopted = true;
    lane.halted = true;
    lane.quarantine = BTreeMap::from([(digest(4), Quarantine { reason: reason(), since: at(24) })]);
    let (reason, actor) = ("the \"last\" that works".to_owned(), "ana".to_owned());
    lane.pins = BTreeMap::from([(digest(5), Pin { until: at(28), reason, actor })]);
    let last = LastKnown { digests: BTreeSet::from([digest(1), digest(2)]), since: at(29) };
    lane.lost = BTreeMap::from([(host(6), last)]);
    let records = running().map(|running| HostRecord { running, is_well: true, seen_at: at(25) });
    lane.hosts = (1..).map(host).zip(records).collect();
    lane.platforms = BTreeMap::from([(host(1), "linux/arm64/v8".parse().ok()), (host(2), None)]);
    lane.owed = BTreeMap::from([(host(5), BTreeSet::from([target(5)]))]);
    lane.errands = errands();
    lane.requests = vec![RequestId("r-1".to_owned()), RequestId("r-2".to_owned())];
    lane
}

/// Every reason why an image stays.
fn keeps() -> Vec<Keep> {
    let environment = || "production".parse().unwrap();
    let needs = [
        Need::Runs(host(1)),
        Need::Current,
        Need::Rollout,
        Need::Wanted,
        Need::Target,
        Need::Pinned(at(30)),
    ];
    let needed = needs.into_iter().map(|need| Keep::Needed(environment(), need));
    let others = [
        Keep::Followed(environment()),
        Keep::Version(environment(), 1),
        Keep::Archived,
        Keep::PartOf(digest(1)),
        Keep::RefersTo(digest(1)),
        Keep::Unmapped(at(31)),
        Keep::Young(at(32)),
        Keep::Pulled(at(33)),
        Keep::Artifact,
        Keep::NotUnderstood("why".into()),
    ];
    needed.chain(others).collect()
}

/// Every reason why an image goes.
fn causes() -> [Gone; 6] {
    [
        Gone::Version("production".parse().unwrap(), 10),
        Gone::Unmapped,
        Gone::Untagged,
        Gone::PartOf(digest(1)),
        Gone::RefersTo(digest(1)),
        Gone::Orphan(digest(1)),
    ]
}

/// Every reason why a run stops.
pub(crate) fn stops() -> [Stop; 7] {
    [
        Stop::Nothing,
        Stop::Planned,
        Stop::FirstRun,
        Stop::Withheld("nobody knows".to_owned()),
        Stop::Cap { cap: 100, left: 20 },
        Stop::Time,
        Stop::Refused,
    ]
}

/// What a run of retention came to, with something in every place.
pub(crate) fn report(stop: Stop) -> Report {
    Report {
        service: "acme/boletos".parse().unwrap(),
        run: "run-1".to_owned(),
        at: at(34),
        summary: Summary {
            kept: 30,
            deleted: 12,
            bytes: 4000,
            kept_for: keeps().iter().map(Keep::code).zip(1..).collect(),
            deleted_for: causes().iter().map(Gone::code).zip(1..).collect(),
        },
        deleted: 5,
        bytes: 1500,
        stop,
        notes: vec!["a \"note\"".to_owned()],
    }
}
