//! From fetched secrets to the values that the application gets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use esclusa_core::configuration::nearest;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::fault::{Failure, Kind};
use crate::request::{Part, Request, Target, Version};
use crate::secret::Secret;
use crate::template::Template;

/// The largest value, in bytes: what Secrets Manager stores at most.
const LARGEST: usize = 65_536;

/// What Secrets Manager holds of a version.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(Secret),
    Binary(Secret),
}

/// The JSON object that a secret is, each value as it is written.
struct Object<'s> {
    version: &'s Version,
    entries: BTreeMap<Cow<'s, str>, &'s RawValue>,
}

/// Makes the value of a request.
///
/// # Errors
///
/// Why the secret cannot be what the request wants; never with anything of its value.
pub(crate) fn render_value(request: &Request, fetched: &Value) -> Result<Secret, Failure> {
    let Request { version, part, target, pem, .. } = request;
    let value = match (part, fetched) {
        (Part::Whole, Value::Text(value) | Value::Binary(value)) => value.clone(),
        (Part::Key(_) | Part::Template(_), Value::Binary(_)) => {
            return Err(wrong(format!("the secret `{version}` is binary and has no JSON keys")));
        }
        (Part::Key(key), Value::Text(text)) => Object::read(version, text)?.read_value(key)?.into(),
        (Part::Template(template), Value::Text(text)) => {
            Object::read(version, text)?.fill(template)?.into()
        }
    };
    if let Some(pem) = pem {
        let text = value.as_text().ok_or_else(|| not_pem(version, "it is not text"))?;
        pem.check(text).map_err(|problem| not_pem(version, &problem))?;
    }
    if matches!(target, Target::Variable(_)) {
        check_variable(version, fetched, &value)?;
    }
    if value.len() > LARGEST {
        let size = value.len();
        return Err(wrong(format!("the value has {size} bytes, more than {LARGEST}; shorten it")));
    }
    Ok(value)
}

fn wrong(text: impl Into<String>) -> Failure {
    Failure::new(Kind::Configuration, text)
}

fn not_pem(version: &Version, problem: &str) -> Failure {
    wrong(format!(
        "the value from secret `{version}` is not the PEM text that it has to be: {problem}"
    ))
}

/// An environment variable is text without NUL bytes.
fn check_variable(version: &Version, fetched: &Value, value: &Secret) -> Result<(), Failure> {
    if matches!(fetched, Value::Binary(_)) {
        return Err(wrong(format!(
            "the secret `{version}` is binary and cannot be an environment variable; take it as a \
             file"
        )));
    }
    if value.as_bytes().contains(&0) {
        return Err(wrong(format!(
            "the value from secret `{version}` holds a NUL byte and cannot be an environment \
             variable; take it as a file"
        )));
    }
    Ok(())
}

impl<'s> Object<'s> {
    fn read(version: &'s Version, text: &'s Secret) -> Result<Self, Failure> {
        let entries = text.as_text().and_then(|text| serde_json::from_str(text).ok());
        let entries = entries.ok_or_else(|| {
            wrong(format!(
                "the secret `{version}` is not a JSON object and has no keys; store an object, or \
                 take the whole secret"
            ))
        })?;
        Ok(Self { version, entries })
    }

