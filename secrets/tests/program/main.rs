//! The program from outside: what its child sees, what it says, what it calls.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod application;
mod faults;
mod http;
mod roles;
mod values;
mod world;
