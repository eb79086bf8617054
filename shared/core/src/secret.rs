//! How a secret stands, by its description: no value is ever read.

use crate::configuration::SecretName;

/// What Secrets Manager says of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// Containers that start now get this version of it.
    Usable {
        /// The identifier of the version that is labelled `AWSCURRENT`.
        version: String,
    },
    /// There is none of that name.
    Missing,
    /// It is scheduled for deletion, and hands nothing out any more.
    Deleting,
    /// None of its versions is labelled `AWSCURRENT`.
    Empty,
}

impl SecretState {
    /// Why containers could not start with it, and what to do; nothing where they could.
    #[must_use]
    pub fn problem(&self, name: &SecretName) -> Option<String> {
        let command = |verb: &str| format!("`aws secretsmanager {verb} --secret-id {name}`");
        Some(match self {
            Self::Usable { .. } => return None,
            Self::Missing => format!(
                "the secret `{name}` does not exist: create it, or correct `secrets` in the \
                 service's configuration"
            ),
            Self::Deleting => format!(
                "the secret `{name}` is scheduled for deletion: {} takes that back",
                command("restore-secret")
            ),
            Self::Empty => format!(
                "the secret `{name}` has no current version: {} gives it one",
                command("put-secret-value")
            ),
        })
    }

    /// The version that containers get which start now.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Usable { version } => Some(version),
            Self::Missing | Self::Deleting | Self::Empty => None,
        }
    }
}
