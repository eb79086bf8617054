//! What a Compose file that came with an image asks for: looked at before Compose reads anything on
//! its behalf, and once more as Compose resolves it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use esclusa_core::host::policy::{Demand, Paths, reads_files, refused, review, review_reading};
use esclusa_core::host::{Files, compare_projects};
use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};

use super::Compose;

impl Compose {
    /// What a file of the directory asks for beyond its own containers and nobody has allowed, in a
    /// project that may have any of these names.
    ///
    /// # Errors
    ///
    /// A sentence when it cannot be read, by us or by Compose.
    pub(crate) async fn find_refused(
        &self,
        file: &str,
        names: &[&str],
        allowed: &BTreeSet<String>,
    ) -> Result<Vec<Demand>, String> {
        let path = self.directory.join(file);
        let text = fs::read_to_string(&path).map_err(|error| {
            format!("The Compose file of the image cannot be read as a text: {error}.")
        })?;
        let pages = MarkedYaml::load_from_str(&text).map_err(|error| {
            let line = error.marker().line();
            format!("Line {line} of the Compose file of the image is not YAML: {}.", error.info())
        })?;
        let directory = fs::canonicalize(&self.directory).unwrap_or(self.directory.clone());
        let resolve = |path: &str| resolve(&directory, path).to_string_lossy().into_owned();
        let directory_name = directory.to_string_lossy();
        let paths = Paths { directory: &directory_name, resolve: &resolve };
        let mut reading = Vec::new();
        for page in &pages {
            find_reading(page, &paths, &mut reading);
        }
        let reading = refused(reading, allowed);
        if !reading.is_empty() {
            return Ok(reading);
        }
        let files = Files { listed: vec![file.to_owned()], ..Files::default() };
        let resolved = self.read_resolved(&files).await?;
        let mut demands = refused(review(&resolved, names, &paths), allowed);
        for demand in &mut demands {
            demand.line = pages.iter().find_map(|page| find_line(page, &demand.place));
        }
        Ok(demands)
    }
}

impl Compose {
    /// The first key in which the files of an image differ from the team's own, whatever the
    /// release of `repository`.
    ///
    /// # Errors
    ///
    /// A sentence when Compose does not read one of them.
    pub(crate) async fn find_difference(
        &self,
        own: &Files,
        brought: &Files,
        repository: &str,
    ) -> Result<Option<String>, String> {
        let (own, brought) = tokio::join!(self.read_resolved(own), self.read_resolved(brought));
        Ok(compare_projects(&own?, &brought?, repository))
    }
}

/// The path without links, as far as it exists; the root for one that cannot be told.
fn resolve(directory: &Path, path: &str) -> PathBuf {
    let path = directory.join(path);
    let mut missing = Vec::new();
    for ancestor in path.ancestors() {
        if let Ok(known) = fs::canonicalize(ancestor) {
            return missing.iter().rev().fold(known, |known, name| known.join(name));
        }
        match ancestor.components().next_back() {
            Some(Component::Normal(name)) => missing.push(name.to_owned()),
            _ => break,
        }
    }
    PathBuf::from("/")
}

/// What Compose would read beyond the directory.
fn find_reading(node: &MarkedYaml<'_>, paths: &Paths<'_>, found: &mut Vec<Demand>) {
    for (key, value) in entries(node) {
        if let Some(key) = text_of(key).filter(|it| reads_files(it)) {
            let mut named = Vec::new();
            collect_texts(value, &mut named);
            let demands =
                named.iter().filter_map(|(path, line)| review_reading(key, path, *line, paths));
            found.extend(demands);
        }
    }
    children(node).for_each(|it| find_reading(it, paths, found));
}

/// Every text below a node, with its line.
fn collect_texts(node: &MarkedYaml<'_>, texts: &mut Vec<(String, usize)>) {
    texts.extend(text_of(node).map(|text| (text.to_owned(), node.span.start.line())));
    children(node).for_each(|it| collect_texts(it, texts));
}

/// The line of the last key of a place, where the file itself has it.
fn find_line(page: &MarkedYaml<'_>, place: &[String]) -> Option<usize> {
    let (first, rest) = place.split_first()?;
    let (key, value) = entries(page).find(|(key, _)| text_of(key) == Some(first))?;
    let line = key.span.start.line();
    if rest.is_empty() { Some(line) } else { find_line(value, rest).or(Some(line)) }
}

/// The node without a tag of its own: Compose reads `!any env_file` as `env_file`.
fn untagged<'n, 'y>(node: &'n MarkedYaml<'y>) -> &'n YamlData<'y, MarkedYaml<'y>> {
    if let YamlData::Tagged(_, inner) = &node.data { untagged(inner) } else { &node.data }
}

fn text_of<'n>(node: &'n MarkedYaml<'_>) -> Option<&'n str> {
    untagged(node).as_str()
}

fn entries<'n, 'y>(
    node: &'n MarkedYaml<'y>,
) -> impl Iterator<Item = (&'n MarkedYaml<'y>, &'n MarkedYaml<'y>)> {
    untagged(node).as_mapping().into_iter().flatten()
}

fn children<'n, 'y>(node: &'n MarkedYaml<'y>) -> impl Iterator<Item = &'n MarkedYaml<'y>> {
    let items = untagged(node).as_sequence().into_iter().flatten();
    entries(node).map(|(_, value)| value).chain(items)
}

#[cfg(test)]
mod tests;
