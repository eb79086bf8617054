//! Why something on the stage did not work.

/// Why something on the stage did not work. An unmet expectation is no error.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The environment refused something.
    #[error(transparent)]
    Environment(#[from] crate::environment::EnvironmentError),
    /// The load balancer was not made.
    #[error(transparent)]
    Balance(#[from] crate::balancer::BalanceError),
    /// A file of the demo could not be read or written.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// Read, write, copy.
        doing: &'static str,
        /// What.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A command on a host or on this machine failed.
    #[error("{what} failed: {output}")]
    Command {
        /// Which.
        what: String,
        /// What it said.
        output: String,
    },
    /// The client could not be made.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
    /// Something that should have happened did not.
    #[error("{what} did not happen within {seconds} s; see the log of `rollout`")]
    Late {
        /// What was awaited.
        what: String,
        /// For how long.
        seconds: u64,
    },
}
