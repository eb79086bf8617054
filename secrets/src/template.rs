//! Texts that are put together from keys of a secret, such as the URL of a database.

use std::fmt::Write as _;

/// How a value is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Raw,
    /// Percent-encoded, so that it stays one component of a URL whatever it holds.
    Url,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Key { key: String, encoding: Encoding },
}

/// A text with placeholders.
///
/// `{key}` is replaced by the value of a JSON key. A template that has `://` before its first
/// placeholder is a URL, and its values are percent-encoded; other templates take values as they
/// are. `{key:url}` and `{key:raw}` say it for one placeholder, `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What is wrong, without the text: it may hold a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let before = text.split('{').next().unwrap_or_default();
        let encoding = if before.contains("://") { Encoding::Url } else { Encoding::Raw };
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, found) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = found.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = found.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(after) = found.strip_prefix('{') {
                let (inside, after) =
                    after.split_once('}').ok_or("a `{` has no `}`; write a brace as `{{`")?;
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
                pieces.push(parse_placeholder(inside, encoding)?);
                rest = after;
            } else {
                return Err("a `}` has no `{`; write a brace as `}}`");
            }
        }
        if pieces.is_empty() {
            return Err("the template has no placeholder such as `{password}`");
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        Ok(Self { pieces })
    }

    /// The JSON keys that it needs.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Key { key, .. } => Some(key.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// Puts the text together; `value` has the value of each key of [`Self::keys`].
    pub(crate) fn fill<'v>(&self, value: impl Fn(&str) -> &'v str) -> String {
        // A text that grows would leave pieces of secrets in memory that nobody overwrites.
        let mut filled = String::with_capacity(self.longest_length(&value));
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Key { key, encoding: Encoding::Raw } => filled.push_str(value(key)),
                Piece::Key { key, encoding: Encoding::Url } => {
                    percent_encode(value(key), &mut filled);
                }
            }
        }
        filled
    }

    /// The length if each byte of each value were encoded.
    fn longest_length<'v>(&self, value: impl Fn(&str) -> &'v str) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Key { key, .. } => value(key).len().saturating_mul(3),
        };
        self.pieces.iter().map(length).fold(0, usize::saturating_add)
    }
}

fn parse_placeholder(inside: &str, default: Encoding) -> Result<Piece, &'static str> {
    let (key, encoding) = match inside.rsplit_once(':') {
        None => (inside, default),
        Some((key, "raw")) => (key, Encoding::Raw),
        Some((key, "url")) => (key, Encoding::Url),
        Some(_) => return Err("a placeholder has something other than `raw` or `url` after `:`"),
    };
    if key.is_empty() || key.contains('{') {
        return Err("a placeholder names no JSON key; write `{password}`");
    }
    Ok(Piece::Key { key: key.to_owned(), encoding })
}

/// Appends a text of which only the unreserved characters of RFC 3986 stay as they are.
fn percent_encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _written = write!(to, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(template: &str) -> Result<String, &'static str> {
        let template = Template::parse(template)?;
        Ok(template.fill(|key| match key {
            "user" => "app",
            "password" => "p@ss/w:rd %é",
            "host" => "db.internal",
            _ => "a:b",
        }))
    }

    #[test]
    fn placeholders_are_replaced() {
        let encoded = "p%40ss%2Fw%3Ard%20%25%C3%A9";
        for (template, expected) in [
            (
                "postgres://{user}:{password}@{host}/app?sslmode=require",
                Ok(format!("postgres://app:{encoded}@db.internal/app?sslmode=require")),
            ),
            ("jdbc:postgresql://{host}/{password}", {
                Ok(format!("jdbc:postgresql://db.internal/{encoded}"))
            }),
            ("host={host} password={password}", {
                Ok("host=db.internal password=p@ss/w:rd %é".to_owned())
            }),
            ("{password:url}", Ok(encoded.to_owned())),
            ("https://{host}/{password:raw}", Ok("https://db.internal/p@ss/w:rd %é".to_owned())),
            ("{a:b:raw}", Ok("a:b".to_owned())),
            ("{{{user}}}", Ok("{app}".to_owned())),
            ("{user}{host}", Ok("appdb.internal".to_owned())),
            ("nothing", Err("the template has no placeholder such as `{password}`")),
            ("{user", Err("a `{` has no `}`; write a brace as `{{`")),
            ("{user}}", Err("a `}` has no `{`; write a brace as `}}`")),
            ("{}", Err("a placeholder names no JSON key; write `{password}`")),
            ("{user:upper}", {
                Err("a placeholder has something other than `raw` or `url` after `:`")
            }),
        ] {
            assert_eq!(filled(template), expected, "{template}");
        }
    }

    proptest! {
        /// Decoding what was encoded gives the value, and no reserved character is left.
        #[test]
        fn what_is_encoded_decodes_to_the_value(value in any::<String>()) {
            let mut encoded = String::new();
            percent_encode(&value, &mut encoded);
            let is_allowed = |it: u8| it.is_ascii_alphanumeric() || b"-._~%".contains(&it);
            prop_assert!(encoded.bytes().all(is_allowed));
            let mut bytes = Vec::new();
            let mut rest = encoded.as_str();
            while let Some(first) = rest.chars().next() {
                let taken = if first == '%' { 3 } else { 1 };
                let (head, tail) = rest.split_at(taken);
                bytes.push(if first == '%' {
                    u8::from_str_radix(&head[1..], 16).unwrap()
                } else {
                    head.as_bytes()[0]
                });
                rest = tail;
            }
            prop_assert_eq!(bytes, value.into_bytes());
        }

        #[test]
        fn reading_never_panics(text in any::<String>()) {
            let _read = Template::parse(&text);
        }
    }
}
