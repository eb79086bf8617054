//! Where Compose's own program lies.

use std::fs;
use std::path::{Path, PathBuf};

/// Where Docker looks for its plugins after a person's own, in its order.
const PLACES: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// The plugin that Docker would start; nothing where Docker is configured to look elsewhere too.
pub(super) fn find(home: &Path) -> Option<PathBuf> {
    let own = home.join(".docker");
    let configuration = fs::read_to_string(own.join("config.json")).unwrap_or_default();
    if configuration.contains("cliPluginsExtraDirs") {
        return None;
    }
    let places = std::iter::once(own.join("cli-plugins")).chain(PLACES.map(PathBuf::from));
    places.map(|it| it.join("docker-compose")).find(|it| it.is_file())
}
