//! Lambda's Runtime API, as far as a function needs it to start and to be invoked.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a function did, and when.
pub(crate) enum Did {
    /// It asked for an event: it has started, or has answered the one before.
    Asked(Instant),
    /// It answered, or said what went wrong.
    Answered(Instant, String),
}

/// A Runtime API that hands out the same event again and again.
pub(crate) struct Runtime {
    pub(crate) address: SocketAddr,
    pub(crate) did: Receiver<Did>,
}

impl Runtime {
    /// Serves until the process ends.
    pub(crate) fn serve(event: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (tell, did) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                // A function that is killed closes its connection, which ends the thread.
                thread::spawn(move || answer(&stream, event, &tell));
            }
        });
        Ok(Self { address, did })
    }
}

fn answer(stream: &TcpStream, event: &str, tell: &Sender<Did>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let (line, body) = request(&mut reader)?;
        let at = Instant::now();
        let text = if line.starts_with("GET") {
            // Nobody listens any more once the measurement is over.
            let _over = tell.send(Did::Asked(at));
            format!("200 OK\r\n{}content-length: {}\r\n\r\n{event}", names(), event.len())
        } else {
            let _over = tell.send(Did::Answered(at, body));
            "202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        writer.write_all(format!("HTTP/1.1 {text}").as_bytes())?;
    }
}

fn names() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = now.as_millis().saturating_add(30_000);
    format!(
        "lambda-runtime-aws-request-id: 00000000-0000-0000-0000-000000000000\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:123456789012:function:x\r\n"
    )
}

/// Reads one request: its first line and its body, whole or in chunks.
fn request(reader: &mut impl BufRead) -> io::Result<(String, String)> {
    let first = line(reader)?;
    let mut headers = BTreeMap::new();
    loop {
        let header = line(reader)?;
        match header.split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let mut body = Vec::new();
    if headers.contains_key("transfer-encoding") {
        loop {
            let length = usize::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
            take(reader, length, &mut body)?;
            line(reader)?;
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = headers.get("content-length") {
        take(reader, length.parse().map_err(io::Error::other)?, &mut body)?;
    }
    Ok((first, String::from_utf8_lossy(&body).into_owned()))
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn take(reader: &mut impl BufRead, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let mut part = vec![0; length];
    reader.read_exact(&mut part)?;
    body.extend(part);
    Ok(())
}
