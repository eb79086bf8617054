//! Which images of a repository stay, and in which order the others go.
//!
//! [`Inventory`] is what was seen: the registry's images, what indexes name, and what the ledger
//! says that lanes need. [`Plan::make`] decides on every image, with a reason. [`Plan::batches`] is
//! the order of deletion: indexes before their parts, images before what refers to them, so that
//! the registry never refuses and a crash never leaves an image without its signature.
//!
//! What counts is the *version*: a root with its parts and its referrers. A root is an image, or an
//! index with the manifests that it names. It is a version of an environment if the ledger says
//! that the environment wanted it; where the ledger is silent, if it bears a version tag.

mod graph;
mod image;
mod inventory;
mod lifecycle;
mod lineage;
mod order;
mod plan;
mod reason;
#[cfg(test)]
mod tests;

pub use image::{Contents, Image, Kind};
pub use inventory::{Inventory, Lineage, Memory, is_in_scope, lineages};
pub use lifecycle::{Action, Count, Danger, Rule, Tagging, dangers};
pub use order::{Batches, Doomed, Id, PER_CALL, calls};
pub use plan::{Plan, Summary};
pub use reason::{Cause, Keep, Verdict};

/// The detail type of the event of a run.
pub const RAN: &str = "Retention Ran";

/// The detail type of the event of a run that a person should hear of.
pub const STOPPED: &str = "Retention Stopped";

/// The whole line that lets the function delete what its plan says, to be pasted into a shell.
///
/// Names have no character that a shell takes for its own.
#[must_use]
pub fn ask_line(function: &str, service: &crate::name::Service, force: bool) -> String {
    let force = if force { r#","force":true"# } else { "" };
    crate::announcement::invoke_line(
        function,
        &format!(r#"{{"service":"{service}","apply":true{force}}}"#),
    )
}
