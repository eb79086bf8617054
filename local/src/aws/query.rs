//! The Query protocol's request side: a form whose names spell out lists and structures.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::error::{ApiError, ApiResult};

/// The parameters of one request, or of one structure within it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    values: BTreeMap<String, String>,
}

impl Params {
    /// Reads a form body.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let values = form_urlencoded::parse(body).into_owned().collect();
        Self { values }
    }

    /// The value of `name`, if it was given and is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of `name`, which the operation cannot do without.
    pub(crate) fn required(&self, name: &str) -> ApiResult<&str> {
        self.text(name).ok_or_else(|| {
            let message = format!("The request must contain the parameter {name}");
            ApiError::client("ValidationError", message)
        })
    }

    /// The number in `name`, if it was given.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> ApiResult<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let malformed = |_| {
            let message = format!("The parameter {name} is not a number: `{text}`");
            ApiError::client("ValidationError", message)
        };
        text.parse().map(Some).map_err(malformed)
    }

    /// The texts of the list `name`, in order.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let texts = self.members(name).into_values();
        texts.filter_map(|mut it| it.values.remove("")).collect()
    }

    /// The structures of the list `name`, in order.
    pub(crate) fn structures(&self, name: &str) -> Vec<Self> {
        self.members(name).into_values().collect()
    }

    /// Members by their number; a plain text member has its value under the empty name.
    fn members(&self, name: &str) -> BTreeMap<u32, Self> {
        let prefix = format!("{name}.member.");
        let mut members: BTreeMap<u32, Self> = BTreeMap::new();
        for (key, value) in &self.values {
            let Some(rest) = key.strip_prefix(&prefix) else { continue };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            let Ok(number) = number.parse() else { continue };
            let member = members.entry(number).or_default();
            member.values.insert(field.to_owned(), value.clone());
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_numeric_order_and_structures_their_fields() {
        let form = "A.member.10=ten&A.member.2=two&T.member.1.Id=i-1&T.member.1.Port=80\
                    &T.member.2.Id=i-2&Empty=";
        let params = Params::parse(form.as_bytes());
        assert_eq!(params.list("A"), ["two", "ten"]);
        let targets = params.structures("T");
        assert_eq!(targets.len(), 2);
        assert_eq!(targets[0].number("Port"), Ok(Some(80_u16)));
        assert_eq!(targets[1].text("Port"), None);
        assert_eq!(params.text("Empty"), None);
        assert!(params.required("Nothing").is_err());
    }
}
