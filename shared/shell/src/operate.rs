//! What a person's request does. It loads, steps and saves the lane, and wakes it; it never talks
//! to hosts.

use std::time::Duration;

use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Availability, Release};
use esclusa_core::request::{Refusal, Request, RequestId, Wish};
use esclusa_core::rollout::Rollout;

use crate::ports::{Clock, Ledger, Queue, Registry, SaveError, Unavailable, Wanted};

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

/// Carries out a request, and returns the lane as it is after it.
///
/// Safe to repeat with the same id: the second time changes nothing.
///
/// # Errors
///
/// A refusal, or a call that failed; nothing was changed then, unless the call was the wake-up,
/// which the sweep makes up for.
pub async fn operate<P: Ledger + Registry + Queue + Clock + Sync>(
    ports: &P,
    lane: &LaneId,
    (id, actor): (RequestId, String),
    action: &Action,
) -> Result<Lane, OperateError> {
    let mut attempt = 1;
    loop {
        let Some(mut found) = ports.load(lane).await? else { return Err(unknown(lane).into()) };
        if found.requests.contains(&id) {
            ports.wake(lane, None, Duration::ZERO).await?;
            return Ok(found);
        }
        let wish = wish(ports, &found, action).await?;
        let request = Request { id: id.clone(), actor: actor.clone(), wish };
        found.ask(&request, ports.now())?;
        found.revision = found.revision.saturating_add(1);
        match ports.save(&found).await {
            Ok(()) => {
                ports.wake(lane, None, Duration::ZERO).await?;
                return Ok(found);
            }
            Err(SaveError::Conflict { .. }) if attempt < ATTEMPTS => {
                attempt = attempt.saturating_add(1);
            }
            Err(error) => return Err(error.into()),
        }
    }
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

async fn wish<P: Registry>(ports: &P, lane: &Lane, action: &Action) -> Result<Wish, OperateError> {
    Ok(match action {
        Action::Hold { reason } => Wish::Hold { reason: reason.clone() },
        Action::Release => Wish::Release,
        Action::Rollback if lane.rollout.as_ref().is_some_and(Rollout::is_forward) => {
            Wish::Rollback { to: None }
        }
        Action::Rollback => Wish::Rollback { to: Some(target(ports, lane).await?) },
    })
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
        |release| format!("the next one back is {release}"),
    );
    let text = format!("{first}, the release before, {state}; {next}");
    Err(Refusal { reason: Reason::new(code, text) }.into())
}
