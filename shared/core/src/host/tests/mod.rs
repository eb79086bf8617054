//! Tables of what a host decides. A row is a sentence; rows that begin with a letter and a number
//! are the cases that real hosts brought.

mod activate;
mod admission;
mod complaint;
mod conflict;
mod files;
mod guard;
mod health;
mod inspect;
mod machine;
mod network;
mod once;
mod others;
mod pin;
mod plan;
mod policy;
mod prefetch;
mod prune;
mod random;
mod restore;
mod steps;
mod takeover;
mod world;
