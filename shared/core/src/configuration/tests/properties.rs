//! What holds for any text.
#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use proptest::prelude::*;

use super::super::{Configuration, Origin};

/// Pieces of texts like those that people write, so that most of what is drawn gets far.
const PIECES: &[&str] = &[
    "compose",
    "environments",
    "production",
    "staging",
    "qa",
    "retention",
    "tag",
    "require_version_tag",
    "gate",
    "block",
    "wait",
    "waves",
    "min_in_service",
    "health",
    "deadline",
    "http",
    "port",
    "path",
    "bake",
    "for",
    "alarms",
    "freeze",
    "from",
    "zone",
    "target_groups",
    "secrets",
    "waivers",
    "id",
    "until",
    "versions",
    "=",
    " = ",
    ".",
    ",",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "\u{feff}",
    "\"latest\"",
    "\"v*\"",
    "\"1\"",
    "\"50%\"",
    "\"100%\"",
    "\"10m\"",
    "\"Fri 18:00\"",
    "\"Europe/Madrid\"",
    "2026-12-24",
    "2026-12-24T18:00:00Z",
    "0",
    "-1",
    "1e9",
    "0x1f",
    "99999999999999999999",
    "inf",
    "true",
    "false",
    "\"\\u0000\"",
    "é",
    "日本",
    "\u{0}",
    "[environments.production]\n",
    "[environments.qa]\n",
    "tag = \"qa\"\n",
    "waves = [\"100%\"]\n",
];

fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_read_or_refused_with_a_place(
        service in prop::option::of(any_text()),
        defaults in prop::option::of(any_text()),
    ) {
        match Configuration::read(service.as_deref(), defaults.as_deref()) {
            Ok(configuration) => {
                for name in ["production", "staging"] {
                    let environment = name.parse().unwrap();
                    prop_assert!(configuration.environments.contains_key(&environment));
                }
            }
            Err(error) => {
                prop_assert!(!error.problems().is_empty());
                prop_assert!(error.problems().is_sorted());
                let shown = error.to_string();
                prop_assert_eq!(shown.lines().count(), error.problems().len());
                for problem in error.problems() {
                    let text = match problem.origin {
                        Origin::Service => service.as_deref(),
                        Origin::Defaults => defaults.as_deref(),
                    };
                    let line = text.and_then(|it| it.split('\n').nth(problem.line - 1));
                    let columns = line.map(|it| it.chars().count() + 1);
                    prop_assert!(columns.is_some_and(|last| problem.column <= last), "{}", problem);
                }
            }
        }
    }
}
