//! What was expected and what was seen, chapter by chapter: `target/demo/report.json`.

use std::fmt::{Display, Write as _};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::stage::Seen;

/// The version of the report's form, which the README describes.
const SCHEMA: u32 = 1;

/// One expectation.
#[derive(Debug, Serialize)]
pub(super) struct Expectation {
    /// What it is about.
    pub(super) what: String,
    /// What should have been seen.
    pub(super) expected: String,
    /// What was seen.
    pub(super) seen: String,
    /// Whether the two are the same.
    pub(super) met: bool,
}

/// One chapter of the story.
#[derive(Debug, Serialize)]
pub(super) struct Chapter {
    /// What happens in it.
    pub(super) name: String,
    /// How long it took.
    pub(super) seconds: f64,
    /// How much of that at least one host was carrying out an order.
    pub(super) host_seconds: f64,
    /// What was expected and seen.
    pub(super) expectations: Vec<Expectation>,
    /// What a client saw meanwhile, where one asked.
    pub(super) requests: Option<Seen>,
}

/// The whole story.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The version of this form.
    pub(super) schema: u32,
    /// Whether every expectation was met.
    pub(super) met: bool,
    /// How long everything took.
    pub(super) seconds: f64,
    /// What the demo's configuration shortens, so that it can be watched.
    pub(super) shortened: Vec<String>,
    /// The chapters.
    pub(super) chapters: Vec<Chapter>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub(super) fn new(shortened: &[&str]) -> Self {
        let shortened = shortened.iter().map(|&it| it.to_owned()).collect();
        Self { schema: SCHEMA, met: true, seconds: 0.0, shortened, chapters: Vec::new() }
    }

    /// Opens a chapter.
    pub(super) fn open(name: &str) -> Open {
        eprintln!("\n== {name}");
        let (name, expectations) = (name.to_owned(), Vec::new());
        Open { name, begun: Instant::now(), expectations, requests: None }
    }

    /// Closes a chapter.
    pub(super) fn close(&mut self, open: Open, hosts: Duration) {
        self.met &= open.expectations.iter().all(|it| it.met);
        let seconds = open.begun.elapsed().as_secs_f64();
        self.seconds += seconds;
        let Open { name, expectations, requests, .. } = open;
        let host_seconds = hosts.as_secs_f64();
        self.chapters.push(Chapter { name, seconds, host_seconds, expectations, requests });
    }

    /// Writes the report.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        crate::owner::write(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// The table that ends the demo.
    #[must_use]
    pub(super) fn table(&self) -> String {
        let mut text =
            format!("{:<58} {:>7} {:>7} {:>9} {:>6}\n", "", "s", "hosts", "requests", "failed");
        for chapter in &self.chapters {
            let (sent, failed) = chapter.requests.as_ref().map_or_else(
                || (String::new(), String::new()),
                |seen| (seen.sent.to_string(), seen.failed.to_string()),
            );
            let _ = writeln!(
                text,
                "{:<58} {:>7.1} {:>7.1} {sent:>9} {failed:>6}",
                chapter.name, chapter.seconds, chapter.host_seconds
            );
            for it in &chapter.expectations {
                let word = if it.met { "met  " } else { "UNMET" };
                let _ = write!(text, "  {word} {}: {}", it.what, it.seen);
                let _ =
                    if it.met { writeln!(text) } else { writeln!(text, ", not {}", it.expected) };
            }
        }
        let word = if self.met { "every expectation met" } else { "NOT every expectation met" };
        let _ = writeln!(text, "{word}, {:.1} s", self.seconds);
        text
    }
}

/// A chapter that is being played.
#[derive(Debug)]
pub(super) struct Open {
    name: String,
    begun: Instant,
    expectations: Vec<Expectation>,
    requests: Option<Seen>,
}

impl Open {
    /// Compares what was seen with what was expected.
    pub(super) fn expect(&mut self, what: &str, expected: impl Display, seen: impl Display) {
        let (what, expected, seen) = (what.to_owned(), expected.to_string(), seen.to_string());
        let met = expected == seen;
        eprintln!("   {} {what}: {seen}", if met { "met  " } else { "UNMET" });
        self.expectations.push(Expectation { what, expected, seen, met });
    }

    /// Adds what a client saw.
    pub(super) fn requests(&mut self, seen: Seen) {
        self.requests = Some(seen);
    }
}
