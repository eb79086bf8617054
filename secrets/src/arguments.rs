//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::settings::{parse_deadline, parse_directory};

const HELP: &str = "\
References, in the environment:
  DB_PASSWORD=secretsmanager:prod/tickets/db#password
      the file /run/secrets/DB_PASSWORD, and its path in DB_PASSWORD_FILE
  DB_PASSWORD=secretsmanager:prod/tickets/db?as=env#password
      the variable DB_PASSWORD
  secretsmanager:<name or ARN>[?<option>[&<option>]][#<json-key>]
      options: as=env, file=<name>, stage=<label>, pem=certificate|private-key|key-pair

Variables:
  ESCLUSA_SECRETS             path of secrets.toml
  ESCLUSA_SECRETS_DIRECTORY   directory of the files
  ESCLUSA_SECRETS_DEADLINE    time for all calls

Exit codes, where the application was not started:
  64       the command line is wrong
  75       every fault is temporary: starting again may help
  77       the role may not read a secret, or there are no credentials
  78       a reference, secrets.toml, the container or a secret has to be changed
  126, 127 the application cannot be run, is not found
  128+N    signal N came while secrets were fetched (SIGTERM: 143)

The manual is secrets/README.md in Esclusa's repository.";

/// Starts a container's application with its secrets from AWS Secrets Manager.
#[derive(Debug, Parser)]
#[command(name = "esclusa-secrets", bin_name = "esclusa-secrets", version, after_help = HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Fetch the secrets and become the application.
    Exec {
        #[command(flatten)]
        options: Options,
        /// The application and its arguments.
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Fetch the secrets, write nothing, and print a line for each reference.
    Check {
        #[command(flatten)]
        options: Options,
    },
}

/// What a start may be told beside the environment.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// The file with more references [default: /etc/esclusa/secrets.toml, if it exists].
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// The directory of the files, which must lie in memory [default: /run/secrets].
    #[arg(long, value_name = "PATH", value_parser = parse_directory)]
    pub(crate) directory: Option<PathBuf>,
    /// The time for all calls together [default: 30s].
    #[arg(long, value_name = "TIME", value_parser = parse_deadline)]
    pub(crate) deadline: Option<Duration>,
}
