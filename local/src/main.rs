//! The command that starts and stops the local environment.

fn main() {}
