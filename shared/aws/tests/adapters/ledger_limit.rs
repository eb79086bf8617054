//! The biggest lanes and rollouts, against the 400 KB of an item of DynamoDB.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_aws::record::write_lane;
use esclusa_core::announcement::{Announcement, Ask, Kind};
use esclusa_core::lane::{Errand, HostRecord, Lane, LastKnown, Pin, Quarantine, Success};
use esclusa_core::name::HostId;
use esclusa_core::order::{
    Answer, CommandId, ContainerHealth, Fence, Heard, LastChange, OnHostFailure, Orders, PartState,
    PutBack, Verb,
};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Running;
use esclusa_core::request::RequestId;
use esclusa_core::rollout::{
    End, HostRun, Phase, Progress, Rollout, RolloutId, Transition, Warning,
};
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::Target;
use esclusa_shell::ports::Ledger;
use serde_json::{Value, json};

use crate::aws::{aws, ok};
use crate::record_samples::{full, phases, release, rollout};

const HOSTS: usize = 500;

/// What DynamoDB takes: names and values of the attributes together.
const ITEM: usize = 400 * 1024;

/// What a host behind two target groups is registered as.
fn targets(host: &HostId) -> BTreeSet<Target> {
    let group = |name: &str| {
        let group = "arn:aws:elasticloadbalancing:eu-south-1:123456789012:targetgroup";
        format!("{group}/{name}/0123456789abcdef").parse().unwrap()
    };
    let groups = ["acme-boletos-production-public", "acme-boletos-production-internal"];
    let target = |(name, port)| Target { group: group(name), host: host.clone(), port };
    groups.into_iter().zip([8080, 8443]).map(target).collect()
}

/// What differs between hosts by chance, so that it does not compress by repeating itself.
struct Noise(fastrand::Rng);

