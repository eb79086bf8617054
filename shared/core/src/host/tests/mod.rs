//! Tables of what a host decides. A row is a sentence; rows that begin with a letter and a number are
//! the cases that real hosts brought.

mod activate;
mod conflict;
mod files;
mod guard;
mod health;
mod machine;
mod network;
mod plan;
mod restore;
mod world;
