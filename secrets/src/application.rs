//! Becoming the application: from here on, signals and exit codes are its own.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::fault::print_line;
use crate::secret::Secret;

/// The codes of a shell that cannot run a program.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// The application's command and how its environment differs from ours.
///
/// Not `Debug`: a `Command` would show the values of variables.
pub(crate) struct Application {
    command: Command,
    program: OsString,
}

impl Application {
    /// The application of a command; nothing where there is no command.
    pub(crate) fn new(words: Vec<OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        let program = words.next()?;
        let mut command = Command::new(&program);
        command.args(words);
        Some(Self { command, program })
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.command.env(name, value.into());
    }

    pub(crate) fn set_secret(&mut self, name: &str, value: &Secret) {
        self.command.env(name, OsStr::from_bytes(value.as_bytes()));
    }

    pub(crate) fn remove(&mut self, name: &OsString) {
        self.command.env_remove(name);
    }

    /// Replaces this program by the application; returns only when that cannot be done.
    pub(crate) fn start(mut self) -> ExitCode {
        let error = self.command.exec();
        let program = self.program.display();
        let kind = error.kind();
        let (code, hint) = if kind == ErrorKind::NotFound {
            (NOT_FOUND, "is it in the image and on PATH, and is its interpreter there?")
        } else if kind == ErrorKind::ArgumentListTooLong {
            (NOT_EXECUTABLE, "the environment is too large; take secrets as files")
        } else if kind == ErrorKind::PermissionDenied {
            (NOT_EXECUTABLE, "is it executable for this user?")
        } else {
            (NOT_EXECUTABLE, "is it a program for this machine?")
        };
        print_line(&format!("cannot run `{program}`: {error}; {hint}"));
        ExitCode::from(code)
    }
}
