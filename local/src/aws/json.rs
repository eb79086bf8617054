//! The JSON protocols' request side, and paging.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{ApiError, ApiResult};

/// Reads a request's body.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> ApiResult<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|cause| ApiError::client("SerializationException", cause))
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// The items of this page.
    pub(crate) items: Vec<T>,
    /// Where the next one starts, if there is one.
    pub(crate) next: Option<String>,
}

/// Cuts a listing into pages, resuming after the key that the token holds.
///
/// A token names the last key shown rather than a position, so that what is deleted or added
/// between two pages neither hides nor repeats anything else.
///
/// # Errors
///
/// The name of the token's defect, if it is none that this function made.
pub(crate) fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    token: Option<&str>,
    size: usize,
) -> Result<Page<T>, &'static str> {
    let after = token.map(decode).transpose()?;
    let start = match after {
        None => 0,
        Some(after) => items.iter().position(|item| key(item) == after).map_or_else(
            || items.iter().take_while(|it| key(it) < after).count(),
            |at| at.saturating_add(1),
        ),
    };
    let left = items.len().saturating_sub(start);
    let items: Vec<T> = items.into_iter().skip(start).take(size).collect();
    let next = items.last().filter(|_| left > size).map(|last| STANDARD.encode(key(last)));
    Ok(Page { items, next })
}

fn decode(token: &str) -> Result<String, &'static str> {
    let bytes = STANDARD.decode(token).map_err(|_| "the token is not one of this listing")?;
    String::from_utf8(bytes).map_err(|_| "the token is not one of this listing")
}

/// Adds a member to an object, if there is a value for it.
pub(crate) fn set(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Value::Object(members), Some(value)) = (object, value) {
        members.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_everything_once_even_when_items_vanish_between_them() {
        let letters = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let first = page(letters("abcde"), Clone::clone, None, 2).expect("a page");
        assert_eq!(first.items, ["a", "b"]);
        let token = first.next.as_deref();
        let second = page(letters("acde"), Clone::clone, token, 2).expect("a page");
        assert_eq!(second.items, ["c", "d"]);
        let last = page(letters("acde"), Clone::clone, second.next.as_deref(), 2).expect("a page");
        assert_eq!((last.items, last.next), (vec!["e".to_owned()], None));
        assert!(page(letters("a"), Clone::clone, Some("!"), 2).is_err());
    }
}
