//! Which files and which name a project has.

use std::collections::BTreeSet;

use super::project::{Container, Problem};
use crate::configuration::Compose;
use crate::time::Timestamp;

/// The override that names the images of a release; ours.
pub const PIN: &str = "esclusa.release.yaml";
/// The Compose file that came with the image; ours.
pub const SHIPPED: &str = "esclusa.compose.yaml";
/// The one that comes with the next image; ours.
pub const NEXT_SHIPPED: &str = "esclusa.compose.next.yaml";

/// The override that names the image of what runs once, while Compose starts it; ours.
pub const ONCE_FILE: &str = "esclusa.once.yaml";

/// The names that Compose itself looks for, in its order; the first that exists counts.
const DEFAULTS: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The files that Compose is given, without the pin, and the project's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Paths, relative to the directory where they lie in it.
    pub listed: Vec<String>,
    /// What parts them in `COMPOSE_FILE`.
    pub separator: String,
    /// Files with variables, where `.env` is not the one that counts.
    pub environment: Vec<String>,
    /// The project's name.
    pub project: String,
}

/// What the choice of files hangs on.
#[derive(Clone, Debug, Default)]
pub struct FileChoice<'a> {
    /// The service's directory as the order names it, and without links.
    pub directories: BTreeSet<String>,
    /// Where the Compose file comes from.
    pub compose: Option<Compose>,
    /// Whether the next shipped file is to be used, not the one of the running release.
    pub is_next: bool,
    /// `COMPOSE_FILE` as Compose reads it from `.env`; empty where it is not set.
    pub variable: String,
    /// `COMPOSE_PATH_SEPARATOR` as Compose reads it; empty where it is not set.
    pub separator: String,
    /// When `.env` was last changed; nothing where there is none.
    pub variable_changed_at: Option<Timestamp>,
    /// The names among Compose's defaults that exist in the directory.
    pub present: BTreeSet<String>,
    /// The files that the last activation used, where `.env` does not list them.
    pub kept: Vec<String>,
    /// The team's own files that a Compose file of an image took the place of.
    pub own: Vec<String>,
    /// The service's own containers.
    pub containers: Vec<&'a Container>,
}

/// Finds the team's own Compose files, without those of ours.
///
/// What `.env` lists counts, then what the containers were started with, then Compose's defaults. A
/// list that was written after containers were started with other files is an edit and counts; an
/// older one says less than what runs.
///
/// # Errors
///
/// When there is none, or when a file is gone that the containers were started with.
pub fn choose_files(choice: &FileChoice<'_>) -> Result<Vec<String>, Problem> {
    if choice.compose.is_some_and(Compose::may_come_with_image) {
        let own = if choice.is_next { NEXT_SHIPPED } else { SHIPPED };
        return Ok(std::iter::once(own.to_owned())
            .chain(find_first(&OVERRIDES, &choice.present))
            .collect());
    }
    let listed: Vec<String> = split_list(&choice.variable, &choice.separator);
    // A list with a file of an image was made for that; the team's is the one before.
    let is_own = !has_shipped(&listed);
    let listed: Vec<String> = listed.into_iter().filter(|it| is_own && !is_ours(it)).collect();
    let kept_is_own = !has_shipped(&choice.kept);
    let started = started_with(choice);
    match started {
        Some((files, at)) if listed.is_empty() || choice.variable_changed_at <= Some(at) => {
            Ok(files)
        }
        _ if !listed.is_empty() => Ok(listed),
        _ if kept_is_own && !choice.kept.is_empty() => Ok(choice.kept.clone()),
        _ if !choice.own.is_empty() => Ok(choice.own.clone()),
        _ => find_defaults(choice),
    }
}

/// The parts of a list as `COMPOSE_FILE` holds it.
pub(super) fn split_list(list: &str, separator: &str) -> Vec<String> {
    let separator = if separator.is_empty() { ":" } else { separator };
    list.split(separator).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn is_ours(file: &str) -> bool {
    is_shipped(file) || name_of(file) == PIN
}

/// Whether one of these Compose files came with an image.
pub(super) fn has_shipped(files: &[String]) -> bool {
    files.iter().any(|it| is_shipped(it))
}

/// Whether a Compose file came with an image.
pub(super) fn is_shipped(file: &str) -> bool {
    [SHIPPED, NEXT_SHIPPED].contains(&name_of(file))
}

fn name_of(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// What containers that we did not start were started with, and when the last of them was made;
/// nothing where there are none, or where they do not agree.
fn started_with(choice: &FileChoice<'_>) -> Option<(Vec<String>, Timestamp)> {
    let own = choice.containers.iter().filter(|it| it.is_started_in(&choice.directories));
    let own: Vec<_> = own.filter(|it| !it.files.is_empty()).collect();
    if own.iter().any(|it| it.files.iter().any(|file| is_ours(file))) {
        return None;
    }
    let lists: BTreeSet<&Vec<String>> = own.iter().map(|it| &it.files).collect();
    let [files] = lists.into_iter().collect::<Vec<_>>()[..] else { return None };
    let at = own.iter().map(|it| it.created_at).max()?;
    Some((files.iter().map(|file| relative(file, &choice.directories)).collect(), at))
}

fn relative(file: &str, directories: &BTreeSet<String>) -> String {
    let below = |directory: &String| file.strip_prefix(directory.as_str())?.strip_prefix('/');
    directories.iter().find_map(below).unwrap_or(file).to_owned()
}

/// The files that Compose finds by itself among these names: the first of its defaults that exists,
/// and the first override beside it. None without the former.
#[must_use]
pub fn default_files(present: &BTreeSet<String>) -> Vec<String> {
    match find_first(&DEFAULTS, present) {
        Some(first) => std::iter::once(first).chain(find_first(&OVERRIDES, present)).collect(),
        None => Vec::new(),
    }
}

fn find_first(names: &[&str], present: &BTreeSet<String>) -> Option<String> {
    names.iter().find(|name| present.contains(**name)).map(|name| (*name).to_owned())
}

fn find_defaults(choice: &FileChoice<'_>) -> Result<Vec<String>, Problem> {
    let found = default_files(&choice.present);
    if !found.is_empty() {
        return Ok(found);
    }
    let directory = choice.directories.iter().next().map_or("", String::as_str);
    let text =
        format!("There is no Compose file in {directory}: put the service's compose.yaml there.");
    Err(Problem { text })
}
