//! The verbs of `esclusa-host`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use esclusa_core::order::Verb as Ordered;

use crate::{carry_out, inspect, measure, parameters, status};

/// Carries out Esclusa's orders on this host.
#[derive(Debug, Parser)]
#[command(name = "esclusa-host", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check all that an activation needs, and fetch it; stop nothing.
    Prefetch,
    /// Make the host run a release, judge it, and put back what ran before if it is not well.
    Activate,
    /// Tell what the host runs; change nothing.
    Inspect,
    /// Tell what the containers take; change nothing.
    Measure,
    /// Tell a person on this host what is known of its services, and why.
    Status {
        /// The service; all of them without it.
        service: Option<String>,
    },
}

/// Does what was asked for, and returns the exit code of the protocol.
pub(crate) async fn run() -> ExitCode {
    let verb = Arguments::parse().verb;
    // Written files are root's alone unless they are the team's.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let order = |verb| match parameters::read(verb) {
        Ok(order) => Ok(order),
        Err(error) => Err(parameters::refuse(verb, &error)),
    };
    match verb {
        Verb::Prefetch => match order(Ordered::Prefetch) {
            Ok(order) => carry_out::run(order).await,
            Err(code) => code,
        },
        Verb::Activate => match order(Ordered::Activate) {
            Ok(order) => carry_out::run(order).await,
            Err(code) => code,
        },
        Verb::Inspect => match order(Ordered::Inspect) {
            Ok(order) => inspect::run(order).await,
            Err(code) => code,
        },
        Verb::Measure => measure::run().await,
        Verb::Status { service } => status::run(service.as_deref()).await,
    }
}
