//! The image of an order: whether the engine has it, and by which name.

use std::collections::BTreeMap;

use super::definition::repository_of;
use super::order::{Order, Wanted};
use super::project::{Image, Observation};
use super::report::Refusal;
use super::running::{containers_of, keep_tag, key_of};
use super::step::Step;
use crate::reason::{Code, Reason};

/// Labels that Esclusa reads.
pub const COMPOSE_LABEL: &str = "esclusa.compose";
/// What an image says about going back from it.
pub const ROLLBACK_LABEL: &str = "esclusa.rollback";

/// The image of an order as the engine has it, and the name that leads to it.
///
/// An image that was adopted may be known by its keep tag alone, although its digest looks like one
/// of the registry's: some engines call a local image by its manifest's digest.
pub(super) fn find_candidate<'a>(
    order: &Order,
    seen: &'a Observation,
) -> Option<(String, &'a Image)> {
    let reference = order.wanted.reference(&order.repository)?;
    if let Some(image) = seen.images.get(&reference) {
        return Some((reference, image));
    }
    let digest = reference.rsplit('@').next()?.to_owned();
    let tag = keep_tag(&seen.files.project, &digest);
    let image = seen.images.get(&tag)?;
    let same = image.id == digest || image.digests.iter().any(|it| it.ends_with(&digest));
    same.then_some((tag, image))
}

/// Why an order cannot go on whose image was here, and is not any more.
pub(super) fn explain_gone(order: &Order) -> Reason {
    let text = format!("The image {} is gone from this host.", order.wanted);
    Reason::new(Code::RELEASE_NOT_IN_REGISTRY, text)
}

/// What brings the image of an order here.
pub(super) fn fetch_candidate(order: &Order) -> Result<Step, Refusal> {
    match (&order.wanted, order.wanted.reference(&order.repository)) {
        (Wanted::Release(..), Some(reference)) => {
            Ok(Step::Pull { reference, bytes: order.image_bytes })
        }
        (wanted, _) => Err(Refusal::new(
            "release.not_in_registry",
            format!("The image {wanted} was only ever on this host, and is not here any more."),
        )),
    }
}

/// What a pin names: by tag and digest for people, by the keep tag where no registry is known to
/// have it. A name that is pinned already stays while its digest does: another would make
/// containers again for nothing.
pub(super) fn pin_reference(order: &Order, seen: &Observation, found: &str) -> String {
    let Wanted::Release(tag, digest) = &order.wanted else {
        return keep_tag(&seen.files.project, found);
    };
    if !found.contains('@') {
        return found.to_owned();
    }
    let suffix = format!("@{digest}");
    let pinned = seen.pin.iter().flat_map(BTreeMap::values);
    let known =
        pinned.filter(|it| repository_of(it) == order.repository).find(|it| it.ends_with(&suffix));
    known.cloned().unwrap_or_else(|| format!("{}:{tag}{suffix}", order.repository))
}

/// The pin once these services of the lane have these images: what others pinned in the same
/// directory stays.
pub(super) fn merge_pin(
    seen: &Observation,
    repository: &str,
    own: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let keep = super::running::keep_prefix(&seen.files.project);
    let mut pin = seen.pin.clone().unwrap_or_default();
    let services = seen.services_of(repository);
    let is_own = |service: &String, image: &String| {
        services.contains(service)
            || repository_of(image) == repository
            || image.starts_with(&keep) && own.contains_key(service)
    };
    pin.retain(|service, image| !is_own(service, image));
    pin.extend(own.iter().map(|(service, image)| (service.clone(), image.clone())));
    pin
}

/// Refuses an image that this host's engine cannot run.
pub(super) fn check_platform(image: &Image, seen: &Observation) -> Result<(), Refusal> {
    let Some(engine) = seen.platform.map(|it| it.to_string()) else { return Ok(()) };
    let architecture = |it: &str| it.split('/').take(2).collect::<Vec<_>>().join("/");
    if image.platform.is_empty() || architecture(&image.platform) == architecture(&engine) {
        return Ok(());
    }
    Err(Refusal::new(
        "hosts.platform",
        format!(
            "The image is built for {}, and this host runs {engine}: build it for both (docker \
             buildx build --platform).",
            image.platform
        ),
    ))
}

/// The first running container of the repository whose image the engine no longer has: it could not
/// be made again.
pub(super) fn check_way_back(order: &Order, seen: &Observation) -> Result<(), Refusal> {
    let own = containers_of(seen, &order.repository);
    for container in own.iter().filter(|it| it.state.is_up()) {
        if container.removes_itself {
            let text = format!(
                "{} was started with --rm: once stopped it is gone, and could not be put back. \
                 Start it with docker compose up -d.",
                container.name
            );
            return Err(Refusal::new("hosts.compose", text));
        }
        if !seen.images.contains_key(&container.image) {
            let text = format!(
                "The image of {} ({}) was removed from this host while it runs, so it could not be \
                 put back: pull it again (docker pull {}), or restart the service from an image \
                 that is here.",
                container.name, container.image, container.reference
            );
            return Err(Refusal::new("hosts.compose", text));
        }
    }
    Ok(())
}

/// The next tag that is missing on an image that runs: what was pulled by digest has none, and a
/// plain prune would take it.
pub(super) fn keep_running(order: &Order, seen: &Observation) -> Option<Step> {
    containers_of(seen, &order.repository).into_iter().filter(|it| it.state.is_up()).find_map(
        |it| {
            let tag = keep_tag(&seen.files.project, &key_of(it));
            let kept = seen.images.get(&tag).is_some_and(|image| image.id == it.image);
            let step = Step::TagImage { image: it.image.clone(), tag };
            (!kept && seen.images.contains_key(&it.image)).then_some(step)
        },
    )
}
