//! Every key there is, and what to say about one that is not.

use super::nearest::nearest;

/// The keys of one table.
#[derive(Debug)]
pub(super) struct Keys {
    /// Where the table stands; empty for the whole text.
    home: &'static str,
    pub(super) names: &'static [&'static str],
}

pub(super) const ROOT: Keys = Keys { home: "", names: &["compose", "environments", "retention"] };

pub(super) const ENVIRONMENT: Keys = Keys {
    home: "environments.<name>",
    names: &[
        "tag",
        "compose_allow",
        "require_version_tag",
        "gate",
        "waves",
        "min_in_service",
        "health",
        "bake",
        "on_failure",
        "freeze",
        "target_groups",
        "unreachable",
        "drift",
        "secrets",
        "waivers",
    ],
};

pub(super) const GATE: Keys = Keys {
    home: "environments.<name>.gate",
    names: &["block", "not_worse_than_running", "wait", "when_missing", "require_scan"],
};

pub(super) const HEALTH: Keys =
    Keys { home: "environments.<name>.health", names: &["deadline", "http"] };

pub(super) const HTTP: Keys =
    Keys { home: "environments.<name>.health.http", names: &["port", "path", "expect"] };

pub(super) const BAKE: Keys = Keys { home: "environments.<name>.bake", names: &["for", "alarms"] };

pub(super) const FREEZE: Keys =
    Keys { home: "environments.<name>.freeze", names: &["from", "for", "zone"] };

pub(super) const WAIVER: Keys =
    Keys { home: "environments.<name>.waivers", names: &["id", "until", "reason", "by"] };

pub(super) const RETENTION: Keys = Keys {
    home: "retention",
    names: &["versions", "unmapped", "untagged_grace", "max_deletions", "apply_from_start"],
};

pub(super) const ALL: [&Keys; 9] =
    [&ROOT, &ENVIRONMENT, &GATE, &HEALTH, &HTTP, &BAKE, &FREEZE, &WAIVER, &RETENTION];

impl Keys {
    /// The names as a sentence lists them.
    pub(super) fn listed(&self) -> String {
        format!("`{}`", self.names.join("`, `"))
    }

    /// What to write instead of `unknown`: where it belongs, what it resembles, or what there is.
    pub(super) fn instead_of(&self, unknown: &str) -> String {
        if let Some(homes) = homes(unknown) {
            return format!("it belongs {homes}");
        }
        if let Some(name) = nearest(unknown, self.names.iter().copied()) {
            return format!("did you mean `{name}`?");
        }
        let elsewhere = nearest(unknown, ALL.iter().flat_map(|keys| keys.names.iter().copied()));
        match elsewhere.and_then(|name| Some((name, homes(name)?))) {
            Some((name, homes)) => format!("did you mean `{name}` {homes}?"),
            None => format!("remove it, or write one of {}", self.listed()),
        }
    }
}

/// The tables in which a key is known, as a sentence names them.
fn homes(name: &str) -> Option<String> {
    let homes: Vec<String> = ALL
        .iter()
        .filter(|keys| keys.names.contains(&name))
        .map(|keys| match keys.home {
            "" => "at the top".to_owned(),
            home => format!("in `{home}`"),
        })
        .collect();
    (!homes.is_empty()).then(|| homes.join(" or "))
}
