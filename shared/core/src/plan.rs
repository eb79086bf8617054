//! Which hosts change next.

use std::collections::BTreeMap;

use crate::name::HostId;

/// A host that still has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub host: HostId,
    /// Its availability zone; empty where unknown.
    pub zone: String,
    /// Whether it takes traffic at this moment.
    pub in_service: bool,
}

/// The hosts that change together next: at most `budget`, of which at most `headroom` are in
/// service.
///
/// Hosts that are out of service go first and need no headroom: changing them costs no capacity,
/// and what they gain is headroom for the rest. The rest is drawn evenly over zones, so that a
/// batch never empties one zone while another has hosts to give. The same candidates in any order
/// give the same batch.
#[must_use]
pub fn batch(candidates: &[Candidate], headroom: usize, budget: usize) -> Vec<HostId> {
    let (up, down): (Vec<_>, Vec<_>) = candidates.iter().partition(|it| it.in_service);
    let mut hosts = evenly(&down);
    hosts.truncate(budget);
    let room = budget.saturating_sub(hosts.len()).min(headroom);
    hosts.extend(evenly(&up).into_iter().take(room));
    hosts
}

/// Round-robin over the zones, each in the order of its hosts' names.
fn evenly(candidates: &[&Candidate]) -> Vec<HostId> {
    let mut zones: BTreeMap<&str, Vec<&HostId>> = BTreeMap::new();
    for candidate in candidates {
        zones.entry(&candidate.zone).or_default().push(&candidate.host);
    }
    let mut ranked = Vec::new();
    for (zone, mut hosts) in zones {
        hosts.sort();
        ranked.extend(hosts.into_iter().enumerate().map(|(rank, host)| (rank, zone, host)));
    }
    ranked.sort();
    ranked.into_iter().map(|(_, _, host)| host.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u32, zone: &str, in_service: bool) -> Candidate {
        let host = format!("i-{number:08x}").parse().unwrap();
        Candidate { host, zone: zone.to_owned(), in_service }
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
            let seen = numbers(&batch(&fleet, headroom, budget));
            assert_eq!(seen, expected, "headroom {headroom}, budget {budget}");
            let mut turned = fleet.clone();
            turned.reverse();
            assert_eq!(numbers(&batch(&turned, headroom, budget)), expected, "order of the fleet");
        }
    }
}
