//! State that outlives the server: one JSON file per service in the state directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON file that is replaced whole.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    /// The file `name` in `directory`.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        Self { path: directory.join(name) }
    }

    /// What was saved last; nothing before the first save.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not what this version saves.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| self.unreadable(&e)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Replaces the file; a failure is logged and costs only what a restart would remember.
    pub(crate) fn save<T: Serialize>(&self, value: &T) {
        if let Err(error) = self.try_save(value) {
            tracing::error!(file = %self.path.display(), %error, "state was not saved");
        }
    }

    fn try_save<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let draft = self.path.with_extension("json.new");
        fs::write(&draft, serde_json::to_vec(value)?)?;
        fs::rename(&draft, &self.path)
    }

    fn unreadable(&self, cause: &serde_json::Error) -> io::Error {
        let text = format!(
            "`{}` is not a state file of this version ({cause}): remove it and start again",
            self.path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}
