//! Sockets inside a host's network namespace that the server answers from outside.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::thread;

use nix::sched::{CloneFlags, setns};
use tokio::net::TcpStream;

/// Opens a listener in the namespace at `namespace`.
///
/// Only a thread of its own enters the namespace; the socket stays there while anybody serves it.
///
/// # Errors
///
/// When the namespace cannot be entered or the address is taken there.
pub(super) fn listen_in(namespace: &Path, address: SocketAddr) -> io::Result<TcpListener> {
    let entering = || {
        setns(File::open(namespace)?, CloneFlags::CLONE_NEWNET)?;
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let joined = thread::scope(|scope| scope.spawn(entering).join());
    joined.unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace panicked")))
}

/// Makes `port` of a host's loopback lead to the same port of this machine's loopback.
///
/// # Errors
///
/// As [`listen_in`].
pub(super) fn forward(namespace: &Path, port: u16) -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = tokio::net::TcpListener::from_std(listen_in(namespace, address)?)?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((inside, _)) => drop(tokio::spawn(join(inside, address))),
                Err(error) => tracing::warn!(%error, port, "a connection was not forwarded"),
            }
        }
    });
    Ok(())
}

async fn join(mut inside: TcpStream, address: SocketAddr) {
    let Ok(mut outside) = TcpStream::connect(address).await else { return };
    // Either end may close at any time; there is nobody to tell.
    let _closed = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
}
