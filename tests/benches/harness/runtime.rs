//! Lambda's Runtime API, as far as a function needs it to start and to be invoked.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::http::{Request, request};

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
        let Request { line, body, .. } = request(&mut reader)?;
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
