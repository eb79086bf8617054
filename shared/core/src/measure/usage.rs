//! What containers take, as hosts tell it.
//!
//! A host answers with a head, a line for each container, and a last line, so that an answer that
//! was cut off shows:
//!
//! ```text
//! esclusa-usage 1
//! tickets production 1f2e3d4c5b6a 0.15% 1.20% 0 healthy
//! end 1
//! ```

use std::collections::BTreeMap;

use super::{Datum, Metric, Subject, Value, whole};
use crate::name::{HostId, LaneId};
use crate::time::Timestamp;

const HEAD: &str = "esclusa-usage 1";

/// More than this share of a processor, or of the memory, is taken for a mistake: 1,024 processors.
const MOST: f64 = 102_400.0;

/// One container of a lane, at one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Whose it is.
    pub lane: LaneId,
    /// The engine's name of it.
    pub id: String,
    /// What it takes of one processor, in percent; nothing where the engine does not say.
    pub cpu: Option<f64>,
    /// What it takes of the memory that it may have, in percent.
    pub memory: Option<f64>,
    /// How often the engine has started it again.
    pub restarts: u64,
    /// Whether its healthcheck, if it has one, does not say otherwise.
    pub well: bool,
}

/// Why a host's answer counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// It is another program's, or another version's.
    #[error("its answer does not begin with `{HEAD}`")]
    Head,
    /// It was cut off.
    #[error("its answer is cut off")]
    CutOff,
    /// A line says something that cannot be.
    #[error("its answer has a line that cannot be used: `{0}`")]
    Line(String),
}

/// Reads a host's answer.
///
/// # Errors
///
/// One that is not whole, or has a line that cannot be: nothing of it is counted then.
pub fn read(answer: &str) -> Result<Vec<Container>, UsageError> {
    let mut lines = answer.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.next() != Some(HEAD) {
        return Err(UsageError::Head);
    }
    let mut containers = Vec::new();
    for said in lines {
        if let Some(count) = said.strip_prefix("end ") {
            let whole = count.parse() == Ok(containers.len());
            return if whole { Ok(containers) } else { Err(UsageError::CutOff) };
        }
        let refused = || UsageError::Line(said.chars().take(100).collect());
        containers.push(container(said).ok_or_else(refused)?);
    }
    Err(UsageError::CutOff)
}

fn container(said: &str) -> Option<Container> {
    let fields: Vec<&str> = said.split(' ').collect();
    let [service, environment, id, cpu, memory, restarts, health] = fields.as_slice() else {
        return None;
    };
    let lane = LaneId { service: service.parse().ok()?, environment: environment.parse().ok()? };
    Some(Container {
        lane,
        id: (*id).to_owned(),
        cpu: percent(cpu)?.0,
        memory: percent(memory)?.0,
        restarts: restarts.parse().ok()?,
        well: !matches!(*health, "unhealthy" | "restarting"),
    })
}

/// What the engine says of a share.
struct Share(Option<f64>);

/// `0.15%`, or `-` where it says nothing.
fn percent(text: &str) -> Option<Share> {
    if text == "-" {
        return Some(Share(None));
    }
    let value: f64 = text.strip_suffix('%')?.parse().ok()?;
    (value.is_finite() && (0.0..=MOST).contains(&value)).then_some(Share(Some(value)))
}

/// How often the containers of a host had been started again when it last answered; those that
/// never were are left out.
pub type Restarts = BTreeMap<HostId, BTreeMap<String, u64>>;

/// The containers of all hosts that answered, at one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage(BTreeMap<HostId, Vec<Container>>);

impl Usage {
    /// Takes what a host told of itself. A host speaks only of the lanes that it belongs to:
    /// `belongs` says which those are.
    pub fn add(
        &mut self,
        host: HostId,
        containers: Vec<Container>,
        belongs: impl Fn(&LaneId, &HostId) -> bool,
    ) {
        let own = containers.into_iter().filter(|it| belongs(&it.lane, &host)).collect();
        self.0.insert(host, own);
    }

    /// What is remembered of restarts: of hosts that did not answer, what was known before.
    /// `exists` says which hosts are still there.
    #[must_use]
    pub fn restarts(&self, before: Restarts, exists: impl Fn(&HostId) -> bool) -> Restarts {
        let restarted = |it: &Container| (it.restarts > 0).then(|| (it.id.clone(), it.restarts));
        let mut known = before;
        known.retain(|host, _| exists(host));
        known.extend(self.0.iter().map(|(host, containers)| {
            (host.clone(), containers.iter().filter_map(restarted).collect())
        }));
        known
    }

    /// On how many hosts all of a lane's containers are well, and at least one is there.
    #[must_use]
    pub fn serving(&self, lane: &LaneId) -> usize {
        let serves = |containers: &&Vec<Container>| {
            let mut own = containers.iter().filter(|it| it.lane == *lane).peekable();
            own.peek().is_some() && own.all(|it| it.well)
        };
        self.0.values().filter(serves).count()
    }

    /// What is counted: per lane, of all its containers together. Of a host that is not in
    /// `before`, nothing is known of restarts.
    #[must_use]
    pub fn data(&self, before: &Restarts, at: Timestamp) -> Vec<Datum> {
        let mut lanes: BTreeMap<&LaneId, Taken> = BTreeMap::new();
        for (host, containers) in &self.0 {
            let known = before.get(host);
            for container in containers {
                lanes.entry(&container.lane).or_default().add(container, known);
            }
        }
        lanes.into_iter().flat_map(|(lane, taken)| taken.data(lane, at)).collect()
    }
}

/// What the containers of a lane take together.
#[derive(Default)]
struct Taken {
    cpu: Option<Value>,
    memory: Option<Value>,
    restarts: u64,
}

impl Taken {
    fn add(&mut self, it: &Container, known: Option<&BTreeMap<String, u64>>) {
        self.cpu = it.cpu.map(|value| Value::with(self.cpu, value)).or(self.cpu);
        self.memory = it.memory.map(|value| Value::with(self.memory, value)).or(self.memory);
        if let Some(known) = known {
            let since = it.restarts.saturating_sub(known.get(&it.id).copied().unwrap_or(0));
            self.restarts = self.restarts.saturating_add(since);
        }
    }

    fn data(self, lane: &LaneId, at: Timestamp) -> impl Iterator<Item = Datum> {
        let restarts = Some(Value::one(whole(self.restarts)));
        let subject = Subject::lane(lane);
        [
            (Metric::ContainerCpu, self.cpu),
            (Metric::ContainerMemory, self.memory),
            (Metric::ContainerRestarts, restarts),
        ]
        .into_iter()
        .filter_map(move |(metric, value)| {
            Some(Datum { metric, subject: subject.clone(), value: value?, at })
        })
    }
}
