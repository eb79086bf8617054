//! What cannot run in a host of namespaces, or is not there for it.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use esclusa_local::host::Host;

use crate::endpoints::{join, listen};

/// Where the host's apt finds a way to the mirror: a host of namespaces has no route to it.
pub(crate) const PROXY: &str = "127.0.0.1:3128";

/// Starts, stops and asks for the engine as systemd does it for `docker.service`. All other units
/// are as good as started: the engine brings its own containerd.
const SYSTEMCTL: &str = r#"#!/bin/bash
words=()
for word; do [[ $word == -* ]] || words+=("${word%.service}"); done
[[ " ${words[*]:1} " == *' docker '* ]] || exit 0
pid=$(cat /run/docker.pid 2>/dev/null)
is_active() { [[ -n $pid && -d /proc/$pid ]]; }
start() {
  is_active && return
  AWS_ENDPOINT_URL=http://127.0.0.1:PORT setsid --fork dockerd --cgroup-parent /NAME \
    >>/var/log/dockerd.log 2>&1 </dev/null
  for _ in {1..300}; do
    [[ -S /run/docker.sock ]] && return
    sleep 0.1
  done
  exit 1
}
stop() {
  is_active || return
  kill "$pid"
  while is_active; do sleep 0.05; done
  pid=
}
case ${words[0]} in
  start) start ;;
  stop) stop ;;
  restart | try-restart) stop; start ;;
  is-active) is_active || exit 3 ;;
  is-enabled) echo enabled ;;
  enable) [[ " $* " != *' --now '* ]] || start ;;
esac
"#;

/// The program `systemctl` of a host: `name` is the engine's control group on this machine, `aws`
/// the port of AWS's stand-in.
pub(crate) fn systemctl(name: &str, aws: u16) -> String {
    SYSTEMCTL.replace("NAME", name).replace("PORT", &aws.to_string())
}

/// An agent that can say its version, and no more.
pub(crate) fn agent(version: &str) -> String {
    format!("#!/bin/bash\necho 'SSM Agent version: {version}'\n")
}

/// Brings requests of the host's apt to the servers that they name.
pub(crate) fn serve_proxy(host: &Host) {
    let listener = listen(host, PROXY);
    thread::spawn(move || {
        for inside in listener.incoming().flatten() {
            thread::spawn(move || match find_server(&inside).and_then(TcpStream::connect) {
                Ok(outside) => join(inside, outside),
                Err(error) => println!("the proxy of a host: {error}"),
            });
        }
    });
}

/// Reads the server's name off the request, which stays in the stream.
fn find_server(inside: &TcpStream) -> io::Result<SocketAddr> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut head = [0; 2048];
    for _ in 0..100 {
        let length = inside.peek(&mut head)?;
        let text = String::from_utf8_lossy(&head[..length]);
        let name = text.split_once("http://").and_then(|(_, rest)| rest.split_once('/'));
        if let Some((name, _)) = name {
            let name = if name.contains(':') { name.to_owned() } else { format!("{name}:80") };
            return name.to_socket_addrs()?.next().ok_or_else(invalid);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(invalid())
}
