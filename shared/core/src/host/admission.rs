//! Whether an order may begin: fences, expiry, and what was carried out already.

use super::journal::{Finished, Kept};
use super::once::has_begun_once;
use super::order::Order;
use super::report::Refusal;
use crate::name::LaneId;
use crate::order::{CLOCK_SKEW, Verb};
use crate::time::Timestamp;

/// What becomes of an order that arrives.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// It is not carried out.
    Refused(Refusal),
    /// It was carried out already, and is answered as it was then.
    Repeated(Box<Finished>),
    /// It was cut off, and goes on.
    CarriedOn,
    /// It begins.
    Begun,
}

/// Refuses an order whose sender's clock is ahead of this host's, or whose time has passed.
///
/// # Errors
///
/// `hosts.clock`, `order.expired`.
pub fn check_time(order: &Order, now: Timestamp) -> Result<(), Refusal> {
    let behind = order.issued_at.since(now);
    if behind > CLOCK_SKEW {
        let text = format!(
            "This host's clock is {} s behind: check its time service (chronyd).",
            behind.as_secs()
        );
        return Err(Refusal::new("hosts.clock", text));
    }
    if order.verb != Verb::Inspect && now >= order.not_after {
        let text = format!(
            "Order {} was to begin before {}, and it is {now} on this host: nothing was changed.",
            order.fence, order.not_after
        );
        return Err(Refusal::new("order.expired", text));
    }
    Ok(())
}

/// Decides what becomes of an order, once the service's lock is held.
#[must_use]
pub fn admit(order: &Order, kept: &Kept, now: Timestamp) -> Admission {
    if let Err(refusal) = check_time(order, now)
        && !has_begun_once(order, kept)
    {
        return Admission::Refused(refusal);
    }
    if let Some(newest) = kept.fence_of(&order.lane).filter(|newest| *newest > order.fence) {
        let text =
            format!("Order {} is older than {newest}, which this host has seen.", order.fence);
        return Admission::Refused(Refusal::new("order.stale", text));
    }
    if let Some(newest) = kept.newest.as_ref().filter(|it| it.lane != order.lane)
        && newest.not_after > order.not_after
    {
        let LaneId { service, environment } = &newest.lane;
        let text = format!(
            "Order {} of {} in {} is older than what {service} in {environment} has ordered here \
             since.",
            order.fence, order.lane.service, order.lane.environment
        );
        return Admission::Refused(Refusal::new("order.stale", text));
    }
    if order.verb != Verb::Activate || kept.fence_of(&order.lane).is_none() {
        return Admission::Begun;
    }
    let told = (order.wanted.to_string(), order.mode.to_string());
    if let Some(finished) = kept.answered(order.fence) {
        if (&finished.wanted, &finished.mode) == (&told.0, &told.1) {
            return Admission::Repeated(Box::new(finished.clone()));
        }
        return refuse_reuse(order, &finished.wanted, &finished.mode);
    }
    if let Some(journal) = kept.journal.as_ref().filter(|it| it.is_of(order)) {
        let wanted = journal.wanted.to_string();
        if (&wanted, &journal.mode) == (&told.0, &told.1) {
            return Admission::CarriedOn;
        }
        return refuse_reuse(order, &wanted, &journal.mode);
    }
    Admission::Begun
}

fn refuse_reuse(order: &Order, wanted: &str, mode: &str) -> Admission {
    let text = format!("Order {} was already used on this host, for {wanted} {mode}.", order.fence);
    Admission::Refused(Refusal::new("order.stale", text))
}
