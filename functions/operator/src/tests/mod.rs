//! Questions and answers, over a ledger, a registry and a queue in memory.

mod callers;
mod changes;
mod configurations;
mod deploys;
mod pins;
mod progress;
mod questions;
mod schema;
mod status;
mod why;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use esclusa_core::configuration::{SecretName, Severity};
use esclusa_core::digest::Digest;
use esclusa_core::lane::{Hold, HostRecord, Lane, Quarantine, Step, Success};
use esclusa_core::name::{HostId, LaneId, Service};
use esclusa_core::observation::{Cue, Event, Fleet, Look, Saw, Sources};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Availability, Release, Running};
use esclusa_core::rollout::Rollout;
use esclusa_core::scan::{Finding, Scanned, State};
use esclusa_core::secret::SecretState;
use esclusa_core::time::Timestamp;
use esclusa_shell::drive::Hint;
use esclusa_shell::ports::{
    Clock, ConfigurationStore, Configurations, Ledger, Queue, Registry, SaveError, Secrets,
    Unavailable, Wanted,
};
use serde_json::{Value, json};

use crate::handler::{Call, handle};

/// The lane that most questions are about.
const LANE: &str = "tickets#production";

/// A freeze that the clock of these tests is in: they play on a Monday at 14:15.
const FREEZE: &str = r#"freeze = [{ from = "Mon 14:00", for = "2h", zone = "UTC" }]"#;

/// What the ledger, the registry, the parameters and the queue hold.
#[derive(Default)]
struct Memory {
    lanes: Mutex<BTreeMap<LaneId, Lane>>,
    rollouts: Vec<Rollout>,
    images: Vec<Release>,
    sources: Sources,
    /// The configurations that were stored, with their services.
    stored: Mutex<Vec<(String, String)>>,
    woken: Mutex<Vec<LaneId>>,
    /// How far the scan of every image is; done, with nothing found, where nothing is said.
    scan: Option<State>,
    /// How every secret stands.
    secret: Option<SecretState>,
    down: bool,
    /// Whether retention is deleting what lanes come to want.
    claimed: bool,
}

impl Memory {
    /// The same, with one lane changed.
    fn with(self, lane: &str, change: impl FnOnce(&mut Lane)) -> Self {
        change(self.lanes.lock().unwrap().get_mut(&lane.parse().unwrap()).unwrap());
        self
    }

    /// The same, with more images.
    fn and(mut self, images: impl IntoIterator<Item = Release>) -> Self {
        self.images.extend(images);
        self
    }

    /// The same, with this in the configuration of production.
    fn configured(mut self, text: &str) -> Self {
        self.sources.service = Some(format!("[environments.production]\n{text}\n"));
        self
    }

    fn lane(&self) -> Lane {
        self.lanes.lock().unwrap()[&LANE.parse().unwrap()].clone()
    }
}

impl Ledger for Memory {
    async fn load(&self, lane: &LaneId) -> Result<Option<Lane>, Unavailable> {
        if self.down {
            let source = "connection refused".into();
            return Err(Unavailable { doing: format!("read lane `{lane}`"), source });
        }
        Ok(self.lanes.lock().unwrap().get(lane).cloned())
    }

    async fn save(&self, lane: &Lane) -> Result<(), SaveError> {
        if self.claimed {
            return Err(SaveError::Claimed { lane: lane.id.clone() });
        }
        self.lanes.lock().unwrap().insert(lane.id.clone(), lane.clone().at_rest());
        Ok(())
    }

    async fn revision(&self, lane: &LaneId) -> Result<u64, Unavailable> {
        Ok(self.load(lane).await?.map_or(0, |lane| lane.revision))
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, Unavailable> {
        Ok(self.lanes.lock().unwrap().keys().cloned().collect())
    }

    async fn rollouts(&self, _: &LaneId, _: usize) -> Result<Vec<Rollout>, Unavailable> {
        Ok(self.rollouts.clone())
    }
}

impl Configurations for Memory {
    async fn sources(&self, _: &Service) -> Result<Sources, Unavailable> {
        let stored = self.stored.lock().unwrap().last().map(|(_, text)| text.clone());
        let service = stored.or_else(|| self.sources.service.clone());
        Ok(Sources { service, ..self.sources.clone() })
    }

    async fn configured(&self) -> Result<Vec<(Service, Sources)>, Unavailable> {
        Ok(Vec::new())
    }
}

impl ConfigurationStore for Memory {
    async fn store(&self, service: &Service, text: &str) -> Result<(), Unavailable> {
        self.stored.lock().unwrap().push((service.to_string(), text.to_owned()));
        Ok(())
    }
}

impl Registry for Memory {
    async fn resolve(&self, _: &Service, wanted: &Wanted) -> Result<Option<Release>, Unavailable> {
        let found = self.images.iter().find(|image| match wanted {
            Wanted::Tag(tag) => image.tags.contains(tag),
            Wanted::Digest(digest) => image.digest == *digest,
        });
        Ok(found.cloned())
    }

