//! What texts come to: defaults, every key, and one text over another.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::keys;
use super::super::{
    Bake, Compose, Configuration, Drift, EnvironmentConfiguration, FirstRun, Gate, Health,
    HttpProbe, OnFailure, Retention, Scan, Severity, Unreachable, Waiver, WhenMissing,
};
use super::{EVERYTHING, merge, of, read};

fn production() -> EnvironmentConfiguration {
    EnvironmentConfiguration {
        compose: Compose::Auto,
        compose_allow: BTreeSet::new(),
        tag: "latest".parse().unwrap(),
        require_version_tag: Some("v*".parse().unwrap()),
        gate: Gate {
            block: BTreeSet::from([Severity::Critical]),
            not_worse_than_running: BTreeSet::from([Severity::High]),
            wait: Duration::from_mins(10),
            when_missing: WhenMissing::Block,
            require_scan: Scan::Optional,
        },
        waves: "1, 50%, 100%".parse().unwrap(),
        min_in_service: "75%".parse().unwrap(),
        health: Health { deadline: None, http: None },
        bake: Bake { span: Duration::from_mins(5), alarms: vec![] },
        on_failure: OnFailure::Restore,
        freeze: vec![],
        target_groups: vec![],
        unreachable: Unreachable::Fail,
        drift: Drift::Report,
        secrets: vec![],
        waivers: vec![],
    }
}

fn staging() -> EnvironmentConfiguration {
    let production = production();
    EnvironmentConfiguration {
        tag: "staging".parse().unwrap(),
        require_version_tag: None,
        gate: Gate {
            block: BTreeSet::new(),
            when_missing: WhenMissing::Allow,
            ..production.gate.clone()
        },
        waves: "100%".parse().unwrap(),
        bake: Bake { span: Duration::from_mins(1), alarms: vec![] },
        drift: Drift::Repair,
        ..production
    }
}

#[test]
fn a_service_without_a_text_works() {
    let expected = Configuration {
        environments: [("production", production()), ("staging", staging())]
            .map(|(name, configured)| (name.parse().unwrap(), configured))
            .into(),
        retention: Retention {
            versions: 10,
            unmapped: Duration::from_hours(14 * 24),
            untagged_grace: Duration::from_hours(24),
            max_deletions: 100,
            first_run: FirstRun::Plan,
        },
    };
    for (service, defaults) in [
        (None, None),
        (Some(""), None),
        (None, Some("")),
        (Some("# nothing\r\n"), Some("[environments.staging]\n[retention]")),
        (Some("[environments.production.health]"), Some("environments = {}")),
    ] {
        assert_eq!(
            Configuration::read(service, defaults).as_ref(),
            Ok(&expected),
            "{service:?} over {defaults:?}"
        );
    }
}

/// What [`EVERYTHING`] says about production.
fn everything() -> EnvironmentConfiguration {
    let waiver = |id: &str, until: &str, reason: &str, by: &str| Waiver {
        id: id.parse().unwrap(),
        until: until.parse().unwrap(),
        reason: reason.to_owned(),
        by: by.to_owned(),
    };
    let group =
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";
    EnvironmentConfiguration {
        compose: Compose::Image,
        compose_allow: ["cap_add=NET_ADMIN", "privileged"].map(|it| it.parse().unwrap()).into(),
        tag: "stable".parse().unwrap(),
        require_version_tag: Some("release-*".parse().unwrap()),
        gate: Gate {
            block: BTreeSet::from([Severity::Critical, Severity::High]),
            not_worse_than_running: BTreeSet::new(),
            wait: Duration::ZERO,
            when_missing: WhenMissing::Allow,
            require_scan: Scan::Required,
        },
        waves: "1, 2, 20%, 100%".parse().unwrap(),
        min_in_service: "2".parse().unwrap(),
        health: Health {
            deadline: Some(Duration::from_mins(3)),
            http: Some(HttpProbe {
                port: 8080,
                path: "/health".parse().unwrap(),
                expect: "200-399".parse().unwrap(),
            }),
        },
        bake: Bake {
            span: Duration::from_hours(24),
            alarms: vec!["tickets-5xx".parse().unwrap(), "tickets slow".parse().unwrap()],
        },
        on_failure: OnFailure::Halt,
        freeze: vec![
            "Fri 18:00 for 62h in Europe/Madrid".parse().unwrap(),
            "2026-12-24 18:00 for 14d in UTC".parse().unwrap(),
        ],
        target_groups: vec![group.parse().unwrap()],
        unreachable: Unreachable::Skip,
        drift: Drift::Repair,
        secrets: vec!["prod/tickets/db".parse().unwrap(), "prod/tickets/api".parse().unwrap()],
        waivers: vec![
            waiver("CVE-2026-1234", "2026-12-31", "not reachable", "ana"),
            waiver("CVE-2026-9", "2027-01-31", "no fix", "ben"),
        ],
    }
}

