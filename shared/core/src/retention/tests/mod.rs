//! The pure planner. That failed calls are not ignored, and races with lanes and pushes, are the
//! shell's matter and tested there.

mod draw;
mod lifecycle;
mod order;
mod properties;
mod reasons;
mod rows;
mod scope;
mod versions;
mod world;
