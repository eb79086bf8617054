//! The adapters, tested where they end: at the messages that arrive, the texts that are stored,
//! and the HTTP requests and answers of AWS.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![expect(clippy::indexing_slicing, reason = "a test knows what it has made")]
#![expect(clippy::panic, reason = "a test says what it saw")]

mod announcements;
mod aws;
mod configurations;
mod events;
mod facts;
mod hosts;
mod ledger;
mod ledger_limit;
mod listeners;
mod memories;
mod meters;
mod record;
mod record_samples;
mod registry;
mod scans;
mod secrets;
mod shelf;
mod tasks;
mod traffic;
