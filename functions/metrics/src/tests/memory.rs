//! The world in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use esclusa_core::announcement::{Announcement, Ask};
use esclusa_core::configuration::{SecretName, TargetGroup};
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::measure::Datum;
use esclusa_core::measure::alarm::Alarm;
use esclusa_core::measure::usage::read;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::observation::Sources;
use esclusa_core::order::CommandId;
use esclusa_core::release::Release;
use esclusa_core::rollout::Rollout;
use esclusa_core::scan::Scanned;
use esclusa_core::secret::SecretState;
use esclusa_core::time::Timestamp;
use esclusa_shell::measure::ports::{
    Answers, Facts, Herald, Kept, LastLook, Meters, Metrics, Repositories, Serving, Watches,
};
use esclusa_shell::ports::{
    Clock, Configurations, Ledger, Registry, SaveError, Secrets, Unavailable, Wanted,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// What is stored, told and counted; a call of CloudWatch fails where it is down.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) lanes: Vec<Lane>,
    pub(super) configured: Vec<(Service, Sources)>,
    pub(super) releases: Vec<Release>,
    pub(super) scans: Vec<Scanned>,
    pub(super) serving: usize,
    pub(super) secret_is_missing: bool,
    pub(super) answers: Vec<(&'static str, &'static str)>,
    pub(super) pending: bool,
    pub(super) later: Mutex<u64>,
    pub(super) marks: Mutex<BTreeMap<String, Timestamp>>,
    pub(super) commits: Mutex<BTreeMap<String, Timestamp>>,
    pub(super) found: Mutex<BTreeMap<String, BTreeSet<String>>>,
    pub(super) look: Mutex<LastLook>,
    pub(super) rescans: Mutex<Vec<String>>,
    pub(super) put: Mutex<Vec<Vec<Datum>>>,
    pub(super) told: Mutex<Vec<String>>,
    pub(super) alarms: Mutex<Vec<Alarm>>,
    pub(super) down: bool,
}

impl Ledger for Memory {
    async fn load(&self, lane: &LaneId) -> Result<Option<Lane>, Unavailable> {
        Ok(self.lanes.iter().find(|it| it.id == *lane).cloned())
    }

    async fn save(&self, lane: &Lane) -> Result<(), SaveError> {
        panic!("a lane is saved: {}", lane.id)
    }

    async fn revision(&self, _: &LaneId) -> Result<u64, Unavailable> {
        Ok(0)
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, Unavailable> {
        Ok(self.lanes.iter().map(|it| it.id.clone()).collect())
    }

    async fn rollouts(&self, _: &LaneId, _: usize) -> Result<Vec<Rollout>, Unavailable> {
        Ok(Vec::new())
    }
}

impl Configurations for Memory {
    async fn sources(&self, service: &Service) -> Result<Sources, Unavailable> {
        let found = self.configured.iter().find(|(it, _)| it == service);
        Ok(found.map(|(_, sources)| sources.clone()).unwrap_or_default())
    }

    async fn configured(&self) -> Result<Vec<(Service, Sources)>, Unavailable> {
        Ok(self.configured.clone())
    }
}

impl Registry for Memory {
    async fn resolve(&self, _: &Service, wanted: &Wanted) -> Result<Option<Release>, Unavailable> {
        let Wanted::Digest(digest) = wanted else { return Ok(None) };
        Ok(self.releases.iter().find(|it| it.digest == *digest).cloned())
    }

    async fn scans(&self, _: &Service, digest: &Digest) -> Result<Vec<Scanned>, Unavailable> {
        Ok(self.scans.iter().filter(|it| it.digest == *digest).cloned().collect())
    }
}

impl Secrets for Memory {
    async fn secret(&self, _: &SecretName) -> Result<SecretState, Unavailable> {
        let version = "1".to_owned();
        Ok(if self.secret_is_missing {
            SecretState::Missing
        } else {
            SecretState::Usable { version }
        })
    }
}

impl Serving for Memory {
    async fn serving(&self, _: &TargetGroup) -> Result<usize, Unavailable> {
        Ok(self.serving)
    }
}

impl Repositories for Memory {
    async fn exists(&self, service: &Service) -> Result<bool, Unavailable> {
        Ok(service.as_str() == "tickets")
    }

