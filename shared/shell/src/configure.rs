//! What becomes of a configuration that somebody hands in: it is read, compared with what is
//! stored, and stored.

use esclusa_core::configuration::Configuration;
use esclusa_core::name::Service;
use esclusa_core::observation::Sources;

use crate::ports::{ConfigurationStore, Configurations, Unavailable};

/// What a parameter of Parameter Store holds at most, in bytes.
pub const LONGEST: usize = 4096;

/// What may be handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Everything,
    /// Nothing by which more images may go out, or are deleted, than before.
    NothingLooser,
}

/// What became of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configured {
    /// It is what is stored.
    Unchanged,
    /// It may be stored, which was not asked for.
    Valid,
    /// It is stored.
    Stored,
}

/// Why a configuration was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// It is wrong; a sentence for each thing that is.
    #[error("{0}")]
    Invalid(String),
    /// It loosens these keys, which is a person's to do.
    #[error("it loosens {}", keys.join(", "))]
    Looser {
        /// As they are written.
        keys: Vec<String>,
    },
    /// What is stored cannot be read, so that nothing can be compared with it.
    #[error("what is stored cannot be read: {0}")]
    Unreadable(String),
    /// A call failed: hand it in again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Reads a service's configuration, and stores it if it `applies`. Handed in twice, it is stored
/// once.
///
/// # Errors
///
/// What is wrong with it, or why it may not be stored; nothing was stored then.
pub async fn configure<P: Configurations + ConfigurationStore>(
    ports: &P,
    service: &Service,
    text: &str,
    scope: Scope,
    applies: bool,
) -> Result<Configured, ConfigureError> {
    let stored = ports.sources(service).await?;
    let read = read(text, &stored)?;
    if stored.service.as_deref() == Some(text) {
        return Ok(Configured::Unchanged);
    }
    if scope == Scope::NothingLooser {
        let before = Configuration::read(stored.service.as_deref(), stored.defaults.as_deref());
        let before = before.map_err(|error| ConfigureError::Unreadable(error.to_string()))?;
        let keys = read.find_loosened(&before);
        if !keys.is_empty() {
            return Err(ConfigureError::Looser { keys });
        }
    }
    if !applies {
        return Ok(Configured::Valid);
    }
    ports.store(service, text).await?;
    Ok(Configured::Stored)
}

fn read(text: &str, stored: &Sources) -> Result<Configuration, ConfigureError> {
    if text.trim().is_empty() {
        let text = "it is empty: what has only defaults says so in a comment";
        return Err(ConfigureError::Invalid(text.to_owned()));
    }
    if text.len() > LONGEST {
        let length = text.len();
        let text = format!("it has {length} bytes, and Parameter Store takes {LONGEST}");
        return Err(ConfigureError::Invalid(text));
    }
    Configuration::read(Some(text), stored.defaults.as_deref())
        .map_err(|error| ConfigureError::Invalid(error.to_string()))
}
