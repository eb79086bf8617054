//! What of a changed configuration lets through what was kept back before.
//!
//! What was reviewed in git may be stored by a service's pipeline. But whoever may push could then
//! let their own image through, so what a change loosens is a person's to store: which images may
//! go out and when, what a Compose file may ask of hosts, which load balancers' groups hosts leave
//! and join, and which images are deleted. How a release goes out (waves, health, what happens
//! after a failure) loosens nothing.

use std::collections::BTreeSet;

use super::{
    Bake, Compose, Configuration, EnvironmentConfiguration, FirstRun, Gate, Retention, Scan,
    WhenMissing,
};

impl Configuration {
    /// The keys by which this lets through what `before` kept back, as they are written.
    #[must_use]
    pub fn find_loosened(&self, before: &Self) -> Vec<String> {
        let mut found = BTreeSet::new();
        let names: BTreeSet<_> =
            self.environments.keys().chain(before.environments.keys()).collect();
        for name in names {
            let key = format!("environments.{name}");
            match (before.environments.get(name), self.environments.get(name)) {
                (Some(before), Some(after)) => {
                    if before.compose != after.compose && after.compose != Compose::Host {
                        found.insert("compose".to_owned());
                    }
                    let loosened = find_loosened(before, after);
                    found.extend(loosened.into_iter().map(|it| format!("{key}.{it}")));
                }
                (None, _) | (_, None) => {
                    found.insert(key);
                }
            }
        }
        let deleting = find_deleting(&before.retention, &self.retention);
        found.extend(deleting.into_iter().map(|it| format!("retention.{it}")));
        found.into_iter().collect()
    }
}

/// A key that is named where its condition holds.
type Row = (&'static str, bool);

fn named(rows: impl IntoIterator<Item = Row>) -> Vec<&'static str> {
    rows.into_iter().filter(|(_, is_looser)| *is_looser).map(|(key, _)| key).collect()
}

fn find_loosened(
    before: &EnvironmentConfiguration,
    after: &EnvironmentConfiguration,
) -> Vec<&'static str> {
    // Each key stands here, so that a new one is thought of.
    let EnvironmentConfiguration {
        compose: _,
        compose_allow,
        tag,
        require_version_tag,
        gate,
        waves: _,
        min_in_service: _,
        health: _,
        bake: Bake { span: _, alarms },
        on_failure: _,
        freeze,
        target_groups,
        unreachable: _,
        drift: _,
        secrets,
        waivers,
    } = after;
    let asks_less =
        *require_version_tag != before.require_version_tag && before.require_version_tag.is_some();
    let rows = [
        ("bake.alarms", lacks(alarms, &before.bake.alarms)),
        ("compose_allow", !compose_allow.is_subset(&before.compose_allow)),
        ("freeze", lacks(freeze, &before.freeze)),
        ("require_version_tag", asks_less),
        ("secrets", lacks(secrets, &before.secrets)),
        ("tag", *tag != before.tag),
        ("target_groups", *target_groups != before.target_groups),
        ("waivers", lacks(&before.waivers, waivers)),
    ];
    named(rows.into_iter().chain(find_loosened_gate(&before.gate, gate)))
}

fn find_loosened_gate(before: &Gate, after: &Gate) -> [Row; 5] {
    let Gate { block, not_worse_than_running, wait, when_missing, require_scan } = after;
    let allows = |it: WhenMissing| match it {
        WhenMissing::Allow => true,
        WhenMissing::Block => false,
    };
    let may_lack = |it: Scan| match it {
        Scan::Optional => true,
        Scan::Required => false,
    };
    [
        ("gate.block", !block.is_superset(&before.block)),
        (
            "gate.not_worse_than_running",
            !not_worse_than_running.is_superset(&before.not_worse_than_running),
        ),
        ("gate.require_scan", may_lack(*require_scan) && !may_lack(before.require_scan)),
        ("gate.wait", allows(*when_missing) && *wait < before.wait),
        ("gate.when_missing", allows(*when_missing) && !allows(before.when_missing)),
    ]
}

/// What has more images deleted, or sooner.
fn find_deleting(before: &Retention, after: &Retention) -> Vec<&'static str> {
    let Retention { versions, unmapped, untagged_grace, max_deletions, first_run } = after;
    let applies = *first_run == FirstRun::Apply && before.first_run == FirstRun::Plan;
    named([
        ("apply_from_start", applies),
        ("max_deletions", *max_deletions > before.max_deletions),
        ("unmapped", *unmapped < before.unmapped),
        ("untagged_grace", *untagged_grace < before.untagged_grace),
        ("versions", *versions < before.versions),
    ])
}

/// Whether one of the wanted is not there.
fn lacks<T: PartialEq>(present: &[T], wanted: &[T]) -> bool {
    wanted.iter().any(|it| !present.contains(it))
}
