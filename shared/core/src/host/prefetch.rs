//! A prefetch: everything that an activation will need is found and fetched, or refused, while
//! nothing has been stopped.

use std::time::Duration;

use super::definition::{Definition, Healthcheck};
use super::files::has_shipped;
use super::health::LONGEST_WAIT;
use super::image::{
    COMPOSE_LABEL, ROLLBACK_LABEL, check_platform, check_way_back, fetch_candidate, find_candidate,
    keep_running,
};
use super::order::{Order, Wanted};
use super::plan::{Plan, plan_activation};
use super::project::{Image, Observation};
use super::report::{Refusal, Report};
use super::running::keep_tag;
use super::step::{Step, Turn};
use crate::configuration::Compose;
use crate::reason::Reason;

/// What happens next to a prefetch; `failure` is why the last step failed.
#[must_use]
pub fn next_prefetch_turn(order: &Order, seen: &Observation, failure: Option<&Reason>) -> Turn {
    if let Some(reason) = failure {
        return Turn::End(Box::new(Report::refused(Refusal(reason.clone()), Vec::new())));
    }
    if matches!(order.wanted, Wanted::Nothing | Wanted::Snapshot(_)) {
        return ready(order, Vec::new());
    }
    match prepare(order, seen) {
        Ok(Prepared::Missing(step)) => Turn::Act(step, None),
        Ok(Prepared::Ready(plan, image)) => {
            let warnings = find_warnings(order, seen, &plan, &image);
            ready(order, plan.warnings.into_iter().chain(warnings).collect())
        }
        Err(refusal) => {
            let warnings = warn_of_label(order, seen).into_iter().collect();
            Turn::End(Box::new(Report::refused(refusal, warnings)))
        }
    }
}

/// A Compose file was to come with the image, or came with the one before, and the image does not
/// say where it is.
fn warn_of_label(order: &Order, seen: &Observation) -> Option<String> {
    let (_, image) = find_candidate(order, seen)?;
    let directory = seen.directories.iter().next().map_or("", String::as_str);
    let is_missed = match order.compose {
        Compose::Image => true,
        Compose::Auto => seen.definition.is_err() || runs_with_shipped_file(seen),
        Compose::Host => false,
    };
    (is_missed && !image.labels.contains_key(COMPOSE_LABEL)).then(|| {
        format!(
            "The image has no label esclusa.compose: the Compose files in {directory} are used."
        )
    })
}

fn runs_with_shipped_file(seen: &Observation) -> bool {
    seen.project_containers().any(|it| has_shipped(&it.files))
}

fn ready(order: &Order, warnings: Vec<String>) -> Turn {
    let text = format!("This host is ready for {} {}.", order.lane.service, order.wanted);
    let report = Report { changed: false, ..Report::done(text, None, warnings) };
    Turn::End(Box::new(Report { is_activated: false, ..report }))
}

/// How far a host is prepared for an activation.
pub(super) enum Prepared {
    /// Something is missing that this step brings.
    Missing(Step),
    /// Nothing is missing: the plan, and the image.
    Ready(Box<Plan>, Box<Image>),
}