    fn find_entry(&self, key: &str) -> Result<&'s RawValue, Failure> {
        if let Some(entry) = self.entries.get(key) {
            return Ok(entry);
        }
        let missing = format!("the secret `{}` has no JSON key `{key}`", self.version);
        let names = self.entries.keys().map(AsRef::as_ref);
        Err(wrong(match nearest(key, names) {
            Some(meant) => format!("{missing}; did you mean `{meant}`?"),
            None => format!("{missing}; add it to the secret, or name another key"),
        }))
    }

    /// A string as it is, anything else as its JSON text.
    fn read_value(&self, key: &str) -> Result<String, Failure> {
        let text = self.find_entry(key)?.get();
        let problem = |what: &str| {
            wrong(format!("the JSON key `{key}` of secret `{}` is {what}", self.version))
        };
        if text == "null" {
            return Err(problem("null; store a value"));
        }
        if text.starts_with('"') {
            return serde_json::from_str(text).map_err(|_hidden| problem("not valid text"));
        }
        Ok(text.to_owned())
    }

    /// The template with the values in it.
    fn fill(&self, template: &Template) -> Result<String, Failure> {
        let mut values = BTreeMap::new();
        for key in template.keys() {
            if self.find_entry(key)?.get().starts_with(['{', '[']) {
                return Err(wrong(format!(
                    "the JSON key `{key}` of secret `{}` is an object or array and cannot be part \
                     of a template",
                    self.version
                )));
            }
            values.insert(key, Zeroizing::new(self.read_value(key)?));
        }
        Ok(template.fill(|key| values.get(key).map_or("", |value| value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;
    use crate::pem::Pem;
    use crate::request::{CURRENT, FileName, SecretId};

    fn request(part: Part, to_variable: bool, pem: Option<Pem>) -> Request {
        Request {
            place: Place::Variable("A".to_owned()),
            version: Version { id: SecretId::parse("db").unwrap(), stage: CURRENT.to_owned() },
            part,
            target: if to_variable {
                Target::Variable("A".to_owned())
            } else {
                Target::File { name: FileName::parse("a").unwrap(), variable: None }
            },
            pem,
        }
    }

    fn text(text: &str) -> Value {
        Value::Text(Secret::from(text.to_owned()))
    }

    #[test]
    fn a_part_of_a_secret_is_what_the_application_gets() {
        let json = text(
            r#" {"s": "a\"\u00e9\n", "n": 1.10, "big": 123456789012345678901, "b": true,
                "o": {"z": 1, "a": [1, 2]}, "e": "", "l": ["x"], "p@": "p@/"} "#,
        );
        let key = |key: &str| Part::Key(key.to_owned());
        let template = |text: &str| Part::Template(Template::parse(text).unwrap());
        for (part, fetched, expected) in [
            (Part::Whole, &text(" as it is\n"), " as it is\n"),
            (Part::Whole, &Value::Binary(Secret::from(b"\0bin".to_vec())), "\0bin"),
            (key("s"), &json, "a\"é\n"),
            (key("n"), &json, "1.10"),
            (key("big"), &json, "123456789012345678901"),
            (key("b"), &json, "true"),
            (key("o"), &json, r#"{"z": 1, "a": [1, 2]}"#),
            (key("l"), &json, r#"["x"]"#),
            (key("e"), &json, ""),
            (template("x://{p@}:{n}"), &json, "x://p%40%2F:1.10"),
        ] {
            let rendered = render_value(&request(part.clone(), false, None), fetched).unwrap();
            assert_eq!(rendered.as_text(), Some(expected), "{part:?}");
        }
    }

    #[test]
    fn what_a_secret_cannot_be_is_said_without_its_value() {
        let json =
            text(r#"{"password": "hunter2", "null": null, "o": {}, "nul": "hunter2\u0000"}"#);
        let binary = Value::Binary(Secret::from(b"hunter2\xff".to_vec()));
        let large = text(&"hunter2".repeat(10_000));
        let key = |key: &str| Part::Key(key.to_owned());
        let template = |text: &str| Part::Template(Template::parse(text).unwrap());
        for (part, variable, pem, fetched, expected) in [
            (key("pasword"), false, None, &json, "no JSON key `pasword`; did you mean `password`?"),
            (key("user"), false, None, &json, "no JSON key `user`; add it to the secret"),
            (key("null"), false, None, &json, "key `null` of secret `db` is null"),
            (key("a"), false, None, &text("hunter2"), "not a JSON object"),
            (key("a"), false, None, &text("[\"hunter2\"]"), "not a JSON object"),
            (key("a"), false, None, &text(r#"{"a": "hunter2\ud800"}"#), "is not valid text"),
            (key("a"), false, None, &binary, "is binary and has no JSON keys"),
            (template("{o}"), false, None, &json, "`o` of secret `db` is an object or array"),
            (template("{x}"), false, None, &json, "no JSON key `x`"),
            (key("nul"), true, None, &json, "holds a NUL byte"),
            (Part::Whole, true, None, &binary, "is binary and cannot be an environment variable"),
            (Part::Whole, false, Some(Pem::Certificate), &binary, "it is not text"),
            (Part::Whole, false, Some(Pem::Certificate), &text("hunter2"), "it is not PEM"),
            (Part::Whole, false, None, &large, "the value has 70000 bytes, more than 65536"),
        ] {
            let failure = render_value(&request(part.clone(), variable, pem), fetched).unwrap_err();
            assert!(failure.text.contains(expected), "{part:?}: {}", failure.text);
            assert!(!failure.text.contains("hunter2"), "{}", failure.text);
        }
    }
}