    async fn scans(&self, _: &Service, digest: &Digest) -> Result<Vec<Scanned>, Unavailable> {
        let clean = clean(digest);
        Ok(vec![Scanned { state: self.scan.clone().unwrap_or(clean.state), ..clean }])
    }
}

impl Secrets for Memory {
    async fn secret(&self, _: &SecretName) -> Result<SecretState, Unavailable> {
        Ok(self.secret.clone().unwrap_or(SecretState::Missing))
    }
}

impl Queue for Memory {
    async fn wake(&self, lane: &LaneId, _: Hint, _: Duration) -> Result<(), Unavailable> {
        self.woken.lock().unwrap().push(lane.clone());
        Ok(())
    }
}

impl Clock for Memory {
    fn now(&self) -> Timestamp {
        at(100)
    }
}

/// A scan that found what blocks.
fn found() -> State {
    State::Done(vec![Finding {
        severity: Severity::Critical,
        id: "CVE-2026-1234".to_owned(),
        package: "openssl".to_owned(),
        installed: "3.0.1".to_owned(),
        fixed: "3.0.2".to_owned(),
    }])
}

/// A scan that found nothing.
fn clean(digest: &Digest) -> Scanned {
    let (state, platform) = (State::Done(Vec::new()), String::new());
    Scanned { digest: digest.clone(), platform, state }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).after(Duration::from_secs(seconds))
}

fn release(number: u32) -> Release {
    Release {
        digest: format!("sha256:{number:064x}").parse().unwrap(),
        repository: "registry/tickets".to_owned(),
        tags: std::iter::once(format!("v1.{number}.0").parse().unwrap()).collect(),
        label: format!("v1.{number}.0").parse().unwrap(),
        bytes: 1,
        pushed_at: at(0),
        availability: Availability::Active,
    }
}

/// A lane that runs v1.2.0 and ran v1.1.0 before, one that is held, and one of another service.
fn memory() -> Memory {
    let lane = |name: &str| Lane::new(name.parse().unwrap(), 1);
    let mut tickets = lane("tickets#production");
    tickets.revision = 7;
    tickets.current = Some(release(2));
    tickets.successes = [2, 1]
        .map(|number| Success { release: release(number), at: at(1), scanned: None })
        .to_vec();
    let mut staging = lane("tickets#staging");
    let reason = Reason::new(Code::LANE_HELD, "held by ana: lunch");
    staging.hold = Some(Hold { reason, actor: Some("ana".to_owned()), since: at(2) });
    let lanes = [tickets, staging, lane("acme/boletos#production")];
    let lanes = lanes.into_iter().map(|lane| (lane.id.clone(), lane)).collect();
    Memory { lanes: Mutex::new(lanes), images: vec![release(1), release(2)], ..Memory::default() }
}

/// The same lane, with a rollout of this release that has just begun on two hosts.
fn rolling(lane: &mut Lane, candidate: &Release) {
    let host = |number: u32| -> HostId { format!("i-{number:08x}").parse().unwrap() };
    let hosts = [1, 2].map(host);
    let fleet = Fleet { hosts: hosts.clone().into(), ..Fleet::default() };
    let running = lane.current.as_ref().map(|it| Running::Digest(it.digest.clone())).unwrap();
    let record = |id| (id, HostRecord { running: running.clone(), is_well: true, seen_at: at(2) });
    lane.hosts.extend(hosts.map(record));
    lane.inspected_at = at(2);
    let mut event = Event::Woke(Cue::Outside);
    loop {
        if let Step::Advance(next) = lane.step(&event, at(60)) {
            *lane = *next;
        }
        let Some(look) = lane.looks().first().cloned() else { break };
        event = Event::Saw(match look.clone() {
            Look::Configuration => Saw::Configuration(Arc::default()),
            Look::Tag(tag) => Saw::Tag(tag, Some(candidate.clone())),
            Look::Scan(digest) => Saw::Scan(digest.clone(), Arc::new(vec![clean(&digest)])),
            Look::Fleet => Saw::Fleet(Arc::new(fleet.clone())),
            Look::Secret(_)
            | Look::Alarms(_)
            | Look::Settings(_)
            | Look::Targets(_)
            | Look::Command(_)
            | Look::Lost(..) => {
                panic!("{look:?}")
            }
        });
    }
    *lane = lane.clone().at_rest();
    assert!(lane.rollout.is_some(), "{:?}", lane.blocker);
}

fn quarantine(lane: &mut Lane, release: &Release) {
    let reason = Reason::new(Code::HEALTH_CONTAINER, "its health check failed");
    lane.quarantine.insert(release.digest.clone(), Quarantine { reason, since: at(3) });
}

/// The answer, which has the form that the schema says.
async fn ask(memory: &Memory, question: &Value) -> Value {
    ask_as("", memory, question).await
}

/// The same, asked by an alias of the function: `:for-tickets`.
async fn ask_as(alias: &str, memory: &Memory, question: &Value) -> Value {
    let address =
        format!("arn:aws:lambda:eu-south-2:123456789012:function:esclusa-operator{alias}");
    let call = Call { id: "lambda-request", function: "esclusa-operator", address: &address };
    let answer = handle(memory, question, call).await.unwrap();
    let answer = serde_json::to_value(&answer).unwrap();
    schema::assert_fits(&answer);
    answer
}

fn about(action: &str, service: &str, environment: &str) -> Value {
    json!({ "action": action, "service": service, "environment": environment })
}

/// A question about [`LANE`], with more members.
fn with(action: &str, more: Value) -> Value {
    let mut question = about(action, "tickets", "production");
    let Value::Object(more) = more else { panic!("{more}") };
    question.as_object_mut().unwrap().extend(more);
    question
}

/// A sentence, and the line that asks for an action on a lane of `tickets`.
fn line(sentence: &str, action: &str, environment: &str, more: &str) -> String {
    format!(
        "{sentence}:\naws lambda invoke --function-name esclusa-operator \
         --cli-binary-format raw-in-base64-out --payload \
         '{{\"action\":\"{action}\",\"service\":\"tickets\",\
         \"environment\":\"{environment}\"{more}}}' /dev/stdout"
    )
}
