//! Free ports of the loopback.

use std::net::{Ipv4Addr, TcpListener};

use super::error::EnvironmentError;

/// One port for each wish: the one that was asked for, or a free one.
///
/// # Errors
///
/// [`EnvironmentError::PortTaken`] when a port that was asked for is not free.
pub(super) fn choose<const N: usize>(
    wishes: [Option<u16>; N],
) -> Result<[u16; N], EnvironmentError> {
    // All are held until all are chosen, so that no two are the same.
    let mut held = Vec::new();
    let mut ports = [0; N];
    for (port, wish) in ports.iter_mut().zip(wishes) {
        let taken = |_| EnvironmentError::PortTaken { port: wish.unwrap_or(0) };
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, wish.unwrap_or(0))).map_err(taken)?;
        *port = listener.local_addr().map_err(taken)?.port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_a_taken_one_is_refused_by_name() {
        let [one, two] = choose([None, None]).unwrap();
        assert_ne!(one, two);
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let refused = choose([Some(port)]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "port {port} of 127.0.0.1 is taken: choose another one, or none to take a free one"
            )
        );
    }
}
