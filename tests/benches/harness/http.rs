//! As much of HTTP as is spoken here.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

/// A request.
pub(crate) struct Request {
    pub(crate) line: String,
    /// By name, in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// Reads one request, whose body comes whole or in chunks.
pub(crate) fn request(reader: &mut impl BufRead) -> io::Result<Request> {
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
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Request { line: first, headers, body })
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
