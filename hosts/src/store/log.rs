//! What orders did on this host, line by line, for a person who looks later.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use esclusa_core::host::Order;

use super::Store;
use crate::observe::now;

/// The log is set aside once it has so many bytes; what was set aside before is gone then.
const LONGEST: u64 = 256 * 1024;

impl Store {
    /// Adds a line. No order fails for its log.
    pub(crate) fn log(&self, order: &Order, text: &str) {
        let path = self.path("log");
        if path.metadata().is_ok_and(|it| it.len() > LONGEST) {
            let _stays = fs::rename(&path, self.path("log.1"));
        }
        let text = text.trim().replace(['\n', '\r'], " ");
        let line = format!("{} {} {} {text}\n", now(), order.verb, order.fence);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let _lost = file.and_then(|mut it| it.write_all(line.as_bytes()));
    }

    /// The newest lines, the last one last.
    pub(crate) fn log_lines(&self, most: usize) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(most)).map(|it| (*it).to_owned()).collect()
    }
}
