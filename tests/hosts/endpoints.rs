//! What a host finds around it: the registry on its loopback, instance metadata, and ECR's login.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use esclusa_local::host::Host;
use nix::sched::{CloneFlags, setns};

/// Opens a listener inside a host's network namespace; the socket stays there.
pub(crate) fn listen(host: &Host, address: &str) -> TcpListener {
    let path = host.network_namespace();
    let address: SocketAddr = address.parse().unwrap();
    let entering = move || {
        setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        TcpListener::bind(address).unwrap()
    };
    thread::spawn(entering).join().unwrap()
}

/// Makes a port of the host's loopback lead to the same port of this machine's.
pub(crate) fn forward(host: &Host, port: u16) {
    forward_from(host, &format!("127.0.0.1:{port}"), port);
}

/// Makes an address inside the host lead to a port of this machine's loopback.
pub(crate) fn forward_from(host: &Host, address: &str, port: u16) {
    let listener = listen(host, address);
    thread::spawn(move || {
        for inside in listener.incoming().flatten() {
            let Ok(outside) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            join(inside, outside);
        }
    });
}

/// Hands each of two connections what the other one brings.
pub(crate) fn join(inside: TcpStream, outside: TcpStream) {
    let (a, b) = (inside.try_clone().unwrap(), outside.try_clone().unwrap());
    thread::spawn(move || pump(inside, outside));
    thread::spawn(move || pump(b, a));
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let _either_end_closed = io::copy(&mut from, &mut to);
    let _closed = to.shutdown(std::net::Shutdown::Write);
}

/// Serves instance metadata at its address; and at a port of the host ECR's `GetAuthorizationToken`
/// and what the engine's log driver calls of CloudWatch Logs.
pub(crate) fn serve_aws(host: &Host, port: u16, token: &'static str) {
    for address in ["169.254.169.254:80".to_owned(), format!("127.0.0.1:{port}")] {
        let listener = listen(host, &address);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream, token));
            }
        });
    }
}

fn answer(mut stream: TcpStream, token: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    while lines.read_line(&mut head).is_ok_and(|count| count > 2) {
        let last = head.lines().last().unwrap_or_default().to_lowercase();
        if let Some(value) = last.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    io::copy(&mut lines.take(length), &mut io::sink()).unwrap();
    let (status, body) = match respond(&head, token) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    let ttl = "X-aws-ec2-metadata-token-ttl-seconds: 21600";
    let text = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{ttl}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let _client_gone = stream.write_all(text.as_bytes());
}

fn respond(head: &str, token: &str) -> Option<String> {
    let has = |text: &str| head.to_lowercase().contains(&text.to_lowercase());
    let path = head.split_whitespace().nth(1)?;
    if head.starts_with("PUT /latest/api/token") {
        return Some("metadata-token".to_owned());
    }
    if head.starts_with("POST / ") {
        // What only a request signed with the role's keys can carry.
        let signed_for = |service: &str| {
            has("Credential=AKIDLOCAL/")
                && has(&format!("/eu-south-1/{service}/aws4_request"))
                && has("x-amz-security-token: session/token==")
        };
        if has("X-Amz-Target: Logs_20140328.") {
            return signed_for("logs").then(|| "{}".to_owned());
        }
        let login = has("X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
        return (login && signed_for("ecr")).then(|| authorization(token));
    }
    let body = match path.strip_prefix("/latest/meta-data/")? {
        _ if !has("X-aws-ec2-metadata-token: metadata-token") => return None,
        "iam/security-credentials/" => "host-role",
        "iam/security-credentials/host-role" => {
            r#"{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC",
                "AccessKeyId":"AKIDLOCAL","SecretAccessKey":"sec/ret+","Token":"session/token==",
                "Expiration":"2099-01-01T00:00:00Z"}"#
        }
        "placement/region" => "eu-south-1",
        _ => return None,
    };
    Some(body.to_owned())
}

fn authorization(token: &str) -> String {
    let basic = STANDARD.encode(format!("AWS:{token}"));
    format!(
        r#"{{"authorizationData":[{{"authorizationToken":"{basic}","expiresAt":4070908800.0,
            "proxyEndpoint":"https://123456789012.dkr.ecr.eu-south-1.amazonaws.com"}}]}}"#
    )
}