impl Noise {
    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| if self.0.u8(0..6) == 0 { ' ' } else { self.0.lowercase() }).collect()
    }

    fn host(&mut self) -> HostId {
        format!("i-{:017x}", self.0.u128(..) >> 60).parse().unwrap()
    }

    fn digest(&mut self) -> esclusa_core::digest::Digest {
        format!("sha256:{:032x}{:032x}", self.0.u128(..), self.0.u128(..)).parse().unwrap()
    }

    fn at(&mut self) -> Timestamp {
        Timestamp::from_millis(self.0.u64(1_790_000_000_000..1_790_010_000_000))
    }

    fn reason(&mut self, length: usize) -> Reason {
        Reason::new(Code::HEALTH_CONTAINER, self.letters(length))
    }

    fn answer(&mut self) -> Heard {
        Heard::Answered(Answer {
            one_way: false,
            runs_once: false,
            platform: "linux/arm64".parse().ok(),
            zone: "eu-south-1a".to_owned(),
            reason: Reason::new(Code::OK, ""),
            fence: None,
            before: Running::Digest(release(2).digest),
            now: Running::Digest(release(1).digest),
            health: ContainerHealth::Healthy,
            last_change: LastChange::Finished,
            put_back: PutBack::NotNeeded,
            warnings: vec![self.letters(200)],
            took: Duration::from_millis(self.0.u64(..60_000)),
        })
    }

    /// An order that every host has answered, each with a warning.
    fn orders(&mut self, hosts: &[HostId]) -> Orders {
        let fence = esclusa_core::order::Fence { epoch: 3, generation: 44 };
        let told = hosts.iter().map(|host| (host.clone(), release(1).image()));
        let made = self.at();
        let mut orders = Orders::new(Verb::Activate, fence, made, OnHostFailure::Restore, told);
        for part in &mut orders.parts {
            let command = CommandId(format!("{:032x}", self.0.u128(..)));
            part.state = PartState::Sent { command, at: made };
        }
        orders.heard = hosts.iter().map(|host| (host.clone(), self.answer())).collect();
        orders
    }

    fn announcements(&mut self, hosts: &[HostId]) -> Vec<Announcement> {
        let of = |number: u64| Announcement {
            number,
            at: self.at(),
            kind: Kind::HostFailed,
            rollout: Some(RolloutId("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned())),
            digest: Some(release(1).digest),
            word: hosts[usize::try_from(number).unwrap()].to_string(),
            reason: Some(self.reason(200)),
            text: self.letters(300),
            ask: Some(Ask::Lift(release(1).digest)),
        };
        (0..100).map(of).collect()
    }

    /// A rollout that verifies all its hosts, with as much history as is kept.
    fn rollout(&mut self, hosts: &[HostId]) -> Rollout {
        let run = |host: &HostId| {
            let progress = Progress::Failed(self.reason(100));
            let (zone, baseline) = ("eu-south-1a".to_owned(), Running::Digest(release(2).digest));
            let (targets, answered_at) = (targets(host), self.at());
            let run = HostRun {
                zone,
                baseline,
                progress,
                fetched: true,
                told: true,
                snapshot: Some(Fence { epoch: 1, generation: 7 }),
                targets,
                healthy: true,
                answered_at,
            };
            (host.clone(), run)
        };
        let runs = hosts.iter().map(run).collect();
        let line = |_| {
            let (at, text) = (self.at(), self.letters(120));
            Transition { at, phase: "activating".to_owned(), text }
        };
        let history = (0..200).map(line).collect();
        let warning =
            |_| Warning { text: self.letters(200), hosts: hosts.iter().cloned().collect() };
        let warnings = (0..10).map(warning).collect();
        Rollout { hosts: runs, history, warnings, ..rollout(Phase::Verifying(self.orders(hosts))) }
    }
}

/// Five hundred hosts, all of them in a rollout and all of them owed, and everything that a lane
/// keeps kept up to its bound.
fn biggest() -> Lane {
    let mut noise = Noise(fastrand::Rng::with_seed(1));
    let hosts: Vec<HostId> = (0..HOSTS).map(|_| noise.host()).collect();
    let mut lane = full(phases().remove(0));
    lane.rollout = Some(noise.rollout(&hosts));
    lane.outbox = noise.announcements(&hosts);
    let record = |host: &HostId| {
        let running = Running::Digest(release(2).digest);
        (host.clone(), HostRecord { running, is_well: true, seen_at: noise.at() })
    };
    lane.hosts = hosts.iter().map(record).collect();
    lane.platforms = hosts.iter().map(|it| (it.clone(), "linux/amd64".parse().ok())).collect();
    lane.owed = hosts.iter().map(|host| (host.clone(), targets(host))).collect();
    lane.successes =
        (0..10).map(|n| Success { release: release(n), at: noise.at(), scanned: None }).collect();
    lane.requests = (0..32).map(|_| RequestId(format!("{:032x}", noise.0.u128(..)))).collect();
    let quarantine = |_| {
        let (reason, since) = (noise.reason(200), noise.at());
        (noise.digest(), Quarantine { reason, since })
    };
    lane.quarantine = (0..50).map(quarantine).collect();
    let last = |host: &HostId| {
        let digests = BTreeSet::from([release(1).digest, release(2).digest]);
        (host.clone(), LastKnown { digests, since: noise.at() })
    };
    lane.lost = hosts.iter().map(last).collect();
    let pin = |_| {
        let (until, reason, actor) = (noise.at(), noise.letters(200), noise.letters(20));
        (noise.digest(), Pin { until, reason, actor })
    };
    lane.pins = (0..50).map(pin).collect();
    lane
}

/// Five hundred new hosts at once, each on an errand of its own that has failed before.
fn all_on_errands() -> Lane {
    let mut noise = Noise(fastrand::Rng::with_seed(2));
    let hosts: Vec<HostId> = (0..HOSTS).map(|_| noise.host()).collect();
    let mut lane = full(phases().remove(0));
    let one = lane.errands.values().next().unwrap().clone();
    let mut errand = |host: &HostId| {
        let orders = Some(noise.orders(std::slice::from_ref(host)));
        let (failure, retry_at) = (Some(noise.reason(200)), noise.at());
        (host.clone(), Errand { orders, failure, retry_at, ..one.clone() })
    };
    let errands: BTreeMap<HostId, Errand> = hosts.iter().map(&mut errand).collect();
    lane.owed = hosts.iter().map(|host| (host.clone(), targets(host))).collect();
    lane.errands = errands;
    lane
}

/// The bytes that DynamoDB counts: names, and values as they are, not as they travel.
fn size(item: &Value) -> usize {
    let value = |value: &Value| match (&value["S"], &value["N"], &value["B"]) {
        (Value::String(text), ..) | (_, Value::String(text), _) => text.len(),
        (.., Value::String(base64)) => base64.len().div_ceil(4).saturating_mul(3),
        _ => panic!("{value}"),
    };
    item.as_object().unwrap().iter().flat_map(|(name, it)| [name.len(), value(it)]).sum()
}

/// What a save of this lane puts, the lane's own item first.
async fn put(lane: &Lane) -> Vec<Value> {
    let (aws, calls) = aws(|_, _| ok(&json!({})));
    aws.save(lane).await.unwrap();
    match calls.all().remove(0).input {
        input if input["TransactItems"].is_array() => {
            let items = input["TransactItems"].as_array().unwrap();
            items.iter().map(|it| it["Put"]["Item"].clone()).collect()
        }
        input => vec![input["Item"].clone()],
    }
}

#[tokio::test]
async fn the_biggest_lanes_fit_into_an_item_and_are_read_back() {
    for (name, lane) in [("a rollout", biggest()), ("errands", all_on_errands())] {
        let item = put(&lane).await.remove(0);
        let (plain, packed) = (write_lane(&lane).unwrap().len(), size(&item));
        assert!(packed < ITEM, "{name} of {HOSTS} hosts: {plain} → {packed} bytes of {ITEM}");
        assert!(plain > ITEM, "{name}: {plain} bytes would fit as they are");
        assert_eq!(item.get("lane"), None);
        let answer = json!({ "Item": item });
        let (aws, _) = aws(move |_, _| ok(&answer));
        assert_eq!(aws.load(&lane.id).await.unwrap(), Some(lane), "{name}");
    }
}

#[tokio::test]
async fn the_biggest_rollout_that_ended_fits_into_an_item_and_is_read_back() {
    let mut lane = biggest();
    let mut ended = lane.rollout.take().unwrap();
    ended.phase = Phase::Ended(End::Restored, Reason::new(Code::HEALTH_CONTAINER, "not well"));
    lane.ended.push(ended.clone());
    let item = put(&lane).await.remove(1);
    let packed = size(&item);
    assert!(packed < ITEM, "{packed} bytes of {ITEM}");
    assert_eq!(item.get("rollout"), None);
    let answer = json!({ "Items": [item] });
    let (aws, _) = aws(move |_, _| ok(&answer));
    assert_eq!(aws.rollouts(&lane.id, 1).await.unwrap(), [ended]);
}

/// Items that were written before big ones were compressed are plain, whatever their size.
#[tokio::test]
async fn a_big_plain_item_is_read() {
    let lane = biggest();
    let answer = json!({ "Item": { "lane": { "S": write_lane(&lane).unwrap() } } });
    let (aws, _) = aws(move |_, _| ok(&answer));
    assert_eq!(aws.load(&lane.id).await.unwrap(), Some(lane));
}

#[tokio::test]
async fn a_lost_answer_for_a_big_lane_is_not_taken_for_a_lost_race() {
    let lane = biggest();
    let stored = json!({ "Item": put(&lane).await.remove(0) });
    let (aws, _) = aws(move |call, _| match call.name.as_str() {
        "GetItem" => ok(&stored),
        _ => crate::aws::refusal("ConditionalCheckFailedException"),
    });
    aws.save(&lane).await.unwrap();
    let mut other = lane;
    other.generation += 1;
    assert!(aws.save(&other).await.is_err());
}
