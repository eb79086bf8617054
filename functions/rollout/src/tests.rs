//! Batches of messages, over ports in memory that fail on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use esclusa_core::alarm::SeenAlarm;
use esclusa_core::announcement::Announcement;
use esclusa_core::configuration::{AlarmName, SecretName, TargetGroup};
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::observation::{Fleet, HostOrder, PartKey, Sources};
use esclusa_core::order::{self, CommandId, Verb};
use esclusa_core::release::Release;
use esclusa_core::rollout::Rollout;
use esclusa_core::scan::Scanned;
use esclusa_core::secret::SecretState;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::{SeenGroup, SeenTarget, Target};
use esclusa_shell::drive::Hint;
use esclusa_shell::invocation::Invocation;
use esclusa_shell::ports::{
    Alarms, Announcer, Clock, Configurations, Hosts, Ledger, Queue, Registry, SaveError, Secrets,
    SendError, Traffic, Unavailable, Wanted,
};
use serde_json::json;

use crate::handler::handle;

/// A world without hosts. What happens to a service when its configuration is read is in its name.
#[derive(Default)]
struct World {
    lanes: Mutex<BTreeMap<LaneId, Lane>>,
    /// The services whose configuration was read.
    read: Mutex<Vec<String>>,
    woken: Mutex<Vec<String>>,
}

impl Announcer for World {
    async fn publish(&self, _: &LaneId, announcements: &[Announcement]) -> BTreeSet<u64> {
        announcements.iter().map(|it| it.number).collect()
    }

    async fn swept(&self, _: usize) {}
}

impl Configurations for World {
    async fn configured(&self) -> Result<Vec<(Service, Sources)>, Unavailable> {
        Ok(Vec::new())
    }

    async fn sources(&self, service: &Service) -> Result<Sources, Unavailable> {
        self.read.lock().unwrap().push(service.to_string());
        match service.as_str() {
            "fails" => {
                let source = "connection refused".into();
                Err(Unavailable { doing: "read the parameters".to_owned(), source })
            }
            "dies" => panic!("on purpose"),
            "hangs" => std::future::pending().await,
            _ => Ok(Sources::default()),
        }
    }
}

impl Ledger for World {
    async fn load(&self, lane: &LaneId) -> Result<Option<Lane>, Unavailable> {
        Ok(self.lanes.lock().unwrap().get(lane).cloned())
    }

    async fn save(&self, lane: &Lane) -> Result<(), SaveError> {
        self.lanes.lock().unwrap().insert(lane.id.clone(), lane.clone().at_rest());
        Ok(())
    }

    async fn revision(&self, _: &LaneId) -> Result<u64, Unavailable> {
        Ok(0)
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, Unavailable> {
        Ok(["a1#production", "a2#staging"].map(|lane| lane.parse().unwrap()).to_vec())
    }

    async fn rollouts(&self, _: &LaneId, _: usize) -> Result<Vec<Rollout>, Unavailable> {
        Ok(Vec::new())
    }
}

impl Registry for World {
    async fn resolve(&self, _: &Service, _: &Wanted) -> Result<Option<Release>, Unavailable> {
        Ok(None)
    }

    async fn scans(&self, _: &Service, _: &Digest) -> Result<Vec<Scanned>, Unavailable> {
        Ok(Vec::new())
    }
}

impl Secrets for World {
    async fn secret(&self, _: &SecretName) -> Result<SecretState, Unavailable> {
        Ok(SecretState::Missing)
    }
}

impl Alarms for World {
    async fn alarms(
        &self,
        _: &BTreeSet<AlarmName>,
    ) -> Result<BTreeMap<AlarmName, SeenAlarm>, Unavailable> {
        Ok(BTreeMap::new())
    }
}

impl Hosts for World {
    async fn fleet(&self, _: &LaneId) -> Result<Fleet, Unavailable> {
        Ok(Fleet::default())
    }

