//! What a service runs, in one word, and the local tags that keep its images.

use std::collections::BTreeSet;

use super::project::{Container, ContainerState, Observation};
use crate::digest::Digest;
use crate::fingerprint::fingerprint;
use crate::release::Running;

/// What the containers of a repository run: the digest of those that are up; where none is, that of
/// the jobs that ended well.
///
/// What the Compose files no longer have does not count: it is told of, and left alone.
#[must_use]
pub fn running_of(seen: &Observation, repository: &str) -> Running {
    let own = containers_of(seen, repository);
    let up: BTreeSet<Running> =
        own.iter().filter(|it| it.state.is_up()).map(|it| word(it)).collect();
    let ended = |it: &&&Container| it.state == ContainerState::Exited(0) && !it.restarts_always;
    let words =
        if up.is_empty() { own.iter().filter(ended).map(|it| word(it)).collect() } else { up };
    let mut words = words.into_iter();
    match (words.next(), words.next()) {
        (None, _) => Running::Nothing,
        (Some(one), None) => one,
        (Some(_), Some(_)) => Running::Mixed,
    }
}

/// The containers of a repository's services, without those whose service the files no longer have,
/// or that run once: one that people brought up by hand serves nothing.
pub(super) fn containers_of<'a>(seen: &'a Observation, repository: &str) -> Vec<&'a Container> {
    let services = seen.services_of(repository);
    let own = seen.project_containers();
    own.filter(|it| it.service.as_ref().is_some_and(|it| services.contains(it)))
        .filter(|it| !is_gone(it, seen, repository) && !runs_once(it, seen))
        .collect()
}

/// Whether the Compose files no longer have a container's service.
pub(super) fn is_gone(container: &Container, seen: &Observation, repository: &str) -> bool {
    let service = container.service.as_deref().unwrap_or_default();
    is_service_gone(service, seen, repository)
}

fn runs_once(container: &Container, seen: &Observation) -> bool {
    let service = container.service.as_deref().unwrap_or_default();
    seen.definition.as_ref().is_ok_and(|it| it.runs_once(service))
}

/// Whether the Compose files no longer have a service, although they have others of the repository.
pub(super) fn is_service_gone(service: &str, seen: &Observation, repository: &str) -> bool {
    let Ok(definition) = &seen.definition else { return false };
    let has_services = definition.services_of(repository).next().is_some();
    has_services && !definition.services.contains_key(service)
}

fn word(container: &Container) -> Running {
    match (&container.digest, container.image.parse::<Digest>()) {
        (Some(digest), _) => Running::Digest(digest.clone()),
        (None, Ok(id)) => Running::Local(id),
        (None, Err(_)) => Running::Mixed,
    }
}

/// What names a container's image for its keep tag: the registry's digest, else the engine's id.
pub(super) fn key_of(container: &Container) -> String {
    container.digest.as_ref().map_or_else(|| container.image.clone(), ToString::to_string)
}

/// What a project's keep tags begin with. A tag has at most 128 characters.
pub(super) fn keep_prefix(project: &str) -> String {
    if project.len() <= 100 {
        return format!("esclusa/keep:{project}-");
    }
    let short: String = project.chars().take(80).collect();
    format!("esclusa/keep:{short}-{:012x}-", fingerprint(project) & 0xffff_ffff_ffff)
}

/// The local tag that keeps an image from every prune; `digest` is `sha256:…`.
#[must_use]
pub fn keep_tag(project: &str, digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or_default();
    let short: String = hex.chars().take(12).collect();
    format!("{}{short}", keep_prefix(project))
}
