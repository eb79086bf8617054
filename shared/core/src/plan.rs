//! Which hosts change next.

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
/// and what they gain is headroom for the rest; then those that serve in the fewest groups. Each
/// kind is drawn evenly over zones, so that a batch never empties one zone while another has hosts
/// to give. The same candidates in any order give the same batch.
#[must_use]
pub fn batch(candidates: &[Candidate], headroom: &[usize], budget: usize) -> Vec<HostId> {
    let mut kinds: BTreeMap<usize, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        kinds.entry(candidate.serves.len()).or_default().push(candidate);
    }
    let mut left = headroom.to_vec();
    let mut hosts = Vec::new();
    for candidate in kinds.into_values().flat_map(|kind| evenly(&kind)) {
        let mut groups = candidate.serves.iter();
        let spared = groups.all(|group| left.get(*group).is_none_or(|room| *room > 0));
        if hosts.len() < budget && spared {
            hosts.push(candidate.host.clone());
            for group in &candidate.serves {
                if let Some(room) = left.get_mut(*group) {
                    *room = room.saturating_sub(1);
                }
            }
        }
    }
    hosts
}

/// Round-robin over the zones, each in the order of its hosts' names.
fn evenly<'a>(candidates: &[&'a Candidate]) -> Vec<&'a Candidate> {
    let mut zones: BTreeMap<&str, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        zones.entry(&candidate.zone).or_default().push(candidate);
    }
    let mut ranked = Vec::new();
    for (zone, mut hosts) in zones {
        hosts.sort_by(|one, other| one.host.cmp(&other.host));
        ranked.extend(hosts.into_iter().enumerate().map(|(rank, host)| (rank, zone, host)));
    }
    ranked.sort_by_key(|(rank, zone, _)| (*rank, *zone));
    ranked.into_iter().map(|(_, _, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(number: u32, zone: &str, groups: &[usize]) -> Candidate {
        let host = format!("i-{number:08x}").parse().unwrap();
        Candidate { host, zone: zone.to_owned(), serves: groups.iter().copied().collect() }
    }

    fn candidate(number: u32, zone: &str, in_service: bool) -> Candidate {
        serving(number, zone, if in_service { &[0] } else { &[] })
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
            (2, 4, vec![4, 1, 3]),
            (9, 9, vec![4, 1, 3, 2]),
            (2, 0, vec![]),
        ] {
            let seen = numbers(&batch(&fleet, &[headroom], budget));
            assert_eq!(seen, expected, "headroom {headroom}, budget {budget}");
            let mut turned = fleet.clone();
            turned.reverse();
            assert_eq!(
                numbers(&batch(&turned, &[headroom], budget)),
                expected,
                "order of the fleet"
            );
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
            assert_eq!(numbers(&batch(&fleet, &headroom, 9)), expected, "{headroom:?}");
        }
    }
}
