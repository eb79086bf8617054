//! From a notice to the lanes that it may concern.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::configuration::{AlarmName, Configuration, EnvironmentConfiguration, SecretName};
use esclusa_core::name::{LaneId, Service, Tag};

use crate::drive::{DriveError, Driven, Hint, drive};
use crate::invocation::Invocation;
use crate::ports::{Ports, Unavailable};

/// A hint that something may have happened. Never applied: the lanes look for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An image was pushed, or tagged.
    Pushed {
        /// Where.
        service: Service,
        /// The tag that it was given.
        tag: Tag,
    },
    /// Something happened to this lane's commands.
    Command(LaneId),
    /// A host appeared or went away: only a look tells to which lanes it belongs.
    Hosts,
    /// A scan of an image of this service has ended.
    Scanned(Service),
    /// A secret has another current version.
    Rotated(SecretName),
    /// An alarm went off.
    Alarm(AlarmName),
    /// It is time to look whether anything was missed.
    Sweep,
    /// A lane is to be woken.
    Wake {
        /// Which.
        lane: LaneId,
        /// Why.
        hint: Hint,
    },
}

/// What became of a notice.
#[derive(Debug)]
pub enum Received {
    /// These lanes were driven.
    Drove(Vec<(LaneId, Driven)>),
    /// So many lanes were woken, each by a message of its own.
    Woke(usize),
    /// No environment follows the tag, or asks for one like it.
    NotFollowed(Service, Tag),
}

/// Drives or wakes the lanes that a notice may concern.
///
/// # Errors
///
/// The first failure; the notice should be delivered again, which repeats nothing harmful.
pub async fn receive<P: Ports>(
    ports: &P,
    notice: &Notice,
    me: &Invocation,
) -> Result<Received, DriveError> {
    match notice {
        Notice::Pushed { service, tag } => pushed(ports, service, tag, me).await,
        Notice::Command(lane) => drive_one(ports, lane, Hint::Inside, me).await,
        Notice::Hosts => Ok(wake_all(ports, ports.lanes().await?, Hint::Outside).await?),
        Notice::Scanned(service) => scanned(ports, service, me).await,
        Notice::Rotated(secret) => {
            let lanes = lanes_that(ports, |it| it.secrets.contains(secret)).await?;
            Ok(wake_all(ports, lanes, Hint::Secrets).await?)
        }
        Notice::Alarm(alarm) => {
            let lanes = lanes_that(ports, |it| it.bake.alarms.contains(alarm)).await?;
            Ok(wake_all(ports, lanes, Hint::Outside).await?)
        }
        Notice::Sweep => Ok(sweep(ports).await?),
        Notice::Wake { lane, hint } => drive_one(ports, lane, *hint, me).await,
    }
}

async fn drive_one<P: Ports>(
    ports: &P,
    lane: &LaneId,
    hint: Hint,
    me: &Invocation,
) -> Result<Received, DriveError> {
    let driven = drive(ports, lane, hint, me).await?;
    Ok(Received::Drove(vec![(lane.clone(), driven)]))
}

async fn pushed<P: Ports>(
    ports: &P,
    service: &Service,
    tag: &Tag,
    me: &Invocation,
) -> Result<Received, DriveError> {
    let sources = ports.sources(service).await?;
    let read = Configuration::read(sources.service.as_deref(), sources.defaults.as_deref());
    // Where the configuration cannot be read, the lanes of the default environments say so.
    let environments: Vec<_> = match read.or_else(|_| Configuration::read(None, None)) {
        Ok(configuration) => configuration.environments_of(tag).cloned().collect(),
        Err(_) => Vec::new(),
    };
    if environments.is_empty() {
        return Ok(Received::NotFollowed(service.clone(), tag.clone()));
    }
    let lane = |environment| LaneId { service: service.clone(), environment };
    drive_all(ports, environments.into_iter().map(lane).collect(), Hint::Outside, me).await
}

/// Drives the lanes that may have waited for a scan.
async fn scanned<P: Ports>(
    ports: &P,
    service: &Service,
    me: &Invocation,
) -> Result<Received, DriveError> {
    let waiting = |it: &LaneId| it.service == *service;
    let lanes = ports.lanes().await?.into_iter().filter(waiting).collect();
    drive_all(ports, lanes, Hint::Outside, me).await
}

async fn drive_all<P: Ports>(
    ports: &P,
    lanes: Vec<LaneId>,
    hint: Hint,
    me: &Invocation,
) -> Result<Received, DriveError> {
    let mut drove = Vec::new();
    for lane in lanes {
        let driven = drive(ports, &lane, hint, me).await?;
        drove.push((lane, driven));
    }
    Ok(Received::Drove(drove))
}

/// The configured lanes whose environment is like that. What cannot be read has no say: its lanes
/// hold anyway.
async fn lanes_that<P: Ports>(
    ports: &P,
    is_so: impl Fn(&EnvironmentConfiguration) -> bool,
) -> Result<Vec<LaneId>, Unavailable> {
    let mut lanes = Vec::new();
    for (service, sources) in ports.configured().await? {
        let read = Configuration::read(sources.service.as_deref(), sources.defaults.as_deref());
        for (environment, settings) in read.map(|it| it.environments).unwrap_or_default() {
            if is_so(&settings) {
                lanes.push(LaneId { service: service.clone(), environment });
            }
        }
    }
    Ok(lanes)
}

/// Wakes every lane there is, and those that are configured although nothing of them was ever
/// heard: the event of their first push may have been lost.
async fn sweep<P: Ports>(ports: &P) -> Result<Received, Unavailable> {
    let mut lanes = BTreeSet::from_iter(ports.lanes().await?);
    for (service, sources) in ports.configured().await? {
        let read = Configuration::read(sources.service.as_deref(), sources.defaults.as_deref());
        // Where it cannot be read, the lanes that are known already say so.
        let environments = read.map(|it| it.environments).unwrap_or_default();
        let lane = |environment| LaneId { service: service.clone(), environment };
        lanes.extend(environments.into_keys().map(lane));
    }
    let woken = lanes.len();
    let received = wake_all(ports, lanes, Hint::Outside).await?;
    ports.swept(woken).await;
    Ok(received)
}

async fn wake_all<P: Ports>(
    ports: &P,
    lanes: impl IntoIterator<Item = LaneId>,
    hint: Hint,
) -> Result<Received, Unavailable> {
    let lanes = Vec::from_iter(lanes);
    for lane in &lanes {
        ports.wake(lane, hint, Duration::ZERO).await?;
    }
    Ok(Received::Woke(lanes.len()))
}
