//! What instance metadata says of this machine.

use std::path::Path;
use std::time::Duration;

use aws_config::provider_config::ProviderConfig;
use tokio::time::timeout;

use crate::registry::client;
use crate::store::{RUNTIME, replace_file};

/// The zone, as it was read since the machine booted. No project's name begins with a dot.
const ZONE: &str = ".zone";

/// How long the zone is waited for: an inspection must not wait for a service that is switched off.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads a text of the instance's metadata, by `IMDSv2`; nothing where there is none to be had.
pub(crate) async fn read(path: &str) -> Option<String> {
    let client = aws_config::imds::client::Client::builder()
        .configure(&ProviderConfig::without_region().with_http_client(client(false)))
        .build();
    client.get(format!("/latest/meta-data/{path}")).await.ok().map(String::from)
}

/// The machine's availability zone; empty where metadata does not say it. Asked once a boot: no
/// machine changes its zone, and one whose metadata does not answer is not asked at each look.
pub(crate) async fn find_zone() -> String {
    let kept = Path::new(RUNTIME).join(ZONE);
    if let Ok(zone) = std::fs::read_to_string(&kept) {
        return zone;
    }
    let zone = timeout(PATIENCE, read("placement/availability-zone")).await;
    let zone = zone.ok().flatten().unwrap_or_default();
    let _asked_again =
        std::fs::create_dir_all(RUNTIME).map(|()| replace_file(&kept, &zone, 0o600, None));
    zone
}
