//! Whole configurations, from their texts.

mod loosened;
mod messages;
mod properties;
mod values;

use super::{Configuration, EnvironmentConfiguration};

/// A service's own text, read alone.
fn read(text: &str) -> Configuration {
    Configuration::read(Some(text), None).unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
}

/// A service's own text over the account's defaults.
fn merge(service: &str, defaults: &str) -> Configuration {
    Configuration::read(Some(service), Some(defaults)).unwrap_or_else(|error| panic!("{error}"))
}

/// One environment of a configuration.
fn of<'a>(configuration: &'a Configuration, environment: &str) -> &'a EnvironmentConfiguration {
    &configuration.environments[&environment.parse().unwrap()]
}

/// Everything there is to configure, none of it as it is by default.
const EVERYTHING: &str = r#"
compose = "image"

[environments.production]
tag = "stable"
compose_allow = ["privileged", "cap_add=NET_ADMIN"]
require_version_tag = "release-*"
waves = [1, "2", "20%", "100%"]
min_in_service = 2
on_failure = "halt"
freeze = [
    { from = "Fri 18:00", for = "62h", zone = "Europe/Madrid" },
    { from = 2026-12-24T18:00:00, for = "14d", zone = "UTC" },
]
target_groups = [
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef",
]
unreachable = "skip"
drift = "repair"
secrets = ["prod/tickets/db", "prod/tickets/api"]
waivers = [
    { id = "CVE-2026-1234", until = "2026-12-31", reason = "not reachable", by = "ana" },
    { id = "CVE-2026-9", until = 2027-01-31, reason = "no fix", by = "ben" },
]

[environments.production.gate]
block = ["CRITICAL", "HIGH"]
not_worse_than_running = []
wait = "0s"
when_missing = "allow"
require_scan = true

[environments.production.health]
deadline = "3m"
http = { port = 8080, path = "/health", expect = "200-399" }

[environments.production.bake]
for = "24h"
alarms = ["tickets-5xx", "tickets slow"]

[retention]
versions = 3
unmapped = "30d"
untagged_grace = "1h"
max_deletions = 10_000
apply_from_start = true
"#;
