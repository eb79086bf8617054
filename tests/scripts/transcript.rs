//! A script's file: comments, commands, and under each command the output that was recorded.

use crate::command::Command;

/// One command, where it stands, and what it said when it was recorded.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) command: Command,
    recorded: Vec<String>,
}

/// One part of a file.
#[derive(Debug)]
enum Part {
    /// A comment, or an empty line.
    Prose(String),
    Step(Step),
}

/// A script with the output that was recorded.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: String,
    parts: Vec<Part>,
}

impl Transcript {
    /// Reads a file; a problem begins with the file and the line.
    pub(crate) fn read(file: &str, text: &str) -> Result<Self, String> {
        if !text.starts_with("# ") {
            let rule = "a script begins with a comment that says what it shows";
            return Err(format!("{file}:1: {rule}"));
        }
        let mut parts = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if let Some(output) = line.strip_prefix('>') {
                let Some(Part::Step(step)) = parts.last_mut() else {
                    let rule = "an output line follows the command that made it";
                    return Err(format!("{file}:{number}: {rule}"));
                };
                step.recorded.push(output.strip_prefix(' ').unwrap_or(output).to_owned());
            } else if line.is_empty() || line.starts_with('#') {
                parts.push(Part::Prose(line.to_owned()));
            } else {
                let command = Command::read(line).map_err(|it| format!("{file}:{number}: {it}"))?;
                let (text, recorded) = (line.to_owned(), Vec::new());
                parts.push(Part::Step(Step { line: number, text, command, recorded }));
            }
        }
        Ok(Self { file: file.to_owned(), parts })
    }

    /// The commands.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.parts.iter().filter_map(|part| match part {
            Part::Step(step) => Some(step),
            Part::Prose(_) => None,
        })
    }

    /// What a problem is said with.
    pub(crate) fn at(&self, step: &Step, problem: &str) -> String {
        format!("{}:{}: {problem}", self.file, step.line)
    }

    /// The file with other output.
    pub(crate) fn with(&self, seen: &[Vec<String>]) -> String {
        let mut lines = Vec::new();
        let mut seen = seen.iter();
        for part in &self.parts {
            match part {
                Part::Prose(line) => lines.push(line.clone()),
                Part::Step(step) => {
                    lines.push(step.text.clone());
                    let said = seen.next().into_iter().flatten();
                    lines.extend(said.map(|it| format!("> {it}").trim_end().to_owned()));
                }
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Where what was seen is not what was recorded: the first such line of each command.
    pub(crate) fn differences(&self, seen: &[Vec<String>]) -> Vec<String> {
        let pairs = self.steps().zip(seen);
        pairs.filter_map(|(step, seen)| self.difference(step, seen)).collect()
    }

    fn difference(&self, step: &Step, seen: &[String]) -> Option<String> {
        let count = step.recorded.len().max(seen.len());
        let index = (0..count).find(|it| step.recorded.get(*it) != seen.get(*it))?;
        let shown = |lines: &[String]| lines.get(index).map_or("(nothing)", |it| it).to_owned();
        let line = step.line + index + 1;
        let (expected, seen) = (shown(&step.recorded), shown(seen));
        let (file, command) = (&self.file, &step.text);
        Some(format!(
            "{file}:{line}: after `{command}`\n  expected: {expected}\n      seen: {seen}"
        ))
    }
}
