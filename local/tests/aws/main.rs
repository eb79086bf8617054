//! AWS's semantics over real HTTP, asked by AWS's own clients.
//!
//! The registry, HAProxy and the scripts are real; only the length of AWS's seconds is not.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on panics where it stands"
)]

mod admin;
mod docker;
mod ecr_images;
mod ecr_repositories;
mod elb;
mod eventbridge;
mod imds;
mod push;
mod ssm_commands;
mod ssm_documents;
mod ssm_hosts;
mod targets;
mod world;
