//! The only identity of an image.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The SHA-256 of an image manifest, as ECR prints it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Arc<str>);

/// Why a text is not a digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// Another algorithm, or none. Such an image cannot be handled: report it.
    #[error("`{0}` does not start with `sha256:`")]
    UnknownAlgorithm(String),
    /// The right algorithm, but not a digest. Report it.
    #[error("`{0}` is not `sha256:` and 64 lowercase hexadecimal digits")]
    Malformed(String),
}

impl Digest {
    /// The form that ECR and Docker print: `sha256:` and 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hexadecimal digits: enough for a person, never for a decision.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads the form that ECR prints: `sha256:` and 64 lowercase hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`DigestError::UnknownAlgorithm`] for any other prefix, [`DigestError::Malformed`] for
    /// anything after it that is not exactly 64 lowercase hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(hex) = text.strip_prefix("sha256:") else {
            return Err(DigestError::UnknownAlgorithm(text.to_owned()));
        };
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() == 64 && hex.bytes().all(hexadecimal) {
            Ok(Self(text.into()))
        } else {
            Err(DigestError::Malformed(text.to_owned()))
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_ecr_prints_is_a_digest() {
        let good = format!("sha256:{}", "0af9".repeat(16));
        let upper = good.replace('f', "F");
        let malformed = |text: &str| {
            Err(format!("`{text}` is not `sha256:` and 64 lowercase hexadecimal digits"))
        };
        for (text, expected) in [
            (good.as_str(), Ok(good.clone())),
            ("latest", Err("`latest` does not start with `sha256:`".to_owned())),
            ("sha256:", malformed("sha256:")),
            (upper.as_str(), malformed(&upper)),
            (&good[..70], malformed(&good[..70])),
        ] {
            let read = text.parse::<Digest>().map(|it| it.to_string()).map_err(|e| e.to_string());
            assert_eq!(read, expected, "reading {text:?}");
        }
    }
}
