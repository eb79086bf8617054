//! What happens on a host: the program that Esclusa's orders run there.
//!
//! `README.md` beside this crate is the protocol. The decisions are in `esclusa_core::host`; here
//! the host is looked at, one step is taken after the other, and the one line of the answer is
//! written.

mod answer;
mod carry_out;
mod command;
mod compose;
mod engine;
mod error;
mod inspect;
mod measure;
mod metadata;
mod observe;
mod parameters;
mod probe;
mod registry;
mod status;
mod step;
mod store;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    command::run().await
}
