//! A simulated world with seeded faults, and the checker of Esclusa's invariants.
//!
//! The shell that runs here is the one that runs in the functions; only the ports are simulated.
//! [`World`] is the truth: the ledger, the registry, the hosts, the load balancer, the queue and
//! the clock. [`Simulation`] runs invocations over it, one port call at a time, and lets a seeded
//! adversary crash, stall, repeat and lose whatever AWS allows. The checker compares what Esclusa
//! says with the truth after every save. One seed is one history: a failure prints it.

mod adversary;
mod balancer;
mod check;
mod commands;
mod engine;
mod hand;
mod happen;
mod hosts;
mod meddle;
mod ports;
mod retention;
mod run;
mod scaling;
mod scan;
mod shelf;
mod signals;
mod simulation;
mod story;
mod world;

pub use adversary::Adversary;
pub use engine::Project;
pub use hand::{HostState, Presence};
pub use meddle::SITUATIONS;
pub use simulation::Simulation;
pub use story::{Before, Outside, Story, run, tell};
pub use world::{Behaviour, World};
