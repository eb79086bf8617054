//! Enough of HTTP for a relay that counts, refuses and stays silent, and for instance metadata.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Sends a request that asks to close the connection, and returns the whole answer.
pub(crate) fn exchange(port: u16, request: &[u8]) -> Option<Vec<u8>> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection.write_all(request).ok()?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).ok()?;
    Some(answer)
}

/// A request: its first line, its header lines, its body.
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn read(connection: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(connection.try_clone().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let mut request = Self { line: lines.remove(0), headers: lines, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |it| it.parse().unwrap());
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.iter().filter_map(|line| line.split_once(": "));
        let mut found = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

/// Serves each connection in a thread of its own until the process ends.
pub(crate) fn serve(handle: impl Fn(Request) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || {
                let request = Request::read(&connection)?;
                connection.write_all(&handle(request)).ok()
            });
        }
    });
    port
}

/// An answer that closes its connection.
pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A server that accepts connections and never answers.
pub(crate) fn silence() -> u16 {
    serve(|_| {
        thread::sleep(Duration::from_mins(10));
        Vec::new()
    })
}

/// What is done instead of asking `MiniStack`: given an action and how often it was called.
type Fault = Box<dyn Fn(&str, usize) -> Option<Vec<u8>> + Send>;

#[derive(Default)]
struct State {
    calls: BTreeMap<String, usize>,
    keys: Vec<String>,
    time: Duration,
    fault: Option<Fault>,
}

/// Stands between the program and `MiniStack`, and counts calls.
pub(crate) struct Relay {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Relay {
    pub(crate) fn start(target: u16) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let port = serve(move |request| relay(target, &request, &shared));
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn calls(&self) -> BTreeMap<String, usize> {
        self.state.lock().unwrap().calls.clone()
    }

    /// How long the calls took, all together.
    pub(crate) fn time(&self) -> Duration {
        self.state.lock().unwrap().time
    }

    /// The access keys that signed the calls.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.state.lock().unwrap().keys.clone()
    }

    pub(crate) fn fail(&self, fault: impl Fn(&str, usize) -> Option<Vec<u8>> + Send + 'static) {
        self.state.lock().unwrap().fault = Some(Box::new(fault));
    }
}

fn relay(target: u16, request: &Request, state: &Mutex<State>) -> Vec<u8> {
    let action = request.header("x-amz-target").unwrap_or_default();
    let action = action.split('.').next_back().unwrap().to_owned();
    let key = request.header("authorization").unwrap_or_default();
    let key = key.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
    {
        let mut state = state.lock().unwrap();
        state.keys.extend(key.map(str::to_owned));
        let count = state.calls.entry(action.clone()).or_default();
        *count += 1;
        let count = *count;
        if let Some(answer) = state.fault.as_ref().and_then(|fault| fault(&action, count)) {
            return answer;
        }
    }
    let kept = request.headers.iter().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("connection")
    });
    let head: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    let mut bytes = format!("{}\r\n{head}Connection: close\r\n\r\n", request.line).into_bytes();
    bytes.extend(&request.body);
    let started = Instant::now();
    let answered = exchange(target, &bytes).unwrap_or_else(|| answer(502, ""));
    state.lock().unwrap().time += started.elapsed();
    answered
}
