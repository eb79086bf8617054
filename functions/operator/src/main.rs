//! The function that answers a person.

fn main() {}
