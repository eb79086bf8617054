//! The word that was probably meant.

use std::cmp::Reverse;

/// The candidate that `text` is most probably a misspelling of, if one is near enough.
///
/// Near: at most a quarter of the longer word's letters differ, case aside. Of two as near, the one
/// that begins alike.
#[must_use]
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any word here: comparing it would only cost time.
    if text.len() > 64 {
        return None;
    }
    let lower = text.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let other = candidate.to_lowercase();
            let begun = lower.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
            (strsim::osa_distance(&lower, &other), Reverse(begun), candidate)
        })
        .filter(|(distance, _, word)| *distance <= word.len().max(text.len()).div_ceil(4))
        .min()
        .map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        let words = ["report", "repair", "on_failure", "waves"];
        for (text, expected) in [
            ("repare", Some("repair")),
            ("repots", Some("report")),
            ("Waves", Some("waves")),
            ("wave", Some("waves")),
            ("onfailure", Some("on_failure")),
            ("on-failure", Some("on_failure")),
            ("unrelated", None),
            ("", None),
            (&"wave".repeat(20), None),
        ] {
            assert_eq!(nearest(text, words), expected, "{text:?}");
        }
    }
}
