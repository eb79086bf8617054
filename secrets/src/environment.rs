//! The environment of this process: references, and what the application is to keep.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::fault::{Fault, Place};
use crate::reference::{self, PREFIX};
use crate::request::Request;

/// The environment, read.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// The references, in the order of their variables.
    pub(crate) requests: Vec<Request>,
    /// Variables that hold a reference: the application does not get them.
    pub(crate) references: Vec<OsString>,
    /// Names of all other variables: nothing may overwrite them.
    pub(crate) others: Vec<String>,
    pub(crate) faults: Vec<Fault>,
}

impl Environment {
    /// Reads all variables, whose order does not matter.
    pub(crate) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        let sorted: BTreeMap<OsString, OsString> = variables.into_iter().collect();
        for (name, value) in sorted {
            environment.read_variable(name, &value);
        }
        environment
    }

    fn read_variable(&mut self, name: OsString, value: &OsStr) {
        let text = value.to_str();
        let shown = name.to_string_lossy();
        match text.and_then(|text| reference::read(&shown, text)) {
            Some(Ok(request)) => {
                self.requests.push(request);
                self.references.push(name);
            }
            Some(Err(faults)) => self.faults.extend(faults),
            None => {
                if text.is_none() && value.as_bytes().starts_with(PREFIX.as_bytes()) {
                    let place = Place::Variable(shown.clone().into_owned());
                    self.faults.push(Fault::configuration(&place, "the reference is not UTF-8"));
                }
                self.others.push(shown.into_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn references_are_told_from_other_variables() {
        let environment = Environment::read(
            [
                ("B", b"secretsmanager:db".to_vec()),
                ("A", b"secretsmanager:db#user".to_vec()),
                ("C", b"plain".to_vec()),
                ("D", b"secretsmanager:?".to_vec()),
                ("E", b"secretsmanager:\xff".to_vec()),
                ("F", b"\xff".to_vec()),
            ]
            .map(|(name, value)| (OsString::from(name), OsString::from_vec(value))),
        );
        let places: Vec<String> =
            environment.requests.iter().map(|it| it.place.to_string()).collect();
        assert_eq!(places, ["variable `A`", "variable `B`"]);
        assert_eq!(environment.references, ["A", "B"]);
        assert_eq!(environment.others, ["C", "E", "F"]);
        let faulty: Vec<String> =
            environment.faults.iter().map(|it| it.place.to_string()).collect();
        assert_eq!(faulty, ["variable `D`", "variable `D`", "variable `E`"]);
    }
}
