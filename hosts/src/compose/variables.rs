//! Compose's own variables, as Compose itself reads them from `.env`.

use esclusa_core::host::find_cause;
use serde::Deserialize;

use super::{Compose, Failed, with_environment};

/// The variables that say which project this is; empty where they are not set.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Variables {
    /// `COMPOSE_FILE`.
    pub files: String,
    /// `COMPOSE_PATH_SEPARATOR`.
    pub separator: String,
    /// `COMPOSE_PROFILES`.
    pub profiles: String,
    /// The project's name that Compose would take without a name in the files.
    pub project: String,
}

/// A project without services, whose only content is what the variables hold.
const QUESTION_FILE: &str = concat!(
    "services: {}\n",
    "x-esclusa:\n",
    "  files: \"${COMPOSE_FILE-}\"\n",
    "  separator: \"${COMPOSE_PATH_SEPARATOR-}\"\n",
    "  profiles: \"${COMPOSE_PROFILES-}\"\n",
);

#[derive(Deserialize)]
struct Read {
    name: String,
    #[serde(rename = "x-esclusa")]
    answer: ReadVariables,
}

#[derive(Deserialize)]
struct ReadVariables {
    files: String,
    separator: String,
    profiles: String,
}

impl Compose {
    /// Has Compose read `.env`, or these files in its place: how it is to be read is Compose's
    /// alone.
    ///
    /// # Errors
    ///
    /// A sentence when Compose does not read it.
    pub(crate) async fn read_variables(&self, environment: &[String]) -> Result<Variables, String> {
        let directory = self.directory.to_string_lossy().into_owned();
        let rest = ["--project-directory", &directory, "-f", "-", "config", "--format", "json"];
        let asked = self.ask(&with_environment(&rest, environment), &[], Some(QUESTION_FILE)).await;
        let output = asked.map_err(|failed| match failed {
            Failed::Ended(text) => {
                format!("Compose does not read {directory}/.env: {}", find_cause(&text))
            }
            other @ (Failed::Absent(_) | Failed::Late(_)) => {
                other.reason(crate::error::COMPOSE, "docker compose config").text
            }
        })?;
        let read: Read = serde_json::from_str(&output.text)
            .map_err(|error| format!("Compose's answer cannot be read: {error}."))?;
        let ReadVariables { files, separator, profiles } = read.answer;
        Ok(Variables { files, separator, profiles, project: read.name })
    }
}
