//! The function that reconciles lanes.

fn main() {}