/// What an activation needs, one missing thing after the other. The files are looked at before
/// anything is fetched, unless they come with the image.
pub(super) fn prepare(order: &Order, seen: &Observation) -> Result<Prepared, Refusal> {
    let shipped = order.compose.may_come_with_image();
    let candidate = find_candidate(order, seen);
    let Some((reference, image)) = candidate else {
        if !shipped {
            plan_activation(order, seen)?;
        }
        return fetch_candidate(order).map(Prepared::Missing);
    };
    if let Some(digest) = reference.rsplit('@').next().filter(|_| reference.contains("sha256:")) {
        let tag = keep_tag(&seen.files.project, digest);
        if seen.images.get(&tag).is_none_or(|it| it.id != image.id) {
            return Ok(Prepared::Missing(Step::TagImage { image: reference, tag }));
        }
    }
    if let Some(path) = image.labels.get(COMPOSE_LABEL).filter(|_| shipped && !seen.has_next_file) {
        return Ok(Prepared::Missing(Step::ShipComposeFile { reference, path: path.clone() }));
    }
    check_platform(image, seen)?;
    let mut plan = plan_activation(order, seen)?;
    plan.warnings.extend(warn_of_label(order, seen));
    check_way_back(order, seen)?;
    if let Some(missing) = plan.images.iter().find(|it| !seen.images.contains_key(*it)) {
        return Ok(Prepared::Missing(Step::Pull { reference: missing.clone(), bytes: 0 }));
    }
    if let Some(step) = keep_running(order, seen) {
        return Ok(Prepared::Missing(step));
    }
    Ok(Prepared::Ready(Box::new(plan), Box::new(image.clone())))
}

/// What a person should know of an image before it runs.
fn find_warnings(order: &Order, seen: &Observation, plan: &Plan, image: &Image) -> Vec<String> {
    let Ok(definition) = &seen.definition else { return Vec::new() };
    let rollback = image.labels.get(ROLLBACK_LABEL).filter(|it| !is_rollback_word(it)).map(|it| {
        let word: String = it.chars().take(60).collect();
        format!(
            "The label esclusa.rollback is \"{word}\", neither safe nor unsafe: it counts as safe."
        )
    });
    let mut warnings: Vec<String> = rollback.into_iter().collect();
    warnings.extend(warn_of_healthchecks(order, definition, plan, image));
    warnings.extend(warn_of_volumes(definition, seen, plan, image));
    warnings
}

fn is_rollback_word(word: &str) -> bool {
    matches!(word, "safe" | "unsafe")
}

fn warn_of_healthchecks(
    order: &Order,
    definition: &Definition,
    plan: &Plan,
    image: &Image,
) -> Option<String> {
    let checked = |name: &String| match definition.services.get(name).map(|it| it.healthcheck) {
        Some(Healthcheck::Own) => true,
        Some(Healthcheck::Off) => false,
        Some(Healthcheck::OfImage) | None => image.patience.is_some(),
    };
    let unchecked: Vec<&str> =
        plan.targets.keys().filter(|it| !checked(it)).map(String::as_str).collect();
    if !unchecked.is_empty() {
        return Some(format!(
            "No HEALTHCHECK for {}: only that it goes on running will be checked.",
            unchecked.join(", ")
        ));
    }
    let of_image = image.patience.map(|it| it.total());
    let patience =
        plan.targets.keys().filter_map(|it| definition.services.get(it)?.patience.or(of_image));
    let patience = patience.max().unwrap_or_default();
    (order.deadline.is_none() && patience > LONGEST_WAIT).then(|| warn_of_patience(patience))
}

fn warn_of_patience(patience: Duration) -> String {
    format!(
        "The healthcheck may take {} min to decide, and an activation waits {} min for it: shorten \
         its start_period, interval or retries.",
        patience.as_secs().div_ceil(60),
        LONGEST_WAIT.as_secs() / 60
    )
}

/// A path of the image that becomes a volume keeps what the release before put there.
fn warn_of_volumes(
    definition: &Definition,
    seen: &Observation,
    plan: &Plan,
    image: &Image,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for name in plan.targets.keys() {
        let Some(service) = definition.services.get(name) else { continue };
        let runs = seen.containers_of_service(name).next().is_some();
        for path in &image.volumes {
            let at = |path: &str| path.trim_end_matches('/').to_owned();
            let mounted = service.mounts.iter().any(|it| at(&it.target) == at(path));
            if runs && !mounted {
                warnings.push(format!(
                    "The image declares the volume {path}, which keeps what the release before had \
                     there: {name} will not see the new files. Mount something there, or drop \
                     VOLUME."
                ));
            }
        }
    }
    warnings
}
