//! What can go wrong with an environment, in sentences that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use esclusa_core::name::NameError;

use crate::host::HostError;
use crate::registry::RegistryError;

/// Why the environment could not be started, stopped or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The caller may not make namespaces. Run the same again as root.
    #[error("the local environment needs root (network namespaces, engines): run it with sudo")]
    NotRoot,
    /// This is not Linux. Nothing can be done here.
    #[error("the local environment needs Linux: hosts are network namespaces with Docker Engine")]
    NotLinux,
    /// Something that `scripts/setup` installs is not there. Run it.
    #[error("{what} is missing: run scripts/setup")]
    NotSetUp {
        /// What was looked for.
        what: String,
    },
    /// The functions were not built. Build them.
    #[error("function `{name}` is not built ({}): run `make build`", path.display())]
    NotBuilt {
        /// The function.
        name: &'static str,
        /// Where its program was looked for.
        path: PathBuf,
    },
    /// Nobody answers at Docker's socket. Start it.
    #[error("Docker is not running here: start it with `scripts/setup` or the docker service")]
    NoDocker,
    /// The environment of this state directory runs already.
    #[error(
        "an environment runs in {} already: stop it with `esclusa-local down`",
        state.display()
    )]
    AlreadyUp {
        /// Its state directory.
        state: PathBuf,
    },
    /// The state directory belongs to root. Run the same with sudo.
    #[error("the environment in {} belongs to root: run the same with sudo", state.display())]
    Private {
        /// The state directory.
        state: PathBuf,
    },
    /// Nothing runs in this state directory. Start it.
    #[error("no environment runs in {}: start one with `esclusa-local up`", state.display())]
    NotUp {
        /// The state directory.
        state: PathBuf,
    },
    /// The state was written by another version of this program.
    #[error(
        "the state in {} is of version {found}, not {wanted}: remove it with `esclusa-local down`",
        state.display()
    )]
    OtherVersion {
        /// The state directory.
        state: PathBuf,
        /// The version that wrote it.
        found: u32,
        /// This program's version.
        wanted: u32,
    },
    /// Another `esclusa-local` works on the same state directory at this moment.
    #[error("another esclusa-local is at work in {}: wait for it", state.display())]
    Busy {
        /// The state directory.
        state: PathBuf,
    },
    /// A port that was asked for is not free. Choose another or leave the choice out.
    #[error("port {port} of 127.0.0.1 is taken: choose another one, or none to take a free one")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// There is no such part. The sentence names those that there are.
    #[error("there is no part `{name}`; the parts are {known}")]
    UnknownPart {
        /// What was asked for.
        name: String,
        /// What could have been asked for.
        known: String,
    },
    /// A service's name is not one that ECR and Esclusa accept.
    #[error(transparent)]
    ServiceName(NameError),
    /// The directory with a service's files is not there.
    #[error("there is no directory {}, which service `{service}` should get", directory.display())]
    NoFiles {
        /// The service.
        service: String,
        /// The directory.
        directory: PathBuf,
    },
    /// A part did not answer in time. Its log says why.
    #[error("{part} did not answer within {seconds} s: see {}", log.display())]
    Late {
        /// The part.
        part: &'static str,
        /// How long was waited.
        seconds: u64,
        /// The part's log.
        log: PathBuf,
    },
    /// A call to one of the parts was refused.
    #[error("{what} was refused: {answer}")]
    Refused {
        /// The call.
        what: String,
        /// What the part said.
        answer: String,
    },
    /// A host could not be made, found or removed.
    #[error(transparent)]
    Host(HostError),
    /// The registry could not be started or stopped.
    #[error(transparent)]
    Registry(RegistryError),
    /// A file or process could not be used.
    #[error("cannot {what}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Says which file an input or output error is about.
pub(super) fn io_at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EnvironmentError {
    let what = format!("{verb} {}", path.display());
    move |source| EnvironmentError::Io { what, source }
}

/// An error with its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
