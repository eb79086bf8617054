//! One table as all texts together have it: what the service says over the account's defaults.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use super::keys::Keys;
use super::node::{Node, Page, Place};
use super::problem::Origin;

/// A table in one text.
#[derive(Clone)]
struct View<'t> {
    page: &'t Page<'t>,
    entries: &'t DeTable<'t>,
    at: usize,
}

/// A table in every text that has it, the strongest text first.
///
/// Every text is checked whole, also where a stronger one says something else.
pub(super) struct Section<'t> {
    path: String,
    views: Vec<View<'t>>,
}

/// What the texts say about one key.
pub(super) enum Field<T> {
    /// Nothing: the default holds.
    Absent,
    /// Something that was reported.
    Refused,
    /// A value, and where it stands.
    Read(T, Place),
}

impl<T> Field<T> {
    pub(super) fn or(self, default: T) -> T {
        match self {
            Self::Read(value, _) => value,
            Self::Absent | Self::Refused => default,
        }
    }

    pub(super) fn into_option(self) -> Option<T> {
        match self {
            Self::Read(value, _) => Some(value),
            Self::Absent | Self::Refused => None,
        }
    }

    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Self::Read(_, place) => Some(*place),
            Self::Absent | Self::Refused => None,
        }
    }
}

impl<'t> Section<'t> {
    /// The whole of each text.
    pub(super) fn root(texts: &[(&'t Page<'t>, &'t DeTable<'t>)], keys: &Keys) -> Self {
        let views = texts.iter().map(|&(page, entries)| View { page, entries, at: 0 }).collect();
        Self { path: String::new(), views }.of(keys)
    }

    /// Reports every key that is none of `keys`.
    fn of(self, keys: &Keys) -> Self {
        for view in &self.views {
            for key in view.entries.keys() {
                let name: &str = key.get_ref();
                if !keys.names.contains(&name) {
                    let what = keys.instead_of(name);
                    let text = format!("`{}`: unknown key; {what}", self.key_of(name));
                    view.page.report(key.span().start, text);
                }
            }
        }
        self
    }

    /// The names of a table whose keys are free.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let keys = self.views.iter().flat_map(|view| view.entries.keys());
        keys.map(|key| key.get_ref().to_string()).collect()
    }

    /// A key with the tables that it is in.
    pub(super) fn key_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether the service's own text has the table.
    pub(super) fn is_own(&self) -> bool {
        self.views.iter().any(|view| view.page.origin == Origin::Service)
    }

    /// Reports what is wrong with the table that the service's own text has, if it does.
    pub(super) fn refuse_own(&self, what: impl fmt::Display) {
        let own = self.views.iter().find(|view| view.page.origin == Origin::Service);
        if let Some(view) = own {
            view.page.report(view.at, format!("`{}`: {what}", self.path));
        }
    }

    /// A key that is itself a value, or a report of why it is not.
    pub(super) fn accept_key<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Option<T> {
        let error = match name.parse() {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        for view in &self.views {
            for key in view.entries.keys().filter(|key| key.get_ref() == name) {
                view.page.report(key.span().start, format!("`{}`: {error}", self.key_of(name)));
            }
        }
        None
    }

    /// What each text has under `name`, the strongest first.
    fn nodes(&self, name: &str) -> impl Iterator<Item = Node<'t>> {
        self.views.iter().filter_map(move |view| {
            let value = view.entries.get(name)?;
            let (value, at) = (value.get_ref(), value.span().start);
            Some(Node { page: view.page, key: self.key_of(name), value, at })
        })
    }

    /// What the strongest text says about `name`.
    pub(super) fn field<T>(&self, name: &str, read: impl Fn(&Node<'t>) -> Option<T>) -> Field<T> {
        let mut strongest = Field::Absent;
        for node in self.nodes(name) {
            let field = read(&node).map_or(Field::Refused, |it| Field::Read(it, node.place()));
            if matches!(strongest, Field::Absent) {
                strongest = field;
            }
        }
        strongest
    }

    /// What is said about `name` in a table that is nothing without it, like `example`.
    pub(super) fn required<T>(
        &self,
        name: &str,
        example: &str,
        read: impl Fn(&Node<'t>) -> Option<T>,
    ) -> Option<T> {
        match self.field(name, read) {
            Field::Read(value, _) => Some(value),
            Field::Refused => None,
            Field::Absent => {
                let view = self.views.first()?;
                let text = format!("`{}`: `{name}` is missing; add `{example}`", self.path);
                view.page.report(view.at, text);
                None
            }
        }
    }

    /// The table under `name`, with these keys; empty where no text has it.
    pub(super) fn section(&self, name: &str, keys: &Keys) -> Self {
        self.free(name).of(keys)
    }

    /// The table under `name`, whatever its keys.
    pub(super) fn free(&self, name: &str) -> Self {
        let views = self.nodes(name).filter_map(|node| headed(&node)).collect();
        Self { path: self.key_of(name), views }
    }

    /// The table under `name`, unless the strongest text that has it switches it off.
    pub(super) fn switched(&self, name: &str, keys: &Keys) -> Option<Self> {
        let on = |node: &Node<'t>| !matches!(node.value, DeValue::Boolean(false));
        let views: Vec<View<'t>> =
            self.nodes(name).take_while(on).filter_map(|node| headed(&node)).collect();
        (!views.is_empty()).then(|| Self { path: self.key_of(name), views }.of(keys))
    }

    /// The table that one value is, with these keys.
    pub(super) fn entry(node: &Node<'t>, keys: &Keys) -> Option<Self> {
        let views = vec![view(node, || format!("a table in braces with {}", keys.listed()))?];
        Some(Self { path: node.key.clone(), views }.of(keys))
    }
}

fn headed<'t>(node: &Node<'t>) -> Option<View<'t>> {
    view(node, || format!("a table, such as `[{}]`", node.key))
}

fn view<'t>(node: &Node<'t>, wanted: impl FnOnce() -> String) -> Option<View<'t>> {
    let DeValue::Table(entries) = node.value else {
        return node.wrong_type(&wanted());
    };
    Some(View { page: node.page, entries, at: node.at })
}
