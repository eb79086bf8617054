//! Everything that was asked for, from the environment and `secrets.toml`.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;

use crate::arguments::Options;
use crate::environment::Environment;
use crate::fault::{Fault, Place};
use crate::plan::find_conflicts;
use crate::request::Request;
use crate::secrets_toml::Configuration;
use crate::settings::{self, Settings, choose_file};

/// What was asked for, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) requests: Vec<Request>,
    /// Variables that hold references: the application does not get them.
    pub(crate) references: Vec<OsString>,
    pub(crate) settings: Settings,
    pub(crate) faults: Vec<Fault>,
}

impl Inputs {
    /// Reads the environment and the file.
    pub(crate) fn read(options: Options) -> Self {
        let environment = Environment::read(std::env::vars_os());
        let mut faults = environment.faults;
        let configuration = read_file(&options, &mut faults);
        let variable = |name: &str| std::env::var_os(name);
        let settings = Settings::new(options, variable, &configuration, &mut faults);
        faults.extend(settings::find_unknown(&environment.others));
        let mut requests = environment.requests;
        requests.extend(configuration.requests);
        faults.extend(configuration.faults);
        faults.extend(find_conflicts(&requests, &environment.others));
        Self { requests, references: environment.references, settings, faults }
    }
}

fn read_file(options: &Options, faults: &mut Vec<Fault>) -> Configuration {
    let (path, must_exist) = choose_file(options, std::env::var_os(settings::FILE));
    let shown = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => Configuration::read(&shown, &text),
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {
            Configuration::default()
        }
        Err(error) => {
            let place = Place::Thing(format!("file `{shown}`"));
            faults.push(Fault::configuration(&place, format!("cannot be read: {error}")));
            Configuration::default()
        }
    }
}
