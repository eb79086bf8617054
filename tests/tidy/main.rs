//! The shape of the code: what a reviewer should never have to say.

mod directions;
mod limits;
mod standard;
mod template;
mod tree;
