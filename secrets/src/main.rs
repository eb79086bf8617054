//! Starts a container's application with its secrets from AWS Secrets Manager.
//!
//! `README.md` beside this crate is for users. `command.rs` has the whole order: read the
//! references, fetch the secrets, write the files, become the application.

mod environment;
mod fault;
mod pem;
mod plan;
mod reference;
mod render;
mod request;
mod secret;
mod secrets_toml;
mod settings;
mod template;

fn main() {}