    async fn withheld(&self, _: &Service, _: &Digest) -> Result<Option<String>, Unavailable> {
        Ok(None)
    }

    async fn scan_again(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Option<String>, Unavailable> {
        self.rescans.lock().unwrap().push(format!("{service}@{}", digest.short()));
        Ok(None)
    }
}

impl Facts for Memory {
    async fn mark(&self, identity: &str, until: Timestamp) -> Result<bool, Unavailable> {
        let mut marks = self.marks.lock().unwrap();
        Ok(marks.insert(identity.to_owned(), until).is_none())
    }

    async fn is_marked(&self, identity: &str) -> Result<bool, Unavailable> {
        Ok(self.marks.lock().unwrap().contains_key(identity))
    }

    async fn note_commit(
        &self,
        service: &Service,
        digest: &Digest,
        committed: Timestamp,
    ) -> Result<(), Unavailable> {
        self.commits.lock().unwrap().insert(format!("{service}@{digest}"), committed);
        Ok(())
    }

    async fn committed(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Option<Timestamp>, Unavailable> {
        Ok(self.commits.lock().unwrap().get(&format!("{service}@{digest}")).copied())
    }

    async fn told(&self, lane: &LaneId, digest: &Digest) -> Result<BTreeSet<String>, Unavailable> {
        let found = self.found.lock().unwrap();
        Ok(found.get(&format!("{lane} {digest}")).cloned().unwrap_or_default())
    }

    async fn note_told(
        &self,
        lane: &LaneId,
        digest: &Digest,
        told: &BTreeSet<String>,
    ) -> Result<(), Unavailable> {
        self.found.lock().unwrap().insert(format!("{lane} {digest}"), told.clone());
        Ok(())
    }

    async fn last_look(&self) -> Result<LastLook, Unavailable> {
        Ok(self.look.lock().unwrap().clone())
    }

    async fn note_look(&self, look: &LastLook) -> Result<(), Unavailable> {
        *self.look.lock().unwrap() = look.clone();
        Ok(())
    }
}

impl Meters for Memory {
    async fn ask(&self) -> Result<CommandId, Unavailable> {
        Ok(CommandId("asked".to_owned()))
    }

    async fn answers(&self, _: &CommandId) -> Result<Answers, Unavailable> {
        let answer = |(host, said): &(&str, &str)| (host.parse().unwrap(), read(said));
        Ok(Answers { given: self.answers.iter().map(answer).collect(), pending: self.pending })
    }
}

impl Metrics for Memory {
    async fn put(&self, data: &[Datum]) -> Result<(), Unavailable> {
        if self.down {
            let source = "connection refused".into();
            return Err(Unavailable { doing: "hand numbers over".to_owned(), source });
        }
        self.put.lock().unwrap().push(data.to_vec());
        Ok(())
    }
}

impl Watches for Memory {
    async fn keep_alarms(&self, alarms: &[Alarm]) -> Result<Kept, Unavailable> {
        *self.alarms.lock().unwrap() = alarms.to_vec();
        Ok(Kept { made: alarms.len(), deleted: 0 })
    }
}

impl Herald for Memory {
    async fn tell(&self, _: &LaneId, _: &str, found: &Announcement) -> Result<(), Unavailable> {
        self.told.lock().unwrap().push(found.text.clone());
        Ok(())
    }

    fn line(&self, lane: &LaneId, ask: &Ask) -> String {
        ask.line("operator", lane)
    }
}

impl Clock for Memory {
    fn now(&self) -> Timestamp {
        NOW.after(std::time::Duration::from_secs(*self.later.lock().unwrap()))
    }
}

impl Memory {
    pub(super) fn counted(&self) -> Vec<(&'static str, f64)> {
        let put = self.put.lock().unwrap();
        put.iter().flatten().map(|it| (it.metric.name(), it.value.sum)).collect()
    }

    pub(super) fn wait(&self, seconds: u64) {
        let mut later = self.later.lock().unwrap();
        *later = later.saturating_add(seconds);
    }
}
