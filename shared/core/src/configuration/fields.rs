//! How each key of an environment and of the retention is read.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::environment::{
    Bake, Compose, Drift, EnvironmentConfiguration, Gate, Health, OnFailure, Scan, Unreachable,
    WhenMissing,
};
use super::freeze::{Freeze, FreezeStart, Zone};
use super::keys;
use super::node::Node;
use super::pattern::Pattern;
use super::probe::{HttpPath, HttpProbe, Statuses};
use super::reference::{AlarmName, Permission, SecretName, TargetGroup};
use super::retention::{FirstRun, Retention};
use super::section::{Field, Section};
use super::severity::Severity;
use super::span::Span;
use super::value::Quoted;
use super::waiver::{FindingId, Waiver};
use super::waves::{Waves, wave};
use crate::name::Tag;

const DAY: Duration = Duration::from_hours(24);
const WAIT: RangeInclusive<Duration> = Duration::ZERO..=DAY;
/// An activation has half an hour, in which the previous release may have to become healthy again.
const DEADLINE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(12);
/// Images of a push under way have no tag for some minutes, hence never less than an hour.
const AGE: RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(3650 * 24);

/// Everything of an environment but its tags, over `defaults`.
pub(super) fn environment(
    section: &Section<'_>,
    defaults: EnvironmentConfiguration,
) -> EnvironmentConfiguration {
    EnvironmentConfiguration {
        compose: defaults.compose,
        compose_allow: section.field("compose_allow", permissions).or(defaults.compose_allow),
        tag: defaults.tag,
        require_version_tag: defaults.require_version_tag,
        gate: gate(&section.section("gate", &keys::GATE), defaults.gate),
        waves: section.field("waves", waves).or(defaults.waves),
        min_in_service: section
            .field("min_in_service", |node| node.parse_bare("75%"))
            .or(defaults.min_in_service),
        health: health(&section.section("health", &keys::HEALTH), &defaults.health),
        bake: bake(&section.section("bake", &keys::BAKE), defaults.bake),
        on_failure: section.field("on_failure", on_failure).or(defaults.on_failure),
        freeze: section.field("freeze", freezes).or(defaults.freeze),
        target_groups: section.field("target_groups", target_groups).or(defaults.target_groups),
        unreachable: section.field("unreachable", unreachable).or(defaults.unreachable),
        drift: section.field("drift", drift).or(defaults.drift),
        secrets: section.field("secrets", secrets).or(defaults.secrets),
        waivers: section.field("waivers", waivers).or(defaults.waivers),
    }
}

pub(super) fn compose(node: &Node<'_>) -> Option<Compose> {
    node.word(&[("auto", Compose::Auto), ("host", Compose::Host), ("image", Compose::Image)])
}

pub(super) fn tag(section: &Section<'_>) -> Field<Tag> {
    section.field("tag", |node| node.parse("latest"))
}

/// `false` asks for none, over a default that asks for one.
pub(super) fn version_tag(section: &Section<'_>) -> Field<Option<Pattern>> {
    section.field("require_version_tag", |node| match node.value.as_bool() {
        Some(false) => Some(None),
        Some(true) => node.wrong_type("a pattern such as `\"v*\"`, or `false` for none"),
        None => node.parse("v*").map(Some),
    })
}

fn gate(section: &Section<'_>, defaults: Gate) -> Gate {
    let severities = |node: &Node<'_>| {
        let all = node.list("[\"CRITICAL\"]", |entry| entry.parse::<Severity>("CRITICAL"))?;
        Some(all.into_iter().collect())
    };
    let when_missing = [("block", WhenMissing::Block), ("allow", WhenMissing::Allow)];
    Gate {
        block: section.field("block", severities).or(defaults.block),
        not_worse_than_running: section
            .field("not_worse_than_running", severities)
            .or(defaults.not_worse_than_running),
        wait: section.field("wait", |node| node.span(&WAIT)).or(defaults.wait),
        when_missing: section
            .field("when_missing", |node| node.word(&when_missing))
            .or(defaults.when_missing),
        require_scan: section
            .field("require_scan", |node| node.switch(Scan::Optional, Scan::Required))
            .or(defaults.require_scan),
    }
}

fn waves(node: &Node<'_>) -> Option<Waves> {
    let parts = node.list("[\"1\", \"50%\", \"100%\"]", |entry| {
        let text = entry.bare("50%")?;
        entry.accept(wave(&text))
    })?;
    node.accept(Waves::new(parts))
}

fn health(section: &Section<'_>, defaults: &Health) -> Health {
    let deadline = |node: &Node<'_>| {
        let text = node.text("auto")?;
        if text == "auto" {
            return Some(None);
        }
        if text.parse::<Span>().is_err() {
            let what = "is neither `auto` nor a duration such as `5m`";
            return node.refuse(format_args!("{} {what}", Quoted(text)));
        }
        node.span(&DEADLINE).map(Some)
    };
    Health {
        deadline: section.field("deadline", deadline).or(defaults.deadline),
        http: section.switched("http", &keys::HTTP).and_then(|http| probe(&http)),
    }
}

