//! The adapters between Esclusa's ports and AWS.
//!
//! One file or folder per service implements the ports of `esclusa-shell` on [`Aws`]; [`record`] is
//! the stored form; [`event`] turns what arrives on the queues into notices and tasks. Nothing is
//! decided here: an answer of AWS becomes a value of the core, or an error that says what was
//! attempted.

mod alarms;
mod announcer;
mod clock;
pub mod cloudformation;
mod configurations;
mod ecr;
mod elb;
pub mod event;
mod failure;
mod journal;
mod ledger;
mod lifecycle;
mod listeners;
pub mod log;
mod metrics;
mod packed;
pub mod record;
mod scans;
mod secrets;
pub mod setup;
mod shelf;
mod sqs;
mod ssm;
mod watches;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use esclusa_core::name::Service;

pub use failure::chain;
pub use setup::{MetricsNames, Names, RetentionNames, SetupError};

/// AWS, as far as a function needs it: the ledger, the registry, the configurations and the queue,
/// with [`Machines`] the hosts, the load balancer, the gates and those who listen too, with
/// [`Counter`] what answers people, with [`Shelves`] whatever deletes images, and with [`Gauges`]
/// whatever counts.
///
/// Several types rather than one, so that a function that never talks to hosts, or never deletes,
/// does not carry, or hold permissions for, what does.
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
    /// What only one function needs.
    own: M,
}

/// The hosts, the load balancer, secrets and alarms, and those who listen to what happens.
#[derive(Debug)]
pub struct Machines {
    cloudwatch: aws_sdk_cloudwatch::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    documents: Mutex<Option<ssm::CachedDocuments>>,
    secrets: aws_sdk_secretsmanager::Client,
}

/// Whatever answers people, beside the ledger, the registry and the queue: the secrets.
#[derive(Debug)]
pub struct Counter {
    secrets: aws_sdk_secretsmanager::Client,
}

/// Whatever counts: CloudWatch, what is looked at beside, and those who are told what is found.
#[derive(Debug)]
pub struct Gauges {
    cloudwatch: aws_sdk_cloudwatch::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    names: MetricsNames,
    secrets: aws_sdk_secretsmanager::Client,
}

/// Whatever deletes images: its queue, and those who listen to what it does.
#[derive(Debug)]
pub struct Shelves {
    eventbridge: aws_sdk_eventbridge::Client,
    names: RetentionNames,
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
            own: (),
        }
    }

    /// The same, with the hosts, the load balancer, the gates and those who listen.
    #[must_use]
    pub fn with_machines(self, sdk: &aws_config::SdkConfig) -> Aws<Machines> {
        self.with(Machines {
            cloudwatch: aws_sdk_cloudwatch::Client::new(sdk),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(sdk),
            eventbridge: aws_sdk_eventbridge::Client::new(sdk),
            documents: Mutex::default(),
            secrets: aws_sdk_secretsmanager::Client::new(sdk),
        })
    }

    /// The same, with what answering people needs.
    #[must_use]
    pub fn with_counter(self, sdk: &aws_config::SdkConfig) -> Aws<Counter> {
        self.with(Counter { secrets: aws_sdk_secretsmanager::Client::new(sdk) })
    }

    /// The same, with what counting needs, under the names that the template sets.
    ///
    /// # Errors
    ///
    /// The first of the variables that is not set, or empty.
    pub fn with_gauges(self, sdk: &aws_config::SdkConfig) -> Result<Aws<Gauges>, SetupError> {
        Ok(self.with_gauges_of(sdk, MetricsNames::from_environment()?))
    }

    /// The same, under these names.
    #[must_use]
    pub fn with_gauges_of(self, sdk: &aws_config::SdkConfig, names: MetricsNames) -> Aws<Gauges> {
        self.with(Gauges {
            cloudwatch: aws_sdk_cloudwatch::Client::new(sdk),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(sdk),
            eventbridge: aws_sdk_eventbridge::Client::new(sdk),
            names,
            secrets: aws_sdk_secretsmanager::Client::new(sdk),
        })
    }

    /// The same, with whatever deletes images, under the names that the template sets.
    ///
    /// # Errors
    ///
    /// The first of the variables that is not set, or empty.
    pub fn with_shelves(self, sdk: &aws_config::SdkConfig) -> Result<Aws<Shelves>, SetupError> {
        Ok(self.with_shelves_of(sdk, RetentionNames::from_environment()?))
    }

    /// The same, under these names.
    #[must_use]
    pub fn with_shelves_of(
        self,
        sdk: &aws_config::SdkConfig,
        names: RetentionNames,
    ) -> Aws<Shelves> {
        self.with(Shelves { eventbridge: aws_sdk_eventbridge::Client::new(sdk), names })
    }

    fn with<M>(self, own: M) -> Aws<M> {
        let Self { names, dynamodb, ecr, sqs, ssm, repositories, journal, own: () } = self;
        Aws { names, dynamodb, ecr, sqs, ssm, repositories, journal, own }
    }
}

/// Takes a lock. Nothing here panics while it holds one, and what is behind them is a cache.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
