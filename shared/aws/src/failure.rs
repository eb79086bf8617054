//! From a failed call of AWS to a failure of a port.

use std::error::Error;

use esclusa_shell::ports::{BoxError, Unavailable};

/// A call that failed, and what it was for: `read the lane …`.
pub(crate) fn unavailable(doing: impl Into<String>) -> impl FnOnce(BoxError) -> Unavailable {
    let doing = doing.into();
    move |source| Unavailable { doing, source }
}

/// An answer of AWS that cannot be true: a required part of it is missing or malformed.
#[derive(Debug, thiserror::Error)]
#[error("AWS answered without a usable {0}")]
pub(crate) struct Missing(pub(crate) &'static str);

/// An error with its causes, the nearest first, in one line.
///
/// AWS's own errors repeat the text of their causes here and there; a part that the line already
/// contains is left out.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_every_cause_once() {
        let inner = std::io::Error::other("connection refused");
        let error = unavailable("read the lane `a#b`")(Box::new(inner));
        assert_eq!(chain(&error), "cannot read the lane `a#b`: connection refused");
        let outer = unavailable("drive it")(Box::new(error));
        assert_eq!(
            chain(&outer),
            "cannot drive it: cannot read the lane `a#b`: connection refused"
        );
    }
}
