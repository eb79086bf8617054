//! What a person's request does. It loads, steps and saves the lane, and wakes it; it never talks
//! to hosts.

use std::time::Duration;

use esclusa_core::configuration::{Configuration, EnvironmentConfiguration};
use esclusa_core::digest::Digest;
use esclusa_core::lane::{Blocker, Evidence, Lane, SeenSecrets};
use esclusa_core::name::{LaneId, Tag};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Availability, Release};
use esclusa_core::request::{Refusal, Request, RequestId, Wish};
use esclusa_core::rollout::Cause;
use esclusa_core::time::Timestamp;

use crate::drive::Hint;
use crate::ports::{
    Clock, Configurations, Ledger, Queue, Registry, SaveError, Secrets, Unavailable, Wanted,
};

/// How often a request is tried anew when the lane moved on meanwhile.
const ATTEMPTS: u32 = 5;

/// What is asked, before the lane has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start no rollout until released.
    Hold {
        /// Why.
        reason: String,
    },
    /// Follow the tag again.
    Release,
    /// Stop the active rollout, or go back to the release before.
    Rollback,
    /// Stop the active rollout.
    Abort,
    /// Roll a version out by hand.
    Deploy {
        /// Which.
        version: Wanted,
        /// Why its gates do not count.
        overriding: Option<String>,
    },
    /// Make the containers of the current release anew.
    Restart,
    /// Go on after the ledger was restored from a backup.
    Restored,
    /// Let a version be rolled out again.
    Lift {
        /// Which.
        version: Wanted,
    },
    /// Keep an image, whatever retention would do.
    Pin {
        /// Which.
        version: Wanted,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Keep an image no longer than retention does.
    Unpin {
        /// Which.
        version: Wanted,
    },
}

/// Why a request was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The answer is no; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A call failed: ask again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The lane was not saved: ask again.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// What answering a person needs.
pub trait Desk: Ledger + Configurations + Registry + Secrets + Queue + Clock + Sync {}

impl<T> Desk for T where T: Ledger + Configurations + Registry + Secrets + Queue + Clock + Sync {}

