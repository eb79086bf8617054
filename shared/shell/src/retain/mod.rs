//! Retention: the whole order of its effects.
//!
//! A task names a repository. [`retain`] looks at everything, makes a plan, and carries it out call
//! by call: claim in the ledger, look again, delete, forget. A crash anywhere loses nothing: what
//! was deleted is gone from the next plan, and what was claimed is free once the lease is over.

mod apply;
mod look;
pub mod ports;
mod report;
mod task;

pub use look::Seen;
pub use ports::Ports;
pub use report::{Report, Stop};
pub use task::{Done, Task, carry_out};

use esclusa_core::configuration::{ConfigurationError, FirstRun};
use esclusa_core::name::Service;
use esclusa_core::retention::{Plan, dangers};
use esclusa_core::time::Timestamp;

use crate::invocation::Invocation;
use crate::ports::Unavailable;
use ports::{Begun, Repository};

/// What a run is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Delete, where a person has applied a plan before.
    ByItself,
    /// Show the plan.
    Plan,
    /// Delete.
    Apply,
    /// Delete, whatever the cap says.
    Force,
}

/// Why a repository was not looked at. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// Neither a configuration nor a lane of Esclusa's is about it: it is someone else's.
    #[error(
        "`{0}` is no service of Esclusa's, so its images are left alone: store \
         `/esclusa/services/{0}` if it should be one, or see whether the name is right"
    )]
    NotOurs(Service),
    /// There is no such repository.
    #[error("there is no ECR repository `{0}` in this account and region")]
    NoRepository(Service),
    /// What the service configures cannot be used: its images stay until that is corrected.
    #[error("the images of `{service}` are left alone until its configuration is correct")]
    Configuration {
        /// Which.
        service: Service,
        /// What is wrong with it.
        source: ConfigurationError,
    },
    /// Another run is under way.
    #[error("another run on `{service}` is under way, at the latest until {until}: ask again then")]
    Busy {
        /// On which repository.
        service: Service,
        /// When it is certainly over.
        until: Timestamp,
    },
    /// A call failed: the same can be asked again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A run: which, and what was done before in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Names it.
    pub id: String,
    /// On which repository.
    pub service: Service,
    /// What it is to do.
    pub mode: Mode,
    /// Images that it has deleted already.
    pub deleted: usize,
    /// Bytes that it has reclaimed already, at most.
    pub bytes: u64,
}

/// What a run saw, decided and did.
#[derive(Debug)]
pub struct Retained {
    /// Everything that was seen.
    pub seen: Seen,
    /// The plan.
    pub plan: Plan,
    /// What it came to.
    pub report: Report,
}

/// Makes a run on one repository.
///
/// Safe to repeat: what is deleted already is in no later plan.
///
/// # Errors
///
/// Why nothing was done; or a call that failed, and what was deleted before it is deleted.
pub async fn retain<P: Ports>(
    ports: &P,
    run: &Run,
    me: &Invocation,
) -> Result<Retained, RetainError> {
    let service = &run.service;
    let context = look::context(ports, service).await?;
    let repository = match ports.begin(service, &me.id, me.ends_at).await? {
        Begun::Alone(repository) => repository,
        Begun::Busy(until) => return Err(RetainError::Busy { service: service.clone(), until }),
    };
    let mut holding = Holding { ports, run, me, repository, claims: false };
    let done = holding.work(context).await;
    // A deletion that failed may land yet: until the lease is over, what was claimed stays claimed.
    if done.is_ok() || !holding.claims {
        ports.finish(service, &me.id, &holding.repository).await?;
    }
    done
}

/// A run that has the repository's lease.
struct Holding<'a, P> {
    ports: &'a P,
    run: &'a Run,
    me: &'a Invocation,
    repository: Repository,
    /// Whether it may have claimed anything.
    claims: bool,
}

impl<P: Ports> Holding<'_, P> {
    async fn work(&mut self, context: look::Context) -> Result<Retained, RetainError> {
        self.tell().await;
        let seen = look::see(self.ports, &self.run.service, context).await?;
        let plan = Plan::make(&seen.inventory, &seen.policy, self.ports.now());
        let summary = plan.summary(&seen.inventory);
        let rules = self.ports.lifecycle(&self.run.service).await?;
        let mut notes = plan.notes.clone();
        notes.extend(dangers(&rules, &seen.inventory, &plan).into_iter().map(|it| it.text));
        let mut report = Report {
            service: self.run.service.clone(),
            run: self.run.id.clone(),
            at: self.ports.now(),
            summary,
            deleted: self.run.deleted,
            bytes: self.run.bytes,
            stop: Stop::Nothing,
            notes,
        };
        if let Some(stop) = self.obstacle(&seen, &plan) {
            report.stop = stop;
        } else {
            self.repository.applies = true;
            self.claims = true;
            self.apply(&seen, &plan, &mut report).await?;
        }
        report.at = self.ports.now();
        if self.run.mode != Mode::Plan && report.stop != Stop::Time {
            self.repository.untold = Some(report.clone());
            self.ports.store(&self.run.service, &self.me.id, &self.repository).await?;
            self.tell().await;
        }
        Ok(Retained { seen, plan, report })
    }

    /// Publishes what is stored and was not published yet: at least once.
    async fn tell(&mut self) {
        if let Some(untold) = &self.repository.untold
            && self.ports.tell(untold).await
        {
            self.repository.untold = None;
        }
    }

    /// Why nothing is deleted.
    fn obstacle(&self, seen: &Seen, plan: &Plan) -> Option<Stop> {
        if self.run.mode == Mode::Plan {
            return Some(Stop::Planned);
        }
        if let Some(why) = &plan.withheld {
            return Some(Stop::Withheld(why.clone()));
        }
        let applies = self.repository.applies || seen.policy.first_run == FirstRun::Apply;
        (self.run.mode == Mode::ByItself && !applies).then_some(Stop::FirstRun)
    }
}
