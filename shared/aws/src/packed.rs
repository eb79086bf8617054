//! Texts as attributes of the ledger's items, which DynamoDB bounds at 400 KB: big ones are
//! compressed, under a name of their own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Read, Write};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use esclusa_shell::ports::BoxError;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::failure::Missing;

/// The attributes of an item by name.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Texts up to this size stay readable in the console; those of most lanes are.
const PLAIN: usize = 64 * 1024;

/// The attribute that holds `text`: itself under `name`, or compressed under `name` with `_gz`.
pub(crate) fn pack(name: &str, text: &str) -> Result<(String, AttributeValue), BoxError> {
    if text.len() <= PLAIN {
        return Ok((name.to_owned(), AttributeValue::S(text.to_owned())));
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes())?;
    Ok((packed_name(name), AttributeValue::B(Blob::new(packed.finish()?))))
}

/// The text that [`pack`] put into an item, whichever way.
pub(crate) fn unpack<'a>(item: &'a Item, name: &'static str) -> Result<Cow<'a, str>, BoxError> {
    if let Some(AttributeValue::B(packed)) = item.get(&packed_name(name)) {
        let mut text = String::new();
        GzDecoder::new(packed.as_ref()).read_to_string(&mut text)?;
        return Ok(Cow::Owned(text));
    }
    let text = item.get(name).and_then(|value| value.as_s().ok());
    text.map(|text| Cow::Borrowed(text.as_str())).ok_or_else(|| Missing(name).into())
}

fn packed_name(name: &str) -> String {
    format!("{name}_gz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_and_only_what_is_big_is_compressed() {
        for (length, name) in [(0, "lane"), (PLAIN, "lane"), (PLAIN + 1, "lane_gz")] {
            let text = "ñ".repeat(length / 2) + &"x".repeat(length % 2);
            let (named, value) = pack("lane", &text).unwrap();
            assert_eq!(named, name, "{length}");
            let item = Item::from([(named, value)]);
            assert_eq!(unpack(&item, "lane").unwrap(), text, "{length}");
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_an_error() {
        let error = unpack(&Item::new(), "lane").unwrap_err().to_string();
        assert_eq!(error, "AWS answered without a usable lane");
        let torn = AttributeValue::B(Blob::new([0x1f, 0x8b, 8]));
        assert!(unpack(&Item::from([("lane_gz".to_owned(), torn)]), "lane").is_err());
    }
}
