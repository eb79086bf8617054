//! Whose images are retention's business, and when it must wait.

use super::world::{HOUR, NOW, World, ago, digest, host};
use crate::configuration::Configuration;
use crate::lane::{HostRecord, Lane, Success};
use crate::reason::{Code, Reason};
use crate::release::{Availability, Release, Running};
use crate::retention::{Lineage, is_in_scope, lineages};

fn lane(environment: &str) -> Lane {
    let mut lane = Lane::new(format!("boletos#{environment}").parse().unwrap(), 1);
    lane.adopted = true;
    lane
}

fn release(name: &str) -> Release {
    Release {
        digest: digest(name),
        repository: "registry/boletos".to_owned(),
        tags: ["latest"].iter().map(|tag| tag.parse().unwrap()).collect(),
        label: "latest".parse().unwrap(),
        bytes: 1,
        pushed_at: ago(HOUR),
        availability: Availability::Active,
    }
}

fn seen(text: Option<&str>, lanes: &[Lane]) -> Vec<Lineage> {
    let configuration = Configuration::read(text, None).unwrap();
    lineages(&"boletos".parse().unwrap(), &configuration, lanes, text.is_some(), NOW)
}

fn withheld(text: Option<&str>, lanes: &[Lane]) -> Option<String> {
    let mut world = World::new();
    world.lineages = seen(text, lanes);
    world.plan().withheld
}

#[test]
fn retention_minds_only_repositories_that_esclusa_manages() {
    let mut succeeded = lane("production");
    succeeded.successes.push(Success { release: release("app"), at: NOW, scanned: None });
    for (fact, configured, lanes, expected) in [
        ("a repository of other people's", false, vec![], false),
        ("one with a lane that never succeeded", false, vec![lane("production")], false),
        ("one with a lane that succeeded", false, vec![lane("staging"), succeeded], true),
        ("one with a stored configuration", true, vec![], true),
    ] {
        assert_eq!(is_in_scope(configured, &lanes), expected, "{fact}");
    }
}

#[test]
fn nothing_is_deleted_while_it_is_not_known_what_is_needed() {
    let unseen = "the hosts of staging have not told yet what they run";
    let fresh = || Box::new(Lane::new("boletos#staging".parse().unwrap(), 1));
    let mut homeless = fresh();
    homeless.blocker = Some(crate::lane::Blocker {
        release: None,
        reason: Reason::new(Code::HOSTS_NONE, "none"),
        lifts_at: None,
    });
    let mut mixed = Box::new(lane("staging"));
    mixed.hosts.insert(host(), HostRecord { running: Running::Mixed, is_well: true, seen_at: NOW });
    let several = "i-0000000a runs several images, and which is not known";
    let missing = "staging has not been looked at yet";
    for (fact, configured, staging, expected) in [
        ("a configured service waits for each of its lanes", true, None, Some(missing)),
        ("without a configuration a lane may never come to be", false, None, None),
        ("a lane of which no host was asked is waited for", true, Some(fresh()), Some(unseen)),
        ("so is one of a service without a configuration", false, Some(fresh()), Some(unseen)),
        ("a lane without hosts needs nothing", true, Some(homeless), None),
        ("a host of several images may run any", true, Some(mixed), Some(several)),
        (
            "a lane whose hosts were asked is waited for no longer",
            true,
            Some(Box::new(lane("staging"))),
            None,
        ),
    ] {
        let text = configured.then_some("");
        let lanes: Vec<Lane> =
            std::iter::once(lane("production")).chain(staging.map(|it| *it)).collect();
        assert_eq!(withheld(text, &lanes).as_deref(), expected, "{fact}");
    }
}

#[test]
fn environments_say_which_tags_they_follow_and_when_they_succeeded() {
    let mut production = lane("production");
    for (name, hours) in [("new", 1), ("old", 2), ("new", 3)] {
        let at = ago(hours * HOUR);
        production.successes.push(Success { release: release(name), at, scanned: None });
    }
    let text = "[environments.staging]\ntag = \"next\"\n";
    let all = seen(Some(text), &[production, lane("staging"), lane("retired")]);
    let tags: Vec<(&str, &str)> =
        all.iter().map(|it| (it.environment.as_str(), it.tag.as_str())).collect();
    let expected = [("production", "latest"), ("staging", "next"), ("retired", "retired")];
    assert_eq!(tags, expected, "a lane that is configured no more still has hosts");
    let successes = Vec::from_iter(all[0].successes.clone());
    let mut expected = vec![(digest("new"), ago(HOUR)), (digest("old"), ago(2 * HOUR))];
    expected.sort_unstable();
    assert_eq!(successes, expected, "the last success with a digest counts");
}