/// The account's defaults may say how hosts are asked, without a port: that is each service's.
fn probe(section: &Section<'_>) -> Option<HttpProbe> {
    let read = |node: &Node<'_>| Some(u16::try_from(node.number(&(1..=65_535))?).unwrap_or(0));
    let port = if section.is_own() {
        section.required("port", "port = 8080", read)
    } else {
        section.field("port", read).into_option()
    };
    let path = section.field("path", |node| node.parse("/health")).or(HttpPath::root());
    let expect = section.field("expect", |node| node.parse_bare("200-299"));
    Some(HttpProbe { port: port?, path, expect: expect.or(Statuses::SUCCESS) })
}

fn bake(section: &Section<'_>, defaults: Bake) -> Bake {
    let alarms = |node: &Node<'_>| {
        node.distinct(
            "[\"tickets-5xx\"]",
            |entry| entry.parse::<AlarmName>("tickets-5xx"),
            AlarmName::clone,
        )
    };
    Bake {
        span: section.field("for", |node| node.span(&WAIT)).or(defaults.span),
        alarms: section.field("alarms", alarms).or(defaults.alarms),
    }
}

fn on_failure(node: &Node<'_>) -> Option<OnFailure> {
    node.word(&[("restore", OnFailure::Restore), ("halt", OnFailure::Halt)])
}

fn unreachable(node: &Node<'_>) -> Option<Unreachable> {
    node.word(&[("fail", Unreachable::Fail), ("skip", Unreachable::Skip)])
}

fn drift(node: &Node<'_>) -> Option<Drift> {
    node.word(&[("report", Drift::Report), ("repair", Drift::Repair)])
}

fn freezes(node: &Node<'_>) -> Option<Vec<Freeze>> {
    let example = "[{ from = \"Fri 18:00\", for = \"62h\", zone = \"Europe/Madrid\" }]";
    node.list(example, |entry| {
        let window = Section::entry(entry, &keys::FREEZE)?;
        let start = window.required("from", "from = \"Fri 18:00\"", |from| {
            from.parse_bare::<FreezeStart>("Fri 18:00")
        });
        let zone = window.required("zone", "zone = \"Europe/Madrid\"", |zone| {
            zone.parse::<Zone>("Europe/Madrid")
        });
        window.required("for", "for = \"62h\"", |length| {
            let span = length.parse::<Span>("62h")?;
            // A start that was refused is reported already; its length cannot be judged.
            length.accept(Freeze::new(start?, span, zone.clone()?))
        })
    })
}

fn target_groups(node: &Node<'_>) -> Option<Vec<TargetGroup>> {
    node.distinct("[\"arn:…\"]", |entry| entry.parse("arn:…"), TargetGroup::clone)
}

fn permissions(node: &Node<'_>) -> Option<BTreeSet<Permission>> {
    let example = "cap_add=NET_ADMIN";
    let all =
        node.distinct("[\"cap_add=NET_ADMIN\"]", |entry| entry.parse(example), Permission::clone)?;
    Some(all.into_iter().collect())
}

fn secrets(node: &Node<'_>) -> Option<Vec<SecretName>> {
    let example = "prod/tickets/db";
    node.distinct("[\"prod/tickets/db\"]", |entry| entry.parse(example), SecretName::clone)
}

fn waivers(node: &Node<'_>) -> Option<Vec<Waiver>> {
    let example =
        "[{ id = \"CVE-2026-1234\", until = \"2026-12-31\", reason = \"…\", by = \"…\" }]";
    node.distinct(example, waiver, |waiver| waiver.id.clone())
}

fn waiver(node: &Node<'_>) -> Option<Waiver> {
    let section = Section::entry(node, &keys::WAIVER)?;
    let id = section
        .required("id", "id = \"CVE-2026-1234\"", |it| it.parse::<FindingId>("CVE-2026-1234"));
    let until =
        section.required("until", "until = \"2026-12-31\"", |it| it.parse_bare("2026-12-31"));
    let reason =
        section.required("reason", "reason = \"not reachable\"", |it| it.sentence("not reachable"));
    let by = section.required("by", "by = \"ana\"", |it| it.sentence("ana"));
    Some(Waiver { id: id?, until: until?, reason: reason?, by: by? })
}

pub(super) fn retention(section: &Section<'_>) -> Retention {
    let defaults = Retention::default();
    Retention {
        versions: section.field("versions", |node| node.number(&(1..=1000))).or(defaults.versions),
        unmapped: section.field("unmapped", |node| node.span(&AGE)).or(defaults.unmapped),
        untagged_grace: section
            .field("untagged_grace", |node| node.span(&AGE))
            .or(defaults.untagged_grace),
        max_deletions: section
            .field("max_deletions", |node| node.number(&(1..=10_000)))
            .or(defaults.max_deletions),
        first_run: section
            .field("apply_from_start", |node| node.switch(FirstRun::Plan, FirstRun::Apply))
            .or(defaults.first_run),
    }
}
