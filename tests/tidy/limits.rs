//! Limits on functions, files and lines; fixtures that nothing reads.

use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::tree::{files, root};

const FUNCTION: usize = 60;
const FILE: usize = 400;
const LINE: usize = 100;
const MAIN: usize = 60;

/// Functions that are too long, as `name: lines`.
#[derive(Default)]
struct Long(Vec<String>);

impl Long {
    fn measure(&mut self, name: &syn::Ident, block: &impl Spanned) {
        let span = block.span();
        let lines = span.end().line.saturating_sub(span.start().line).saturating_add(1);
        if lines > FUNCTION {
            self.0.push(format!("{name}: {lines}"));
        }
    }
}

impl<'a> Visit<'a> for Long {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.measure(&item.sig.ident, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.measure(&item.sig.ident, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/") || name.contains("/tests/") || name.ends_with("/tests.rs")
}

/// The lines before the unit tests, which come last.
fn production(text: &str) -> usize {
    text.lines().position(|line| line == "#[cfg(test)]").unwrap_or_else(|| text.lines().count())
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut found = Vec::new();
    for (name, text) in files(&[".rs"]) {
        let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut long = Long::default();
        long.visit_file(&file);
        found.extend(long.0.into_iter().map(|it| format!("{name}: {it} lines")));
    }
    assert!(found.is_empty(), "functions over {FUNCTION} lines:\n{}", found.join("\n"));
}

#[test]
fn no_file_holds_two_things() {
    let mut found = Vec::new();
    for (name, text) in files(&[".rs"]) {
        let limit = if name.ends_with("src/main.rs") { MAIN } else { FILE };
        let lines = production(&text);
        if lines > limit && !is_test(&name) {
            found.push(format!("{name}: {lines} lines, limit {limit}"));
        }
    }
    assert!(found.is_empty(), "split by noun:\n{}", found.join("\n"));
}

#[test]
fn no_line_is_wider_than_a_page() {
    let mut found = Vec::new();
    for (name, text) in files(&[".rs", ".sh", ".py"]) {
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > LINE {
                found.push(format!("{name}:{}", number.saturating_add(1)));
            }
        }
    }
    assert!(found.is_empty(), "lines over {LINE} characters:\n{}", found.join("\n"));
}

#[test]
fn every_fixture_is_read() {
    let sources: String = files(&[".rs"]).into_iter().map(|(_, text)| text).collect();
    let mut dead = Vec::new();
    for (name, _) in files(&[".json", ".toml", ".txt", ".yaml", ".yml"]) {
        let file = name.rsplit('/').next().unwrap_or(&name);
        if name.contains("/fixtures/") && !sources.contains(file) {
            dead.push(name);
        }
    }
    assert!(dead.is_empty(), "no test names these fixtures:\n{}", dead.join("\n"));
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    let home = root().display().to_string();
    let found: Vec<String> = files(&[""])
        .into_iter()
        .filter(|(_, text)| text.contains(&home))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "these files name {home}:\n{}", found.join("\n"));
}

/// What is compiled in is wrong once a checkout was moved; a normal user's search path is short.
#[test]
fn places_and_programs_are_found_where_they_are_when_something_runs() {
    let finder = "local/src/programs.rs";
    let mut found = Vec::new();
    for (name, text) in files(&[".rs"]) {
        // A version stays what it was when something was compiled.
        let text = text.replace(concat!("env", "!(\"CARGO_PKG_VERSION"), "");
        if text.contains(concat!("env", "!(\"CARGO")) {
            found.push(format!("{name}: take esclusa_local::places, or std::env::var"));
        }
        if name.starts_with("local/src/") && name != finder && text.contains("Command::new(\"") {
            found.push(format!("{name}: run it by esclusa_local::programs::command"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
