//! The Docker Engine, through its own interface.

mod act;
mod images;
mod read;
mod recreate;
mod usage;

use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use esclusa_core::reason::Reason;
use esclusa_core::scan::Platform;

use crate::error::{self, reason};

pub(crate) use recreate::Remembered;

/// What is not a stop or a pull takes an engine milliseconds; this is for one under heavy load.
const QUICK: u64 = 60;

/// The oldest interface that is spoken: Docker 20.10's.
const OLDEST: (u32, u32) = (1, 41);

/// A host's engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    docker: Docker,
    /// What it runs.
    pub platform: Option<Platform>,
    /// Its version, for people.
    pub version: String,
}

impl Engine {
    /// Finds the engine at its socket and agrees on a version of the interface.
    ///
    /// # Errors
    ///
    /// `hosts.docker` when it does not answer, or is too old.
    pub(crate) async fn connect() -> Result<Self, Reason> {
        let at = std::env::var("DOCKER_HOST").ok().filter(|it| it.starts_with("unix://"));
        let at = at.unwrap_or_else(|| "/var/run/docker.sock".to_owned());
        let silent = |error: &Error| {
            let text = format!(
                "The Docker Engine does not answer at {at} ({error}): start it with systemctl \
                 start \
                 docker."
            );
            reason(error::DOCKER, text)
        };
        let docker = Docker::connect_with_unix(&at, QUICK, API_DEFAULT_VERSION);
        let docker = docker.map_err(|it| silent(&it))?;
        let version = docker.version().await.map_err(|it| silent(&it))?;
        let docker = docker.negotiate_version().await.map_err(|it| silent(&it))?;
        let spoken = docker.client_version();
        let (major, minor) = (spoken.major_version, spoken.minor_version);
        if (u32::try_from(major).unwrap_or(0), u32::try_from(minor).unwrap_or(0)) < OLDEST {
            let number = version.version.unwrap_or_default();
            let text = format!("Docker Engine {number} is older than 20.10: update it.");
            return Err(reason(error::DOCKER, text));
        }
        let (os, architecture) = (version.os.unwrap_or_default(), version.arch.unwrap_or_default());
        let platform = format!("{os}/{architecture}").parse().ok();
        Ok(Self { docker, platform, version: version.version.unwrap_or_default() })
    }

    /// The same for what may take long.
    fn patient(&self, limit: Duration) -> Docker {
        self.docker.clone().with_timeout(limit)
    }
}

/// Why a call failed: the engine's own answer, or that it gave none.
fn refused(doing: &str, error: &Error) -> Reason {
    if let Error::DockerResponseServerError { message, .. } = error {
        return reason(error::UP, format!("Cannot {doing}: {}", message.trim()));
    }
    let text = format!("Cannot {doing}: the Docker Engine does not answer ({error}). See its log.");
    reason(error::DOCKER, text)
}

/// Whether the engine said that there is no such thing.
fn is_absent(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}
