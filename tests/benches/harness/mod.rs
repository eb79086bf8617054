//! The functions as they run on Lambda: their own binaries, under a Runtime API of ours.
#![allow(dead_code, reason = "each benchmark uses a part")]

pub(crate) mod http;
mod runtime;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use esclusa_local::places::tested_checkout;

pub(crate) use runtime::{Did, Runtime};

/// Where `make build` leaves a function.
pub(crate) fn binary(name: &str) -> PathBuf {
    tested_checkout().join("target/lambda").join(name).join("bootstrap")
}

/// The next thing that a function does.
pub(crate) fn next(runtime: &Runtime) -> io::Result<(Instant, String)> {
    match runtime.did.recv_timeout(Duration::from_mins(2)) {
        Ok(Did::Asked(at)) => Ok((at, String::new())),
        Ok(Did::Answered(at, body)) => Ok((at, body)),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it did nothing for 120 s")),
    }
}

/// The largest resident set of a process so far, in bytes.
pub(crate) fn resident(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("no VmHWM"))
}

/// What the template sets, with AWS at `endpoint`.
pub(crate) fn environment(endpoint: &str) -> impl Iterator<Item = (&'static str, String)> {
    [
        ("AWS_LAMBDA_FUNCTION_NAME", "x"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "l"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "none"),
        ("AWS_SECRET_ACCESS_KEY", "none"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("ESCLUSA_TABLE", "t"),
        ("ESCLUSA_LANES_QUEUE", "http://127.0.0.1:9/q"),
        ("ESCLUSA_PARAMETER_PREFIX", "/esclusa"),
        ("ESCLUSA_OPERATOR", "o"),
        ("ESCLUSA_IMAGES_QUEUE", "http://127.0.0.1:9/q"),
        ("ESCLUSA_RETENTION", "r"),
        ("ESCLUSA_RETENTION_DELAY", "600"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into_iter()
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
