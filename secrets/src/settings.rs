//! How long resolving may take and where files go, by the strongest of what says so.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use esclusa_core::configuration::{Span, nearest};

use crate::arguments::Options;
use crate::fault::{Fault, Place};
use crate::secrets_toml::Configuration;

/// The path of `secrets.toml`.
pub(crate) const FILE: &str = "ESCLUSA_SECRETS";
const DEADLINE: &str = "ESCLUSA_SECRETS_DEADLINE";
const DIRECTORY: &str = "ESCLUSA_SECRETS_DIRECTORY";

/// Read if it exists, where no other file is named.
const DEFAULT_FILE: &str = "/etc/esclusa/secrets.toml";

/// Where Docker and Compose put secrets, and applications look for them.
const DEFAULT_DIRECTORY: &str = "/run/secrets";

/// Longer than a throttled fleet needs, shorter than health checks wait.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Variables that begin like ours and are none of them.
pub(crate) fn find_unknown(names: &[String]) -> Vec<Fault> {
    let known = [FILE, DEADLINE, DIRECTORY];
    let is_unknown = |name: &&String| name.starts_with(FILE) && !known.contains(&name.as_str());
    let fault = |name: &String| {
        let text = match nearest(name, known) {
            Some(meant) => format!("unknown variable; did you mean `{meant}`?"),
            None => format!("unknown variable; the variables are `{}`", known.join("`, `")),
        };
        Fault::configuration(&Place::Variable(name.clone()), text)
    };
    names.iter().filter(is_unknown).map(fault).collect()
}

/// What holds for this start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) directory: PathBuf,
    pub(crate) deadline: Duration,
}

/// Reads how long resolving may take.
///
/// # Errors
///
/// The form that it must have.
pub(crate) fn parse_deadline(text: &str) -> Result<Duration, &'static str> {
    let span = text.parse::<Span>().map(Span::duration);
    let limits = Duration::from_secs(1)..=Duration::from_mins(10);
    span.ok()
        .filter(|span| limits.contains(span))
        .ok_or("write a duration from `1s` to `10m`, such as `30s`")
}

/// Reads the directory of files.
///
/// # Errors
///
/// When it is not absolute: what it is relative to would depend on the image.
pub(crate) fn parse_directory(text: &str) -> Result<PathBuf, &'static str> {
    let path = Path::new(text);
    let is_plain = path.is_absolute() && !path.iter().any(|part| part == "..");
    if is_plain { Ok(path.to_owned()) } else { Err("write an absolute path without `..`") }
}

/// The file to read, and whether it must exist.
pub(crate) fn choose_file(options: &Options, variable: Option<OsString>) -> (PathBuf, bool) {
    let named =
        options.file.clone().or_else(|| variable.filter(|it| !it.is_empty()).map(Into::into));
    named.map_or_else(|| (DEFAULT_FILE.into(), false), |path| (path, true))
}

impl Settings {
    /// The strongest of argument, variable, file and default.
    pub(crate) fn new(
        options: Options,
        variable: impl Fn(&str) -> Option<OsString>,
        file: &Configuration,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let deadline = read(DEADLINE, &variable, parse_deadline, faults);
        let directory = read(DIRECTORY, &variable, parse_directory, faults);
        let deadline = options.deadline.or(deadline).or(file.deadline);
        let directory = options.directory.or(directory).or_else(|| file.directory.clone());
        Self {
            directory: directory.unwrap_or_else(|| DEFAULT_DIRECTORY.into()),
            deadline: deadline.unwrap_or(DEFAULT_DEADLINE),
        }
    }
}

fn read<T>(
    name: &str,
    variable: impl Fn(&str) -> Option<OsString>,
    parse: impl Fn(&str) -> Result<T, &'static str>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let value = variable(name).filter(|value| !value.is_empty())?;
    let parsed = parse(OsStr::to_str(&value).unwrap_or_default());
    let place = Place::Variable(name.to_owned());
    parsed.map_err(|problem| faults.push(Fault::configuration(&place, problem))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_setting_holds() {
        let of = |seconds, directory: &str| {
            (Some(Duration::from_secs(seconds)), Some(PathBuf::from(directory)))
        };
        let none = (None, None);
        for (given, variables, file, expected) in [
            (none.clone(), ["", ""], none.clone(), (30, "/run/secrets")),
            (none.clone(), ["", ""], of(3, "/c"), (3, "/c")),
            (none.clone(), ["2s", "/b"], of(3, "/c"), (2, "/b")),
            (of(1, "/a"), ["2s", "/b"], of(3, "/c"), (1, "/a")),
        ] {
            let given = Options { deadline: given.0, directory: given.1, file: None };
            let file =
                Configuration { deadline: file.0, directory: file.1, ..Configuration::default() };
            let variable = |name: &str| match name {
                DEADLINE => Some(variables[0].into()),
                _ => Some(variables[1].into()),
            };
            let mut faults = Vec::new();
            let settings = Settings::new(given, variable, &file, &mut faults);
            let (seconds, directory) = expected;
            let (deadline, directory) = (Duration::from_secs(seconds), PathBuf::from(directory));
            assert_eq!((settings, faults), (Settings { directory, deadline }, vec![]));
        }
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_a_fault() {
        let mut faults = Vec::new();
        let wrong = |_: &str| Some("hunter2".into());
        Settings::new(Options::default(), wrong, &Configuration::default(), &mut faults);
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "variable `ESCLUSA_SECRETS_DEADLINE`: write a duration from `1s` to `10m`, such \
                 as `30s`",
                "variable `ESCLUSA_SECRETS_DIRECTORY`: write an absolute path without `..`",
            ]
        );
    }

    #[test]
    fn an_unknown_setting_is_a_fault() {
        let names = ["HOME", FILE, "ESCLUSA_SECRETS_DEADLIN", "ESCLUSA_SECRETSX"];
        let faults = find_unknown(&names.map(str::to_owned));
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "variable `ESCLUSA_SECRETS_DEADLIN`: unknown variable; did you mean \
                 `ESCLUSA_SECRETS_DEADLINE`?",
                "variable `ESCLUSA_SECRETSX`: unknown variable; did you mean `ESCLUSA_SECRETS`?",
            ]
        );
    }

    #[test]
    fn a_file_that_is_named_must_exist() {
        let given =
            |file: Option<&str>| Options { file: file.map(Into::into), ..Options::default() };
        for (argument, variable, expected) in [
            (None, None, (DEFAULT_FILE, false)),
            (None, Some(""), (DEFAULT_FILE, false)),
            (None, Some("/b"), ("/b", true)),
            (Some("/a"), Some("/b"), ("/a", true)),
        ] {
            let (path, must_exist) = choose_file(&given(argument), variable.map(Into::into));
            assert_eq!((path.to_str().unwrap(), must_exist), expected);
        }
    }
}
