//! Every decision that Esclusa makes, as pure functions of state, observation and time.
//!
//! Nothing here reads a clock, an environment variable or a random number, and nothing here talks
//! to anything: `clippy.toml` beside this crate bans it. The words are those of ARCHITECTURE.md.

pub mod alarm;
pub mod announcement;
pub mod configuration;
pub mod digest;
pub mod fingerprint;
pub mod host;
pub mod lane;
pub mod measure;
pub mod name;
pub mod observation;
pub mod order;
pub mod plan;
pub mod reason;
pub mod release;
pub mod request;
pub mod retention;
pub mod rollout;
pub mod scan;
pub mod secret;
pub mod time;
pub mod traffic;
