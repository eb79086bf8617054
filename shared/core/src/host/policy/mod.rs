//! What a Compose file that comes with an image may ask of its host.
//!
//! Whoever may push an image writes that file, and Compose carries it out as root. So it may ask
//! for what concerns its own containers alone; whatever reaches beyond them needs a word of the
//! environment's configuration, which a pipeline cannot write, or of a file that the host's owner
//! put there. What is not known here reaches beyond: a key that a later Compose brings is refused
//! until somebody has thought about it.

mod service;
mod top;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// Something that a file asks for beyond its own containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Where: the keys that lead there.
    pub place: Vec<String>,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// By which name a configuration allows it: a key, or a key and what it is given.
    pub permission: String,
    /// What that would let the file do.
    pub because: &'static str,
}

/// What paths of the host are compared with.
pub struct Paths<'a> {
    /// The service's directory, without links.
    pub directory: &'a str,
    /// The path without links, as far as it exists.
    pub resolve: &'a dyn Fn(&str) -> String,
}

impl fmt::Debug for Paths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paths").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Paths<'_> {
    /// Whether a path is the service's own: something below its directory that is none of the files
    /// that decide what the service is.
    fn is_own(&self, path: &str) -> bool {
        self.below(path).is_some_and(|it| !decides(&it))
    }

    /// The path as the directory sees it, where it lies below it.
    fn below(&self, path: &str) -> Option<String> {
        let resolved = (self.resolve)(path);
        let below = resolved.strip_prefix(self.directory)?.strip_prefix('/')?;
        (!below.is_empty()).then(|| below.to_owned())
    }
}

/// Whether a file of the directory decides what the service is: Compose's, its variables, ours.
fn decides(name: &str) -> bool {
    let is_compose = name.starts_with("compose.") || name.starts_with("docker-compose.");
    is_compose || name == ".env" || name.starts_with("esclusa.")
}

/// A place in a resolved file, while it is gone through.
struct At<'a> {
    place: Vec<String>,
    project: &'a str,
    paths: &'a Paths<'a>,
    found: &'a mut Vec<Demand>,
}

impl At<'_> {
    /// Goes to another entry of the table that is gone through.
    fn enter(&mut self, name: &str) {
        self.place.truncate(1);
        self.place.push(name.to_owned());
    }

    fn demand(&mut self, key: &str, permission: String, because: &'static str) {
        let mut place = self.place.clone();
        place.push(key.to_owned());
        self.found.push(Demand { place, line: None, permission, because });
    }

    /// One demand for each value, by key and value.
    fn demand_each(&mut self, key: &str, values: Vec<String>, because: &'static str) {
        for value in values {
            self.demand(key, format!("{key}={value}"), because);
        }
    }

    fn unknown(&mut self, key: &str, value: &Value) {
        if !is_nothing(value) && !key.starts_with("x-") {
            self.demand(key, key.to_owned(), "it is not known to concern only its own containers");
        }
    }
}

/// What a file, as Compose resolves it, asks for beyond its own containers; `names` are those that
/// its project may have.
#[must_use]
pub fn review(resolved: &Value, names: &[&str], paths: &Paths<'_>) -> Vec<Demand> {
    let mut found = Vec::new();
    let project = resolved.get("name").and_then(Value::as_str).unwrap_or_default();
    for (key, value) in entries(resolved) {
        let mut at = At { place: vec![key.clone()], project, paths, found: &mut found };
        match key.as_str() {
            "name" => {
                at.place.clear();
                let given = text(value);
                if !names.contains(&given.as_str()) {
                    let because = "its containers, networks and volumes may be another service's";
                    at.demand(key, format!("name={given}"), because);
                }
            }
            "version" => {}
            "services" => service::review_all(value, &mut at),
            "networks" => top::review_networks(value, &mut at),
            "volumes" => top::review_volumes(value, &mut at),
            "secrets" | "configs" => top::review_files(key, value, &mut at),
            other => {
                at.place.clear();
                at.unknown(other, value);
            }
        }
    }
    found
}

/// Whether Compose reads other files where a key stands, while it resolves the file.
#[must_use]
pub fn reads_files(key: &str) -> bool {
    matches!(key, "include" | "extends" | "env_file" | "label_file")
}

/// What a path asks for at such a key, where it is not one of the service's own: elsewhere on the
/// host, in somebody's home, on the net, or not to be told because of variables. Compose would read
/// it before anybody could look at what it gives.
#[must_use]
pub fn review_reading(key: &str, path: &str, line: usize, paths: &Paths<'_>) -> Option<Demand> {
    let is_name = !path.contains(['$', ':', '\\']) && !path.starts_with('~');
    let is_own = is_name && paths.below(path).is_some();
    (!is_own).then(|| Demand {
        place: vec![key.to_owned()],
        line: Some(line),
        permission: format!("{key}={path}"),
        because: "Compose would read what is not the service's own",
    })
}

/// The demands that nobody has allowed.
#[must_use]
pub fn refused(demands: Vec<Demand>, allowed: &BTreeSet<String>) -> Vec<Demand> {
    demands.into_iter().filter(|it| !allowed.contains(&it.permission)).collect()
}

/// Why a file is refused, in a sentence that a report has room for.
#[must_use]
pub fn explain(refused: &[Demand], environment: &str) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = refused.iter().take(SHOWN).map(Demand::to_string).collect();
    let more = match refused.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let names: BTreeSet<String> =
        refused.iter().take(SHOWN).map(|it| format!("{:?}", it.permission)).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "The Compose file of the image asks for more than its own containers: {}{more}. Take it \
         out of the file, or allow it in the service's configuration: \
         [environments.{environment}] compose_allow = [{names}].",
        shown.join("; ")
    )
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}", self.place.join("."))?;
        if let Some((_, value)) = self.permission.split_once('=') {
            write!(f, ": {value}")?;
        }
        write!(f, " ({})", self.because)
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether a key is there without asking for anything.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
