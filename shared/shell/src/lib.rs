//! The order in which Esclusa's effects happen, generic over ports in our own words.
//!
//! Reading order: [`drive`] is the whole order of effects of one lane; [`receive`] turns a notice
//! into lanes to drive; [`operate`] is what a person's request does; [`retain`] is the same for a
//! repository's images; [`measure`] counts what happened; [`ports`] is what they ask of the world.

pub mod configure;
pub mod drive;
pub mod invocation;
pub mod measure;
pub mod operate;
pub mod ports;
pub mod receive;
pub mod retain;
