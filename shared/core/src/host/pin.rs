//! The pin, and `.env`: the two files of a service's directory that are written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::files::{default_files, split_list};

/// Writes the pin: an override that names the image of each service, and has none of them pulled.
#[must_use]
pub fn render_pin(images: &BTreeMap<String, String>) -> String {
    let mut text =
        "# Written by Esclusa: the image that this host runs. A rollout replaces this file.\n\
         services:\n"
            .to_owned();
    for (service, image) in images {
        let _infallible =
            writeln!(text, "  \"{service}\":\n    image: \"{image}\"\n    pull_policy: never");
    }
    text
}

/// Reads a pin that was written by [`render_pin`]: images by service.
#[must_use]
pub fn parse_pin(text: &str) -> BTreeMap<String, String> {
    let mut images = BTreeMap::new();
    let mut service = None;
    for line in text.lines() {
        let word = |it: &str| it.trim().trim_matches('"').to_owned();
        if let Some(image) = line.strip_prefix("    image: ") {
            if let Some(service) = service.take() {
                images.insert(service, word(image));
            }
        } else if let Some(name) = line.strip_prefix("  ").filter(|it| !it.starts_with(' ')) {
            service = name.strip_suffix(':').map(word);
        }
    }
    images
}

/// Sets variables in the text of a `.env` and leaves every other line as it is.
///
/// A value of nothing takes away what is ours: the pin at the end of a list of files, the whole
/// list where nothing but Compose's own defaults comes before it, and the project's name beside
/// such a list. Compose takes the last assignment of a variable, so all of them are set.
#[must_use]
pub fn set_variables(text: &str, values: &[(&str, Option<&str>)], pin: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done: Vec<&str> = Vec::new();
    let mut quote = None;
    let mut is_within_own = false;
    for line in text.split_inclusive('\n') {
        let inside = quote.is_some();
        let name = if inside { None } else { assigned_name(line) };
        quote = follow_quote(line, quote, name.is_some() || inside);
        let own = name.and_then(|name| values.iter().find(|(it, _)| *it == name));
        match own {
            // The rest of a value that was replaced goes with it.
            None if inside && is_within_own => {}
            None => out.push_str(line),
            Some((name, Some(value))) => {
                if !done.contains(name) {
                    let _infallible = writeln!(out, "{name}={}", quote_value(value));
                    done.push(name);
                }
            }
            Some((name, None)) => out.push_str(&without_ours(line, name, text, pin)),
        }
        is_within_own = quote.is_some()
            && (own.is_some_and(|(_, value)| value.is_some()) || inside && is_within_own);
    }
    for (name, value) in values.iter().filter(|(name, _)| !done.contains(name)) {
        if let Some(value) = value {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            let _infallible = writeln!(out, "{name}={}", quote_value(value));
        }
    }
    out
}

/// A value that Compose reads as it is.
fn quote_value(value: &str) -> String {
    let is_plain = |it: char| it.is_alphanumeric() || "._-/:;,+@%~".contains(it);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("'{value}'") }
}

/// What stays of a line that may be ours.
fn without_ours(line: &str, name: &str, text: &str, pin: &str) -> String {
    let names_pin = |line: &str| assigned_name(line) == Some("COMPOSE_FILE") && line.contains(pin);
    if name != "COMPOSE_FILE" {
        // The team may have written it: ours only ever stood beside a list that names the pin.
        let is_ours = text.lines().any(names_pin);
        return if is_ours { String::new() } else { line.to_owned() };
    }
    if !names_pin(line) {
        return line.to_owned();
    }
    let value = line.split_once('=').map_or("", |(_, value)| value).trim();
    let value = value.trim_matches(['"', '\'']);
    let listed = value.strip_suffix(pin).unwrap_or_default();
    let separator = listed.chars().last().unwrap_or(':').to_string();
    let listed = listed.strip_suffix(&separator).unwrap_or_default();
    let files = split_list(listed, &separator);
    if default_files(&files.iter().cloned().collect()) == files {
        return String::new();
    }
    format!("{name}={}\n", quote_value(listed))
}

/// The variable that a line assigns, if it assigns one. A byte order mark may stand before it.
fn assigned_name(line: &str) -> Option<&str> {
    let line = line.trim_start_matches('\u{feff}').trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, _) = line.split_once('=')?;
    let name = name.trim_end();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

/// Whether a quoted value goes on in the next line.
fn follow_quote(line: &str, open: Option<char>, is_value: bool) -> Option<char> {
    if !is_value {
        return None;
    }
    let text = match open {
        Some(_) => line,
        None => line.split_once('=').map_or("", |(_, value)| value).trim_start(),
    };
    let mut open = open;
    let mut escaped = false;
    let mut is_first = open.is_none();
    for character in text.chars() {
        match (open, character) {
            (None, '"' | '\'') if is_first => open = Some(character),
            (Some(quote), it) if it == quote && !escaped => return None,
            (None, _) => return None,
            _ => {}
        }
        is_first = false;
        escaped = character == '\\' && !escaped;
    }
    open
}
