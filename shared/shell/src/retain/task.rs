//! From a task to a run: pushes that wait for each other, daily rounds, and what was begun before.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::name::Service;
use esclusa_core::time::Timestamp;

use super::ports::Ports;
use super::{Mode, Report, RetainError, Run, retain};
use crate::invocation::Invocation;
use crate::ports::Unavailable;

/// What retention is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Something was pushed: a run is due after a while, one for a burst of pushes.
    Pushed(Service),
    /// The run that a push has asked for; it counts only if it is the one that is stored.
    Due(Service, Timestamp),
    /// A run on one repository.
    One(Service),
    /// A run on every repository in scope, each by a task of its own.
    All,
    /// A run that was begun before goes on.
    GoOn(Run),
}

/// What became of a task.
#[derive(Debug)]
pub enum Done {
    /// A run was made.
    Retained(Box<Report>),
    /// A run is due then, by this push or by one before it.
    Waits(Timestamp),
    /// A run that is not awaited any more.
    Stale,
    /// So many repositories have got a task of their own.
    Sent(usize),
    /// Another run is under way; the task comes again.
    Later(Timestamp),
    /// Nothing to do here; why.
    Skipped(Box<RetainError>),
}

/// Carries out one task. `delay` is how long a push waits for more of them.
///
/// # Errors
///
/// A call that failed: the task should be delivered again, which repeats nothing harmful.
pub async fn carry_out<P: Ports>(
    ports: &P,
    task: &Task,
    delay: Duration,
    me: &Invocation,
) -> Result<Done, Unavailable> {
    match task {
        Task::Pushed(service) => pushed(ports, service, delay).await,
        Task::Due(service, at) => {
            if ports.repository(service).await?.due_at != Some(*at) {
                return Ok(Done::Stale);
            }
            one(ports, task, by_itself(service, me), me).await
        }
        Task::One(service) => one(ports, task, by_itself(service, me), me).await,
        Task::GoOn(run) => one(ports, task, run.clone(), me).await,
        Task::All => all(ports).await,
    }
}

fn by_itself(service: &Service, me: &Invocation) -> Run {
    let (id, service) = (me.id.clone(), service.clone());
    Run { id, service, mode: Mode::ByItself, deleted: 0, bytes: 0 }
}

/// Arms a run, unless one is under way that comes no later. The task goes out before it is stored:
/// should storing fail, the push is delivered again, and the task finds that another is awaited.
async fn pushed<P: Ports>(
    ports: &P,
    service: &Service,
    delay: Duration,
) -> Result<Done, Unavailable> {
    if let Err(RetainError::NotOurs(service)) = super::look::context(ports, service).await {
        return Ok(Done::Skipped(Box::new(RetainError::NotOurs(service))));
    }
    let now = ports.now();
    if let Some(due) = ports.repository(service).await?.due_at.filter(|at| *at > now) {
        return Ok(Done::Waits(due));
    }
    let at = now.after(delay);
    ports.send(&Task::Due(service.clone(), at), delay).await?;
    ports.set_due(service, at).await?;
    Ok(Done::Waits(at))
}

async fn one<P: Ports>(
    ports: &P,
    task: &Task,
    run: Run,
    me: &Invocation,
) -> Result<Done, Unavailable> {
    match retain(ports, &run, me).await {
        Ok(retained) => Ok(Done::Retained(Box::new(retained.report))),
        Err(RetainError::Busy { until, .. }) => {
            ports.send(task, until.since(ports.now())).await?;
            Ok(Done::Later(until))
        }
        Err(RetainError::Unavailable(failure)) => Err(failure),
        Err(error) => Ok(Done::Skipped(Box::new(error))),
    }
}

/// Every repository that has a configuration, or a lane.
async fn all<P: Ports>(ports: &P) -> Result<Done, Unavailable> {
    let lanes = ports.lanes().await?.into_iter().map(|lane| lane.service);
    let configured = ports.configured().await?.into_iter().map(|(service, _)| service);
    let services: BTreeSet<Service> = lanes.chain(configured).collect();
    for service in &services {
        ports.send(&Task::One(service.clone()), Duration::ZERO).await?;
    }
    Ok(Done::Sent(services.len()))
}
