//! Free ports of this machine.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use nix::unistd::Uid;

use crate::places;

/// Ports are taken from these. They lie below those that Linux gives to outgoing connections
/// (`net.ipv4.ip_local_port_range`), one of which could take a port before its server starts, or
/// while it starts anew.
const PORTS: Range<u16> = 20_000..32_000;

/// A port that nothing listens on, on any address, and that nobody else was given for a long time:
/// environments of other processes get others.
///
/// # Errors
///
/// When the file that says which port was given last cannot be used.
pub fn free() -> io::Result<u16> {
    let mut file = places::lock_for_user("ports")?;
    let mut port = read_last(&mut file)?;
    for _ in PORTS {
        port = port.saturating_add(1);
        if !PORTS.contains(&port) {
            port = PORTS.start;
        }
        if is_free(Ipv4Addr::UNSPECIFIED, port) {
            write_last(&mut file, port)?;
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "every port from 20000 to 31999 is taken"))
}

/// Whether a server may listen there.
#[must_use]
pub fn is_free(address: Ipv4Addr, port: u16) -> bool {
    TcpListener::bind((address, port)).is_ok()
}

/// Users begin apart: each has a file, and does not see the others'.
fn read_last(file: &mut File) -> io::Result<u16> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let apart = Uid::current().as_raw().wrapping_mul(7919) % 12_000;
    let first = PORTS.start.saturating_add(u16::try_from(apart).unwrap_or(0));
    Ok(text.trim().parse().unwrap_or(first))
}

fn write_last(file: &mut File, port: u16) -> io::Result<()> {
    file.rewind()?;
    writeln!(file, "{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_lies_below_those_of_outgoing_connections() {
        let given = [free().unwrap(), free().unwrap(), free().unwrap()];
        assert!(given[0] != given[1] && given[1] != given[2] && given[0] != given[2]);
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let lowest: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        assert!(given.iter().all(|port| *port < lowest), "{given:?} {range}");
    }

    #[test]
    fn what_somebody_listens_on_is_not_free() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, free().unwrap())).unwrap();
        let port = held.local_addr().unwrap().port();
        assert!(!is_free(Ipv4Addr::LOCALHOST, port));
        assert!(!is_free(Ipv4Addr::UNSPECIFIED, port));
    }
}
