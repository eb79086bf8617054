//! Tables of what a host decides. A row is a sentence; rows that begin with a letter and a number are
//! the cases that real hosts brought.

mod conflict;
mod files;
mod guard;
mod health;
mod network;
mod plan;
mod world;
