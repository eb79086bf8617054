//! The pin, and the two variables of `.env` that let a person's `docker compose` see the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use esclusa_core::host::{
    Definition, Files, PIN, default_files, parse_pin, render_pin, set_variables,
};
use esclusa_core::reason::Reason;

use crate::error::of_file;
use crate::observe::{Observer, list_names};
use crate::store::replace_file;

/// The pin that is written in a directory; nothing where there is none.
pub(crate) fn read_pin(directory: &Path) -> Option<BTreeMap<String, String>> {
    fs::read_to_string(directory.join(PIN)).ok().map(|text| parse_pin(&text))
}

/// Writes the override that names the images, then has `.env` list it last. In this order, a kill
/// in between leaves a file that nobody reads; the other way round it would leave a file missing.
pub(super) async fn write_pin(
    observer: &mut Observer,
    images: &BTreeMap<String, String>,
    files: &Files,
) -> Result<(), Reason> {
    replace_file(&observer.directory().join(PIN), &render_pin(images), 0o644, None)?;
    write_variables(observer, files, true).await
}

/// Puts the pin back as it was; without images there is none.
pub(super) async fn restore_pin(
    observer: &mut Observer,
    images: &BTreeMap<String, String>,
    files: &Files,
) -> Result<(), Reason> {
    if !images.is_empty() {
        return write_pin(observer, images, files).await;
    }
    if observer.directory().is_dir() {
        write_variables(observer, files, false).await?;
    }
    match fs::remove_file(observer.directory().join(PIN)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(of_file("remove", &observer.directory().join(PIN), &error))
        }
        _ => Ok(()),
    }
}

/// Sets the variables that are Esclusa's in `.env` and leaves every other line alone.
///
/// Where a service is given `.env` as its own variables, they would reach its container and change
/// it: then they are not written, and those that were are taken away.
async fn write_variables(
    observer: &mut Observer,
    files: &Files,
    is_pinned: bool,
) -> Result<(), Reason> {
    let path = observer.directory().join(".env");
    let before = fs::read_to_string(&path).ok();
    let separator = if files.separator.is_empty() { ":" } else { &files.separator };
    let mut listed = files.listed.clone();
    let lists_itself = !is_pinned && is_found_by_compose(observer, files);
    if is_pinned {
        listed.push(PIN.to_owned());
    }
    let list = if lists_itself || listed.is_empty() { None } else { Some(listed.join(separator)) };
    let old = before.clone().unwrap_or_default();
    let reaches = observer.definition().is_some_and(gives_ours);
    let text = if reaches {
        set_variables(&old, &[("COMPOSE_FILE", None), ("COMPOSE_PROJECT_NAME", None)], PIN)
    } else {
        let name = Some(files.project.as_str()).filter(|it| !it.is_empty());
        set_variables(
            &old,
            &[("COMPOSE_PROJECT_NAME", name), ("COMPOSE_FILE", list.as_deref())],
            PIN,
        )
    };
    if text == old || (before.is_none() && text.is_empty()) {
        return Ok(());
    }
    replace_kept(&path, &text)?;
    observer.forget_project();
    let read = if reaches { None } else { observer.compose.read_definition(files).await.ok() };
    if read.as_ref().is_some_and(gives_ours) {
        // Some service is given `.env`: nothing of ours is to reach it.
        match before {
            Some(before) => replace_kept(&path, &before)?,
            None => fs::remove_file(&path).map_err(|it| of_file("remove", &path, &it))?,
        }
    }
    Ok(())
}

/// Whether a service's variables hold one of ours.
fn gives_ours(definition: &Definition) -> bool {
    let ours = ["COMPOSE_FILE", "COMPOSE_PROJECT_NAME"];
    let given =
        |name: &&str| definition.services.values().any(|it| it.environment.contains_key(*name));
    ours.iter().any(given)
}

/// Whether Compose finds these files by itself, so that no line has to list them.
fn is_found_by_compose(observer: &Observer, files: &Files) -> bool {
    default_files(&list_names(observer.directory())) == files.listed
}

/// Replaces a file of the team's, which keeps its owner and its mode. A link leads to the file.
fn replace_kept(path: &Path, text: &str) -> Result<(), Reason> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let about = fs::metadata(&real).ok();
    let mode = about.as_ref().map_or(0o644, |it| it.mode() & 0o7777);
    replace_file(&real, text, mode, about.map(|it| (it.uid(), it.gid())))
}
