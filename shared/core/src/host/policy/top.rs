//! What networks, volumes, secrets and configurations may be.

use serde_json::Value;

use super::{At, entries, is_nothing, text};

const OTHERS: &str = "it may be another service's";
const OF_THE_HOST: &str = "it reaches what is the host's";

/// Options that say how a bridge of the project's own behaves.
const OPTIONS: [&str; 5] = [
    "com.docker.network.driver.mtu",
    "com.docker.network.bridge.enable_icc",
    "com.docker.network.bridge.enable_ip_masquerade",
    "com.docker.network.bridge.gateway_mode_ipv4",
    "com.docker.network.bridge.gateway_mode_ipv6",
];

pub(super) fn review_networks(networks: &Value, at: &mut At<'_>) {
    for (key, network) in entries(networks) {
        at.enter(key);
        review_name("networks", key, network, at);
        for (field, value) in entries(network).filter(|(_, value)| !is_nothing(value)) {
            match field.as_str() {
                "name" | "external" | "internal" | "attachable" | "labels" | "enable_ipv6"
                | "enable_ipv4" => {}
                "driver" if value == "bridge" => {}
                "driver" => {
                    at.demand(field, format!("networks.driver={}", text(value)), OF_THE_HOST);
                }
                "driver_opts" => {
                    let other = entries(value).map(|(name, _)| name);
                    for name in other.filter(|name| !OPTIONS.contains(&name.as_str())) {
                        at.demand(field, format!("networks.driver_opts={name}"), OF_THE_HOST);
                    }
                }
                "ipam" => {
                    let because =
                        "the host then sends what is for these addresses to its containers";
                    for pool in value.get("config").and_then(Value::as_array).into_iter().flatten()
                    {
                        let subnet = pool.get("subnet").map(text).unwrap_or_default();
                        at.demand(field, format!("networks.subnet={subnet}"), because);
                    }
                    let driver = value.get("driver").map(text).unwrap_or_default();
                    if !matches!(driver.as_str(), "" | "default") {
                        at.demand(field, format!("networks.ipam={driver}"), OF_THE_HOST);
                    }
                }
                other => at.unknown(other, value),
            }
        }
    }
}

pub(super) fn review_volumes(volumes: &Value, at: &mut At<'_>) {
    for (key, volume) in entries(volumes) {
        at.enter(key);
        review_name("volumes", key, volume, at);
        let is_memory = |value: &Value| {
            let given = |name: &str| value.get(name).map(text).unwrap_or_default();
            given("type") == "tmpfs" && given("device") == "tmpfs"
        };
        for (field, value) in entries(volume).filter(|(_, value)| !is_nothing(value)) {
            match field.as_str() {
                "name" | "external" | "labels" => {}
                "driver" if value == "local" => {}
                "driver" => {
                    at.demand(field, format!("volumes.driver={}", text(value)), OF_THE_HOST);
                }
                "driver_opts" if is_memory(value) => {}
                "driver_opts" => {
                    let device = value.get("device").map(text).unwrap_or_default();
                    at.demand(field, format!("volumes.device={device}"), OF_THE_HOST);
                }
                other => at.unknown(other, value),
            }
        }
    }
}

/// One that is not the project's own by its name: it lies there already, or may.
fn review_name(kind: &str, key: &str, value: &Value, at: &mut At<'_>) {
    let given = value.get("name").map(text).unwrap_or_default();
    let is_external = value.get("external").is_some_and(|it| !is_nothing(it));
    let own = given.is_empty() || given == format!("{}_{key}", at.project);
    if is_external || !own {
        let name = if given.is_empty() { key.to_owned() } else { given };
        at.demand("name", format!("{kind}={name}"), OTHERS);
    }
}

/// Secrets and configurations: a text, or a file of the service's own directory.
pub(super) fn review_files(kind: &str, files: &Value, at: &mut At<'_>) {
    for (key, file) in entries(files) {
        at.enter(key);
        for (field, value) in entries(file).filter(|(_, value)| !is_nothing(value)) {
            match field.as_str() {
                "name" | "content" | "environment" | "labels" => {}
                "file" => {
                    let path = text(value);
                    if !at.paths.is_own(&path) {
                        let because = "what it contains is then open to the container";
                        at.demand(field, format!("{kind}={path}"), because);
                    }
                }
                other => at.unknown(other, value),
            }
        }
    }
}
