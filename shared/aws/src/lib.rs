//! The adapters between Esclusa's ports and AWS.
//!
//! One file per service implements the ports of `esclusa-shell` on [`Aws`]; [`record`] is the
//! stored form of lanes and rollouts; [`event`] turns what arrives on the queue into notices.
//! Nothing is decided here: an answer of AWS becomes a value of the core, or an error that says
//! what was attempted.

mod announcer;
mod clock;
mod configurations;
mod dynamodb;
mod ecr;
mod elb;
pub mod event;
mod failure;
mod journal;
pub mod log;
mod packed;
pub mod record;
pub mod setup;
mod sqs;
mod ssm;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use esclusa_core::name::Service;

pub use failure::chain;
pub use setup::{Names, SetupError};

/// AWS, as far as a function needs it: the ledger, the registry, the configurations and the queue,
/// and with [`Machines`] the hosts, the load balancer and those who listen too.
///
/// Two types rather than one, so that a function that never talks to hosts does not carry, or
/// hold permissions for, what does.
#[derive(Debug)]
pub struct Aws<M = ()> {
    names: Names,
    dynamodb: aws_sdk_dynamodb::Client,
    ecr: aws_sdk_ecr::Client,
    sqs: aws_sdk_sqs::Client,
    ssm: aws_sdk_ssm::Client,
    /// Where hosts pull each service from: it never changes while a repository exists.
    repositories: Mutex<BTreeMap<Service, String>>,
    journal: journal::Journal,
    machines: M,
}

/// The hosts, the load balancer, and those who listen to what happens.
#[derive(Debug)]
pub struct Machines {
    elb: aws_sdk_elasticloadbalancingv2::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    documents: Mutex<Option<ssm::CachedDocuments>>,
}

impl Aws {
    /// The ledger, the registry, the configurations and the queue.
    #[must_use]
    pub fn new(sdk: &aws_config::SdkConfig, names: Names) -> Self {
        Self {
            names,
            dynamodb: aws_sdk_dynamodb::Client::new(sdk),
            ecr: aws_sdk_ecr::Client::new(sdk),
            sqs: aws_sdk_sqs::Client::new(sdk),
            ssm: aws_sdk_ssm::Client::new(sdk),
            repositories: Mutex::default(),
            journal: journal::Journal::default(),
            machines: (),
        }
    }

    /// The same, with the hosts, the load balancer and those who listen.
    #[must_use]
    pub fn with_machines(self, sdk: &aws_config::SdkConfig) -> Aws<Machines> {
        let machines = Machines {
            elb: aws_sdk_elasticloadbalancingv2::Client::new(sdk),
            eventbridge: aws_sdk_eventbridge::Client::new(sdk),
            documents: Mutex::default(),
        };
        let Self { names, dynamodb, ecr, sqs, ssm, repositories, journal, machines: () } = self;
        Aws { names, dynamodb, ecr, sqs, ssm, repositories, journal, machines }
    }
}

/// Takes a lock. Nothing here panics while it holds one, and what is behind them is a cache.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
