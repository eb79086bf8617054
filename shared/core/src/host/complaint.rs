//! The cause of a failure, out of all that a tool wrote beside it.

use crate::reason::{Code, Reason};

/// What Compose calls the things whose progress it tells.
const PROGRESS: [&str; 6] = ["Container ", "Network ", "Volume ", "Image ", "Service ", "[+] "];

/// The words of a line of progress, at most: `Container shop-web-1 Waiting 2.0s`.
const LONGEST_PROGRESS: usize = 5;

/// Finds the cause in what Compose or Docker wrote to its error output.
///
/// Warnings and progress are dropped, and the last cause is kept: tools end with what stopped them.
/// The whole text decides what it is about; only an answer cuts it, by [`shorten`].
#[must_use]
pub fn find_cause(text: &str) -> String {
    // Progress is written over itself where the tool takes its output for a terminal.
    let lines = text.split(['\n', '\r']).map(strip_colour);
    let lines: Vec<String> = lines.filter_map(|it| read_line(&it)).collect();
    let Some((last, before)) = lines.split_last() else {
        return "it wrote no reason".to_owned();
    };
    match before.last() {
        Some(heading) if heading.ends_with(':') => format!("{heading} {last}"),
        _ => last.clone(),
    }
}

/// Whether the engine's store lost what was being pulled, by what was said of the pull: a prune of
/// images beside it takes that away from the containerd store (moby/moby#53321). The next pull may
/// succeed.
#[must_use]
pub fn was_lost_in_store(text: &str) -> bool {
    let lower = text.to_lowercase();
    let signs = ["lease does not exist", "failed commit on ref", "notfound: content digest"];
    signs.iter().any(|it| lower.contains(it))
}

/// What stopped a pull, by all that was said of it.
#[must_use]
pub fn explain_pull(reference: &str, text: &str) -> Reason {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    let text = text.trim();
    let reason = |code: &str, text: String| Reason::new(Code::read(code), text);
    if has(&["no space left", "disk quota exceeded"]) {
        return reason("hosts.disk", format!("The disk filled up during the pull: {text}"));
    }
    if was_lost_in_store(text) {
        let text = format!("The engine lost what it had pulled of {reference}: {text}");
        return reason("hosts.registry", text);
    }
    // A login that is not found says nothing of the image.
    let is_of_login = has(&["executable file not found", "oauth token", "credentials"]);
    if !is_of_login && has(&["manifest unknown", "not found", "name unknown"]) {
        let text = format!("The registry has no {reference}: {text}");
        return Reason::new(Code::RELEASE_NOT_IN_REGISTRY, text);
    }
    reason("hosts.registry", format!("The pull of {reference} failed: {text}"))
}

/// What a line says, if it says anything but progress.
fn read_line(line: &str) -> Option<String> {
    let line = line.trim();
    let is_warning = line.contains("level=warning") || line.starts_with("WARN");
    let is_info = line.contains("level=info") || line.contains("level=debug");
    let is_help = ["Usage:", "See 'docker", "Run 'docker"].iter().any(|it| line.starts_with(it));
    if line.is_empty() || is_warning || is_info || is_help || is_progress(line) {
        return None;
    }
    Some(read_message(line).unwrap_or_else(|| line.to_owned()))
}

fn is_progress(line: &str) -> bool {
    let line = line.strip_prefix("DRY-RUN MODE -").map_or(line, str::trim);
    let line = line.trim_start_matches(['✔', '✘', '⠿', ' ']);
    if PROGRESS.iter().any(|it| line.starts_with(it)) {
        // `Container web-1  Error` ends with a word; a sentence has more to say.
        return !line.contains(": ") && line.split_whitespace().count() <= LONGEST_PROGRESS;
    }
    let last = line.rsplit(' ').next().unwrap_or_default();
    let words = ["Pulling", "Pulled", "Waiting", "Downloading", "Extracting", "Error", "complete"];
    line.split_whitespace().count() <= 2 && words.contains(&last)
}

/// The message of a line such as `time="…" level=fatal msg="…"`.
fn read_message(line: &str) -> Option<String> {
    if !line.contains("level=") {
        return None;
    }
    let (_, message) = line.split_once("msg=")?;
    let Some(quoted) = message.strip_prefix('"') else {
        return message.split(' ').next().map(str::to_owned);
    };
    let ends = |at: &usize| !quoted.get(..*at).is_some_and(|it| it.ends_with('\\'));
    let mut closing = quoted.match_indices('"').map(|(at, _)| at).filter(ends);
    let end = closing.next().unwrap_or(quoted.len());
    let message = quoted.get(..end).unwrap_or(quoted);
    Some(message.replace("\\\"", "\"").replace("\\n", " "))
}

fn strip_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        let end = after
            .find(|it: char| it.is_ascii_alphabetic())
            .map_or(after.len(), |it| it.saturating_add(1));
        rest = after.get(end..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// Cuts a sentence to so many characters, from its middle: its beginning says what was tried, its
/// end why that failed.
#[must_use]
pub fn shorten(text: &str, longest: usize) -> String {
    let clean: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let count = clean.chars().count();
    if count <= longest {
        return clean;
    }
    let head = longest / 3;
    let tail = longest.saturating_sub(head).saturating_sub(3);
    let start: String = clean.chars().take(head).collect();
    let end: String = clean.chars().skip(count.saturating_sub(tail)).collect();
    format!("{start} … {end}")
}
