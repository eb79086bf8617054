//! Values in a text, each of which knows where it stands and reports what is wrong with it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::de::{DeInteger, DeValue};

use super::nearest::nearest;
use super::problem::{Origin, Problem};
use super::span::Span;
use super::value::Quoted;

/// One text and what is wrong with it so far.
pub(super) struct Page<'t> {
    pub(super) origin: Origin,
    pub(super) text: &'t str,
    pub(super) problems: &'t RefCell<Vec<Problem>>,
}

/// A place in a text, for what is found out only when everything is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) origin: Origin,
    line: usize,
    column: usize,
}

impl Place {
    pub(super) fn problem(self, key: &str, what: impl fmt::Display) -> Problem {
        let Self { origin, line, column } = self;
        Problem { origin, line, column, text: format!("`{key}`: {what}") }
    }
}

impl Page<'_> {
    /// The place of a byte.
    pub(super) fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let (above, same) = before.rsplit_once('\n').map_or(("", before), |(above, same)| {
            // The line end belongs to the line above, so that each is counted once.
            (before.get(..=above.len()).unwrap_or(above), same)
        });
        let line = above.matches('\n').count().saturating_add(1);
        let column = same.chars().count().saturating_add(1);
        Place { origin: self.origin, line, column }
    }

    /// Reports a problem that belongs to no key.
    pub(super) fn report(&self, at: usize, text: String) {
        let Place { origin, line, column } = self.place(at);
        self.problems.borrow_mut().push(Problem { origin, line, column, text });
    }
}

/// A value and the key that it stands under.
#[derive(Clone)]
pub(super) struct Node<'t> {
    pub(super) page: &'t Page<'t>,
    pub(super) key: String,
    pub(super) value: &'t DeValue<'t>,
    pub(super) at: usize,
}

impl<'t> Node<'t> {
    pub(super) fn place(&self) -> Place {
        self.page.place(self.at)
    }

    /// Reports what is wrong with the value; nothing was read.
    pub(super) fn refuse<T>(&self, what: impl fmt::Display) -> Option<T> {
        self.page.report(self.at, format!("`{}`: {what}", self.key));
        None
    }

    /// Reports a value of the wrong type.
    pub(super) fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.refuse(format_args!("{} stands here; write {wanted}", kind(self.value)))
    }

    /// What was read, or a report of why not.
    pub(super) fn accept<T>(&self, read: Result<T, impl fmt::Display>) -> Option<T> {
        read.map_or_else(|error| self.refuse(error), Some)
    }

    /// A text in quotes.
    pub(super) fn text(&self, example: &str) -> Option<&'t str> {
        if let DeValue::String(text) = self.value {
            return Some(text);
        }
        self.wrong_type(&format!("a text in quotes, such as `\"{example}\"`"))
    }

    /// A text in quotes, or a number, date or time whose digits say the same without them.
    pub(super) fn bare(&self, example: &str) -> Option<Cow<'t, str>> {
        if let DeValue::Integer(number) = self.value
            && number.radix() == 10
        {
            return Some(Cow::Borrowed(number.as_str()));
        }
        if let DeValue::Datetime(instant) = self.value {
            return Some(Cow::Owned(instant.to_string()));
        }
        self.text(example).map(Cow::Borrowed)
    }

    /// A text that names a `T`, like `example`.
    pub(super) fn parse<T: FromStr<Err: fmt::Display>>(&self, example: &str) -> Option<T> {
        let text = self.text(example)?;
        self.accept(text.parse())
    }

    /// A text, number, date or time that names a `T`, like `example`.
    pub(super) fn parse_bare<T: FromStr<Err: fmt::Display>>(&self, example: &str) -> Option<T> {
        let text = self.bare(example)?;
        self.accept(text.parse())
    }

    /// A text with something in it, for people.
    pub(super) fn sentence(&self, example: &str) -> Option<String> {
        let text = self.text(example)?;
        if text.trim().is_empty() {
            return self.refuse(format_args!("it says nothing; write it out, such as `{example}`"));
        }
        Some(text.to_owned())
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let text = self.text(names.first().copied().unwrap_or_default())?;
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let choice = format!("{} is none of `{}`", Quoted(text), names.join("`, `"));
        match nearest(text, names) {
            Some(name) => self.refuse(format_args!("{choice}; did you mean `{name}`?")),
            None => self.refuse(choice),
        }
    }

    /// `false` or `true`, and what each means.
    pub(super) fn switch<T>(&self, no: T, yes: T) -> Option<T> {
        match self.value.as_bool() {
            Some(true) => Some(yes),
            Some(false) => Some(no),
            None => self.wrong_type("`true` or `false` without quotes"),
        }
    }

    /// A whole number within limits.
    pub(super) fn number(&self, limits: &RangeInclusive<usize>) -> Option<usize> {
        let wanted = format!("a whole number from {} to {}", limits.start(), limits.end());
        let DeValue::Integer(number) = self.value else {
            return self.wrong_type(&wanted);
        };
        match whole(number).filter(|number| limits.contains(number)) {
            Some(number) => Some(number),
            None => self.refuse(format_args!("{} is not {wanted}", Quoted(number.as_str()))),
        }
    }

    /// A length of time within limits.
    pub(super) fn span(&self, limits: &RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text("10m")?;
        let length = self.accept(text.parse::<Span>())?.duration();
        if limits.contains(&length) {
            return Some(length);
        }
        let [least, most] = [*limits.start(), *limits.end()].map(Span::from);
        self.refuse(format_args!("{} is not between `{least}` and `{most}`", Quoted(text)))
    }

    /// Every entry of a list, read by `read`.
    pub(super) fn list<T>(
        &self,
        example: &str,
        read: impl Fn(&Node<'t>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let DeValue::Array(entries) = self.value else {
            return self.wrong_type(&format!("a list, such as `{example}`"));
        };
        let entries: Vec<Option<T>> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let (value, at) = (entry.get_ref(), entry.span().start);
                read(&Node { page: self.page, key: format!("{}[{index}]", self.key), value, at })
            })
            .collect();
        entries.into_iter().collect()
    }

    /// Every entry of a list in which none stands twice, as `same` tells.
    pub(super) fn distinct<T, K: PartialEq>(
        &self,
        example: &str,
        read: impl Fn(&Node<'t>) -> Option<T>,
        same: impl Fn(&T) -> K,
    ) -> Option<Vec<T>> {
        let seen: RefCell<Vec<K>> = RefCell::default();
        self.list(example, |entry| {
            let value = read(entry)?;
            let key = same(&value);
            if seen.borrow().contains(&key) {
                return entry.refuse("it stands in the list already; remove it here or there");
            }
            seen.borrow_mut().push(key);
            Some(value)
        })
    }
}

fn whole(number: &DeInteger<'_>) -> Option<usize> {
    usize::from_str_radix(number.as_str(), number.radix()).ok()
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
