//! Tables of a TOML file that know where they stand and report what is wrong.

use std::cell::RefCell;
use std::fmt::Display;

use esclusa_core::configuration::nearest;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Place};

/// A file and what is wrong with it so far.
pub(super) struct Page<'t> {
    file: &'t str,
    text: &'t str,
    faults: RefCell<Vec<Fault>>,
}

/// Something was wrong and is reported.
#[derive(Debug)]
pub(super) struct Reported;

impl<'t> Page<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, faults: RefCell::new(Vec::new()) }
    }

    /// The place of a key, whose first byte is at `at`.
    fn place(&self, at: usize, key: &str) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count().saturating_add(1);
        Place::Key { file: self.file.to_owned(), line, key: key.to_owned() }
    }

    pub(super) fn report(&self, at: usize, key: &str, text: impl Into<String>) -> Reported {
        self.faults.borrow_mut().push(Fault::configuration(&self.place(at, key), text));
        Reported
    }

    /// All that was wrong, from top to bottom.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by(|a, b| a.place.cmp(&b.place));
        faults
    }
}

/// A table of the file.
#[derive(Clone)]
pub(super) struct Table<'t> {
    page: &'t Page<'t>,
    path: String,
    at: usize,
    entries: &'t DeTable<'t>,
}

impl<'t> Table<'t> {
    /// The whole file.
    pub(super) fn root(page: &'t Page<'t>, entries: &'t DeTable<'t>) -> Self {
        Self { page, path: String::new(), at: 0, entries }
    }

    /// Reports every key that is none of `known`.
    pub(super) fn check_keys(&self, known: &[&str]) {
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let what = match nearest(name, known.iter().copied()) {
                Some(meant) => format!("unknown key; did you mean `{meant}`?"),
                None => format!("unknown key; the keys are `{}`", known.join("`, `")),
            };
            self.page.report(key.span().start, &self.path_of(name), what);
        }
    }

    /// The place of the table itself.
    pub(super) fn place(&self) -> Place {
        self.page.place(self.at, &self.path)
    }

    /// Reports something that concerns the table as a whole.
    pub(super) fn report(&self, text: impl Into<String>) -> Reported {
        self.page.report(self.at, &self.path, text)
    }

    /// The value of a key that may be absent.
    ///
    /// # Errors
    ///
    /// When it is no text or `read` refuses it, which is reported.
    pub(super) fn read_optional<T, E: Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Reported> {
        let Some(value) = self.entries.get(name) else { return Ok(None) };
        let refuse = |text: String| self.page.report(value.span().start, &self.path_of(name), text);
        let DeValue::String(text) = value.get_ref() else {
            return Err(refuse("write a text in quotes".to_owned()));
        };
        read(text).map(Some).map_err(|problem| refuse(problem.to_string()))
    }

    /// The value of a key that must be there, like `example`.
    ///
    /// # Errors
    ///
    /// As [`Self::read_optional`], and when it is absent.
    pub(super) fn read_required<T, E: Display>(
        &self,
        name: &str,
        example: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Reported> {
        let value = self.read_optional(name, read)?;
        let missing = || self.report(format!("`{name}` is missing; add `{name} = \"{example}\"`"));
        value.ok_or_else(missing)
    }

    /// The tables below a key, by their names.
    pub(super) fn read_tables(&self, name: &str) -> Vec<(String, Self)> {
        let Some(value) = self.entries.get(name) else { return Vec::new() };
        let path = self.path_of(name);
        let wanted = |path: &str| format!("write a table, such as `[{path}]`");
        let DeValue::Table(entries) = value.get_ref() else {
            self.page.report(value.span().start, &path, wanted(&format!("{path}.db")));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (key, value) in entries {
            let path = format!("{path}.{}", key.get_ref());
            let at = key.span().start;
            if let DeValue::Table(entries) = value.get_ref() {
                let table = Self { page: self.page, path, at, entries };
                tables.push((key.get_ref().to_string(), table));
            } else {
                self.page.report(at, &path, wanted(&path));
            }
        }
        tables
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
