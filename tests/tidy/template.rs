//! What `template.yaml` says again that the code says already.

use std::collections::BTreeSet;

use esclusa_core::announcement::Kind;
use esclusa_core::retention;

use crate::tree::root;

/// The lines of a resource, or of another block two spaces deep.
fn block(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let first = format!("  {name}:");
    let inside = |line: &&str| line.is_empty() || line.starts_with("   ");
    let lines = text.lines().skip_while(|line| *line != first).skip(1).take_while(inside);
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    assert!(!lines.is_empty(), "template.yaml has no {name}");
    lines
}

#[test]
fn people_are_told_of_exactly_the_kinds_that_tell_a_person() {
    let rule = block("NoticeGiven");
    let listed = rule.iter().skip_while(|line| *line != "detail-type:").skip(1);
    let listed = listed.map_while(|line| line.strip_prefix("- "));
    let listed: Vec<&str> = listed.collect();
    let kinds = Kind::ALL.iter().filter(|kind| kind.tells_a_person());
    let kinds = kinds.map(|kind| kind.word()).chain([retention::STOPPED]);
    let kinds: BTreeSet<&str> = kinds.collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), kinds);
    assert_eq!(listed.len(), kinds.len(), "a kind is listed twice: {listed:?}");
}

#[test]
fn functions_are_called_what_messages_call_them() {
    let named = |lines: Vec<String>, key: &str| {
        let name = lines.iter().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        name.unwrap_or_else(|| panic!("no {key}"))
    };
    let told = named(block("Function"), "ESCLUSA_OPERATOR:");
    assert_eq!(told, named(block("Operator"), "FunctionName:"));
    let retention = block("Retention");
    assert_eq!(named(retention.clone(), "ESCLUSA_RETENTION:"), named(retention, "FunctionName:"));
}
