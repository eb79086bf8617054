//! What a changed text lets through.

use super::{EVERYTHING, read};

/// What was stored, what is to be, and the keys that loosen; both texts stand below
/// `[environments.production]`.
const PRODUCTION: &[(&str, &str, &str)] = &[
    ("", "", ""),
    // How a release goes out.
    ("", "waves = [\"100%\"]", ""),
    ("", "min_in_service = \"0%\"", ""),
    ("", "on_failure = \"halt\"\nunreachable = \"skip\"\ndrift = \"repair\"", ""),
    ("bake = { for = \"10m\" }", "bake = { for = \"1m\" }", ""),
    ("", "health = { deadline = \"3m\" }", ""),
    // Which release may.
    ("", "tag = \"stable\"", "tag"),
    ("", "require_version_tag = \"release-*\"", "require_version_tag"),
    ("", "require_version_tag = false", "require_version_tag"),
    ("require_version_tag = false", "require_version_tag = \"v*\"", ""),
    ("", "gate = { block = [\"CRITICAL\", \"HIGH\"] }", ""),
    ("", "gate = { block = [\"HIGH\"] }", "gate.block"),
    ("", "gate = { block = [] }", "gate.block"),
    ("", "gate = { not_worse_than_running = [] }", "gate.not_worse_than_running"),
    ("", "gate = { not_worse_than_running = [\"HIGH\", \"LOW\"] }", ""),
    ("", "gate = { when_missing = \"allow\" }", "gate.when_missing"),
    ("gate = { when_missing = \"allow\" }", "", ""),
    ("", "gate = { wait = \"0s\" }", ""),
    (
        "gate = { when_missing = \"allow\" }",
        "gate = { when_missing = \"allow\", wait = \"0s\" }",
        "gate.wait",
    ),
    ("gate = { require_scan = true }", "", "gate.require_scan"),
    ("", "gate = { require_scan = true }", ""),
    ("", W1, "waivers"),
    (W1, W1, ""),
    (W1, "", ""),
    (W1, W2, "waivers"),
    ("", "secrets = [\"prod/db\"]", ""),
    ("secrets = [\"prod/db\", \"prod/api\"]", "secrets = [\"prod/api\"]", "secrets"),
    ("", "freeze = [{ from = \"Fri 18:00\", for = \"62h\", zone = \"UTC\" }]", ""),
    (FROZEN, "", "freeze"),
    (FROZEN, "freeze = [{ from = \"Fri 18:00\", for = \"1h\", zone = \"UTC\" }]", "freeze"),
    ("bake = { alarms = [\"a\", \"b\"] }", "bake = { alarms = [\"a\"] }", "bake.alarms"),
    ("bake = { alarms = [\"a\"] }", "bake = { alarms = [\"a\", \"b\"] }", ""),
    ("", "compose_allow = [\"privileged\"]", "compose_allow"),
    ("compose_allow = [\"privileged\"]", "", ""),
    ("", GROUP, "target_groups"),
    (GROUP, "", "target_groups"),
    (GROUP, GROUP, ""),
    // Several are all named.
    ("", "tag = \"stable\"\ngate = { block = [] }", "gate.block tag"),
];

const W1: &str =
    "waivers = [{ id = \"CVE-2026-1\", until = \"2026-12-31\", reason = \"r\", by = \"ana\" }]";
const W2: &str =
    "waivers = [{ id = \"CVE-2026-1\", until = \"2027-12-31\", reason = \"r\", by = \"ana\" }]";
const FROZEN: &str = "freeze = [{ from = \"Fri 18:00\", for = \"62h\", zone = \"UTC\" }]";
const GROUP: &str = "target_groups = \
    [\"arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef\"]";

/// The same for whole texts.
const WHOLE: &[(&str, &str, &str)] = &[
    ("", "compose = \"image\"", "compose"),
    ("compose = \"host\"", "", "compose"),
    ("", "compose = \"host\"", ""),
    (
        "compose = \"host\"",
        "compose = \"host\"\n[environments.production]\ncompose_allow = [\"privileged\"]",
        "environments.production.compose_allow",
    ),
    ("", "[environments.canary]\ntag = \"canary\"", "environments.canary"),
    ("[environments.canary]\ntag = \"canary\"", "", "environments.canary"),
    ("", "[environments.staging]\ntag = \"next\"", "environments.staging.tag"),
    ("", "[retention]\nversions = 9", "retention.versions"),
    ("", "[retention]\nversions = 11", ""),
    ("", "[retention]\nunmapped = \"1d\"", "retention.unmapped"),
    ("", "[retention]\nuntagged_grace = \"1h\"", "retention.untagged_grace"),
    ("", "[retention]\nmax_deletions = 101", "retention.max_deletions"),
    ("", "[retention]\napply_from_start = true", "retention.apply_from_start"),
    ("[retention]\napply_from_start = true", "", ""),
    (EVERYTHING, EVERYTHING, ""),
];

fn find(before: &str, after: &str) -> String {
    read(after).find_loosened(&read(before)).join(" ")
}

#[test]
fn what_lets_more_through_is_named() {
    for (before, after, expected) in PRODUCTION {
        let [one, other] = [before, after].map(|it| format!("[environments.production]\n{it}\n"));
        let found = find(&one, &other).replace("environments.production.", "");
        assert_eq!(found, *expected, "{before} -> {after}");
    }
    for (before, after, expected) in WHOLE {
        assert_eq!(find(before, after), *expected, "{before} -> {after}");
    }
}