/// Carries out a request, and returns the lane as it is after it.
///
/// Safe to repeat with the same id: the second time changes nothing.
///
/// # Errors
///
/// A refusal, or a call that failed; nothing was changed then, unless the call was the wake-up,
/// which the sweep makes up for.
pub async fn operate<P: Desk>(
    ports: &P,
    lane: &LaneId,
    (id, actor): (RequestId, String),
    action: &Action,
) -> Result<Lane, OperateError> {
    let mut attempt = 1;
    loop {
        let Some(mut found) = ports.load(lane).await? else { return Err(unknown(lane).into()) };
        if found.requests.contains(&id) {
            ports.wake(lane, Hint::Outside, Duration::ZERO).await?;
            return Ok(found);
        }
        let wish = wish(ports, &found, action).await?;
        let request = Request { id: id.clone(), actor: actor.clone(), wish };
        found.ask(&request, ports.now())?;
        found.revision = found.revision.saturating_add(1);
        match ports.save(&found).await {
            Ok(()) => {
                ports.wake(lane, Hint::Outside, Duration::ZERO).await?;
                return Ok(found);
            }
            Err(SaveError::Conflict { .. }) if attempt < ATTEMPTS => {
                attempt = attempt.saturating_add(1);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Everything that keeps what the tag says, or the version that was asked about, from being
/// rolled out now; and that release.
///
/// # Errors
///
/// A version that the registry does not have, or a call that failed.
pub async fn why<P: Desk>(
    ports: &P,
    lane: &Lane,
    version: Option<&Wanted>,
) -> Result<(Option<Release>, Vec<Blocker>), OperateError> {
    let configured = configured(ports, &lane.id).await?;
    let release = match (version, &configured) {
        (Some(version), _) => Some(resolved(ports, lane, version).await?),
        (None, Ok(settings)) => {
            let wanted = Wanted::Tag(settings.tag.clone());
            ports.resolve(&lane.id.service, &wanted).await?
        }
        (None, Err(_)) => lane.desired.clone(),
    };
    let seen = match (&release, &configured) {
        (Some(release), Ok(settings)) => evidence(ports, lane, settings, &release.digest).await?,
        (None, _) | (_, Err(_)) => Evidence::default(),
    };
    let named = release.as_ref().map(|release| (release, &seen));
    let blockers = lane.why(configured.as_ref(), named, ports.now());
    Ok((release, blockers))
}

/// The refusal for a lane that does not exist.
#[must_use]
pub fn unknown(lane: &LaneId) -> Refusal {
    let (service, environment) = (&lane.service, &lane.environment);
    let text = format!(
        "there is no lane for {service} in {environment}: check the names, or tag its hosts with \
         `esclusa:{service} = {environment}` and push an image"
    );
    Refusal { reason: Reason::new(Code::HOSTS_NONE, text) }
}

async fn wish<P: Desk>(ports: &P, lane: &Lane, action: &Action) -> Result<Wish, OperateError> {
    Ok(match action {
        Action::Hold { reason } => Wish::Hold { reason: reason.clone() },
        Action::Release => Wish::Release,
        Action::Rollback if rolls_out(lane) => Wish::Rollback { to: None },
        Action::Rollback => Wish::Rollback { to: Some(target(ports, lane).await?) },
        Action::Abort => Wish::Abort,
        Action::Restart => Wish::Restart,
        Action::Restored => Wish::Restored,
        Action::Deploy { version, overriding } => {
            let release = resolved(ports, lane, version).await?;
            let refusal = |reason| OperateError::Refused(Refusal { reason });
            let settings = configured(ports, &lane.id).await?.map_err(refusal)?;
            if overriding.is_some() {
                lane.may_override(&release).map_err(refusal)?;
            } else {
                let seen = evidence(ports, lane, &settings, &release.digest).await?;
                lane.may_deploy(&release, &settings, &seen, ports.now()).map_err(refusal)?;
            }
            Wish::Deploy { release, overriding: overriding.clone() }
        }
        Action::Lift { version } => Wish::Lift { digest: meant(ports, lane, version).await? },
        Action::Pin { version, until, reason } => {
            let release = resolved(ports, lane, version).await?;
            Wish::Pin { release, until: *until, reason: reason.clone() }
        }
        Action::Unpin { version } => Wish::Unpin { digest: meant(ports, lane, version).await? },
    })
}

/// Whether a rollout is active that a rollback stops. A repair changes no release.
fn rolls_out(lane: &Lane) -> bool {
    lane.rollout.as_ref().is_some_and(|it| it.cause != Cause::Repair)
}

/// What gates look at, as it is now.
async fn evidence<P: Desk>(
    ports: &P,
    lane: &Lane,
    settings: &EnvironmentConfiguration,
    digest: &Digest,
) -> Result<Evidence, Unavailable> {
    let scans = ports.scans(&lane.id.service, digest).await?;
    let mut secrets = SeenSecrets::new();
    for name in &settings.secrets {
        secrets.insert(name.clone(), ports.secret(name).await?);
    }
    Ok(Evidence { scans, secrets })
}

/// The digest of a version that a person named. The registry need not have it any more where it is
/// named by digest.
async fn meant<P: Registry>(
    ports: &P,
    lane: &Lane,
    version: &Wanted,
) -> Result<Digest, OperateError> {
    match version {
        Wanted::Digest(digest) => Ok(digest.clone()),
        Wanted::Tag(_) => Ok(resolved(ports, lane, version).await?.digest),
    }
}

/// What the lane's configuration says, or why it cannot be used.
async fn configured<P: Configurations>(
    ports: &P,
    lane: &LaneId,
) -> Result<Result<EnvironmentConfiguration, Reason>, Unavailable> {
    let sources = ports.sources(&lane.service).await?;
    Ok(Configuration::of(&sources, lane))
}

/// A version that a person named, by the name that it bears in this lane.
///
/// # Errors
///
/// A version that the registry does not have, or a call that failed.
pub async fn resolved<P: Registry>(
    ports: &P,
    lane: &Lane,
    version: &Wanted,
) -> Result<Release, OperateError> {
    if let Some(release) = ports.resolve(&lane.id.service, version).await? {
        return Ok(release);
    }
    let name = match version {
        Wanted::Tag(tag) => format!("the tag `{tag}`"),
        Wanted::Digest(digest) => format!("the digest {digest}"),
    };
    let known: Vec<&Tag> = lane.successes.iter().map(|it| &it.release.label).collect();
    let known = match known.as_slice() {
        [] => String::new(),
        labels => {
            let labels: Vec<String> = labels.iter().map(|it| format!("`{it}`")).collect();
            format!("; this lane has run {}", labels.join(", "))
        }
    };
    let text = format!("no image of {} has {name}{known}", lane.id.service);
    Err(Refusal { reason: Reason::new(Code::RELEASE_NOT_IN_REGISTRY, text) }.into())
}

/// The release to go back to, if the registry still hands it out.
async fn target<P: Registry>(ports: &P, lane: &Lane) -> Result<Release, OperateError> {
    let mut candidates = lane.rollback_targets();
    let Some(first) = candidates.next() else {
        let text = format!(
            "{} has no earlier successful release to go back to; push the image that should run",
            lane.id
        );
        return Err(Refusal { reason: Reason::new(Code::RELEASE_NOT_IN_REGISTRY, text) }.into());
    };
    let wanted = Wanted::Digest(first.digest.clone());
    let (code, state) = match ports.resolve(&lane.id.service, &wanted).await? {
        Some(found) if found.availability == Availability::Active => {
            // By the name that it had when it ran: a tag may have moved on since.
            return Ok(Release { label: first.label.clone(), ..found });
        }
        Some(_) => (Code::RELEASE_ARCHIVED, "is archived"),
        None => (Code::RELEASE_NOT_IN_REGISTRY, "is not in the registry any more"),
    };
    let next = candidates.next().map_or_else(
        || "there is no other release to go back to".to_owned(),
        |release| format!("the next one back is {release}, which `deploy` brings back"),
    );
    let text = format!("{first}, the release before, {state}; {next}");
    Err(Refusal { reason: Reason::new(code, text) }.into())
}
