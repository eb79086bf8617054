//! The local environment: AWS on one machine, for demos, end-to-end tests and a team's first try.

pub mod aws;
pub mod balancer;
pub mod command;
mod demo;
pub mod documents;
pub mod environment;
pub mod host;
mod interrupt;
pub mod owner;
pub mod places;
pub mod ports;
pub mod programs;
pub mod registry;
pub mod stage;
