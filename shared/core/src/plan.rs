//! Which hosts change next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::name::HostId;

/// A host that still has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub host: HostId,
    /// Its availability zone; empty where unknown.
    pub zone: String,
    /// The groups in which it takes traffic at this moment, by their places.
    pub serves: BTreeSet<usize>,
}

/// The hosts that change together next: at most `budget`, of which in no group more serve than its
/// `headroom`.
///
/// Hosts that are out of service go first and need no headroom: changing them costs no capacity,
/// and what they gain is headroom for the rest; then those that serve in the fewest groups. Among
/// equals the next one comes from the zone that keeps the most hosts (`zones` counts them all), so
/// that a batch empties no zone while another has more to give. The same candidates in any order
/// give the same batch.
#[must_use]
pub fn batch(
    candidates: &[Candidate],
    zones: &BTreeMap<&str, usize>,
    headroom: &[usize],
    budget: usize,
) -> Vec<HostId> {
    let mut kinds: BTreeMap<usize, BTreeMap<&str, BTreeMap<&HostId, &Candidate>>> = BTreeMap::new();
    for candidate in candidates {
        let zones = kinds.entry(candidate.serves.len()).or_default();
        zones.entry(&candidate.zone).or_default().insert(&candidate.host, candidate);
    }
    let mut room = headroom.to_vec();
    let mut kept = zones.clone();
    let mut hosts = Vec::new();
    for mut waiting in kinds.into_values() {
        while hosts.len() < budget
            && let Some(zone) = fullest(&waiting, &kept)
        {
            let next = waiting.get_mut(zone).and_then(BTreeMap::pop_first);
            let Some((host, candidate)) = next else {
                waiting.remove(zone);
                continue;
            };
            let spared = candidate.serves.iter().all(|it| room.get(*it).is_none_or(|it| *it > 0));
            if !spared {
                continue;
            }
            hosts.push(host.clone());
            kept.entry(zone).and_modify(|it| *it = it.saturating_sub(1));
            for group in &candidate.serves {
                if let Some(room) = room.get_mut(*group) {
                    *room = room.saturating_sub(1);
                }
            }
        }
    }
    hosts
}

/// The zone that keeps the most hosts among those that have one to give; of equals the first by
/// name.
fn fullest<'a, T>(waiting: &BTreeMap<&'a str, T>, kept: &BTreeMap<&str, usize>) -> Option<&'a str> {
    let count = |zone: &&&str| Reverse(kept.get(**zone).copied().unwrap_or_default());
    waiting.keys().min_by_key(count).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn serving(number: u32, zone: &str, groups: &[usize]) -> Candidate {
        let host = format!("i-{number:08x}").parse().unwrap();
        Candidate { host, zone: zone.to_owned(), serves: groups.iter().copied().collect() }
    }

    fn candidate(number: u32, zone: &str, in_service: bool) -> Candidate {
        serving(number, zone, if in_service { &[0] } else { &[] })
    }

    /// The batch where every host of the fleet is a candidate.
    fn first_batch(fleet: &[Candidate], headroom: &[usize], budget: usize) -> Vec<u32> {
        let of = |zone: &str| fleet.iter().filter(|it| it.zone == zone).count();
        let zones = fleet.iter().map(|it| (it.zone.as_str(), of(&it.zone))).collect();
        numbers(&batch(fleet, &zones, headroom, budget))
    }

    fn numbers(hosts: &[HostId]) -> Vec<u32> {
        let number = |host: &HostId| u32::from_str_radix(&host.as_str()[2..], 16).unwrap();
        hosts.iter().map(number).collect()
    }

    #[test]
    fn a_batch_spends_no_more_than_it_may() {
        let fleet = [
            candidate(1, "a", true),
            candidate(2, "a", true),
            candidate(3, "b", true),
            candidate(4, "b", false),
        ];
        for (headroom, budget, expected) in [
            (0, 4, vec![4]),
            (1, 1, vec![4]),
            (1, 4, vec![4, 1]),
            (2, 4, vec![4, 1, 2]),
            (9, 9, vec![4, 1, 2, 3]),
            (2, 0, vec![]),
        ] {
            let seen = first_batch(&fleet, &[headroom], budget);
            assert_eq!(seen, expected, "headroom {headroom}, budget {budget}");
            let mut turned = fleet.clone();
            turned.reverse();
            let seen = first_batch(&turned, &[headroom], budget);
            assert_eq!(seen, expected, "order of the fleet");
        }
    }

    #[test]
    fn a_host_needs_headroom_only_where_it_serves() {
        let fleet = [
            serving(1, "a", &[0, 1]),
            serving(2, "a", &[0, 1]),
            serving(3, "a", &[0]),
            serving(4, "a", &[1]),
        ];
        for (headroom, expected) in [
            ([0, 0], vec![]),
            ([1, 0], vec![3]),
            ([0, 1], vec![4]),
            ([1, 1], vec![3, 4]),
            ([2, 1], vec![3, 4]),
            ([2, 2], vec![3, 4, 1]),
            ([9, 9], vec![3, 4, 1, 2]),
        ] {
            assert_eq!(first_batch(&fleet, &headroom, 9), expected, "{headroom:?}");
        }
    }

    #[test]
    fn a_batch_comes_from_the_zones_that_keep_the_most() {
        let fleet = |zones: &str| -> Vec<Candidate> {
            let numbered = (1..).zip(zones.split_whitespace());
            numbered.map(|(number, zone)| candidate(number, zone, true)).collect()
        };
        for (zones, budget, expected) in [
            ("a a b b c c", 3, vec![1, 3, 5]),
            ("a a b b c c", 4, vec![1, 3, 5, 2]),
            // Two of two in one zone would be all of it.
            ("a a b b b b b b", 4, vec![3, 4, 5, 6]),
            ("a a b b b b b b", 5, vec![3, 4, 5, 6, 1]),
            ("a b b", 1, vec![2]),
        ] {
            assert_eq!(first_batch(&fleet(zones), &[9], budget), expected, "{zones}");
        }
    }

    #[test]
    fn what_is_done_counts_for_its_zone() {
        let waiting = [candidate(1, "a", true), candidate(2, "b", true), candidate(3, "b", true)];
        let zones = BTreeMap::from([("a", 4), ("b", 2)]);
        assert_eq!(numbers(&batch(&waiting, &zones, &[9], 2)), [1, 2]);
    }

    proptest! {
        #[test]
        fn no_zone_is_emptied_while_another_has_more_to_give(
            zones in prop::collection::vec(0_u32..4, 1..20),
            budget in 1_usize..20,
        ) {
            let zone = |number: u32| ["a", "b", "c", "d"][number as usize];
            let fleet: Vec<Candidate> =
                (1..).zip(&zones).map(|(number, it)| candidate(number, zone(*it), true)).collect();
            let taken = first_batch(&fleet, &[99], budget);
            let left = |zone: &str| {
                let hosts = (1..).zip(&fleet).filter(|(_, it)| it.zone == zone);
                hosts.filter(|(number, _)| !taken.contains(number)).count()
            };
            let before = |zone: &str| fleet.iter().filter(|it| it.zone == zone).count();
            let emptied = ["a", "b", "c", "d"].into_iter()
                .filter(|zone| before(zone) > 0 && left(zone) == 0).collect::<Vec<_>>();
            let most = ["a", "b", "c", "d"].into_iter().map(left).max().unwrap_or_default();
            prop_assert!(emptied.is_empty() || most <= 1, "{emptied:?} empty, {most} elsewhere");
            prop_assert_eq!(taken.len(), budget.min(fleet.len()));
        }
    }
}
