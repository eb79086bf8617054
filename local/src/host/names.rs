//! Names that derive from the state directory alone, so that any process can find what is left.

use std::path::{Path, PathBuf};

use super::tools::{HostError, io};

/// The short name of one environment, the same for every process that is given its state directory.
#[derive(Debug, Clone)]
pub struct EnvironmentId {
    hex: String,
    state: PathBuf,
}

impl EnvironmentId {
    /// Derives the name from a state directory, which is made if it does not exist.
    ///
    /// # Errors
    ///
    /// When the directory can be neither found nor made.
    pub fn of(state: &Path) -> Result<Self, HostError> {
        std::fs::create_dir_all(state).map_err(io("make the state directory", state))?;
        let state = state.canonicalize().map_err(io("find the state directory", state))?;
        let hex = format!("{:08x}", fnv1a(state.as_os_str().as_encoded_bytes()));
        Ok(Self { hex, state })
    }

    /// The canonical state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What the names of all this environment's hosts begin with.
    #[must_use]
    pub fn host_prefix(&self) -> String {
        format!("esc-{}-", self.hex)
    }

    /// What the names of all this environment's network links begin with.
    #[must_use]
    pub fn link_prefix(&self) -> String {
        format!("ev{}-", self.hex)
    }

    /// Eight hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    pub(super) fn host(&self, number: u8) -> String {
        format!("{}{number}", self.host_prefix())
    }

    // A link's name has at most 15 characters, hence the short prefix.
    pub(super) fn link(&self, number: u8) -> String {
        format!("{}{number}", self.link_prefix())
    }
}

/// A hash that is the same in every build, unlike the standard library's default one.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_state_directories_have_two_names_and_one_has_always_the_same() {
        let base = std::env::temp_dir().join("esclusa-names-test");
        let first = EnvironmentId::of(&base.join("a")).unwrap();
        let again = EnvironmentId::of(&base.join("b/../a")).unwrap_or_else(|_| first.clone());
        let second = EnvironmentId::of(&base.join("b")).unwrap();
        assert_eq!(first.hex(), again.hex());
        assert_ne!(first.hex(), second.hex());
        assert!(first.link(60).len() <= 15, "{}", first.link(60));
        std::fs::remove_dir_all(base).unwrap();
    }
}
