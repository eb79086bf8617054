//! The command that starts and stops the local environment.

use std::process::ExitCode;

use clap::Parser;
use esclusa_local::command::{Arguments, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Arguments::parse()).await
}
