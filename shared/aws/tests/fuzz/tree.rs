//! JSON that can be spoiled: it may have members of one name twice, and numbers of any size.

use std::fmt::Write;

use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// As it is written.
    Leaf(String),
    /// Its members have no names.
    Array(Vec<Member>),
    Object(Vec<Member>),
}

pub(crate) type Member = (String, Tree);

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(of) => {
                Self::Array(of.iter().map(|it| (String::new(), it.into())).collect())
            }
            Value::Object(of) => {
                Self::Object(of.iter().map(|(name, it)| (name.clone(), it.into())).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Self::Leaf(value.to_string())
            }
        }
    }
}

impl Tree {
    pub(crate) fn of_text(text: &str) -> Self {
        Self::Leaf(Value::from(text).to_string())
    }

    pub(crate) fn members(&self) -> &[Member] {
        match self {
            Self::Leaf(_) => &[],
            Self::Array(of) | Self::Object(of) => of,
        }
    }

    fn members_mut(&mut self) -> Option<&mut Vec<Member>> {
        match self {
            Self::Leaf(_) => None,
            Self::Array(of) | Self::Object(of) => Some(of),
        }
    }

    /// The members in it, and in those.
    pub(crate) fn count(&self) -> usize {
        self.members().iter().map(|(_, it)| 1 + it.count()).sum()
    }

    /// Changes the member of a number: its siblings and its place among them are given.
    pub(crate) fn change(&mut self, number: usize, to: impl FnOnce(&mut Vec<Member>, usize)) {
        let mut left = number;
        let Some(siblings) = self.members_mut() else { return };
        for place in 0..siblings.len() {
            if left == 0 {
                return to(siblings, place);
            }
            let below = siblings[place].1.count();
            if left <= below {
                return siblings[place].1.change(left - 1, to);
            }
            left -= 1 + below;
        }
    }

    pub(crate) fn write(&self, to: &mut String) {
        let (open, of, close) = match self {
            Self::Leaf(text) => return to.push_str(text),
            Self::Array(of) => ('[', of, ']'),
            Self::Object(of) => ('{', of, '}'),
        };
        to.push(open);
        for (place, (name, tree)) in of.iter().enumerate() {
            if place > 0 {
                to.push(',');
            }
            if let Self::Object(_) = self {
                write!(to, "{}:", Value::from(name.as_str())).unwrap();
            }
            tree.write(to);
        }
        to.push(close);
    }
}
