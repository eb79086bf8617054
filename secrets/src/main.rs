//! Starts a container's application with its secrets from AWS Secrets Manager.
//!
//! `README.md` beside this crate is for users. `command.rs` has the whole order: read the
//! references, fetch the secrets, write the files, become the application.

mod application;
mod arguments;
mod aws;
mod command;
mod directory;
mod environment;
mod fault;
mod inputs;
mod pem;
mod plan;
mod reference;
mod render;
mod request;
mod resolve;
mod secret;
mod secrets_toml;
mod settings;
mod signals;
mod template;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