#[test]
fn every_key_is_read() {
    let configuration = read(EVERYTHING);
    assert_eq!(of(&configuration, "production"), &everything());
    assert_eq!(
        of(&configuration, "staging"),
        &EnvironmentConfiguration { compose: Compose::Image, ..staging() }
    );
    let retention = Retention {
        versions: 3,
        unmapped: Duration::from_hours(30 * 24),
        untagged_grace: Duration::from_hours(1),
        max_deletions: 10_000,
        first_run: FirstRun::Apply,
    };
    assert_eq!(configuration.retention, retention);
}

#[test]
fn the_whole_example_has_every_key() {
    for name in keys::ALL.iter().flat_map(|keys| keys.names) {
        let written = [format!("{name} = "), format!(".{name}]"), format!("[{name}")];
        assert!(written.iter().any(|it| EVERYTHING.contains(it)), "{name} is missing");
    }
}

#[test]
fn the_same_text_means_the_same_for_a_service_and_for_the_account() {
    assert_eq!(Configuration::read(None, Some(EVERYTHING)), Ok(read(EVERYTHING)));
    assert_eq!(merge("", EVERYTHING), read(EVERYTHING));
    assert_eq!(merge(EVERYTHING, "compose = \"host\"\nretention.versions = 1"), read(EVERYTHING));
}

#[test]
fn what_the_service_says_wins_key_by_key() {
    let rows = [
        ("bake.for = '2m'", "bake.alarms = ['a']", "bake = { for = '2m', alarms = ['a'] }"),
        ("bake = { for = '2m' }", "bake.for = '9m'", "bake.for = '2m'"),
        ("bake.alarms = ['b']", "bake.alarms = ['a', 'c']", "bake.alarms = ['b']"),
        ("bake.alarms = []", "bake.alarms = ['a']", "bake.alarms = []"),
        ("gate.wait = '1m'", "gate.block = []", "gate = { wait = '1m', block = [] }"),
        ("drift = 'repair'", "", "drift = 'repair'"),
        ("", "drift = 'repair'", "drift = 'repair'"),
        (
            "require_version_tag = false",
            "require_version_tag = 'r*'",
            "require_version_tag = false",
        ),
        (
            "health.http.port = 80",
            "health.http.path = '/up'",
            "health.http = { port = 80, path = '/up' }",
        ),
        (
            "health.http.path = '/up'",
            "health.http.port = 80",
            "health.http = { port = 80, path = '/up' }",
        ),
        ("health.http = false", "health.http.port = 80", ""),
        ("health.http.port = 80", "health.http = false", "health.http.port = 80"),
        // How hosts are asked, without a port, asks none.
        ("", "health.http.expect = '200-399'", ""),
        ("health.deadline = 'auto'", "health.deadline = '1m'", ""),
    ];
    for (service, defaults, expected) in rows {
        let [service, defaults, expected] = [service, defaults, expected]
            .map(|lines| format!("[environments.production]\n{lines}\n"));
        assert_eq!(merge(&service, &defaults), read(&expected), "{service} over {defaults}");
    }
}

#[test]
fn a_third_environment_is_as_careful_as_production() {
    let configuration = read("[environments.qa]\ntag = 'qa'");
    let expected = EnvironmentConfiguration { tag: "qa".parse().unwrap(), ..production() };
    assert_eq!(of(&configuration, "qa"), &expected);
    assert_eq!(configuration.environments.len(), 3);
}

#[test]
fn the_account_may_prepare_environments_that_a_service_then_has() {
    let untagged = "[environments.qa]\nwaves = ['100%']";
    let tagged = "[environments.qa]\ntag = 'qa'";
    for (service, defaults, expected) in [
        ("", untagged, false),
        ("[environments.qa]\ntag = 'qa'", untagged, true),
        ("", tagged, true),
        ("[environments.qa]", tagged, true),
    ] {
        let configuration = merge(service, defaults);
        let seen = configuration.environments.contains_key(&"qa".parse().unwrap());
        assert_eq!(seen, expected, "{service:?} over {defaults:?}");
    }
}

#[test]
fn a_push_concerns_those_who_follow_the_tag_or_ask_for_such_a_version() {
    let configuration = read(
        "[environments.qa]\ntag = 'qa'\nrequire_version_tag = '*-rc'\n\
         [environments.demo]\ntag = 'demo'\nrequire_version_tag = false",
    );
    for (tag, expected) in [
        ("latest", "production"),
        ("staging", "staging"),
        ("qa", "qa"),
        ("demo", "demo"),
        ("v1.0.0", "production"),
        ("v1.0.0-rc", "production qa"),
        ("1.0.0-rc", "qa"),
        ("feature-x", ""),
    ] {
        let seen: Vec<&str> = configuration
            .environments_of(&tag.parse().unwrap())
            .map(crate::name::Environment::as_str)
            .collect();
        assert_eq!(seen.join(" "), expected, "{tag}");
    }
}

#[test]
fn tags_may_change_places() {
    let configuration =
        read("environments.production.tag = 'staging'\nenvironments.staging.tag = 'latest'");
    assert_eq!(of(&configuration, "production").tag.as_str(), "staging");
    assert_eq!(of(&configuration, "staging").tag.as_str(), "latest");
}
