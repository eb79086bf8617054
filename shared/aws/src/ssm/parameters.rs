//! What a document is told: the parameters of `hosts/README.md`.

use std::collections::HashMap;

use esclusa_core::configuration::{Compose, Permission};
use esclusa_core::name::LaneId;
use esclusa_core::observation::HostOrder;
use esclusa_core::order::{OnHostFailure, Verb};
use esclusa_core::release::Image;
use esclusa_core::time::Timestamp;

/// The parameters of one call. Systems Manager refuses those that a document does not have.
pub(super) fn of(
    lane: &LaneId,
    order: &HostOrder,
    issued: Timestamp,
) -> HashMap<String, Vec<String>> {
    let mut all = common(lane, order, issued);
    match order.verb {
        Verb::Inspect => all.push(("Logs", "no".to_owned())),
        Verb::Prefetch => {
            all.extend(change(order));
            all.push(("ImageBytes", bytes(&order.image).to_string()));
        }
        Verb::Activate => {
            all.extend(change(order));
            all.extend(activation(order));
        }
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect()
}

type Parameters = Vec<(&'static str, String)>;

fn common(lane: &LaneId, order: &HostOrder, issued: Timestamp) -> Parameters {
    vec![
        ("Service", lane.service.to_string()),
        ("Environment", lane.environment.to_string()),
        ("Project", lane.service.project()),
        ("Repository", order.repository.clone()),
        ("IssuedAt", issued.as_secs().to_string()),
    ]
}

fn change(order: &HostOrder) -> Parameters {
    let compose = match order.settings.compose {
        Compose::Auto => "auto",
        Compose::Host => "host",
        Compose::Image => "image",
    };
    let allowed = order.settings.compose_allow.iter().map(Permission::as_str);
    let allowed: Vec<&str> = allowed.collect();
    vec![
        ("Image", order.image.to_string()),
        ("Fence", order.key.fence.to_string()),
        ("NotAfter", order.not_after.as_secs().to_string()),
        ("Compose", compose.to_owned()),
        ("Allow", allowed.join("+")),
    ]
}

fn activation(order: &HostOrder) -> Parameters {
    let on_failure = match order.on_failure {
        OnHostFailure::Restore => "restore",
        OnHostFailure::Leave => "leave",
    };
    let settings = &order.settings;
    let http = settings.http.as_ref();
    vec![
        ("OnFailure", on_failure.to_owned()),
        ("Mode", order.mode.to_string()),
        ("Deadline", settings.deadline.map_or_else(|| "auto".to_owned(), |it| it.to_string())),
        ("HttpPort", http.map(|it| it.port.to_string()).unwrap_or_default()),
        ("HttpPath", http.map(|it| it.path.to_string()).unwrap_or_default()),
        ("HttpExpect", http.map(|it| it.expect.to_string()).unwrap_or_default()),
    ]
}

fn bytes(image: &Image) -> u64 {
    match image {
        Image::Release { bytes, .. } => *bytes,
        Image::Nothing | Image::Local(_) | Image::Snapshot { .. } => 0,
    }
}
