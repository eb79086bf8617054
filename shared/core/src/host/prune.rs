//! Which images leave a host: only what Esclusa brought, and never what may be needed again.

use std::collections::BTreeSet;

use super::definition::repository_of;
use super::project::Observation;
use super::running::{keep_prefix, key_of};

/// So many activated images stay: the current one, and two before it.
const ACTIVATED: usize = 3;

/// A name that is removed from the engine; an image goes with its last one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prunable(pub String);

/// Chooses the names to remove: keep tags of this project, and digests that were pulled by an
/// order, except for the images that were activated last, the one that was fetched last, and all
/// that run.
#[must_use]
pub fn choose_prunable(seen: &Observation) -> Vec<Prunable> {
    let short = |name: &str| -> String {
        let hex = name.rsplit("sha256:").next().unwrap_or_default();
        hex.chars().take(12).collect()
    };
    let history = seen.kept.history.iter().take(ACTIVATED);
    let mut wanted: BTreeSet<String> =
        history.chain(&seen.kept.fetched).map(|it| short(it)).collect();
    wanted.extend(seen.project_containers().map(|it| short(&key_of(it))));
    let prefix = keep_prefix(&seen.files.project);
    let is_keep_tag = |name: &str| {
        name.strip_prefix(&prefix)
            .is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|it| it.is_ascii_hexdigit()))
    };
    let tags = seen.images.keys().filter(|name| is_keep_tag(name));
    let tags =
        tags.filter(|name| name.strip_prefix(&prefix).is_some_and(|rest| !wanted.contains(rest)));
    // Some engines take every name of an image in its repository away with its digest: one that a
    // person named there stays.
    let has_own_name = |name: &str| {
        let tags = seen.images.get(name).into_iter().flat_map(|it| &it.tags);
        tags.into_iter().any(|tag| repository_of(tag) == repository_of(name))
    };
    let pulled = seen.kept.pulled.iter();
    let pulled = pulled.filter(|name| !wanted.contains(&short(name)) && !has_own_name(name));
    tags.chain(pulled).cloned().map(Prunable).collect()
}
