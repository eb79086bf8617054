//! The shape of the code: what a reviewer should never have to say.

mod directions;
mod limits;
mod template;
mod tree;
