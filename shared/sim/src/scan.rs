//! Scans of images: at once, late, later than anyone waits, or with findings that block.

use std::time::Duration;

use esclusa_core::configuration::Severity;
use esclusa_core::digest::Digest;
use esclusa_core::scan::{Finding, Scanned, State};
use esclusa_core::time::Timestamp;

use esclusa_shell::receive::Notice;

use crate::world::World;

/// What blocks, where something does.
const FOUND: &str = "CVE-2026-0001";

/// The scan of one image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimScan {
    done_at: Timestamp,
    blocks: bool,
}

impl World {
    /// Begins the scan of an image that is pushed; `kind` says how it goes.
    pub(crate) fn begin_scan(&mut self, digest: &Digest, kind: usize) {
        let (takes, blocks) = match kind % 4 {
            0 => (Duration::ZERO, false),
            1 => (Duration::from_secs(90), false),
            2 => (Duration::from_secs(20), true),
            // Longer than the gate waits.
            _ => (Duration::from_mins(15), false),
        };
        let done_at = self.now.after(takes);
        self.scans.insert(digest.clone(), SimScan { done_at, blocks });
    }

    /// No scan is done from now on before a person says so.
    pub fn slow_scans(&mut self) {
        self.scans_wait = true;
    }

    /// The scan of an image is done, and found what blocks, or nothing; whoever listens is told.
    pub fn scan_finds(&mut self, digest: &Digest, blocks: bool) {
        self.scans.insert(digest.clone(), SimScan { done_at: self.now, blocks });
        if let Some(lane) = crate::story::lane() {
            self.enqueue(Notice::Scanned(lane.service), Duration::from_secs(1));
        }
    }

    pub(crate) fn scanned(&self, digest: &Digest) -> Vec<Scanned> {
        let scan = self.scans.get(digest);
        let state = match scan {
            Some(scan) if scan.done_at > self.now => State::Pending("IN_PROGRESS".to_owned()),
            None if self.scans_wait => State::Pending("IN_PROGRESS".to_owned()),
            Some(SimScan { blocks: true, .. }) => State::Done(vec![Finding {
                severity: Severity::Critical,
                id: FOUND.to_owned(),
                package: "openssl".to_owned(),
                installed: "3.0.1".to_owned(),
                fixed: "3.0.2".to_owned(),
            }]),
            Some(_) | None => State::Done(Vec::new()),
        };
        vec![Scanned { digest: digest.clone(), platform: String::new(), state }]
    }

    /// Whether the gate lets an image out now.
    pub(crate) fn passes_scan(&self, digest: &Digest) -> bool {
        let waits = self.scans_wait;
        let waived = self.sources.service.as_ref().is_some_and(|it| it.contains(FOUND));
        let passes = |scan: &SimScan| scan.done_at <= self.now && (!scan.blocks || waived);
        self.scans.get(digest).map_or(!waits, passes)
    }
}
