//! Log lines: one JSON object each, on standard output.

use tracing_subscriber::filter::LevelFilter;

/// What Lambda's logging configuration sets.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Starts logging. Lambda reads `level` and `timestamp` off each line.
///
/// Not the runtime's own default, which writes JSON only where `AWS_LAMBDA_LOG_FORMAT` says so,
/// and brings a filter language of its own.
pub fn init() {
    let level = std::env::var(LEVEL).ok().and_then(|level| level.parse::<LevelFilter>().ok());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .init();
}