    async fn send(&self, _: &LaneId, order: &HostOrder) -> Result<CommandId, SendError> {
        Err(SendError::NoSuchHost(order.key))
    }

    async fn find(
        &self,
        _: &LaneId,
        _: PartKey,
        _: Verb,
        _: Timestamp,
    ) -> Result<Option<CommandId>, Unavailable> {
        Ok(None)
    }

    async fn invocations(&self, _: &CommandId) -> Result<Vec<order::Invocation>, Unavailable> {
        Ok(Vec::new())
    }
}

impl Traffic for World {
    async fn group(&self, _: &TargetGroup) -> Result<SeenGroup, Unavailable> {
        Ok(SeenGroup::Absent)
    }

    async fn targets(&self, _: &TargetGroup) -> Result<Vec<SeenTarget>, Unavailable> {
        Ok(Vec::new())
    }

    async fn deregister(&self, _: &TargetGroup, _: &[Target]) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn register(&self, _: &TargetGroup, _: &[Target]) -> Result<Vec<Target>, Unavailable> {
        Ok(Vec::new())
    }
}

impl Queue for World {
    async fn wake(&self, lane: &LaneId, _: Hint, _: Duration) -> Result<(), Unavailable> {
        self.woken.lock().unwrap().push(lane.to_string());
        Ok(())
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }
}

fn push(service: &str, tag: &str) -> String {
    let detail = json!({
        "action-type": "PUSH", "result": "SUCCESS", "repository-name": service, "image-tag": tag,
    });
    json!({ "source": "aws.ecr", "detail-type": "ECR Image Action", "detail": detail }).to_string()
}

/// The messages of a batch that failed, numbered from 0.
async fn failed(world: &Arc<World>, bodies: &[String]) -> Vec<String> {
    let records = bodies.iter().enumerate();
    let records: Vec<_> =
        records.map(|(id, body)| json!({ "messageId": id.to_string(), "body": body })).collect();
    let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let now = world.now();
    let me = Invocation {
        id: "request".to_owned(),
        ends_at: now.after(Duration::from_secs(30)),
        stops_at: now.after(Duration::from_secs(22)),
    };
    let response = handle(Arc::clone(world), event, me).await;
    response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bad_message_costs_no_other() {
    let world = Arc::new(World::default());
    let unknown = json!({ "source": "aws.s3", "detail-type": "x", "detail": {} }).to_string();
    let bodies = [
        "not JSON".to_owned(),
        unknown,
        push("a1", "latest"),
        push("fails", "latest"),
        push("dies", "latest"),
        push("hangs", "latest"),
        push("a1", "nobody-follows-this"),
        r#"{"esclusa":"wake","lane":"a1"}"#.to_owned(),
        r#"{"esclusa":"wake","lane":"a1#production","sequence":1}"#.to_owned(),
        r#"{"esclusa":"sweep"}"#.to_owned(),
    ];
    assert_eq!(failed(&world, &bodies).await, ["0", "3", "4", "5", "7"]);
    assert_eq!(*world.woken.lock().unwrap(), ["a1#production", "a2#staging"]);
}

#[tokio::test]
async fn equal_notices_are_carried_out_once() {
    let world = Arc::new(World::default());
    let bodies = [
        push("a1", "latest"),
        push("a1", "latest"),
        push("fails", "latest"),
        push("fails", "latest"),
    ];
    assert_eq!(failed(&world, &bodies).await, ["2", "3"]);
    let mut read = world.read.lock().unwrap().clone();
    read.sort();
    // Once to see who follows the tag, once by the lane that does.
    assert_eq!(read, ["a1", "a1", "fails"]);
}

#[tokio::test]
async fn an_empty_batch_is_well() {
    assert_eq!(failed(&Arc::new(World::default()), &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_service_without_hosts_leaves_nothing_behind() {
    let world = Arc::new(World::default());
    assert_eq!(failed(&world, &[push("a1", "latest")]).await, Vec::<String>::new());
    assert!(world.lanes.lock().unwrap().is_empty());
}
