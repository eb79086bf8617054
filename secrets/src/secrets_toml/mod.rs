//! `secrets.toml`: what a variable cannot say.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

use self::table::{Page, Reported, Table};
use crate::fault::Fault;
use crate::pem::{self, Pem};
use crate::request::{
    CURRENT, FileName, Part, Request, SecretId, Target, Version, parse_stage, parse_variable,
};
use crate::settings::{parse_deadline, parse_directory};
use crate::template::Template;

const ROOT: [&str; 5] = ["deadline", "directory", "env", "files", "key_pairs"];
const FILE: [&str; 6] = ["key", "pem", "secret", "stage", "template", "variable"];
const VARIABLE: [&str; 4] = ["key", "secret", "stage", "template"];
const KEY_PAIR: [&str; 4] = ["certificate", "private_key", "secret", "stage"];

/// A name for examples.
const SECRET: &str = "prod/tickets/db";

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) deadline: Option<Duration>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) requests: Vec<Request>,
    pub(crate) faults: Vec<Fault>,
}

impl Configuration {
    /// Reads the text of `file`. Unknown keys are faults, and no fault repeats a value.
    pub(crate) fn read(file: &str, text: &str) -> Self {
        let page = Page::new(file, text);
        let (entries, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            page.report(at, "", format!("this is not TOML: {}", error.message()));
        }
        let mut configuration = Self::default();
        if errors.is_empty() {
            configuration.read_root(&Table::root(&page, entries.get_ref()));
        }
        configuration.faults = page.into_faults();
        configuration
    }

    fn read_root(&mut self, root: &Table<'_>) {
        root.check_keys(&ROOT);
        self.deadline = root.read_optional("deadline", parse_deadline).ok().flatten();
        self.directory = root.read_optional("directory", parse_directory).ok().flatten();
        for (name, table) in root.read_tables("files") {
            table.check_keys(&FILE);
            self.requests.extend(read_file(&name, &table));
        }
        for (name, table) in root.read_tables("env") {
            table.check_keys(&VARIABLE);
            let target = parse_variable(&name).map_err(|problem| table.report(problem));
            let request = read_request(&table, target.map(Target::Variable), None);
            self.requests.extend(request);
        }
        for (name, table) in root.read_tables("key_pairs") {
            table.check_keys(&KEY_PAIR);
            self.requests.extend(read_key_pair(&name, &table).into_iter().flatten());
        }
    }
}

fn read_file(name: &str, table: &Table<'_>) -> Result<Request, Reported> {
    let name = FileName::parse(name).map_err(|problem| table.report(problem));
    let variable = table.read_optional("variable", parse_variable);
    let pem = table.read_optional("pem", |text| {
        let word = pem::WORDS.iter().find(|(word, _)| *word == text);
        word.map(|(_, pem)| *pem).ok_or("write `certificate`, `private-key` or `key-pair`")
    });
    let target = name.and_then(|name| Ok(Target::File { name, variable: variable? }));
    let request = read_request(table, target, None)?;
    Ok(Request { pem: pem?, ..request })
}

fn read_request(
    table: &Table<'_>,
    target: Result<Target, Reported>,
    pem: Option<Pem>,
) -> Result<Request, Reported> {
    let version = read_version(table);
    let key = table.read_optional("key", parse_key);
    let template = table.read_optional("template", Template::parse);
    let part = match (key?, template?) {
        (None, None) => Part::Whole,
        (Some(key), None) => Part::Key(key),
        (None, Some(template)) => Part::Template(template),
        (Some(_), Some(_)) => {
            return Err(table.report("`key` and `template` exclude each other; remove one"));
        }
    };
    Ok(Request { place: table.place(), version: version?, part, target: target?, pem })
}

fn read_version(table: &Table<'_>) -> Result<Version, Reported> {
    let id = table.read_required("secret", SECRET, SecretId::parse);
    let stage = table.read_optional("stage", parse_stage);
    Ok(Version { id: id?, stage: stage?.unwrap_or_else(|| CURRENT.to_owned()) })
}

/// The two files of a key pair: `<name>.crt` and `<name>.key`.
fn read_key_pair(name: &str, table: &Table<'_>) -> Result<[Request; 2], Reported> {
    let version = read_version(table);
    let keys =
        [("certificate", Pem::Certificate, ".crt"), ("private_key", Pem::PrivateKey, ".key")];
    let [certificate, private_key] = keys.map(|(key, pem, ending)| {
        let file = FileName::parse(&format!("{name}{ending}"));
        let file = file.map_err(|problem| table.report(problem));
        let json_key = table.read_optional(key, parse_key)?.unwrap_or_else(|| key.to_owned());
        Ok((Part::Key(json_key), Target::File { name: file?, variable: None }, pem))
    });
    let version = version?;
    Ok([certificate?, private_key?].map(|(part, target, pem)| Request {
        place: table.place(),
        version: version.clone(),
        part,
        target,
        pem: Some(pem),
    }))
}

fn parse_key(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("the JSON key is empty") } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests;
