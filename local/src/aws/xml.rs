//! The Query protocol's answer side: XML elements with text or children.

use std::fmt::{self, Display, Write};

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Xml {
    tag: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Text(String),
    Children(Vec<Xml>),
}

impl Xml {
    /// An element that holds a text.
    pub(crate) fn text(tag: &str, value: impl Display) -> Self {
        Self { tag: tag.to_owned(), content: Content::Text(value.to_string()) }
    }

    /// An element that holds elements.
    pub(crate) fn node(tag: &str, children: Vec<Self>) -> Self {
        Self { tag: tag.to_owned(), content: Content::Children(children) }
    }

    /// A list: its members are `member` elements.
    pub(crate) fn list(tag: &str, members: impl IntoIterator<Item = Vec<Self>>) -> Self {
        Self::node(tag, members.into_iter().map(|it| Self::node("member", it)).collect())
    }

    /// A list of texts.
    pub(crate) fn texts<T: Display>(tag: &str, members: impl IntoIterator<Item = T>) -> Self {
        Self::node(tag, members.into_iter().map(|it| Self::text("member", it)).collect())
    }
}

impl Display for Xml {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(form, "<{}>", self.tag)?;
        match &self.content {
            Content::Text(text) => escape(form, text)?,
            Content::Children(children) => {
                for child in children {
                    child.fmt(form)?;
                }
            }
        }
        // A tag may carry an attribute (the namespace); the end tag does not repeat it.
        write!(form, "</{}>", self.tag.split(' ').next().unwrap_or_default())
    }
}

fn escape(form: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for letter in text.chars() {
        match letter {
            '&' => form.write_str("&amp;")?,
            '<' => form.write_str("&lt;")?,
            '>' => form.write_str("&gt;")?,
            '"' => form.write_str("&quot;")?,
            other => form.write_char(other)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_lists_have_members() {
        let xml = Xml::node("A x=\"y\"", vec![Xml::texts("L", ["<1>", "&"])]);
        let expected = "<A x=\"y\"><L><member>&lt;1&gt;</member><member>&amp;</member></L></A>";
        assert_eq!(xml.to_string(), expected);
    }
}
