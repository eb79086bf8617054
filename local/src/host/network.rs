//! A host's network: a namespace, a link to the machine, an address, and the metadata address.

use std::net::Ipv4Addr;

use super::names::EnvironmentId;
use super::tools::{HostError, run};
use super::{Host, MAX_HOSTS};

/// Where an EC2 machine finds its instance metadata; each host has it on its own loopback.
const METADATA: &str = "169.254.169.254/32";

/// The address at `place` (1 the machine's, 2 the host's) of host `number` in its /30.
pub(super) fn address(subnet: [u8; 3], number: u8, place: u8) -> String {
    let [a, b, c] = subnet;
    let last = number.saturating_mul(4).saturating_add(place);
    Ipv4Addr::new(a, b, c, last).to_string()
}

/// Chooses the /24 of an environment: the one that its hosts have, else the next free one.
///
/// The search begins at a place that derives from the environment's name, so two environments that
/// start at once hardly ever meet.
pub(super) fn choose_subnet(name: &str, id: &EnvironmentId) -> Result<[u8; 3], HostError> {
    let sibling = (1..=MAX_HOSTS)
        .filter_map(|number| Host::open(id.state(), number).ok())
        .find(|host| host.name != name);
    if let Some(sibling) = sibling {
        return Ok(sibling.subnet);
    }
    let taken = taken_networks()?;
    let seed = u32::from_str_radix(id.hex(), 16).unwrap_or_default();
    (0..=u16::MAX)
        .map(|step| candidate(seed, step))
        .find(|[a, b, c]| {
            let first = u32::from(Ipv4Addr::new(*a, *b, *c, 0));
            !taken.iter().any(|(from, to)| *from <= first.saturating_add(255) && first <= *to)
        })
        .ok_or_else(|| HostError::NoAddress { name: name.to_owned() })
}

fn candidate(seed: u32, step: u16) -> [u8; 3] {
    let [_, _, b, c] = seed.wrapping_add(u32::from(step)).to_be_bytes();
    [10, b, c]
}

/// First and last address of every network that this machine has an address in or a route to.
fn taken_networks() -> Result<Vec<(u32, u32)>, HostError> {
    let text = run("ip", &["-4", "route", "show", "table", "all"])?;
    Ok(text.split_whitespace().filter_map(network_of).collect())
}

fn network_of(word: &str) -> Option<(u32, u32)> {
    let (address, bits) = word.split_once('/').unwrap_or((word, "32"));
    let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let free = 32_u32.checked_sub(bits.parse().ok()?)?;
    let size = 1_u32.checked_shl(free).unwrap_or(0).wrapping_sub(1);
    Some((first, first | size))
}

/// Makes the host's namespace and its link, once; the same call repairs a half-made one.
pub(super) fn make(host: &Host) -> Result<(), HostError> {
    let (name, link) = (host.name.as_str(), host.link.as_str());
    if host.network_namespace().exists() {
        return Ok(());
    }
    run("ip", &["netns", "add", name])?;
    run("ip", &["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name])?;
    let outside = format!("{}/30", host.gateway());
    let inside = format!("{}/30", host.address());
    run("ip", &["address", "add", &outside, "dev", link])?;
    run("ip", &["link", "set", link, "up"])?;
    run("ip", &["-n", name, "address", "add", &inside, "dev", "eth0"])?;
    run("ip", &["-n", name, "link", "set", "eth0", "up"])?;
    run("ip", &["-n", name, "link", "set", "lo", "up"])?;
    run("ip", &["-n", name, "address", "add", METADATA, "dev", "lo"])?;
    Ok(())
}

/// Removes namespace and link by their names alone; that they are gone already is fine.
pub(super) fn remove(host: &Host) -> Result<(), HostError> {
    let link = std::path::Path::new("/sys/class/net").join(&host.link);
    // It also goes by itself, a moment after a namespace that held its other end.
    if link.exists()
        && let Err(error) = run("ip", &["link", "delete", &host.link])
        && link.exists()
    {
        return Err(error);
    }
    if host.network_namespace().exists() {
        run("ip", &["netns", "delete", &host.name])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_read_as_first_and_last_address() {
        for (word, expected) in [
            ("10.1.2.0/24", Some(("10.1.2.0", "10.1.2.255"))),
            ("172.17.0.1", Some(("172.17.0.1", "172.17.0.1"))),
            ("0.0.0.0/0", Some(("0.0.0.0", "255.255.255.255"))),
            ("default", None),
            ("dev", None),
        ] {
            let read = network_of(word)
                .map(|(a, b)| (Ipv4Addr::from(a).to_string(), Ipv4Addr::from(b).to_string()));
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(read, expected, "reading {word:?}");
        }
    }
}
